"""The keys of an issuer (RFC 7517), each with the algorithms that it verifies; what cannot be used is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key
from joserfc.jws import JWSRegistry

MOST_KEYS = 1_000
RSA_BITS = 2_048
# By type of key and curve. Never HS*: who verifies with a shared secret can also sign.
ALGORITHMS: dict[tuple[str, str], tuple[str, ...]] = {
    ("RSA", ""): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA", "Ed25519"),
}
SUPPORTED = frozenset(name for names in ALGORITHMS.values() for name in names)


class Key:
    """A public key; ``algorithms`` are what it may be used with: its own ``alg``, or all of its type and curve."""

    __slots__ = ("_key", "algorithms", "kid", "type")

    def __init__(self, jwk: Mapping[str, Any]) -> None:
        """Raises ValueError, with the reason, if no token can be verified with it."""
        if not isinstance(jwk, Mapping):
            raise ValueError("it is no JSON object")
        if jwk.get("kty") == "oct" or "d" in jwk:
            raise ValueError("it is secret; only public keys belong into a key set")
        operations = jwk.get("key_ops", ["verify"])
        if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
            raise ValueError("it is not for signatures")
        self.kid = jwk.get("kid")
        if not isinstance(self.kid, str | None):
            raise ValueError("its kid is no text")
        self.type = str(jwk.get("kty"))
        curve = str(jwk.get("crv", "")) if self.type != "RSA" else ""
        fitting = ALGORITHMS.get((self.type, curve), ())
        self.algorithms = tuple(name for name in fitting if jwk.get("alg", name) == name)
        if not self.algorithms:
            raise ValueError(f"{jwk.get('alg') or f'{self.type} {curve}'.strip()!r:.100} is not supported")
        self._key = _imported(jwk)

    def verifies(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        """Whether the signature is one of this key over these bytes."""
        return algorithm in self.algorithms and JWSRegistry.algorithms[algorithm].verify(signed, signature, self._key)


class KeySet:
    """All keys of an issuer that can be used, and for the others the reasons why not."""

    __slots__ = ("_alone", "_named", "keys", "skipped")

    def __init__(self, jwks: object) -> None:
        """``jwks`` is a JWK Set; raises ValueError if it is none or has too many keys."""
        members = jwks.get("keys") if isinstance(jwks, Mapping) else None
        if not isinstance(members, list):
            raise ValueError("it is no JWK Set: there is no array `keys`")
        if len(members) > MOST_KEYS:
            raise ValueError(f"it has {len(members)} keys, at most {MOST_KEYS} are taken")
        self.keys: list[Key] = []
        self.skipped: list[str] = []
        for number, member in enumerate(members):
            try:
                self.keys.append(Key(member))
            except ValueError as error:
                self.skipped.append(f"key {number}: {error}")
        self._named: dict[tuple[Any, str], Key] = {}
        self._alone: dict[str, Key | None] = {}
        for key in self.keys:
            for algorithm in key.algorithms:
                self._named.setdefault((key.kid, algorithm), key)
                self._alone[algorithm] = None if algorithm in self._alone else key

    def find(self, kid: str | None, algorithm: str) -> Key | None:
        """The key of that name for that algorithm; without a name, the only one for the algorithm."""
        return self._alone.get(algorithm) if kid is None else self._named.get((kid, algorithm))


def _imported(jwk: Mapping[str, Any]) -> RSAKey | ECKey | OKPKey:
    try:
        # its numbers alone, so that nothing odd beside them (x5c, x5t ...) can make a good key unusable
        key = import_key({name: jwk[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in jwk})
    except Exception as error:  # the libraries raise a dozen kinds for numbers that are no key
        raise ValueError(f"it cannot be read ({type(error).__name__})") from None
    if isinstance(key, RSAKey) and key.public_key.key_size < RSA_BITS:
        raise ValueError(f"an RSA key of {key.public_key.key_size} bits is too short")
    return key  # type: ignore[return-value]  # no secret reaches this place
