"""Cached answers of one worker: bounded in bytes, the least used go first, cleared through the data folder."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

from apimgmt.archive import Archive
from apimgmt.model import Clearing
from apimgmt.settings import Settings

Field = tuple[bytes, bytes]
LOOK_SECONDS = 0.25
OVERHEAD_BYTES = 2_048
SHARE_MOST = 0.125


class Kept(NamedTuple):
    """An answer: its fields and body, its entity tag, and the times (monotonic) since when and until when it is kept.

    ``api``, ``operation`` and ``text``, its key as people see it, are what a clearing names.
    """

    api: str
    operation: str
    text: str
    fields: list[Field]
    body: bytes
    tag: bytes
    since: float
    until: float

    @property
    def size(self) -> int:
        """About what it takes, in bytes, with its key."""
        return OVERHEAD_BYTES + len(self.body) + sum(len(name) + len(value) for name, value in self.fields)


class Answers:
    """All answers that a worker keeps, least recently used first; ``cleared`` counts the clearings it has seen."""

    def __init__(self, settings: Settings) -> None:
        self._most = settings.cache_bytes
        self._archive = Archive(settings.root)
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._bytes = 0
        self._mark = self._archive.clearings_mark()
        self._looked = time.monotonic()
        self.cleared = max((clearing.number for clearing in self._archive.clearings()), default=0)

    def find(self, key: Hashable, now: float) -> Kept | None:
        """The answer for a key, if it may still be used; a clearing shows within a quarter of a second."""
        if now - self._looked >= LOOK_SECONDS:
            self.look(now)
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.until <= now:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return kept

    def keep(self, key: Hashable, kept: Kept) -> bool:
        """Keep an answer; False if it alone would take more than an eighth of the room."""
        if kept.size > self._most * SHARE_MOST:
            return False
        if key in self._kept:
            self._drop(key)
        self._kept[key] = kept
        self._bytes += kept.size
        while self._bytes > self._most:
            self._drop(next(iter(self._kept)))
        return True

    def look(self, now: float) -> None:
        """Forget what was cleared since the last look; all of it if more was cleared than is noted."""
        self._looked = now
        mark = self._archive.clearings_mark()
        if mark == self._mark:
            return
        self._mark = mark
        fresh = [clearing for clearing in self._archive.clearings() if clearing.number > self.cleared]
        if not fresh or fresh[0].number > self.cleared + 1:
            self._kept.clear()
            self._bytes = 0
        for key in [key for key, kept in self._kept.items() if any(_covers(clearing, kept) for clearing in fresh)]:
            self._drop(key)
        self.cleared = fresh[-1].number if fresh else 0

    def _drop(self, key: Hashable) -> None:
        self._bytes -= self._kept.pop(key).size


def _covers(clearing: Clearing, kept: Kept) -> bool:
    return clearing.api == kept.api and clearing.operation in ("", kept.operation) and clearing.key in ("", kept.text)
