"""Users: of the kind basic, with rules and rulesets as keys have them, and of the platform itself, with a role.

A password goes in and never comes out: it is kept as an argon2id hash (RFC 9106). A user without one is somebody whom
PAM or LDAP knows; the user called ``*`` is everybody whom they know and who has no entry here. A hash is made anew when
a password is set, not when somebody logs in: the gateway writes nothing into the store.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from apimgmt.auth.directories.local import HASHER
from apimgmt.auth.users import folded
from apimgmt.control.resources import Resources, wrong
from apimgmt.control.rows import ResourceRow
from apimgmt.control.rulesets import read_rules, rules_of, rulesets
from apimgmt.control.transaction import Transaction
from apimgmt.control.views import rule_views
from apimgmt.model import Rule, Struct, UserEntry
from apimgmt.registry import register

# What Basic can carry (no colon, RFC 7617 section 2) and a path of the admin API, too; no space at an end.
NAME = re.compile(r"[^\s:/\\](?:[^\x00-\x1f\x7f-\x9f:/\\]{0,98}[^\s:/\\])?")
LONGEST_PASSWORD = 256
ROLES = ("", "admin", "designer", "operator", "viewer")


class User(Struct, frozen=True):
    """What is stored of a user: ``password`` is a hash, empty for none; ``role`` is empty for none."""

    password: str = ""
    role: str = ""
    rules: tuple[Rule, ...] = ()
    rulesets: tuple[str, ...] = ()


class Users(Resources[User]):
    """All users."""

    kind = "user"
    noun = "a user"
    content = User

    def read(self, body: Mapping[str, Any], before: User | None, transaction: Transaction) -> User:
        """``{"password": ..., "role": ..., "rules": [...], "rulesets": [...]}``; a password that is left out stays."""
        wanted = self.converted(body, User)
        if wanted.role not in ROLES:
            raise wrong("/role", "enum", f"must be empty or one of {', '.join(ROLES[1:])}")
        rules_of(transaction, wanted.rulesets)
        kept = before.password if before is not None else ""
        return User(
            password=_hashed(wanted.password) if "password" in body else kept,
            role=wanted.role,
            rules=read_rules(wanted.rules, body.get("rules", ()), transaction),
            rulesets=wanted.rulesets,
        )

    def view(self, row: ResourceRow) -> dict[str, Any]:
        """A user; of the password only whether there is one."""
        user = self.stored(row)
        return {
            "id": row.id,
            "name": row.name,
            "role": user.role,
            "hasPassword": bool(user.password),
            "rules": rule_views(user.rules),
            "rulesets": list(user.rulesets),
            "created": row.created,
        }

    def same(self, name: str, other: str) -> bool:
        """Names have no case: a directory would take the one for the other."""
        return folded(name) == folded(other)

    def release(self, row: ResourceRow, transaction: Transaction) -> None:
        """Whoever is removed or renamed loses sessions, tokens and consents at once."""
        transaction.end_account(row.id, time.time())

    def put(self, transaction: Transaction, row: ResourceRow, content: User, name: str) -> ResourceRow:
        """A new password ends what was opened with the one before."""
        if content.password != self.stored(row).password:
            transaction.end_account(row.id, time.time())
        return super().put(transaction, row, content, name)

    def _name(self, body: Mapping[str, Any]) -> str:
        name = body.get("name")
        text = unicodedata.normalize("NFC", name) if isinstance(name, str) else ""
        if not NAME.fullmatch(text):
            raise wrong("/name", "pattern", "must be 1 to 100 characters without :, / and \\, and no space at an end")
        return text


@register("snapshot", "users")
def entries(transaction: Transaction) -> tuple[UserEntry, ...]:
    """The users as the gateway gets them, by id, with the rules of their rulesets."""
    known = rulesets(transaction)
    rows = sorted(transaction.resources(Users.kind), key=lambda row: row.id)
    return tuple(_entry(row, _stored(row), known) for row in rows)


def password_of(row: ResourceRow) -> str:
    """The hash of a user's password, empty if there is none."""
    return _stored(row).password


def role_of(row: ResourceRow) -> str:
    """The role of a user in the platform, empty if there is none."""
    return _stored(row).role


def _entry(row: ResourceRow, user: User, known: Mapping[str, Sequence[Rule]]) -> UserEntry:
    shared = (rule for name in user.rulesets for rule in known[name])
    return UserEntry(id=row.id, name=row.name, password=user.password, rules=(*user.rules, *shared))


def _stored(row: ResourceRow) -> User:
    return msgspec.json.decode(row.content, type=User)


def _hashed(password: str) -> str:
    """The hash of a password in NFC, in which the gateway reads it."""
    text = unicodedata.normalize("NFC", password)
    if not text or len(text) > LONGEST_PASSWORD:
        raise wrong("/password", "length", f"must be 1 to {LONGEST_PASSWORD} characters")
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise wrong("/password", "pattern", "must not contain control characters")
    return HASHER.hash(text)
