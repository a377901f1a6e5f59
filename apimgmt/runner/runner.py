"""The loop of the runner: follow what is published, take orders, note outcomes, obey commands, say that it lives."""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy.exc

from apimgmt.archive import Archive, write_atomically
from apimgmt.connections.known import connections
from apimgmt.errors import Problem, SnapshotRefused
from apimgmt.processes.flows.known import flows
from apimgmt.runner.performing import Performer
from apimgmt.runner.records import outcome_of, record_of
from apimgmt.runs.orders import Order, Orders
from apimgmt.runs.store import RunStore
from apimgmt.settings import Settings

log = logging.getLogger("apimgmt.runner")
POLL_SECONDS = 0.1
BEAT_SECONDS = 2.0
MEND_SECONDS = 5.0
# all that are open are asked for only so often: one that ended here is known to have
SWEEP_SECONDS, SWEEP_LONGEST = 1.0, 5.0
SWEEP_SHARE = 0.1
UPKEEP_SECONDS = 3600.0
# what is not through when the process dies is done again
MOST_AT_ONCE = 25
AWAY = (OSError, sqlite3.Error, sqlalchemy.exc.SQLAlchemyError)


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
        # by what DBOS calls them; nobody else opens or ends any
        self._open: dict[str, Order] = {}
        self._left: list[str] = []
        self._done: set[str] = set()
        self._mark: tuple[int, int] = (-1, -1)
        self._sweep = self._mend = self._upkeep = 0.0
        self.stopping = threading.Event()

    def work(self) -> None:
        """Work until it is told to stop. A database that is away is waited for; nothing is lost meanwhile."""
        while not self.stopping.is_set():
            if os.getppid() != self._parent:
                # nobody looks after this process any more, and another one wants to begin
                os._exit(1)
            try:
                self._turn()
            except AWAY as error:
                log.error("runs wait: %s", _line(error))
                self.stopping.wait(1.0)
            except Exception:  # a defect of ours must not stop the runs of others
                log.exception("a turn of the runner failed")
                self.stopping.wait(1.0)
            self.stopping.wait(POLL_SECONDS)
        if self._engine is not None:
            self._engine.close()

    def _turn(self) -> None:
        self._follow()
        accepted = self._orders.accepted()
        if self._engine is None:
            if not accepted and not self._orders.open() and not self._shares():
                # most platforms never have an order
                return
            self._begin_engine()
        self._begin(accepted[:MOST_AT_ONCE])
        if self._left:
            self._adopt()
        self._obey()
        self._settle()
        now = time.monotonic()
        if now >= self._mend:
            self._mend = now + MEND_SECONDS
            self._engine.mend()
        if now >= self._upkeep:
            self._upkeep = now + UPKEEP_SECONDS
            self._orders.forget(self._settings.run_days)
            self._engine.forget(self._settings.run_days)

    def _begin_engine(self) -> None:
        from apimgmt.runner.engine import Engine

        self._engine = Engine(self._settings, Performer(self._archive), self._executor())
        self._left = self._orders.open()
        threading.Thread(target=self._beat, name="beats", daemon=True).start()

    def _adopt(self) -> None:
        """Some of what was open when this process began; a database that was put away or restored may not know it."""
        some = {self._workflow_id(order): order for order in map(self._read, self._left[:MOST_AT_ONCE]) if order}
        for name in some.keys() - self._engine.known(list(some)):
            self._engine.start(some[name])
        self._open |= some
        del self._left[:MOST_AT_ONCE]

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
        """Say that this runner lives, however long a turn of it takes; the work of a thread."""
        while not self.stopping.wait(BEAT_SECONDS):
            try:
                for gone in self._engine.beat():
                    log.warning("the runs of runner %s are taken over", gone)
            except AWAY as error:
                log.error("this runner cannot say that it lives: %s", _line(error))
            except Exception:  # a defect of ours must not have others take over what goes on here
                log.exception("a beat of the runner failed")

    def _begin(self, accepted: Sequence[str]) -> None:
        begun = [order for order in map(self._read, accepted) if order is not None]
        for order in begun:
            self._engine.start(order)
        if begun:
            self._engine.sync()
            self._runs.add([record_of(order, None) for order in begun])
        for order in begun:
            self._orders.take(order.id)
            self._open[self._workflow_id(order)] = order

    def _read(self, identity: str) -> Order | None:
        try:
            return self._orders.read(identity)
        except (msgspec.MsgspecError, Problem) as error:
            log.error("the order %s cannot be read: %s", identity, error)
            return None

    def _obey(self) -> None:
        for identity, what in self._orders.commands():
            order = self._read(identity)
            try:
                if order is not None:
                    (self._cancel if what == "cancel" else self._retry)(order)
            except AWAY:
                raise
            except Exception:  # asked for once is enough: the next turn would fail as well
                log.exception("the run %s: %s failed", identity, what)
            self._orders.obeyed(identity)

    def _cancel(self, order: Order) -> None:
        self._engine.cancel(self._workflow_id(order))

    def _retry(self, order: Order) -> None:
        if self._workflow_id(order) in self._open or order.id in self._left:
            return
        again = msgspec.structs.replace(order, attempt=order.attempt + 1)
        self._engine.retry(again)
        self._engine.sync()
        self._runs.add([record_of(again, None)])
        self._orders.reopen(again)
        self._open[self._workflow_id(again)] = again

    def _settle(self) -> None:
        """Note what ended: what was performed here at once, what was elsewhere, or was stopped, now and then."""
        began = time.monotonic()
        is_sweep = began >= self._sweep
        self._done = (self._done | self._engine.done()) & self._open.keys()
        found = self._engine.ended(list(self._open if is_sweep else self._done))
        if is_sweep:
            ended = time.monotonic()
            self._sweep = ended + min(max(SWEEP_SECONDS, (ended - began) / SWEEP_SHARE), SWEEP_LONGEST)
        if not found:
            return
        self._engine.sync()
        outcomes = [(self._open[name], outcome_of(self._open[name].id, *how)) for name, *how in found]
        self._runs.add([record_of(order, outcome) for order, outcome in outcomes])
        self._orders.end([outcome for _, outcome in outcomes])
        for name, *_ in found:
            del self._open[name]

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


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
