"""How often each run was begun and not ended, and who of them may have been what ended the process.

    durable/begun/WORKFLOW      as many bytes as it was begun; gone when it ended, however it did

A run that ends its process takes along those that are performed beside it. The database counts that against all of
them. Here, one that was under way at ``TOGETHER_MOST`` such ends has its next turn alone among its like, so that only
the one that does it is counted on: those that wait for their turn are not begun.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

TOGETHER_MOST = 3
DAY_SECONDS = 86_400


class GivenUp(Exception):
    """The run was begun too often."""


class Attempts:
    """Those of one runner; a run is begun, and begun again at most ``again`` times.

    ``together`` is at how many ends of the process it may have been under way before it has to wait for its turn.
    """

    def __init__(self, root: Path, again: int, together: int | None = None) -> None:
        self._folder = root / "durable" / "begun"
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._again = again
        self._together = min(TOGETHER_MOST, again) if together is None else together
        self._turn = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def another(self, workflow: str) -> AsyncIterator[None]:
        """A context in which the run is performed; raises GivenUp for one that was begun too often."""
        path = self._folder / workflow
        before = path.stat().st_size if path.exists() else 0
        if before > self._again:
            path.unlink()
            raise GivenUp
        is_suspect = before >= self._together
        async with self._turn if is_suspect else contextlib.nullcontext():
            with path.open("ab") as file:
                # one more byte is there or is not, whenever the process ends
                file.write(b".")
            try:
                yield
            finally:
                path.unlink(missing_ok=True)

    def forget(self, days: float) -> None:
        """Remove what is left of those that were ended elsewhere."""
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - days * DAY_SECONDS:
                    path.unlink()
