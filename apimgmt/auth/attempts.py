"""Wrong passwords, counted for all workers of a machine: guessing is slow, and nobody is locked out for ever (T13).

- 5 wrong passwords for a name within 15 minutes, whoever sent them, and further ones are not looked at.
- An address from which the user was let in within 7 days has 5 of its own, which nobody elsewhere can use up.
- 20 wrong passwords from an address (of IPv6: a /64) within a minute, for whatever names, and the same holds.

The discipline: an attempt takes its place before the password is looked at, and gives it back if it was right, so that
a hundred guesses at once are no hundred chances. Names that nobody has are counted like others. The counts are in a
file of the data folder, under digests of names and addresses; a worker writes it in a thread, never on its loop.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import NamedTuple

from apimgmt.errors import Problem

KNOWN_SECONDS = 7 * 86_400
# An attempt that was never decided: its worker was killed.
UNDECIDED_SECONDS = 60.0
PATIENCE_SECONDS = 10.0
POLL_SECONDS = 0.02
FULL_MOST = 10_000

TABLES = """
CREATE TABLE IF NOT EXISTS attempts
    (attempt BLOB NOT NULL, whose BLOB NOT NULL, seconds REAL NOT NULL, until REAL NOT NULL, wrong INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS attempts_attempt ON attempts (attempt);
CREATE INDEX IF NOT EXISTS attempts_whose ON attempts (whose);
CREATE INDEX IF NOT EXISTS attempts_until ON attempts (until);
CREATE TABLE IF NOT EXISTS known (pair BLOB PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
"""


class Limit(NamedTuple):
    """So many wrong passwords within so many seconds."""

    most: int
    seconds: float


ACCOUNT = Limit(5, 900.0)
ADDRESS = Limit(20, 60.0)


class Attempt(NamedTuple):
    """A place that was taken, and the digest of the name and the address that it is for."""

    identity: bytes
    pair: bytes


class Attempts:
    """The counts of a machine, kept in the file at ``path``; ``clock`` gives the Unix time."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None
        self._full: dict[tuple[str, str], float] = {}

    def refuse(self, name: str, address: str) -> None:
        """Raise Problem("quota-exceeded") if this worker knows that there is no room; asks memory alone."""
        if self._full:
            wait = max(self._full.get((name, address), 0.0), self._full.get(("", address), 0.0)) - self._clock()
            if wait > 0:
                raise _too_many(wait)

    def start(self, name: str, address: str) -> Attempt:
        """Take a place, in a thread. Raises Problem("quota-exceeded") if there is none.

        Where the last places are taken by attempts that are still being decided, it waits for them.
        """
        ends = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < ends:
            with self._transaction() as database:
                attempt = self._placed(database, name, address)
            if attempt is not None:
                return attempt
            time.sleep(POLL_SECONDS)
        raise _away("other attempts are not decided")

    def right(self, attempt: Attempt) -> None:
        """The password was right: the place is free again, and the user is known at this address."""
        with self._transaction() as database:
            self._forget(database, attempt)
            until = self._clock() + KNOWN_SECONDS
            database.execute("INSERT OR REPLACE INTO known VALUES (?, ?)", (attempt.pair, until))

    def wrong(self, attempt: Attempt) -> None:
        """The password was wrong: the place is taken for as long as the limits say."""
        with self._transaction() as database:
            statement = "UPDATE attempts SET wrong = 1, until = ? + seconds WHERE attempt = ?"
            database.execute(statement, (self._clock(), attempt.identity))

    def withdraw(self, attempt: Attempt) -> None:
        """Nobody could say: the place is free again."""
        with self._transaction() as database:
            self._forget(database, attempt)

    def _placed(self, database: sqlite3.Connection, name: str, address: str) -> Attempt | None:
        """A place for an attempt; None if there will be one as soon as others are decided."""
        now = self._clock()
        for table in ("attempts", "known"):
            database.execute(f"DELETE FROM {table} WHERE until <= ?", (now,))
        attempt = Attempt(secrets.token_bytes(16), _digest(name, address))
        known = database.execute("SELECT 1 FROM known WHERE pair = ?", (attempt.pair,)).fetchone()
        limits = [
            ((name, address), attempt.pair if known else _digest(name), ACCOUNT),
            (("", address), _digest("", address), ADDRESS),
        ]
        for place, whose, limit in limits:
            rows = database.execute("SELECT until, wrong FROM attempts WHERE whose = ?", (whose,)).fetchall()
            if sum(wrong for _, wrong in rows) >= limit.most:
                wait = min(until for until, wrong in rows if wrong) - now
                self._remember(place, now + wait)
                raise _too_many(wait)
            if len(rows) >= limit.most:
                return None
        taken = [(attempt.identity, whose, limit.seconds, now + UNDECIDED_SECONDS, 0) for _, whose, limit in limits]
        database.executemany("INSERT INTO attempts VALUES (?, ?, ?, ?, ?)", taken)
        return attempt

    def _forget(self, database: sqlite3.Connection, attempt: Attempt) -> None:
        database.execute("DELETE FROM attempts WHERE attempt = ?", (attempt.identity,))

    def _remember(self, place: tuple[str, str], until: float) -> None:
        """Note that there is no room; what is forgotten here costs a look into the file."""
        if len(self._full) >= FULL_MOST:
            self._full = {}
        self._full[place] = until

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """The only writer for the moment; a file that cannot be written lets nobody in."""
        try:
            with self._lock, self._open() as database:
                database.execute("BEGIN IMMEDIATE")
                yield database
        except (sqlite3.Error, OSError) as error:
            raise _away(f"{self._path.name}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        if self._opened is None:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._opened = sqlite3.connect(self._path, timeout=PATIENCE_SECONDS, check_same_thread=False)
            self._opened.isolation_level = None
            self._opened.executescript(TABLES)
        return self._opened


@lru_cache(1024)
def whereabouts(address: str) -> str:
    """The address, or of IPv6 the /64 that one caller has as a rule."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or ip_network((parsed, 64), strict=False))
    return address


def _digest(*texts: str) -> bytes:
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=16).digest()


def _too_many(wait: float) -> Problem:
    seconds = max(1, math.ceil(wait))
    detail = "Too many wrong passwords; further ones are not looked at for now."
    return Problem("quota-exceeded", detail, headers=[("retry-after", str(seconds))], reason="too many wrong passwords")


def _away(reason: str) -> Problem:
    detail = "Passwords cannot be checked now."
    return Problem("unavailable", detail, headers=[("retry-after", "5")], reason=f"wrong passwords: {reason}")
