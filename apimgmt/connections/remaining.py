"""How long who calls may wait: an attempt ends no later than the process that made it (X-007).

What runs on the event loop is cancelled at the deadline of its trigger. A thread cannot be: what it calls asks here.
"""

from __future__ import annotations

import math
from contextvars import ContextVar
from typing import Protocol

from apimgmt.errors import ConnectionFailed


class Limited(Protocol):
    """Something that has to end at some time."""

    def left(self) -> float:
        """The seconds until then."""


within: ContextVar[Limited | None] = ContextVar("apimgmt.within", default=None)


def remaining() -> float:
    """The seconds that the process that is under way here has left; without end outside of every process.

    Raises ConnectionFailed ``timeout`` if there are none.
    """
    limited = within.get()
    left = math.inf if limited is None else limited.left()
    if left <= 0:
        raise ConnectionFailed("timeout", "the time of the process that calls is over")
    return left
