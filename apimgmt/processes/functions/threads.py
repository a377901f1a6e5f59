"""Threads for functions that are not async: what one function does with its threads costs the others little.

Each function has a share of its own, so that one that sleeps keeps only its own callers waiting. Calls, shares and
counts change under one lock; the watch (``watching.py``) looks at what runs and takes away what it had to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from apimgmt.processes.functions.call import OVERDUE, Call, Ended
from apimgmt.processes.functions.watching import Watch

# threads for all functions together, as a multiple of one function's share
SHARES = 10
# calls of one function that may compute for long at a time: more of them are no faster, and make others slower
LONG_MOST = 2


class Share:
    """The threads of one function: how many of its calls run, how many of them compute for long, and which wait."""

    __slots__ = ("long", "name", "running", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.running = self.long = 0
        self.waiting: deque[Call] = deque()


class Threads:
    """At most ``most`` calls of one share run at a time, and ten times as many of all; threads start when needed."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._count = 0
        # threads without a call, and calls without a thread; one of the two is 0
        self._idle = 0
        self._queued = 0
        self._watch = Watch(self._computes, self._taken_away)

    async def run(self, share: Share, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function gives in a thread; it goes on there if this is cancelled, as `Call.leave` says."""
        call = Call(share, contextvars.copy_context(), function, arguments, asyncio.get_running_loop())
        with self._lock:
            if self._has_room(share) and not share.waiting:
                self._start(call)
            else:
                share.waiting.append(call)
        try:
            return await call.future
        except asyncio.CancelledError as cancelled:
            call.leave(is_overdue=cancelled.args == (OVERDUE,))
            raise

    def close(self) -> None:
        """End the watch, and the threads that have nothing to do."""
        with self._lock:
            for _ in range(self._idle):
                self._calls.put(None)
            self._count -= self._idle
            self._idle = 0
        self._watch.close()

    def _start(self, call: Call) -> None:
        call.share.running += 1
        self._watch.add(call)
        self._calls.put(call)
        if self._idle:
            self._idle -= 1
        elif self._count < self.most * SHARES:
            self._add_thread()
        else:
            self._queued += 1

    def _add_thread(self) -> None:
        self._count += 1
        threading.Thread(target=self._work, name="process", daemon=True).start()

    def _work(self) -> None:
        """One thread: call after call. One in which a function had to be ended takes no other."""
        with contextlib.suppress(Ended):
            while self._has_performed(self._calls.get()):
                pass

    def _has_performed(self, call: Call | None) -> bool:
        """Perform a call; whether the thread is to take another one."""
        if call is None or not call.perform():
            return False
        with self._lock:
            if self._queued:
                self._queued -= 1
            elif self._idle < self.most:
                self._idle += 1
            else:
                self._count -= 1
                self._forget(call)
                return False
            self._forget(call)
        return True

    def _computes(self, call: Call) -> None:
        """A call turned out to compute for long."""
        with self._lock:
            if call in self._watch.calls:
                call.is_long = True
                call.share.long += 1

    def _taken_away(self, call: Call) -> None:
        """A call that was ended is over, and its thread goes."""
        with self._lock:
            self._count -= 1
            if self._queued:
                # nobody else would start a thread for it
                self._queued -= 1
                self._add_thread()
            self._forget(call)

    def _forget(self, call: Call) -> None:
        """A call is over: the next ones of its share that somebody still waits for start.

        Two at most: whether they compute for long, and should not have started together, is seen later.
        """
        self._watch.calls.discard(call)
        share = call.share
        share.running -= 1
        share.long -= call.is_long
        for _ in range(2):
            following = self._next(share)
            if following is not None:
                self._start(following)

    def _next(self, share: Share) -> Call | None:
        while share.waiting and self._has_room(share):
            call = share.waiting.popleft()
            if not call.is_left:
                return call
        return None

    def _has_room(self, share: Share) -> bool:
        return share.running < self.most and share.long < LONG_MOST
