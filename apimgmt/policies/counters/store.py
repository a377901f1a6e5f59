"""Where a worker counts: in the memory of its machine, or in Redis if the settings name one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import cached_property

from apimgmt.policies.counters import Away, Count, Need
from apimgmt.policies.counters.remote import Remote
from apimgmt.policies.counters.table import Table
from apimgmt.settings import Settings

# While another process has a lock: at once, as a rule it has given it back by then; a stopped one never does
PAUSES = (0.0,) * 50 + (0.001,) * 500


class Counters:
    """The counters of one worker; they outlive its runtimes, and its process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._remote = Remote(settings.redis_url) if settings.redis_url else None

    def open(self) -> None:
        """Get ready to count; whoever only checks a configuration need not."""
        _ = self._table

    @cached_property
    def _table(self) -> Table:
        return Table(self._settings.root / "counters", self._settings.counters)

    def take(self, needs: Sequence[Need]) -> list[Count] | None:
        """Count a request in each window if all have room; None if one has to :meth:`wait` for that."""
        return self._table.take(needs, time.time()) if self._remote is None else None

    async def wait(self, needs: Sequence[Need]) -> list[Count]:
        """The same, for whoever has time; raises Away."""
        if self._remote is not None:
            return await self._remote.take(needs, time.time())
        return await self._wait_for_table(needs)

    async def take_share(self, needs: Sequence[Need]) -> list[Count]:
        """Count on this machine alone, in its share of each limit; raises Away."""
        share = self._settings.redis_share
        return await self._wait_for_table(
            [need._replace(requests=max(1, int(need.requests * share))) for need in needs]
        )

    async def close(self) -> None:
        """Write what is counted to disk, and let go of Redis."""
        if "_table" in vars(self):
            await asyncio.to_thread(self._table.close)
        if self._remote is not None:
            await self._remote.close()

    async def _wait_for_table(self, needs: Sequence[Need]) -> list[Count]:
        for pause in PAUSES:
            counts = self._table.take(needs, time.time())
            if counts is not None:
                return counts
            await asyncio.sleep(pause)
        raise Away("another process does not give back its lock on the counters")
