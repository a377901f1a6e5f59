"""The log of a server process: warnings of everybody, and of ours the reasons of refusals, under the request's id.

Callers decide how many refusals there are, so only so many lines a second are written: nobody can fill the disk.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

LINES_A_SECOND = 20


class Sparing(logging.Filter):
    """Lets so many lines below WARNING through in a second, and says of the next one how many it left out."""

    def __init__(self, most: int = LINES_A_SECOND, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._most = most
        self._clock = clock
        self._second = -1
        self._lines = 0
        self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if record.levelno >= logging.WARNING:
            return True
        second = int(self._clock())
        if second != self._second:
            self._second, self._lines = second, 0
        if self._lines == self._most:
            self._left_out += 1
            return False
        self._lines += 1
        if self._left_out:
            record.msg = f"{record.msg} ({self._left_out} lines were left out before)"
            self._left_out = 0
        return True


def configure() -> None:
    """Write to standard error, which the supervisor keeps in a file."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.addFilter(Sparing())
    logging.basicConfig(handlers=[handler])
    logging.getLogger("apimgmt").setLevel(logging.INFO)
