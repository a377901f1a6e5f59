"""Counters in memory that all workers of a machine share: a few files of the data folder, mapped into each of them.

The discipline: whoever reads or writes a slot holds the mutex of its file. The mutex is never waited for, so the event
loop never stands still; it is held for some microseconds without giving way, and dies with its process. A killed worker
loses no count: what it wrote belongs to the system. After a power cut the counts are those that the system had written
to disk, as a rule those of half a minute before.

    counters/NN-of-16x4096      the mutex (128 bytes), then slots of 67 words of 64 bits, zero at first:
    0, 1    whose counter it is
    2       the newest bucket
    3       the oldest bucket in which somebody came
    4       the requests that count now
    5       the Unix time at which none of them counts any more
    6...    the requests of each bucket, bucket b at 6 + b % (earlier + 1)

A full table forgets, among the 32 slots where a newcomer may be, one that is over or else the least used: whoever
invents identities displaces those who came once, never those who come all the time (T32).
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Sequence
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from functools import lru_cache
from pathlib import Path
from struct import Struct

from apimgmt.errors import SettingInvalid
from apimgmt.policies.counters import Count, Need, Window, mutex
from apimgmt.policies.counters.windows import BUCKETS

SHARDS = 16
PROBES = 32
PLACES_MOST = 16_384
WORD = 8
NEWEST, OLDEST, TOTAL, OVER, CELLS = 2, 3, 4, 5, 6
WORDS = CELLS + BUCKETS + 1

_HEAD = Struct("=16s3Q")
_NOTHING = memoryview(bytes(WORDS * WORD)).cast("Q")


class Table:
    """All counters of a machine, at most ``slots`` of them; raises SettingInvalid if there is no room for the files."""

    def __init__(self, folder: Path, slots: int) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        each = max(slots // SHARDS, PROBES)
        names = [f"{number:02}-of-{SHARDS}x{each}" for number in range(SHARDS)]
        for other in {path.name for path in folder.iterdir()} - set(names):
            (folder / other).unlink(missing_ok=True)
        self._shards = [Shard(folder / name, each) for name in names]
        self._place = lru_cache(PLACES_MOST)(self._make_place)

    def take(self, needs: Sequence[Need], now: float) -> list[Count] | None:
        """Count a request in each window if all have room; None if another process has a lock: try again at once."""
        if len(needs) == 1:
            return self._take_one(needs[0], now)
        held: list[Shard] = []
        states = []
        full = False
        try:
            for window, requests, digest in needs:
                place = self._place(digest)
                shard = place.shard
                if shard not in held:
                    if not shard.lock():
                        return None
                    held.append(shard)
                state = shard.read(place, window, now)
                full = full or state[2] >= requests
                states.append((place, window, requests, state))
            if not full:
                for place, window, _, state in states:
                    place.shard.count(place, window, state)
        finally:
            for shard in held:
                shard.unlock()
        return [_counted(window, requests, state, now, full) for _, window, requests, state in states]

    def close(self) -> None:
        """Write everything to disk and let go of it."""
        for shard in self._shards:
            shard.close()

    def _take_one(self, need: Need, now: float) -> list[Count] | None:
        """The same for one window, the usual case, at less cost."""
        window, requests, digest = need
        place = self._place(digest)
        shard = place.shard
        if not shard.lock():
            return None
        try:
            state = shard.read(place, window, now)
            full = state[2] >= requests
            if not full:
                shard.count(place, window, state)
        finally:
            shard.unlock()
        return [_counted(window, requests, state, now, full)]

    def _make_place(self, digest: bytes) -> Place:
        return Place(digest, self._shards[digest[0] % SHARDS])


class Place:
    """Whose counter it is, and where, in bytes, it was when this worker last looked."""

    __slots__ = ("digest", "offset", "shard")

    def __init__(self, digest: bytes, shard: Shard) -> None:
        self.digest = digest
        self.shard = shard
        self.offset = mutex.SIZE


State = tuple[int, int, int]  # the newest bucket, the oldest one, the requests that count


class Shard:
    """One file of the table: its slots, and the mutex. Whoever reads or counts has taken it with ``lock``."""

    __slots__ = ("_descriptor", "_memory", "_mutex", "_slots", "_words", "lock", "unlock")

    def __init__(self, path: Path, slots: int) -> None:
        self._slots = slots
        size = mutex.SIZE + slots * WORDS * WORD
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # all of it at once: a write to a page for which the disk has no room would end the process
            os.posix_fallocate(self._descriptor, 0, size)
        except OSError as error:
            raise SettingInvalid(f"counters: no room for them in {path.parent}: {error.strerror}") from error
        self._memory = mmap.mmap(self._descriptor, size)
        self._words = memoryview(self._memory).cast("Q")
        self._mutex = mutex.Mutex(self._memory)
        self.lock, self.unlock = self._mutex.lock, self._mutex.unlock
        self._join()

    def _join(self) -> None:
        """Be one of the users of the file. The first one makes the mutex anew, for who had it may have died with the
        machine."""
        try:
            flock(self._descriptor, LOCK_EX | LOCK_NB)
            self._mutex.create()
        except BlockingIOError:
            pass
        flock(self._descriptor, LOCK_SH)

    def read(self, place: Place, window: Window, now: float) -> State:
        """The state of somebody's counter, with what is over taken out of it."""
        digest, newest, oldest, total = _HEAD.unpack_from(self._memory, place.offset)
        if digest != place.digest:
            place.offset = self._find(place.digest)
            digest, newest, oldest, total = _HEAD.unpack_from(self._memory, place.offset)
        bucket = window.bucket(now)
        return (newest, oldest, total) if newest == bucket else self._move(place, newest, oldest, bucket, window)

    def count(self, place: Place, window: Window, state: State) -> None:
        """One request more in the newest bucket."""
        words, first = self._words, place.offset // WORD
        words[first + CELLS + state[0] % (window.earlier + 1)] += 1
        words[first + TOTAL] = state[2] + 1

    def close(self) -> None:
        """Write it to disk and let go of it."""
        self._memory.flush()
        self._words.release()
        self._mutex.close()
        self._memory.close()
        os.close(self._descriptor)

    def _find(self, digest: bytes) -> int:
        """The slot of somebody: the one he has, or else the one that is given up for him, emptied."""
        memory, size = self._memory, WORDS * WORD
        home = int.from_bytes(digest[8:], "big")
        offsets = [mutex.SIZE + (home + probe) % self._slots * size for probe in range(PROBES)]
        for offset in offsets:
            if memory[offset : offset + 16] == digest:
                return offset
        given_up = min(offsets, key=self._worth)
        memory[given_up : given_up + size] = digest + bytes(size - 16)
        return given_up

    def _worth(self, offset: int) -> int:
        first = offset // WORD
        return self._words[first + TOTAL] if self._words[first + OVER] > time.time() else -1

    def _move(self, place: Place, newest: int, oldest: int, bucket: int, window: Window) -> State:
        """Go on to a later bucket. If the clock was put back, stay; if by more than the window, begin anew."""
        words, first, size = self._words, place.offset // WORD, window.earlier + 1
        cells = first + CELLS
        if 0 < newest - bucket < size:
            return newest, oldest, words[first + TOTAL]
        if 0 < bucket - newest < size:
            for passed in range(newest + 1, bucket + 1):
                words[cells + passed % size] = 0
            oldest = max(oldest, bucket - window.earlier)
            while oldest < bucket and not words[cells + oldest % size]:
                oldest += 1
        else:
            words[cells : cells + size] = _NOTHING[:size]
            oldest = bucket
        words[first + TOTAL] = total = sum(words[cells : cells + size])
        words[first + OLDEST] = oldest
        words[first + NEWEST] = bucket
        words[first + OVER] = int(window.start(bucket + size)) + 1
        return bucket, oldest, total


def _counted(window: Window, requests: int, state: State, now: float, full: bool) -> Count:
    _, oldest, total = state
    left = requests - total
    seconds = window.start(oldest + window.earlier + 1) - now
    return Count(max(left if full else left - 1, 0), seconds, left <= 0)
