"""One call of a function in a thread, which can be ended while it computes.

An exception can be raised in a thread from outside, but it arrives somewhere in what the thread does next. So that it
never arrives in another call, thread and watch take one ``turn``: a thread that has it goes on to other calls, and one
that finds it taken does nothing else, and does not end either until the watch has seen that it is over.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import threading
import time
from collections.abc import Callable
from typing import Any

# the message with which a task is cancelled whose time is over
OVERDUE = "overdue"
# what a function may take whose caller went away, like the longest time that a trigger can have (H-045)
LONGEST_SECONDS = 300.0
_HAS_CLOCKS = hasattr(time, "pthread_getcpuclockid")


class Ended(BaseException):
    """Raised in a function that goes on computing after its time."""


class Call:
    """A call; ``future`` has its result or its error, ``due`` is the moment from which on nobody waits for it.

    ``taken`` is the processor time that it had taken at that moment.
    """

    __slots__ = (
        "_arguments",
        "_before",
        "_clock",
        "_context",
        "_function",
        "_loop",
        "_thread",
        "_turn",
        "due",
        "future",
        "is_ended",
        "is_left",
        "is_long",
        "is_over",
        "is_released",
        "share",
        "taken",
    )

    def __init__(
        self,
        share: Any,
        context: contextvars.Context,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.share = share
        self.future: asyncio.Future[Any] = loop.create_future()
        self.due: float | None = None
        self.taken: float | None = None
        self.is_left = self.is_long = self.is_ended = self.is_over = self.is_released = False
        self._context, self._function, self._arguments, self._loop = context, function, arguments, loop
        self._turn = [True]
        self._thread = 0
        self._clock: int | None = None
        self._before = 0.0

    def leave(self, is_overdue: bool) -> None:
        """Nobody waits for it: if it is not overdue, its caller went away, and it has some time left."""
        self.due = time.monotonic() + (0 if is_overdue else LONGEST_SECONDS)
        self.is_left = True

    def seconds(self) -> float:
        """The processor time that it has taken; 0 where the system does not tell."""
        try:
            return 0.0 if self._clock is None else time.clock_gettime(self._clock) - self._before
        except OSError:
            return 0.0

    # ---- in its thread -------------------------------------------------------------------------------------------

    def perform(self) -> bool:
        """Run it; whether the thread can take another call."""
        if self.is_left:
            return True
        try:
            self._run()
            self._turn.pop()
            return True
        except (Ended, IndexError):
            # first of all and without a call, in which the next one could arrive
            self.is_over = True
            try:
                self._wait()
            except Ended:
                # the watch had not seen that it is over; from here on no other comes
                return False
            return False

    def _run(self) -> None:
        result: Any = None
        problem: BaseException | None = None
        self._thread = threading.get_ident()
        if _HAS_CLOCKS:
            clock = time.pthread_getcpuclockid(self._thread)
            self._before = time.clock_gettime(clock)
            self._clock = clock
        try:
            result = self._context.run(self._function, *self._arguments)
        except StopIteration as error:
            # no future takes it
            problem = RuntimeError("the function raised StopIteration")
            problem.__cause__ = error
        except BaseException as error:
            problem = error
        try:
            self._loop.call_soon_threadsafe(_settle, self.future, result, problem)
        except RuntimeError:
            # the loop is closed: nobody is there for it
            return
        finally:
            # no circle of traceback and frame
            problem = None

    def _wait(self) -> None:
        """The watch may be about to raise once more, which must find this thread and no other that got its number."""
        while not self.is_released:
            time.sleep(0.01)

    # ---- in the watch --------------------------------------------------------------------------------------------

    def end(self) -> bool:
        """Raise Ended in the function, again where it was caught; whether the turn was still there or is the watch's.

        Only the watch calls it, from one thread.
        """
        if not self.is_ended:
            try:
                self._turn.pop()
            except IndexError:
                return False
            self.is_ended = True
        if not self.is_over:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(Ended))
        return True


def _settle(future: asyncio.Future[Any], result: Any, problem: BaseException | None) -> None:
    if future.done():
        return
    if problem is None:
        future.set_result(result)
    else:
        future.set_exception(problem)
