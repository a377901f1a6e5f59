"""The fetched keys of one issuer as a worker keeps them: fresh enough, asked for once, kept while nobody answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from apimgmt.auth.tokens.keyset import Key, KeySet
from apimgmt.errors import KeysNotFetched, Problem

FRESH_SECONDS = 600.0
PAUSE_SECONDS = 30.0
KEPT_SECONDS = 86_400.0

log = logging.getLogger(__name__)


class KeySource:
    """Keys that ``fetch`` gets; it blocks, and raises KeysNotFetched.

    Keys that are no longer fresh are used while new ones are fetched, so that a request waits only for a key that is
    not known. However many ask, whatever their tokens say, there is one fetch at a time and one in 30 s (T26).
    """

    __slots__ = ("_clock", "_fetch", "_fetched", "_keys", "_task", "_tried")

    def __init__(self, fetch: Callable[[], KeySet], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: KeySet | None = None
        self._fetched = self._tried = -KEPT_SECONDS
        self._task: asyncio.Task[None] | None = None

    async def find(self, kid: str | None, algorithm: str) -> Key | None:
        """The key of that name for that algorithm; raises Problem("unavailable") while there are no keys at all."""
        if self._clock() - self._fetched >= FRESH_SECONDS:
            self._refresh()
        key = self._known(kid, algorithm)
        if key is None:
            self._refresh()
            if self._task is not None:
                # one caller who goes away must not end the fetch for the others
                await asyncio.shield(self._task)
            key = self._known(kid, algorithm)
        if self._keys is None:
            detail = "The keys of the token's issuer cannot be had now."
            raise Problem("unavailable", detail, headers=[("retry-after", str(int(PAUSE_SECONDS)))])
        return key

    def _known(self, kid: str | None, algorithm: str) -> Key | None:
        if self._keys is not None and self._clock() - self._fetched >= KEPT_SECONDS:
            self._keys = None
        return self._keys.find(kid, algorithm) if self._keys is not None else None

    def _refresh(self) -> None:
        """Start a fetch, unless one is running or the last was just now."""
        if self._task is None and self._clock() - self._tried >= PAUSE_SECONDS:
            self._tried = self._clock()
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            self._keys = await asyncio.to_thread(self._fetch)
            self._fetched = self._clock()
        except KeysNotFetched as error:
            log.warning("keys were not fetched: %s", error)
        finally:
            self._task = None
