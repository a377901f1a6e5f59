"""Deadlines of running processes, kept by one sweep per worker instead of one timer per request.

A timer for every request costs more than many a process; a sweep four times a second ends a process at most 0.5 s
late and never early, within the second that row H-046 allows.
"""

from __future__ import annotations

import asyncio
from typing import Any

from apimgmt.processes.functions.call import OVERDUE

SWEEP_SECONDS = 0.25

Task = asyncio.Task[Any] | None


class Deadlines:
    """The running processes of one worker: each task with the seconds that it has left."""

    __slots__ = ("_late", "_left", "_loop", "_sweeper")

    def __init__(self) -> None:
        self._left: dict[Task, float] = {}
        self._late: set[Task] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    def start(self, seconds: float) -> Task:
        """The current task is to end within ``seconds``."""
        if self._sweeper is None:
            self._loop = asyncio.get_running_loop()
            self._sweeper = self._loop.call_later(SWEEP_SECONDS, self._sweep)
        task = asyncio.current_task(self._loop)
        # the next sweep takes off a whole interval, however little of it this task was there
        self._left[task] = seconds + SWEEP_SECONDS
        return task

    def extend(self, task: Task, seconds: float) -> None:
        """The task has so many seconds from now on."""
        if task in self._left:
            self._left[task] = seconds + SWEEP_SECONDS

    def left(self, task: Task) -> float:
        """The seconds after which the task is not ended yet, however the sweeps fall; 0 once it has ended (X-007)."""
        return max(0.0, self._left.get(task, 0.0) - 2 * SWEEP_SECONDS)

    def end(self, task: Task) -> None:
        """The process of this task ended."""
        self._left.pop(task, None)
        self._late.discard(task)

    def has_passed(self, task: Task) -> bool:
        """Whether the task was cancelled for being late (and not because its caller went away)."""
        return task in self._late

    def _sweep(self) -> None:
        assert self._loop is not None
        for task, left in list(self._left.items()):
            # not by the clock: while the loop was busy elsewhere the task could not run either
            self._left[task] = left - SWEEP_SECONDS
            if left <= SWEEP_SECONDS:
                del self._left[task]
                self._late.add(task)
                if task is not None:
                    task.cancel(OVERDUE)
        # nothing runs, nothing to watch: the next start() sets the timer again
        self._sweeper = self._loop.call_later(SWEEP_SECONDS, self._sweep) if self._left else None
