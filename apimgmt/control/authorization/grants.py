"""What our authorization server gave out: codes and refresh tokens as their digests, access tokens as their ids.

Everything that one consent led to is a family. A code or a refresh token that comes a second time was stolen from one
of its two senders, so its whole family ends (RFC 6749 section 4.1.2, RFC 9700 section 4.14.2).
"""

from __future__ import annotations

import time
from typing import Literal

import msgspec

from apimgmt.control.publish import Publisher
from apimgmt.control.rows import GrantRow
from apimgmt.control.store import Store
from apimgmt.control.transaction import LONGEST_GRANT_SECONDS, Transaction
from apimgmt.control.users import Users, password_of
from apimgmt.digest import digest_of
from apimgmt.model import Struct
from apimgmt.registry import register

CODE_SECONDS = 60.0
REFRESH_SECONDS = LONGEST_GRANT_SECONDS


class Grant(Struct, frozen=True):
    """What was granted: by whom, what, and what a code is bound to.

    ``user`` is the name and ``account`` the id of who consented, both empty for the client itself.
    """

    user: str = ""
    account: str = ""
    scopes: tuple[str, ...] = ()
    redirect: str = ""
    challenge: str = ""
    family: str = ""


class Grants:
    """Keeps, uses up and revokes grants."""

    def __init__(self, store: Store, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher

    def keep(
        self, kind: Literal["code", "refresh"], text: str, client: str, grant: Grant, password: str | None = None
    ) -> None:
        """Remember a code or a refresh token by its digest; ``password`` is the hash that a consent rests on."""
        seconds = CODE_SECONDS if kind == "code" else REFRESH_SECONDS
        self._add(kind, digest_of(text), client, grant, time.time() + seconds, password)

    def keep_access(self, identity: str, client: str, grant: Grant, expires: float) -> None:
        """Remember an access token by its ``jti``, so that it can be revoked."""
        self._add("access", identity, client, grant, expires)

    def use(self, kind: Literal["code", "refresh"], text: str, client: str) -> Grant | None:
        """Use up a code or a refresh token of this client; None if it is unknown, expired, used or another's."""
        digest = digest_of(text)
        with self._store.writing() as transaction:
            row = transaction.grant(digest)
            if row is None or row.kind != kind or row.client != client or row.expires < time.time():
                return None
            if transaction.end_grant(digest, time.time()):
                return msgspec.json.decode(row.content, type=Grant)
        self._end_family(row.family)
        return None

    def is_active(self, identity: str) -> bool:
        """Whether an access token with that ``jti`` was given out and is not revoked."""
        with self._store.reading() as transaction:
            row = transaction.grant(identity)
        return row is not None and row.kind == "access" and row.ended is None

    def revoke(self, text: str, identity: str, client: str) -> None:
        """End a token of this client (RFC 7009): a refresh token with its family, an access token, by its ``jti``."""
        with self._store.reading() as transaction:
            refresh, access = transaction.grant(digest_of(text)), transaction.grant(identity)
        if refresh is not None and refresh.kind == "refresh" and refresh.client == client:
            self._end_family(refresh.family)
        elif access is not None and access.kind == "access" and access.client == client:
            self._publisher.publish(lambda transaction: transaction.end_grant(access.digest, time.time()))

    def _end_family(self, family: str) -> None:
        """Every access token of it is in the next snapshot as revoked; what is still being made is born ended."""
        self._publisher.publish(lambda transaction: transaction.end_family(family, time.time()))

    def _add(
        self,
        kind: Literal["code", "refresh", "access"],
        digest: str,
        client: str,
        grant: Grant,
        expires: float,
        password: str | None = None,
    ) -> None:
        content = msgspec.json.encode(grant).decode()
        with self._store.writing() as transaction:
            ended = None if _may_live(transaction, grant, password) else time.time()
            row = GrantRow(
                digest=digest,
                kind=kind,
                family=grant.family,
                client=client,
                account=grant.account,
                content=content,
                expires=expires,
                ended=ended,
            )
            transaction.add_grant(row, time.time())
        if ended is not None:
            self._publisher.publish(lambda transaction: None)


@register("snapshot", "revoked_tokens")
def revoked_tokens(transaction: Transaction) -> dict[str, float]:
    """The snapshot's field: revoked access tokens until they expire."""
    return transaction.ended_access(time.time())


def _may_live(transaction: Transaction, grant: Grant, password: str | None) -> bool:
    """Whether neither the family nor the account nor its password was ended while this was being made."""
    if grant.account:
        row = transaction.resource(Users.kind, grant.account)
        if row is None or password not in (None, password_of(row)):
            return False
    return transaction.grant(grant.family) is None
