"""Counters: how many requests of somebody were let through in a window of time. This file holds what they share.

Time is cut into buckets of equal or calendar length; a request counts in its own one and in
the ``earlier`` ones after it. It is counted only if every limit has room for it, so that a refused request costs nobody
anything. Two stores count: shared memory of this machine (``table.py``), and Redis
or Valkey (``remote.py``); ``store.py`` says which.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec

from apimgmt.errors import ApimgmtError


class Away(ApimgmtError):
    """The counters cannot be reached now; the policy decides what that means."""


class Window(Protocol):
    """A stretch of time of so many ``seconds``, in buckets of equal ``length`` (seconds; 0 if the calendar decides)."""

    @property
    def seconds(self) -> int: ...
    @property
    def length(self) -> float: ...
    @property
    def earlier(self) -> int: ...

    def bucket(self, now: float) -> int:
        """The number of the bucket of a Unix time; it only grows."""

    def start(self, bucket: int) -> float:
        """The Unix time at which a bucket begins."""


class Need(NamedTuple):
    """A request wants to be one of at most ``requests`` in a window; ``digest`` (16 bytes) is whose counter it is."""

    window: Window
    requests: int
    digest: bytes


class Count(msgspec.Struct, frozen=True, gc=False):
    """What became of a need: the requests that are ``left``, the seconds until there are more, and whether it was
    ``full``, so that the request is refused."""

    left: int
    seconds: float
    full: bool
