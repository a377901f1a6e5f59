"""The runs of one machine in one SQLite file of the data folder: ``runs.sqlite``.

Every worker writes to it, so it has a rollback journal (WAL with several writers can lose data before SQLite 3.51.3);
a writer waits for another for at most five seconds. What is here is worth a look, not a promise: it is not synced to
the disk at each write.
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from apimgmt.runs import RunRecord
from apimgmt.runs.lines import Kept

FILE = "runs.sqlite"
WAIT_SECONDS = 5.0
DAY_SECONDS = 86_400
LIST_MOST = 1_000
# so much of the oldest goes at once when the file is too large
SHARE_DROPPED = 0.1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, began REAL NOT NULL, api TEXT NOT NULL, operation TEXT NOT NULL, state TEXT NOT NULL,
    status INTEGER NOT NULL, record BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS runs_began ON runs (began);
CREATE TABLE IF NOT EXISTS dropped (writer TEXT PRIMARY KEY, number INTEGER NOT NULL, seen REAL NOT NULL);
CREATE TABLE IF NOT EXISTS lines (
    id TEXT NOT NULL, part INTEGER NOT NULL, began REAL NOT NULL, lines BLOB NOT NULL, PRIMARY KEY (id, part)
);
CREATE INDEX IF NOT EXISTS lines_began ON lines (began);
"""

# one row for each thing that can go
_BEGAN = "SELECT began FROM runs UNION ALL SELECT began FROM lines"

_decoder = msgspec.json.Decoder(RunRecord)
_lines = msgspec.json.Decoder(Kept)


class RunStore:
    """Reads and writes the runs below ``root``; the file is made at the first write."""

    def __init__(self, root: Path) -> None:
        self._path = root / FILE
        self._made = False

    def add(self, records: Sequence[RunRecord], writer: str = "", dropped: int = 0, lines: Sequence[Kept] = ()) -> None:
        """Keep records, and what was logged; ``dropped`` is how many this writer could not keep since it started."""
        rows = [
            (one.id, one.began, one.api, one.operation, one.state, one.status, msgspec.json.encode(one))
            for one in records
        ]
        logged = [(one.id, one.part, one.began, msgspec.json.encode(one)) for one in lines]
        with self._writing() as database:
            database.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            database.executemany("INSERT OR REPLACE INTO lines VALUES (?, ?, ?, ?)", logged)
            if dropped:
                database.execute("INSERT OR REPLACE INTO dropped VALUES (?, ?, ?)", (writer, dropped, time.time()))

    def forget(self, days: float, most_bytes: int, now: float | None = None) -> None:
        """Remove what is older than ``days``, and the oldest of the rest while they take more than ``most_bytes``."""
        if not self._path.exists():
            return
        oldest = (time.time() if now is None else now) - days * DAY_SECONDS
        with self._writing() as database:
            database.execute("DELETE FROM dropped WHERE seen < ?", (oldest,))
            _forget_before(database, oldest)
            while _bytes_used(database) > most_bytes:
                count = database.execute(f"SELECT count(*) FROM ({_BEGAN})").fetchone()[0]
                last = database.execute(
                    f"{_BEGAN} ORDER BY began LIMIT 1 OFFSET ?", (int(SHARE_DROPPED * count),)
                ).fetchone()
                if last is None:
                    break
                _forget_before(database, math.nextafter(last[0], math.inf))

    def find(self, identity: str) -> RunRecord | None:
        """The run of that id, or None."""
        for row in self._rows("SELECT record FROM runs WHERE id = ?", (identity,)):
            return _decoder.decode(row[0])
        return None

    def lines(self, identity: str) -> list[Kept]:
        """What the parts of a run logged, in order."""
        found = self._rows("SELECT lines FROM lines WHERE id = ? ORDER BY part", (identity,))
        return [_lines.decode(row[0]) for row in found]

    def newest(
        self, api: str = "", operation: str = "", state: str = "", status: int = 0, since: float = 0.0, limit: int = 100
    ) -> list[RunRecord]:
        """At most ``limit`` runs, the newest first; every argument that is given narrows them."""
        wanted = {"api = ?": api, "operation = ?": operation, "state = ?": state, "status = ?": status}
        conditions = {sql: value for sql, value in {**wanted, "began >= ?": since}.items() if value}
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        sql = f"SELECT record FROM runs {where} ORDER BY began DESC LIMIT ?"
        return [_decoder.decode(row[0]) for row in self._rows(sql, (*conditions.values(), min(limit, LIST_MOST)))]

    def dropped(self) -> int:
        """How many runs could not be kept because too many ended at once."""
        return sum(row[0] for row in self._rows("SELECT number FROM dropped", ()))

    def _rows(self, sql: str, values: Sequence[object]) -> list[Any]:
        if not self._path.exists():
            return []
        with contextlib.closing(sqlite3.connect(self._path, timeout=WAIT_SECONDS)) as database:
            database.executescript("" if self._made else _SCHEMA)
            return database.execute(sql, values).fetchall()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        if not self._made:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._path.touch(mode=0o600)
        with contextlib.closing(sqlite3.connect(self._path, timeout=WAIT_SECONDS)) as database:
            database.execute("PRAGMA synchronous = OFF")
            if not self._made:
                database.execute("PRAGMA journal_mode = TRUNCATE")
                database.executescript(_SCHEMA)
                self._made = True
            with database:
                yield database


def _forget_before(database: sqlite3.Connection, began: float) -> None:
    """Remove the runs that began before, and what they logged."""
    database.execute("DELETE FROM runs WHERE began < ?", (began,))
    database.execute("DELETE FROM lines WHERE began < ?", (began,))


def _bytes_used(database: sqlite3.Connection) -> int:
    """What the rows take; the file keeps free pages and fills them again."""
    pages, free, size = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
