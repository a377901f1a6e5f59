"""DBOS, as the runner uses it: one workflow, JSON instead of pickle, a name that stays the same over restarts.

What a step returned is kept and not worked out again; a step that was under way when the process died runs again. The
open edition recovers only what the same executor had begun: the runs of a runner that is gone are taken over here.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from dbos import DBOS, Serializer, SetWorkflowID

from apimgmt.runner.attempts import Attempts, GivenUp
from apimgmt.runner.beats import Beats
from apimgmt.runner.performing import Performer
from apimgmt.runs.orders import Order
from apimgmt.settings import Settings

log = logging.getLogger("apimgmt.runner")
NAME, WORKFLOW, QUEUE, VERSION = "apimgmt", "apimgmt.run", "apimgmt.runs", "1"
POLL_SECONDS = 0.1
# more of them only wait for each other: for the interpreter, or for the one connection to the file
THREADS = 8
# longer than what DBOS waits for a database that was away for a few seconds
LOST_SECONDS = 20.0
ASKED_MOST = 500
FINAL = ["CANCELLED", "ERROR", "SUCCESS"]
DEAD = "DEAD"


def workflow_id(order: Order) -> str:
    """What DBOS calls this attempt at an order."""
    return order.id if not order.attempt else f"{order.id}.{order.attempt}"


class Json(Serializer):
    """JSON, and nothing else: what is read from the database cannot run code."""

    def serialize(self, data: Any) -> str:
        """The text; of an exception its type and message."""
        return json.dumps(data, default=_described)

    def deserialize(self, serialized_data: str) -> Any:
        """The value."""
        return json.loads(serialized_data)

    def name(self) -> str:
        """What the database says of it."""
        return "apimgmt_json"


class StepsFile(sqlite3.Connection):
    """The one connection to the file of the steps.

    A commit writes to the log, which the operating system has then, so that it survives any ``kill -9``; that it is on
    the disk is seen to once for many commits (:meth:`Engine.sync`), before others are told of them. The lock is for
    the whole file: WAL with a second connection can lose data before SQLite 3.51.3 (reliability.md F18), and here
    there can be none.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = NORMAL"):
            self.execute(f"PRAGMA {pragma}")


class Engine:
    """The one DBOS of this process. ``executor`` is the name of this runner, its own and for ever.

    Raises SQLAlchemyError if the database is away; then another one can be made later.
    """

    def __init__(self, settings: Settings, performer: Performer, executor: str) -> None:
        self._executor = executor
        self._file = None if _shared(settings) else settings.root.absolute() / "durable" / "steps.sqlite"
        self._beats = Beats(settings.database_url, executor) if self._file is None else None
        self._attempts = Attempts(settings.root, settings.run_attempts)
        self._under_way: set[str] = set()
        self._ended: deque[str] = deque()
        self._suspects: dict[str, float] = {}
        if self._beats is not None:
            self._beats.reach()
        DBOS(
            config={
                "name": NAME,
                "system_database_url": f"sqlite:///{self._file}" if self._file else settings.database_url,
                # one connection instead of threads that poll for the lock of a file, in no order
                "db_engine_kwargs": {"pool_size": 1, "connect_args": {"factory": StepsFile}} if self._file else {},
                "application_version": VERSION,
                "executor_id": executor,
                "serializer": Json(),
                "use_listen_notify": False,
                "run_migrations": True,
                "max_executor_threads": THREADS,
                "log_level": "WARNING",
                "console_log_level": "WARNING",
            }
        )

        # it would count against a run what another one did to the process
        @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
        async def run(order: dict[str, Any]) -> dict[str, Any]:
            identity = DBOS.workflow_id or ""
            with self._performing(identity):
                async with self._attempts.another(identity):
                    return await performer.perform(msgspec.convert(order, Order), _step)

        self._run = run
        try:
            DBOS.launch()
            DBOS.register_queue(QUEUE, worker_concurrency=settings.run_concurrency, polling_interval_sec=POLL_SECONDS)
        except BaseException:
            # half of it would be there, and the next one be told that everything is
            DBOS.destroy(destroy_registry=True)
            raise

    def start(self, order: Order) -> None:
        """Have an order run; one that is known already is not begun twice."""
        with SetWorkflowID(workflow_id(order)):
            DBOS.enqueue_workflow(QUEUE, self._run, msgspec.to_builtins(order))

    def retry(self, order: Order) -> None:
        """Have it run again from the step at which it failed or was stopped; those before it are not repeated."""
        if self.known([workflow_id(order)]):
            return
        before = workflow_id(msgspec.structs.replace(order, attempt=order.attempt - 1))
        steps = DBOS.list_workflow_steps(before)
        status = DBOS.list_workflows(workflow_ids=[before], load_input=False, load_output=False)[0].status
        last = max((one["function_id"] for one in steps), default=0)
        with SetWorkflowID(workflow_id(order)):
            DBOS.fork_workflow(before, last if status == "SUCCESS" and last else last + 1, queue_name=QUEUE)

    def known(self, identities: Sequence[str]) -> set[str]:
        """Which of these workflows the database knows."""
        return {one.workflow_id for one in _listed(identities, load_output=False)}

    def ended(self, identities: Sequence[str]) -> list[tuple[str, str, Any]]:
        """Workflow id, status and result of those that have ended; the status is ``DEAD`` for one that was given up."""
        return [(one.workflow_id, _status(one), one.output) for one in _listed(identities, status=FINAL)]

    def done(self) -> set[str]:
        """The workflows that this process has performed since it was asked; their outcome may be written yet."""
        return {self._ended.popleft() for _ in range(len(self._ended))}

    def cancel(self, identity: str) -> None:
        """Stop it before its next step."""
        DBOS.cancel_workflow(identity)

    def sync(self) -> None:
        """Have on disk what was committed; PostgreSQL has it."""
        if self._file is not None:
            for path in (Path(f"{self._file}-wal"), self._file.parent):
                descriptor = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def beat(self) -> list[str]:
        """Say that this runner lives, and take over what runners had begun that are gone; their names.

        One that was only asleep finds, at its next step, that the run is not its own any more.
        """
        if self._beats is None:
            return []
        gone = self._beats.beat()
        if gone:
            DBOS._recover_pending_workflows(gone)
            self._beats.forget()
        return gone

    def mend(self) -> None:
        """Begin again what this process was given and does not perform: the database went away while it said so."""
        mine = DBOS.list_workflows(status="PENDING", executor_id=self._executor, load_input=False, load_output=False)
        now = time.monotonic()
        idle = {one.workflow_id for one in mine} - self._under_way
        self._suspects = {identity: self._suspects.get(identity, now) for identity in idle}
        for identity, since in self._suspects.items():
            if now - since >= LOST_SECONDS:
                log.warning("the run %s was given to this runner and not begun; it begins again", identity)
                DBOS.resume_workflow(identity, queue_name=QUEUE)

    def forget(self, days: float) -> None:
        """Remove what is left of runs that were ended elsewhere, so long ago."""
        self._attempts.forget(days)

    def close(self) -> None:
        """End; what is under way goes on at the next start."""
        DBOS.destroy(destroy_registry=True)
        if self._beats is not None:
            self._beats.close()

    @contextlib.contextmanager
    def _performing(self, identity: str) -> Iterator[None]:
        self._under_way.add(identity)
        try:
            yield
        finally:
            self._under_way.discard(identity)
            self._ended.append(identity)


def _shared(settings: Settings) -> bool:
    """Whether the steps are kept in PostgreSQL, beside everything else, and not in a file of their own."""
    return settings.database_url.startswith("postgresql")


def _listed(identities: Sequence[str], **narrowed: Any) -> Iterator[Any]:
    for start in range(0, len(identities), ASKED_MOST):
        asked = list(identities[start : start + ASKED_MOST])
        yield from DBOS.list_workflows(workflow_ids=asked, load_input=False, **narrowed)


async def _step(name: str, function: Callable[[], Awaitable[Any]]) -> Any:
    return await DBOS.run_step_async({"name": name}, function)


def _status(workflow: Any) -> str:
    error = workflow.error
    is_dead = isinstance(error, dict) and error.get("error") == GivenUp.__name__
    return DEAD if is_dead else str(workflow.status)


def _described(value: Any) -> Any:
    if isinstance(value, BaseException):
        return {"error": type(value).__name__, "message": str(value)}
    raise TypeError(f"{type(value).__name__} is not JSON")
