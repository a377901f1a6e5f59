"""The circuit breaker: a system that failed several times in a row is left alone for a while (R-17).

    closed ── failures in a row ──► open ── seconds ──► half open ── successes of single probes ──► closed
                                      ◄────────────── one failure ──┘

After it has closed, traffic comes back little by little: a tenth at first, all of it after ten seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import NoReturn

from apimgmt.connections.configuration import Breaker
from apimgmt.errors import ConnectionFailed

SLOW_START_SECONDS = 10.0
FIRST_SHARE = 0.1
# however slow the start is, so often one request goes: a connection with little traffic notices nothing of it
PASS_SECONDS = 1.0


class Breaking:
    """The state of one breaker. Who enters gets a ticket, and reports with it how it went; a ticket of an earlier
    state says nothing about the present one and is ignored."""

    def __init__(self, settings: Breaker, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = Lock()
        self._ticket = 0
        self._count = 0  # failures in a row while it is closed, successes in a row while it is not
        self._open_until: float | None = None
        self._probing = False
        self._closed: float | None = None
        self._credit = 0.0
        self._last = 0.0

    @property
    def state(self) -> str:
        """``closed``, ``open`` or ``half-open``."""
        if self._open_until is None:
            return "closed"
        return "open" if self._clock() < self._open_until else "half-open"

    def check(self) -> None:
        """Raise ConnectionFailed if nothing may go for a while; nothing is counted."""
        until = self._open_until
        if until is not None and (left := until - self._clock()) > 0:
            _refuse(left)

    def enter(self) -> int:
        """The ticket of a request that is about to go; raises ConnectionFailed if it may not."""
        with self._lock:
            now = self._clock()
            if self._open_until is None:
                self._start_slowly(now)
            else:
                left = self._open_until - now
                if left > 0 or self._probing:
                    _refuse(left)
                self._probing = True
            return self._ticket

    def report(self, ticket: int, good: bool | None) -> None:
        """How the request with this ticket went; None if that says nothing about the other system."""
        with self._lock:
            if ticket != self._ticket:
                return
            self._probing = False
            if self._open_until is None:
                self._count = self._count + (good is False) if good is not True else 0
                if self._count >= self._settings.failures:
                    self._turn(self._clock() + self._settings.seconds)
            elif good is False:
                self._turn(self._clock() + self._settings.seconds)
            elif good:
                self._count += 1
                if self._count >= self._settings.successes:
                    self._turn(None)

    def _turn(self, open_until: float | None) -> None:
        self._ticket += 1
        self._count = 0
        self._open_until = open_until
        self._closed = self._clock() if open_until is None else None
        self._credit = 1.0

    def _start_slowly(self, now: float) -> None:
        if self._closed is None:
            return
        share = FIRST_SHARE + (1 - FIRST_SHARE) * (now - self._closed) / SLOW_START_SECONDS
        if share >= 1:
            self._closed = None
            return
        self._credit += share
        if self._credit < 1 and now - self._last < PASS_SECONDS:
            _refuse(PASS_SECONDS)
        self._credit = max(self._credit - 1, 0.0)
        self._last = now


def _refuse(left: float) -> NoReturn:
    raise ConnectionFailed(
        "breaker-open",
        "the other system failed several times in a row and is left alone for now",
        retry_after=max(left, 1.0),
    )
