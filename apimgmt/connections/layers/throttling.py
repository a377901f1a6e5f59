"""The connection's own limit: in no window go more requests than that; the rest waits its turn (C-020, C-021).

Every request takes a place in a ring of the times at which the last ones go, so its turn is one window after the one
that had the place before. Places are kept in a file of the data folder, for all worker processes of this machine, or in
Redis for several machines (``throttling_redis.py``).

Between a turn and the arrival at the other system some time passes, and not always the same: windows are longer than
what was asked for by a slack of 5 % (at least 50 ms, at most 1 s), and whoever comes late to his turn takes another.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import struct
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Protocol

from apimgmt.connections.configuration import Limit
from apimgmt.digest import digest_of

log = logging.getLogger("apimgmt.connections")
FOLDER = "throttling"
BOOT = Path("/proc/sys/kernel/random/boot_id")
KEPT_SECONDS = 2 * 86_400.0
HEAD = struct.Struct("<16sQ")
TIME = struct.Struct("<d")


class Throttle(Protocol):
    """Who says when the next request may go. ``blocks`` says that asking may take a while."""

    blocks: bool
    patience: float

    def delay(self, most: float) -> float:
        """The seconds to wait before this request; if they are at most ``most``, its place is taken."""


def slack(limit: Limit) -> float:
    """How much longer, in seconds, windows are than what the limit says."""
    return min(1.0, max(0.05, 0.05 * limit.seconds))


class Throttling:
    """Counts in this process alone. ``patience`` are the seconds that one may come late to his turn."""

    blocks = False

    def __init__(self, limit: Limit, clock: Callable[[], float] = time.monotonic) -> None:
        self._window = limit.seconds + slack(limit)
        self.patience = slack(limit) / 2
        self._clock = clock
        self._times: deque[float] = deque(maxlen=limit.requests)
        self._lock = Lock()

    def delay(self, most: float) -> float:
        """The seconds until this request may go."""
        with self._lock:
            now = self._clock()
            full = len(self._times) == self._times.maxlen
            due = max(now, self._times[0] + self._window) if full else now
            if due - now <= most:
                self._times.append(due)
            return due - now


class FileThrottling:
    """Counts in a file with all processes that have the same one; the clock is that of the machine since it started.

    The file: the machine's start and how many requests there were, then the ring of their times. It is opened for each
    request, so that neither a fork nor a file that was taken away makes two that do not know of each other.
    """

    blocks = False

    def __init__(self, limit: Limit, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._requests = limit.requests
        self._window = limit.seconds + slack(limit)
        self.patience = slack(limit) / 2
        self._path = path
        self._clock = clock
        self._boot = hashlib.sha256(BOOT.read_bytes()).digest()[:16]
        self._alone = Throttling(limit, clock)

    def delay(self, most: float) -> float:
        """The seconds until this request may go; where the file cannot be used, by what this process knows."""
        try:
            return self._together(most)
        except OSError as error:
            log.error("Requests cannot be counted together, so each worker throttles alone: %s", error.strerror)
            return self._alone.delay(most)

    def _together(self, most: float) -> float:
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            return self._delay(descriptor, most)
        finally:
            os.close(descriptor)  # which also unlocks it

    def _delay(self, descriptor: int, most: float) -> float:
        head = os.pread(descriptor, HEAD.size, 0)
        boot, count = HEAD.unpack(head) if len(head) == HEAD.size else (b"", 0)
        if boot != self._boot:
            count = 0  # times of before the machine started anew mean nothing any more
        now = self._clock()
        place = HEAD.size + count % self._requests * TIME.size
        due = now
        if count >= self._requests:
            due = max(now, TIME.unpack(os.pread(descriptor, TIME.size, place))[0] + self._window)
        if due - now <= most:
            os.pwrite(descriptor, TIME.pack(due), place)
            os.pwrite(descriptor, HEAD.pack(self._boot, count + 1), 0)
        return due - now

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _tidy(self._path.parent)
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def throttle_file(folder: Path, connection: str, limit: Limit) -> Path:
    """Where the requests of a connection under this limit are counted; another limit counts anew."""
    name = f"{connection}\n{limit.requests}\n{limit.seconds}"
    return folder / FOLDER / digest_of(name)[:32]


def _tidy(folder: Path) -> None:
    """Take away what nobody has used for longer than the longest window."""
    for path in folder.iterdir():
        try:
            if time.time() - path.stat().st_mtime > KEPT_SECONDS:
                path.unlink()
        except FileNotFoundError:
            continue
