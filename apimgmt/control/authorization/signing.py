"""The keys that sign our access tokens: ES256, kept encrypted, replaced in time (RFC 7515, 7517, 9068)."""

from __future__ import annotations

import threading
import time
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.jwk import ECKey

from apimgmt.control.addresses import new_id
from apimgmt.control.clients import OWN_ISSUER
from apimgmt.control.publish import Publisher
from apimgmt.control.rows import ResourceRow, now
from apimgmt.control.store import Store
from apimgmt.control.transaction import Transaction
from apimgmt.encryption import Encryption
from apimgmt.errors import SettingInvalid
from apimgmt.model import ClaimNames, IssuerEntry, Struct
from apimgmt.registry import register

KIND = "signingkey"
ALGORITHM = "ES256"
ROTATION_SECONDS = 90 * 86_400.0


class SigningKey(Struct, frozen=True):
    """A stored key: ``public`` is its JWK, ``private`` the encrypted one; ``made`` and ``retired`` are Unix times.

    ``issuer`` is the address of the server that signs with it.
    """

    public: dict[str, Any]
    private: str
    made: float
    issuer: str
    retired: float = 0.0


class SigningKeys:
    """The newest key signs; one that was replaced stays in the key set for as long as its tokens can live."""

    def __init__(self, store: Store, publisher: Publisher, encryption: Encryption, issuer: str) -> None:
        self._store = store
        self.issuer = issuer
        self._publisher = publisher
        self._encryption = encryption
        self._lock = threading.Lock()
        self._current: tuple[SigningKey, ECKey] | None = None

    def sign(self, claims: dict[str, Any]) -> str:
        """A signed access token (RFC 9068 section 2)."""
        stored, key = self._signer()
        header = {"alg": ALGORITHM, "typ": "at+jwt", "kid": stored.public["kid"]}
        return jwt.encode(header, claims, key, algorithms=[ALGORITHM])

    def rotate(self) -> str:
        """Make a new key, publish it, then sign with it; returns its id (``kid``)."""
        with self._lock:
            return str(self._make().public["kid"])

    def renew(self) -> str | None:
        """Encrypt every key with the newest of ``secret_keys``; one that cannot be decrypted is given up.

        Returns the id of the new key that signs from now on, if the one before is lost. Tokens stay good: to verify
        them takes public keys only.
        """
        with self._lock:
            lost: list[str] = []

            def encrypt(transaction: Transaction) -> None:
                for row, key in _keys(transaction):
                    try:
                        private = self._encryption.renewed(key.private)
                    except SettingInvalid:
                        lost.append(row.name)
                        continue
                    _put(transaction, row, msgspec.structs.replace(key, private=private))

            self._publisher.publish(encrypt)
            with self._store.reading() as transaction:
                living = [row.name for row, key in _keys(transaction) if not key.retired]
            return str(self._make().public["kid"]) if set(living[-1:]) & set(lost) else None

    def _signer(self) -> tuple[SigningKey, ECKey]:
        with self._lock:
            if self._current is None:
                with self._store.reading() as transaction:
                    living = [key for _, key in _keys(transaction) if not key.retired and key.issuer == self.issuer]
                if living:
                    self._current = (living[-1], self._opened(living[-1]))
            if self._current is None or time.time() - self._current[0].made > ROTATION_SECONDS:
                self._make()
            assert self._current is not None
            return self._current

    def _opened(self, stored: SigningKey) -> ECKey:
        return ECKey.import_key(msgspec.json.decode(self._encryption.decrypt(stored.private)))

    def _make(self) -> SigningKey:
        """A new key is in the snapshot of every worker before it signs anything."""
        key = ECKey.generate_key("P-256")
        public = {**key.as_dict(private=False), "use": "sig", "alg": ALGORITHM, "kid": key.thumbprint()}
        private = self._encryption.encrypt(msgspec.json.encode(key.as_dict(private=True)).decode())
        made = SigningKey(public=public, private=private, made=time.time(), issuer=self.issuer)

        def add(transaction: Transaction) -> None:
            for row, old in _keys(transaction):
                if not old.retired:
                    _put(transaction, row, msgspec.structs.replace(old, retired=made.made))
                elif made.made - old.retired > ROTATION_SECONDS:
                    transaction.remove_resource(row.id)
            row = ResourceRow(id=new_id(KIND), kind=KIND, name=made.public["kid"], content="", version=0, created=now())
            _put(transaction, row, made)

        self._publisher.publish(add)
        self._current = (made, key)
        return made


def key_set(transaction: Transaction) -> dict[str, Any]:
    """The public keys, as a JWK Set."""
    return {"keys": [key.public for _, key in _keys(transaction)]}


@register("issuer", "own")
def built_in_issuer(transaction: Transaction) -> list[IssuerEntry]:
    """Our own server, as the gateway verifies its tokens; nothing before it signed its first one."""
    keys = _keys(transaction)
    if not keys:
        return []
    issuer = keys[-1][1].issuer
    return [
        IssuerEntry(
            id=OWN_ISSUER,
            name="apimgmt",
            issuer=issuer,
            audiences=(issuer,),
            jwks=key_set(transaction),
            algorithms=(ALGORITHM,),
            claims=ClaimNames(name="name"),
        )
    ]


def _keys(transaction: Transaction) -> list[tuple[ResourceRow, SigningKey]]:
    """All keys, the oldest first."""
    rows = transaction.resources(KIND)
    keys = [(row, msgspec.json.decode(row.content, type=SigningKey)) for row in rows]
    return sorted(keys, key=lambda pair: pair[1].made)


def _put(transaction: Transaction, row: ResourceRow, key: SigningKey) -> None:
    content = msgspec.json.encode(key).decode()
    transaction.put_resource(msgspec.structs.replace(row, content=content, version=row.version + 1))
