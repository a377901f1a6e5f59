"""Users and what they may call: the rules of their own and of their rulesets, as keys have them; no rule, no access.

A user of PAM or LDAP has an entry here too, without a password. The entry ``*`` is for every user of the directory who
has none. A password of it would be everybody's and does not count, so that it lets no local user in.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from apimgmt.auth.decision import Decision
from apimgmt.auth.rules import Rules
from apimgmt.errors import Problem
from apimgmt.model import Rule, UserEntry
from apimgmt.request import Target

EVERYONE = "*"


class User:
    """A user that was published, ready to decide; ``password`` is the argon2id hash, empty if there is none."""

    __slots__ = ("_id", "_rules", "name", "password")

    def __init__(self, entry: UserEntry) -> None:
        self.name = entry.name
        self.password = entry.password if entry.name != EVERYONE else ""
        self._id = entry.id
        self._rules = Rules(entry.rules)

    def deciding(self, target: Target) -> Rule:
        """The rule that opens the operation; raises Problem("forbidden") if there is none."""
        rule = self._rules.deciding(target)
        if rule is None:
            who = f"user {self._id} ({self.name})"
            reason = f"{who}: no rule covers {target.method} {target.path!r}; looked at: {self._rules}"
            raise Problem("forbidden", "No rule of this user covers the operation.", reason=reason)
        return rule

    def caller(self, name: str) -> dict[str, Any]:
        """What is known about the caller who gave this name (F-068)."""
        if self.name == EVERYONE:
            # no id of ours has a colon
            return {"sub": name, "kind": "basic", "id": f"user:{folded(name)}"}
        return {"sub": self.name, "kind": "basic", "id": self._id}


class Users:
    """All users of a snapshot, by name without regard to case."""

    __slots__ = ("_by_name", "_everyone")
    schemes = frozenset({"basic"})

    def __init__(self, entries: Iterable[UserEntry] = ()) -> None:
        self._by_name = {folded(entry.name): User(entry) for entry in entries}
        self._everyone = self._by_name.get(EVERYONE)

    def find(self, name: str) -> User | None:
        """The user with that name, or the entry for everyone."""
        return self._by_name.get(folded(name), self._everyone)

    def names(self) -> Iterator[str]:
        """The names of all users."""
        return (user.name for user in self._by_name.values())

    def decide(self, name: str, target: Target, scopes: Sequence[str]) -> Decision | None:
        """What comes of a call by the user of that name; a user has no scopes, the rules stand for them."""
        user = self.find(name)
        if user is None:
            return None
        try:
            return Decision.by_rule(user.deciding(target))
        except Problem as problem:
            return Decision.refused(problem)


def folded(name: str) -> str:
    """The same text for every way to write a name: LDAP and many others take ``Anna`` for ``anna``, so that rules and
    counters that told them apart could be walked around (RFC 8265 section 3.2, UsernameCaseMapped)."""
    if name.isascii():
        return " ".join(name.lower().split())
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
