"""The loop of the runner: follow what is published, take orders, note outcomes, obey commands, say that it lives."""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import logging
import os
import secrets
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

import msgspec
import sqlalchemy.exc

from apimgmt.archive import Archive, write_atomically
from apimgmt.connections.known import connections
from apimgmt.errors import Problem, SnapshotRefused
from apimgmt.processes.flows.known import flows
from apimgmt.runner.performing import Performer, failed
from apimgmt.runs import Fault, RunRecord, Task
from apimgmt.runs.orders import Order, Orders, Outcome
from apimgmt.runs.store import RunStore
from apimgmt.settings import Settings

log = logging.getLogger("apimgmt.runner")
POLL_SECONDS = 0.1
BEAT_SECONDS = 2.0
UPKEEP_SECONDS = 3600.0
MOST_AT_ONCE = 100
CALM_SECONDS = 0.5
PAUSE_SECONDS = 0.5
AWAY = (OSError, sqlite3.Error, sqlalchemy.exc.SQLAlchemyError)
ENDS = {"CANCELLED": "cancelled", "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "dead"}


class Runner:
    """One runner for one data folder, which ends with its ``parent``; raises BlockingIOError if there is another."""

    def __init__(self, settings: Settings, parent: int) -> None:
        self._settings = settings
        self._parent = parent
        self._archive = Archive(settings.root)
        self._orders = Orders(settings)
        self._runs = RunStore(settings.root)
        self._folder = settings.root / "durable"
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = open(self._folder / "runner.lock", "wb")  # noqa: SIM115  held as long as the process lives
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._engine: Any = None
        # files are read once
        self._open: dict[str, Order] = {}
        self._mark: tuple[int, int] = (-1, -1)
        self._beaten = self._kept_up = -UPKEEP_SECONDS
        self.stopping = threading.Event()

    def work(self) -> None:
        """Work until it is told to stop. A database that is away is waited for; nothing is lost meanwhile."""
        while not self.stopping.wait(POLL_SECONDS):
            if os.getppid() != self._parent:
                # nobody looks after this process any more, and another one wants to begin
                os._exit(1)
            try:
                self._turn()
            except AWAY as error:
                log.error("runs wait: %s", str(error).splitlines()[0] if str(error) else type(error).__name__)
                self.stopping.wait(1.0)
            except Exception:  # a defect of ours must not stop the runs of others
                log.exception("a turn of the runner failed")
                self.stopping.wait(1.0)
        if self._engine is not None:
            self._engine.close()

    def _turn(self) -> None:
        self._follow()
        accepted = self._orders.accepted()
        if self._engine is None and (accepted or self._orders.open() or self._shares()):
            # not before: most platforms never have an order
            from apimgmt.runner.engine import Engine

            self._engine = Engine(self._settings, Performer(self._archive), self._executor())
        if self._engine is None:
            return
        self._beat()
        begun = [order for order in map(self._begin, accepted[:MOST_AT_ONCE]) if order is not None]
        self._runs.add([_record(order, None) for order in begun])
        for order in begun:
            self._orders.take(order.id)
        self._obey()
        self._settle()

    def _shares(self) -> bool:
        """Whether other machines could leave something to take over."""
        return self._settings.database_url.startswith("postgresql")

    def _follow(self) -> None:
        """Connections and flows as they are published."""
        mark = self._archive.current_mark()
        digests = self._archive.current() if mark != self._mark else ()
        self._mark = mark
        if digests:
            try:
                snapshot = self._archive.load_snapshot(digests[0])
            except SnapshotRefused as error:
                log.error("snapshot %s is rejected: %s", digests[0][:12], error)
                return
            use_connections = connections.prepared(snapshot.connections, self._settings)
            flows.prepared(snapshot.flows)()
            use_connections()

    def _beat(self) -> None:
        if time.monotonic() - self._beaten >= BEAT_SECONDS:
            for gone in self._engine.beat():
                log.warning("the runs of runner %s are taken over", gone)
            self._beaten = time.monotonic()
        if time.monotonic() - self._kept_up >= UPKEEP_SECONDS:
            self._kept_up = time.monotonic()
            self._orders.forget(self._settings.run_days)

    def _begin(self, identity: str) -> Order | None:
        try:
            order = self._orders.read(identity)
        except (msgspec.MsgspecError, Problem) as error:
            log.error("the order %s cannot be read: %s", identity, error)
            return None
        self._engine.start(order)
        return order

    def _obey(self) -> None:
        for identity, what in self._orders.commands():
            order = self._orders.read(identity)
            if what == "cancel":
                self._engine.cancel(self._workflow_id(order))
            elif identity not in self._orders.open():
                again = msgspec.structs.replace(order, attempt=order.attempt + 1)
                self._engine.retry(again)
                self._runs.add([_record(again, None)])
                self._orders.reopen(again)
                self._open.pop(identity, None)

    def _settle(self) -> None:
        """Note what ended, here or on another machine."""
        self._open = {
            identity: self._open.get(identity) or self._orders.read(identity) for identity in self._orders.open()
        }
        orders = {self._workflow_id(order): order for order in self._open.values()}
        ended = [
            (orders[name], _outcome(orders[name].id, status, output))
            for name, status, output in self._engine.ended(list(orders))
        ]
        self._runs.add([_record(order, outcome) for order, outcome in ended])
        for _, outcome in ended:
            self._orders.end(outcome)

    @staticmethod
    def _workflow_id(order: Order) -> str:
        from apimgmt.runner.engine import workflow_id

        return workflow_id(order)

    def _executor(self) -> str:
        """The name of this runner: made once for a data folder."""
        path = self._folder / "executor"
        if not path.exists():
            write_atomically(path, secrets.token_hex(8).encode("ascii"))
        return path.read_text("ascii")


def _outcome(identity: str, status: str, output: Any) -> Outcome:
    if status == "SUCCESS":
        return msgspec.convert({**output, "id": identity, "ended": time.time()}, Outcome)
    detail = {"CANCELLED": "The run was cancelled.", "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "It was begun too often."}
    told = failed(Problem("process-failed", detail.get(status, "The run failed.")))
    return msgspec.convert({**told, "state": ENDS.get(status, "failed"), "id": identity, "ended": time.time()}, Outcome)


def _record(order: Order, outcome: Outcome | None) -> RunRecord:
    """The same for those who look after the platform; without an outcome, that it is under way."""
    if outcome is None:
        return RunRecord(
            id=order.id,
            api=order.api,
            operation=order.operation,
            state="running",
            status=order.status or 202,
            began=order.accepted,
            seconds=time.time() - order.accepted,
            caller=order.caller,
            answered=0.0,
        )
    seconds = outcome.ended - order.accepted
    status = order.status or (outcome.response or outcome.problem or {}).get("status", 500)
    return RunRecord(
        id=order.id,
        api=order.api,
        operation=order.operation,
        state=outcome.state,
        status=status,
        began=order.accepted,
        seconds=seconds,
        caller=order.caller,
        answered=0.0,
        tasks=tuple(
            Task(task=one.task, began=one.began, seconds=one.seconds, failed=one.failed) for one in outcome.tasks
        ),
        fault=outcome.fault if outcome.fault is None else Fault(**msgspec.structs.asdict(outcome.fault)),
    )


def serve(settings: Settings, prepare: Callable[[], None]) -> None:
    """Run until a signal says otherwise; what is under way then goes on at the next start.

    The work is done by a child of this process, which has everything imported and is forked anew when it dies: that
    takes milliseconds instead of seconds. ``prepare`` is called in it first, and loads the functions of others.
    """
    child, parent, stopping = 0, os.getpid(), False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        if child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    while not stopping:
        began = time.monotonic()
        child = os.fork()
        if not child:
            _perform(settings, prepare, parent)
        if stopping:
            # the signal came before there was a child to pass it on to
            stop(signal.SIGTERM, None)
        _, status = os.waitpid(child, 0)
        if not stopping:
            log.error("the process that performs runs ended (%s); another one goes on", status)
            # it had something to do: the next one is not to wait for this
            importlib.import_module("apimgmt.runner.engine")
            time.sleep(0.0 if time.monotonic() - began > CALM_SECONDS else PAUSE_SECONDS)


def _perform(settings: Settings, prepare: Callable[[], None], parent: int) -> NoReturn:
    """What the child does; it never returns."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        prepare()
        runner = Runner(settings, parent)

        def stop(number: int, frame: FrameType | None) -> None:
            # a second signal, or a step that does not end, is not waited for
            runner.stopping.set()
            signal.signal(number, signal.SIG_DFL)
            threading.Timer(settings.graceful_seconds, lambda: os._exit(0)).start()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        runner.work()
        os._exit(0)
    except BlockingIOError:
        log.error("there is another runner for %s", settings.data)
    except BaseException:
        log.exception("the runner did not start")
    finally:
        os._exit(1)
