"""The retry budget: a system that is down sees at most a fifth more requests than there are calls (R-18).

A repetition that helped is given back: a system that answers at the second attempt costs nothing, however often.
"""

from __future__ import annotations

from threading import Lock

SHARE = 0.15
RESERVE = 10.0


class Budget:
    """Every call pays ``share`` of a retry in; every retry takes one out. ``reserve`` is there at the start, and no
    more than that is ever saved."""

    def __init__(self, share: float = SHARE, reserve: float = RESERVE) -> None:
        self._share = share
        self._most = self._left = reserve
        self._lock = Lock()

    def deposit(self) -> None:
        """A call begins."""
        self._add(self._share)

    def give_back(self, retries: int) -> None:
        """So many retries ended well."""
        self._add(float(retries))

    def withdraw(self) -> bool:
        """Whether there is a retry left; it is taken."""
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True

    def _add(self, retries: float) -> None:
        with self._lock:
            self._left = min(self._most, self._left + retries)
