"""The audit log: every change of the store with who made it, what, before and after; append only, chained by digests.

A change is noted in the transaction that makes it, so there is none without its note. Each entry's digest covers the
digest of the entry before it; whoever alters one would have to alter all that follow (T20).
"""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from apimgmt.control.rows import AuditRow
from apimgmt.encryption import is_encrypted

MASK, CHANGED = "***", "*** (another one)"
# What of a stored struct is a secret or as good as one; the names are those in the stored JSON. Whatever is encrypted
# is one, too, under any name.
SECRETS = frozenset({"password", "secret", "digest", "older", "private"})


class Actor(NamedTuple):
    """Who is at work: a name, the address, and the operation of the admin API."""

    name: str
    address: str = ""
    action: str = ""


PLATFORM = Actor("platform")
actor: contextvars.ContextVar[Actor] = contextvars.ContextVar("actor", default=PLATFORM)


@contextlib.contextmanager
def acting(name: str) -> Iterator[None]:
    """From now on somebody of this name is at work, for the rest of the operation."""
    token = actor.set(actor.get()._replace(name=name))
    try:
        yield
    finally:
        actor.reset(token)


def chained(before: str, row: AuditRow) -> str:
    """The digest of an entry that follows one with the digest ``before``."""
    values = msgspec.structs.asdict(row)
    del values["digest"]
    return hashlib.sha256(before.encode() + msgspec.json.encode(values, order="sorted")).hexdigest()


def masked(value: Any, before: Any = None) -> Any:
    """The value without its secrets; of those that differ from ``before`` only that they do."""
    if isinstance(value, dict):
        known = before if isinstance(before, dict) else {}
        return {name: _part(name, part, known.get(name)) for name, part in value.items()}
    return [masked(part) for part in value] if isinstance(value, list) else value


def _part(name: str, part: Any, before: Any) -> Any:
    if not part or (name not in SECRETS and not is_encrypted(part)):
        return masked(part, before)
    return CHANGED if before and part != before else MASK
