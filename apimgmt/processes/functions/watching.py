"""The watch over functions in threads: it ends those that go on computing when nobody waits for them any more.

While one computes for long, the interpreter changes threads more often: each system call of the loop lets another
thread run, and a busy one gives the interpreter back only after the interval, several times for each request.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable

from apimgmt.processes.functions.call import Call

log = logging.getLogger("apimgmt.processes")

WATCH_SECONDS = 0.1
# processor time of one call from which on it counts as one that computes for long
LONG_SECONDS = 0.05
# the usual interval is 5 ms; this one takes a tenth from the speed of short functions, so it is not used all the time
SWITCH_SECONDS = 0.0005
# processor time that a function may still take, to end what it is at
LEFT_SECONDS = 0.25


class Watch:
    """Looks at ``calls`` ten times a second while there are any.

    ``computes`` is told of those that do so for long, ``taken_away`` of those that had to be ended and are over.
    """

    def __init__(self, computes: Callable[[Call], None], taken_away: Callable[[Call], None]) -> None:
        self._computes = computes
        self._taken_away = taken_away
        self.calls: set[Call] = set()
        self._is_needed = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._usual: float | None = None

    def add(self, call: Call) -> None:
        """Look after this one, too."""
        self.calls.add(call)
        if not self._is_needed.is_set():
            self._is_needed.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="watch", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._is_closed = True
        self._is_needed.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while not self._is_closed:
            self._is_needed.wait()
            time.sleep(WATCH_SECONDS)
            self._is_needed.clear()
            self.look()
            if self.calls:
                self._is_needed.set()
        self._switch_often(False)

    def look(self) -> None:
        """Look at every call once."""
        is_long, now = False, time.monotonic()
        for call in tuple(self.calls):
            taken = call.seconds()
            if taken > LONG_SECONDS:
                is_long = True
                if not call.is_long:
                    self._computes(call)
            if call.due is None or now < call.due:
                continue
            if call.taken is None:
                call.taken = taken
            elif call.is_ended or taken - call.taken > LEFT_SECONDS:
                self._end(call)
        self._switch_often(is_long)

    def _end(self, call: Call) -> None:
        if not call.is_ended:
            log.warning("%s computes on though nobody waits for it: it is ended", call.share.name)
        if call.end() and call.is_over:
            call.is_released = True
            self._taken_away(call)

    def _switch_often(self, is_long: bool) -> None:
        if is_long and self._usual is None:
            self._usual = sys.getswitchinterval()
            sys.setswitchinterval(SWITCH_SECONDS)
        elif not is_long and self._usual is not None:
            sys.setswitchinterval(self._usual)
            self._usual = None
