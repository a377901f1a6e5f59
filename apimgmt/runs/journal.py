"""The journal of one worker: takes the runs that ended, off the request path, and writes them in a thread of its own.

What is more than the queue holds is dropped and counted: recording never slows or stops what it records.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sqlite3
import threading
import time
import traceback
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from apimgmt.errors import Problem
from apimgmt.request import Request
from apimgmt.runs import Fault, RunRecord, State, Task, written
from apimgmt.runs.lines import Kept, Lines
from apimgmt.runs.store import RunStore
from apimgmt.settings import Settings

log = logging.getLogger("apimgmt.runs")
PAUSE_SECONDS = 0.25
UPKEEP_SECONDS = 60.0
CLOSE_SECONDS = 5.0
TEXT_LONGEST = 20_000
TASKS_MOST = 1_000


class Run(Protocol):
    """A run, as the journal sees it: an invocation of a process."""

    answered: float | None
    status: int
    tasks: Sequence[Any]
    data: Any
    lines: Lines | None


class Ended(NamedTuple):
    """What is in the queue: everything that a record is made of, not worked out yet; without a ``state``, of a run
    that somebody else records only what it logged."""

    request: Request
    run: Run | None
    state: State | None
    status: int
    seconds: float
    error: BaseException | None
    response: bytes


class Journal:
    """Records the runs of one worker. ``sample`` says of a run that went well whether it is to be recorded."""

    def __init__(self, settings: Settings) -> None:
        self._store = RunStore(settings.root)
        self._settings = settings
        self.share = settings.run_samples
        self._waiting: deque[Ended] = deque()
        self._dropped = self._told = 0
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._kept_up = -UPKEEP_SECONDS
        self._writer = f"{os.getpid()}-{time.time_ns():x}"

    def sample(self) -> bool:
        """Whether this run that went well is one of those that are recorded."""
        return random.random() < self.share

    def ended(
        self,
        request: Request,
        run: Run | None,
        status: int,
        error: BaseException | None = None,
        response: bytes = b"",
    ) -> None:
        """A run ended; this only puts it into the queue."""
        if len(self._waiting) >= self._settings.run_queue:
            self._dropped += 1
            return
        late = isinstance(error, Problem) and error.code == "process-timeout"
        state: State = "succeeded" if error is None else "timed-out" if late else "failed"
        seconds = time.monotonic() - request.began
        self._put(Ended(request, run, state, status, seconds, error, response))

    def handed_over(self, request: Request, run: Run) -> None:
        """Somebody else goes on with a run, and records it: only what it logged until now is kept."""
        if run.lines is not None and run.lines.size and len(self._waiting) < self._settings.run_queue:
            self._put(Ended(request, run, None, run.status, 0.0, None, b""))

    def _put(self, ended: Ended) -> None:
        if ended.run is not None and ended.run.lines is not None:
            ended.run.lines.is_over = True
        self._waiting.append(ended)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="runs", daemon=True)
                self._thread.start()

    async def close(self) -> None:
        """Write what is waiting."""
        self._closing.set()
        thread = self._thread
        if thread is not None:
            await asyncio.to_thread(thread.join, CLOSE_SECONDS)

    def _work(self) -> None:
        """Write what is there and what comes meanwhile; end when nothing more comes."""
        while True:
            self._write([self._waiting.popleft() for _ in range(len(self._waiting))])
            if time.monotonic() - self._kept_up > UPKEEP_SECONDS:
                self._kept_up = time.monotonic()
                self._keep_up()
            self._closing.wait(PAUSE_SECONDS)
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return

    def _write(self, ended: list[Ended]) -> None:
        dropped = self._dropped
        records = [self._record(one, one.state) for one in ended if one.state is not None]
        lines = [kept for kept in map(_kept, ended) if kept is not None]
        try:
            self._store.add(records, self._writer, dropped if dropped != self._told else 0, lines)
            self._told = dropped
        except (OSError, sqlite3.Error) as error:
            self._dropped += len(records)
            log.error("%d runs are not recorded: %s", len(records), error)

    def _keep_up(self) -> None:
        try:
            self._store.forget(self._settings.run_days, self._settings.run_bytes)
            written.forget(self._settings.root, self._settings.run_days)
        except (OSError, sqlite3.Error) as error:
            log.error("old runs are not removed: %s", error)

    def _record(self, ended: Ended, state: State) -> RunRecord:
        request, run = ended.request, ended.run
        most = self._settings.run_body_bytes
        return RunRecord(
            id=request.id,
            api=request.target.api,
            operation=request.target.operation,
            state=state,
            status=ended.status,
            began=_began(request),
            seconds=ended.seconds,
            caller=str(request.caller.get("sub") or ""),
            answered=run.answered if run is not None else None,
            tasks=_tasks(run.tasks) if run is not None else (),
            fault=_fault(ended.error) if ended.error is not None else None,
            request=_excerpt(run.data.content, most) if run is not None and most else "",
            response=_excerpt(ended.response, most),
        )


def _kept(ended: Ended) -> Kept | None:
    """What the run logged, None if it is nothing."""
    request, lines = ended.request, ended.run.lines if ended.run is not None else None
    if lines is None or not (lines.size or lines.missing):
        return None
    told, missing = lines.told(request.headers), lines.missing
    return Kept(id=request.id, part=0, began=_began(request), lines=told, missing=missing)


def _began(request: Request) -> float:
    """The Unix time at which a request came."""
    return time.time() - (time.monotonic() - request.began)


def _tasks(steps: Sequence[Any]) -> tuple[Task, ...]:
    return tuple(
        Task(task=step.task, began=step.began, seconds=step.seconds, failed=step.failed) for step in steps[:TASKS_MOST]
    )


def _fault(error: BaseException) -> Fault:
    """What went wrong; a chain of causes is in the traceback."""
    told = error if isinstance(error, Problem) else Problem("process-failed")
    origin = error.__cause__ or error if isinstance(error, Problem) else error
    deliberate = origin is error and isinstance(error, Problem)
    lines = [] if deliberate else traceback.format_exception(type(origin), origin, origin.__traceback__)
    reason = told.reason or ("" if deliberate else f"{type(origin).__name__}: {_text(origin)}")
    return Fault(
        code=told.code,
        detail=told.detail,
        reason=reason[:TEXT_LONGEST],
        traceback="".join(lines)[-TEXT_LONGEST:],
    )


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # the text of a foreign exception is made by foreign code
        return ""


def _excerpt(content: bytes, most: int) -> str:
    return content[:most].decode("utf-8", "replace") if most else ""
