"""The audit log, read and checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from apimgmt.control.audit import chained
from apimgmt.control.rows import AuditRow
from apimgmt.control.store import Store

PAGE_MOST = 1_000


class AuditLog:
    """Reads and checks the log."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def entries(self, after: int = 0, limit: int = 100, subject: str | None = None) -> list[dict[str, Any]]:
        """At most ``limit`` entries with numbers above ``after``, oldest first; ``subject`` begins their subjects."""
        with self._store.reading() as transaction:
            rows = transaction.notes(after, min(limit, PAGE_MOST), subject or "")
        return [_shown(row) for row in rows]

    def broken(self) -> int | None:
        """The number of the first entry that was altered, or after which some are missing; None if the log is whole."""
        digest, number = "", 0
        while True:
            with self._store.reading() as transaction:
                rows = transaction.notes(number, PAGE_MOST, "")
            if not rows:
                return None
            for row in rows:
                if row.number != number + 1 or row.digest != chained(digest, row):
                    return row.number
                digest, number = row.digest, row.number


def differences(before: Any, after: Any) -> Iterable[str]:
    """The names of the members that differ, for whoever reads a list of entries."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return ()
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _shown(row: AuditRow) -> dict[str, Any]:
    before, after = (msgspec.json.decode(text) if text else None for text in (row.before, row.after))
    return {
        "number": row.number,
        "time": row.time,
        "who": row.who,
        "address": row.address,
        "action": row.action,
        "subject": row.subject,
        "changed": list(differences(before, after)),
        "before": before,
        "after": after,
    }
