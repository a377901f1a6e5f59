"""API keys: made and shown once, kept as their SHA-256, rotated with overlap, revoked (H-096 to H-099).

A revoked key keeps its row for a while, so that its holder is told what happened; its name is free at once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from apimgmt.auth import keytext
from apimgmt.control.publish import Publisher
from apimgmt.control.resources import Resources, Shown, match, wrong
from apimgmt.control.rows import ResourceRow
from apimgmt.control.rulesets import read_rules, rules_of, rulesets
from apimgmt.control.store import Store
from apimgmt.control.transaction import Transaction
from apimgmt.control.views import rule_views
from apimgmt.digest import digest_of
from apimgmt.errors import Problem
from apimgmt.model import KeyEntry, Rule, Struct
from apimgmt.registry import register

DAY = 86_400
EXPIRING_SECONDS = 14 * DAY
REMEMBERED_SECONDS = 30 * DAY
OVERLAP_MOST = 30 * DAY

State = Literal["active", "expiring", "expired", "revoked"]


class Key(Struct, frozen=True):
    """What is stored of a key. ``older`` are the digests that rotations replaced, with the Unix times until which they
    count; ``expires`` and ``revoked`` are Unix times, 0 for never and no."""

    digest: str
    hint: str = ""
    rules: tuple[Rule, ...] = ()
    rulesets: tuple[str, ...] = ()
    environment: str = "default"
    expires: float = 0.0
    older: dict[str, float] = msgspec.field(default_factory=dict)
    revoked: float = 0.0


class Wanted(Struct, frozen=True):
    """What a person says of a key; ``expires`` is an RFC 3339 time, None for never."""

    rules: tuple[Rule, ...] = ()
    rulesets: tuple[str, ...] = ()
    expires: datetime | None = None


class Fresh(Wanted, frozen=True, kw_only=True):
    """The same of a new key, with the ``text`` that was made for it."""

    text: str
    environment: str


class Keys(Resources[Key]):
    """The API keys of the platform; whatever happens to one is published at once."""

    kind = "key"
    noun = "an API key"
    content = Key

    def __init__(self, store: Store, publisher: Publisher, environment: str) -> None:
        super().__init__(store, publisher)
        self._environment = environment

    def create(self, body: Mapping[str, Any]) -> Shown:
        """A new key; its text is in the answer under ``key``, this once. Without a rule it may call nothing."""
        environment = body.get("environment", self._environment)
        if not isinstance(environment, str) or not keytext.ENVIRONMENT.fullmatch(environment):
            raise wrong("/environment", "pattern", "must be 1 to 32 small letters, digits and `-`")
        text = keytext.make(environment)
        shown = super().create({**body, "text": text, "environment": environment})
        return _with_text(shown, text)

    def rotate(self, reference: str, overlap: float = 0.0, if_match: str | None = None) -> Shown:
        """A new text for a key, shown this once; the one before counts for ``overlap`` seconds more, at most 30 days.

        Texts of earlier rotations end then, too, if they do not end sooner: 0 is for a key that leaked.
        """
        if not 0 <= overlap <= OVERLAP_MOST:
            raise wrong("/overlap", "maximum", f"must be 0 to {OVERLAP_MOST} seconds")
        made: list[str] = []

        def change(transaction: Transaction) -> ResourceRow:
            row = self.found(transaction, reference)
            match(row, if_match)
            key = self.stored(row)
            _check_counts(key)
            if _state(key, time.time()) == "expired":
                raise Problem("conflict", "the key has expired; give it another end first, or make a new one")
            made.append(keytext.make(key.environment))
            now = time.time()
            older = {
                digest: min(until, now + overlap)
                for digest, until in key.older.items()
                if until > now - REMEMBERED_SECONDS
            }
            older[key.digest] = now + overlap
            digest, hint = digest_of(made[0]), keytext.hint(made[0])
            key = msgspec.structs.replace(key, digest=digest, hint=hint, older=older)
            return self.put(transaction, row, key, row.name)

        row, _ = self._publisher.publish(change)
        return _with_text(Shown(self.view(row), row.etag), made[0])

    def delete(self, reference: str, if_match: str | None = None) -> None:
        """Revoke a key: no text of it opens anything any more, and its name is free."""

        def revoke(transaction: Transaction) -> None:
            row = self.found(transaction, reference)
            match(row, if_match)
            self._forget_old(transaction)
            key = self.stored(row)
            if not key.revoked:
                key = msgspec.structs.replace(key, rules=(), rulesets=(), revoked=time.time())
                self.put(transaction, row, key, f"{row.name} ({row.id})")

        self._publisher.publish(revoke)

    def read(self, body: Mapping[str, Any], before: Key | None, transaction: Transaction) -> Key:
        """``{"rules": [...], "rulesets": [...], "expires": ...}``."""
        wanted: Wanted
        if before is None:
            wanted = fresh = self.converted(body, Fresh)
            before = Key(digest=digest_of(fresh.text), hint=keytext.hint(fresh.text), environment=fresh.environment)
        else:
            _check_counts(before)
            wanted = self.converted(body, Wanted)
        rules_of(transaction, wanted.rulesets)
        rules = read_rules(wanted.rules, body.get("rules", ()), transaction)
        expires = _seconds(wanted.expires)
        return msgspec.structs.replace(before, rules=rules, rulesets=wanted.rulesets, expires=expires)

    def view(self, row: ResourceRow) -> dict[str, Any]:
        """A key without its text and its digest; ``overlap`` says until when an older text counts."""
        key = self.stored(row)
        now = time.time()
        return {
            "id": row.id,
            "name": row.name,
            "state": _state(key, now),
            "hint": key.hint,
            "environment": key.environment,
            "rules": rule_views(key.rules),
            "rulesets": list(key.rulesets),
            "expires": _time(key.expires),
            "overlap": _time(max((until for until in key.older.values() if until > now), default=0.0)),
            "revoked": _time(key.revoked),
            "created": row.created,
        }

    def _forget_old(self, transaction: Transaction) -> None:
        """Drop the rows of keys that were revoked long ago."""
        for row in transaction.resources(self.kind):
            if 0 < self.stored(row).revoked < time.time() - REMEMBERED_SECONDS:
                transaction.remove_resource(row.id)


@register("snapshot", "keys")
def entries(transaction: Transaction) -> tuple[KeyEntry, ...]:
    """The keys as the gateway gets them, by id: with the rules of their rulesets, and never a text."""
    known = rulesets(transaction)
    rows = sorted(transaction.resources(Keys.kind), key=lambda row: row.id)
    return tuple(_entry(row, msgspec.json.decode(row.content, type=Key), known) for row in rows)


def _entry(row: ResourceRow, key: Key, known: Mapping[str, Sequence[Rule]]) -> KeyEntry:
    shared = (rule for name in key.rulesets for rule in known[name])
    return KeyEntry(
        id=row.id,
        name=row.name,
        digest=key.digest,
        rules=(*key.rules, *shared),
        environment=key.environment,
        expires=key.expires,
        older=key.older,
        revoked=bool(key.revoked),
    )


def _check_counts(key: Key) -> None:
    """A revoked key can neither be changed nor rotated."""
    if key.revoked:
        raise Problem("conflict", "the key was revoked; make a new one")


def _state(key: Key, now: float) -> State:
    if key.revoked:
        return "revoked"
    if not key.expires or now < key.expires - EXPIRING_SECONDS:
        return "active"
    return "expiring" if now < key.expires else "expired"


def _with_text(shown: Shown, text: str) -> Shown:
    return Shown({**shown.view, "key": text}, shown.etag)


def _seconds(moment: datetime | None) -> float:
    if moment is None:
        return 0.0
    if moment.tzinfo is None:
        raise wrong("/expires", "format", "must be a time with its offset, e.g. 2030-01-31T00:00:00Z (RFC 3339)")
    if moment.timestamp() <= time.time():
        raise wrong("/expires", "minimum", "must be in the future; to end a key now, revoke it")
    return moment.timestamp()


def _time(seconds: float) -> str | None:
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
