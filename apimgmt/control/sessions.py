"""Who is at work in the admin API: the administrator's token, a session after a login, or a personal token of a user.

Texts are random, shown once and kept as SHA-256. A session ends 30 minutes after it was used last and 12 hours after it
began, or when its user says so; every login has a text of its own, so none can be fixed beforehand (T14).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any, NamedTuple

from apimgmt.control.addresses import new_id
from apimgmt.control.audit import acting
from apimgmt.control.passwords import Passwords
from apimgmt.control.rows import LoginRow, now
from apimgmt.control.store import Store
from apimgmt.control.transaction import Transaction
from apimgmt.control.users import Users, password_of, role_of
from apimgmt.digest import digest_of
from apimgmt.errors import Problem

IDLE_SECONDS = 30 * 60.0
SESSION_SECONDS = 12 * 3600.0
TOKEN_SECONDS = 90 * 86_400.0
TOUCH_SECONDS = 60.0
PREFIX = "apim_admin_"
MOST = 100


class Member(NamedTuple):
    """Somebody who may use the admin API; ``user`` is empty for the administrator's token."""

    name: str
    role: str
    user: str = ""
    login: str = ""


class Sessions:
    """Finds out who a token belongs to, and makes and ends tokens; ``digests`` are those of the admin tokens."""

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        digests: Collection[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._digests = frozenset(digests)
        self._clock = clock

    def member(self, text: str) -> Member | None:
        """Whose token that is; None if it is nobody's any more."""
        digest = digest_of(text)
        if digest in self._digests:
            return Member("admin", "admin")
        with self._store.reading() as transaction:
            login = transaction.login(digest)
            user = transaction.resource(Users.kind, login.user) if login else None
        if login is None or user is None or user.id != login.user or not self._lives(login) or not role_of(user):
            return None
        if self._clock() - login.used > TOUCH_SECONDS:
            with self._store.writing() as transaction:
                transaction.touch_login(login.id, self._clock())
        return Member(user.name, role_of(user), user.id, login.id)

    def log_in(self, name: str, password: str, address: str) -> dict[str, Any]:
        """A session for a user with a role; raises Problem 401 or 429."""
        user = self._passwords.check(name, password, address)
        if user is None or not role_of(user):
            detail = "The user name or the password is wrong, or the user has no role."
            # the name is not said: people type their password there, too
            raise Problem(
                "credential-unknown",
                detail,
                headers=[("www-authenticate", 'Bearer realm="admin"')],
                reason=f"a login from {address} was refused",
            )

        def still(transaction: Transaction) -> bool:
            present = transaction.resource(Users.kind, user.id)
            return present is not None and password_of(present) == password_of(user)

        with acting(user.name):
            return self._made("session", user.id, "session", SESSION_SECONDS, still)

    def make_token(self, member: Member, name: str, seconds: float = TOKEN_SECONDS) -> dict[str, Any]:
        """A personal token with the role that its user has at each use."""
        if not member.user:
            raise Problem("conflict", "the administrator's token is nobody's; log in as a user to make tokens")

        def still(transaction: Transaction) -> bool:
            return any(row.id == member.login for row in transaction.logins(member.user))

        return self._made("token", member.user, name, seconds, still)

    def logins(self, member: Member) -> list[dict[str, Any]]:
        """The sessions and tokens of a member that still live."""
        with self._store.reading() as transaction:
            rows = transaction.logins(member.user)
        return [_view(row) for row in rows if self._lives(row)]

    def end(self, member: Member, login: str) -> None:
        """End a session or token of one's own, at once."""
        with self._store.writing() as transaction:
            row = next((row for row in transaction.logins(member.user) if row.id == login), None)
            if row is None:
                # it is not said again: people take the token for its id
                raise Problem("not-found", "you have no session or token with this id; `GET /me` lists them")
            transaction.remove_login(row)

    def _made(
        self, kind: Any, user: str, name: str, seconds: float, still: Callable[[Transaction], bool]
    ) -> dict[str, Any]:
        """A new login, if what it rests on was not ended while it was looked at."""
        text = PREFIX + secrets.token_urlsafe(32)
        moment = self._clock()
        row = LoginRow(
            id=new_id(kind),
            digest=digest_of(text),
            user=user,
            name=name,
            kind=kind,
            created=now(),
            used=moment,
            expires=moment + seconds,
        )
        with self._store.writing() as transaction:
            if not still(transaction):
                raise Problem("credential-unknown", "The password or the session has just been ended; log in again.")
            rows = transaction.logins(user)
            for old in [old for old in rows if not self._lives(old)]:
                transaction.remove_login(old)
            if sum(self._lives(old) for old in rows) >= MOST:
                raise Problem("conflict", f"there are {MOST} sessions and tokens already; end some")
            transaction.add_login(row)
        return {**_view(row), "token": text}

    def _lives(self, row: LoginRow) -> bool:
        moment = self._clock()
        return moment < row.expires and (row.kind == "token" or moment - row.used < IDLE_SECONDS)


def _view(row: LoginRow) -> dict[str, Any]:
    expires = datetime.fromtimestamp(row.expires, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"id": row.id, "kind": row.kind, "name": row.name, "created": row.created, "expires": expires}
