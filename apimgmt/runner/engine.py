"""DBOS, as the runner uses it: one workflow, JSON instead of pickle, a name that stays the same over restarts.

What a step returned is kept and not worked out again; a step that was under way when the process died runs again. The
open edition recovers only what the same executor had begun: the runs of a runner that is gone are taken over here.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import sqlalchemy
from dbos import DBOS, Serializer, SetWorkflowID

from apimgmt.runner.performing import Performer
from apimgmt.runs.orders import Order
from apimgmt.settings import Settings

log = logging.getLogger("apimgmt.runner")
NAME, WORKFLOW, QUEUE, VERSION = "apimgmt", "apimgmt.run", "apimgmt.runs", "1"
POLL_SECONDS = 0.1
DEAD_SECONDS = 10.0
# more between two beats, and the database was away, or this runner was asleep
GAP_SECONDS = 5.0
ASKED_MOST = 500
FINAL = {"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"}


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


class Engine:
    """The one DBOS of this process. ``executor`` is the name of this runner, its own and for ever."""

    def __init__(self, settings: Settings, performer: Performer, executor: str) -> None:
        self._url = url(settings)
        self._executor = executor
        self._many = not self._url.startswith("sqlite")
        self._database: sqlalchemy.Engine | None = None
        self._beaten, self._steady = -GAP_SECONDS, 0.0
        DBOS(
            config={
                "name": NAME,
                "system_database_url": self._url,
                "application_version": VERSION,
                "executor_id": executor,
                "serializer": Json(),
                "use_listen_notify": False,
                "run_migrations": True,
                "log_level": "WARNING",
                "console_log_level": "WARNING",
            }
        )

        @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=settings.run_attempts)
        async def run(order: dict[str, Any]) -> dict[str, Any]:
            return await performer.perform(msgspec.convert(order, Order), _step)

        self._run = run
        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=settings.run_concurrency, polling_interval_sec=POLL_SECONDS)

    def start(self, order: Order) -> None:
        """Have an order run; one that is known already is not begun twice."""
        with SetWorkflowID(order.id):
            DBOS.enqueue_workflow(QUEUE, self._run, msgspec.to_builtins(order))

    def retry(self, order: Order) -> None:
        """Have it run again from the step at which it failed or was stopped; those before it are not repeated."""
        before = workflow_id(msgspec.structs.replace(order, attempt=order.attempt - 1))
        steps = DBOS.list_workflow_steps(before)
        status = DBOS.list_workflows(workflow_ids=[before], load_input=False, load_output=False)[0].status
        last = max((one["function_id"] for one in steps), default=0)
        with SetWorkflowID(workflow_id(order)):
            DBOS.fork_workflow(before, last if status == "SUCCESS" and last else last + 1, queue_name=QUEUE)

    def ended(self, identities: Sequence[str]) -> list[tuple[str, str, Any]]:
        """Workflow id, status and result of those that have ended."""
        found: list[tuple[str, str, Any]] = []
        for start in range(0, len(identities), ASKED_MOST):
            asked = list(identities[start : start + ASKED_MOST])
            ended = DBOS.list_workflows(workflow_ids=asked, status=sorted(FINAL), load_input=False)
            found += [(one.workflow_id, one.status, one.output) for one in ended]
        return found

    def cancel(self, identity: str) -> None:
        """Stop it before its next step."""
        DBOS.cancel_workflow(identity)

    def beat(self) -> list[str]:
        """Say that this runner lives, and take over what runners had begun that are gone; their names.

        One that was only asleep finds, at its next step, that the run is not its own any more. After a database that
        was away, nobody has been heard of: who is gone is asked only after beats without a gap for as long as that.
        """
        if not self._many:
            return []
        now = time.monotonic()
        if now - self._beaten > GAP_SECONDS:
            self._steady = now
        with self._beats().begin() as database:
            database.execute(sqlalchemy.text(_BEAT), {"id": self._executor})
            self._beaten = time.monotonic()
            if self._beaten - self._steady < DEAD_SECONDS:
                return []
            rows = database.execute(sqlalchemy.text(_SILENT), {"seconds": DEAD_SECONDS})
            gone = [str(row[0]) for row in rows]
        if gone:
            DBOS._recover_pending_workflows(gone)
            with self._beats().begin() as database:
                database.execute(sqlalchemy.text(_FORGET), {"seconds": DEAD_SECONDS})
        return gone

    def close(self) -> None:
        """End; what is under way goes on at the next start."""
        DBOS.destroy()
        if self._database is not None:
            self._database.dispose()

    def _beats(self) -> sqlalchemy.Engine:
        if self._database is None:
            self._database = sqlalchemy.create_engine(self._url, pool_pre_ping=True, pool_size=1)
            with self._database.begin() as database:
                database.execute(sqlalchemy.text(_RUNNERS))
        return self._database


_RUNNERS = "CREATE TABLE IF NOT EXISTS dbos.apimgmt_runners (id text PRIMARY KEY, seen timestamptz NOT NULL)"
_BEAT = "INSERT INTO dbos.apimgmt_runners VALUES (:id, now()) ON CONFLICT (id) DO UPDATE SET seen = now()"
_SILENT = "SELECT id FROM dbos.apimgmt_runners WHERE seen < now() - make_interval(secs => :seconds)"
_FORGET = "DELETE FROM dbos.apimgmt_runners WHERE seen < now() - make_interval(secs => :seconds)"


def url(settings: Settings) -> str:
    """Where DBOS keeps what it keeps: beside everything else in PostgreSQL, or in a file of its own."""
    if settings.database_url.startswith("postgresql"):
        return settings.database_url
    return f"sqlite:///{settings.root.absolute() / 'durable' / 'steps.sqlite'}"


async def _step(name: str, function: Callable[[], Awaitable[Any]]) -> Any:
    return await DBOS.run_step_async({"name": name}, function)


def _described(value: Any) -> Any:
    if isinstance(value, BaseException):
        return {"error": type(value).__name__, "message": str(value)}
    raise TypeError(f"{type(value).__name__} is not JSON")
