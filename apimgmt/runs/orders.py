"""Orders: runs that were accepted and go on without their callers, as files between gateway and runner.

    durable/accepted/ID.json    an Order, on disk before its caller is told
    durable/open/ID.json        the same, once the runner has it
    durable/closed/ID.json      the same, once there is an outcome
    durable/outcomes/ID.json    an Outcome
    durable/commands/ID.json    what the admin API asks the runner to do

The gateway needs neither a database nor the runner to accept; what it accepted is there after any crash. Only a runner
moves files on, so that no two processes move the same one.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from apimgmt.archive import write_atomically, write_together
from apimgmt.errors import Problem
from apimgmt.model import Binding, Struct
from apimgmt.runs import Fault, Task
from apimgmt.settings import Settings

FOLDERS = ("accepted", "open", "closed", "outcomes", "commands")
End = Literal["succeeded", "failed", "timed-out", "cancelled", "dead"]
Command = Literal["cancel", "retry"]
UNDER_WAY = ("accepted", "running")
_IDENTITY = re.compile(r"[0-9a-f][0-9a-f-]{0,99}")


class Asked(Struct, frozen=True):
    """The request, as a process sees it, without credentials: cast values, body, and what was on the wire.

    ``claims`` and ``roles`` are those of the caller's token, if he came with one.
    """

    method: str
    scheme: str
    target: str
    query_string: str
    headers: tuple[tuple[str, str], ...]
    client: str
    path: dict[str, Any]
    query: dict[str, Any]
    header: dict[str, Any]
    cookie: dict[str, Any]
    body: Any = None
    content: bytes = b""
    raw_body: bool = False
    username: str | None = None
    claims: dict[str, Any] | None = None
    roles: tuple[str, ...] = ()


class Order(Struct, frozen=True):
    """What is to be run: the operation as it was published when the request came, and the request.

    ``owner`` is the credential that may ask what became of it; ``seconds`` is how long the run may take; ``attempt``
    counts how often somebody had it tried again. Of a flow that answered its caller before, ``status`` is that of the
    answer and ``done`` what came of the tasks that had ended.
    """

    id: str
    api: str
    operation: str
    digest: str
    binding: Binding
    accepted: float
    seconds: float
    asked: Asked
    caller: str = ""
    owner: str = ""
    attempt: int = 0
    status: int = 0
    done: tuple[dict[str, Any], ...] = ()


class Outcome(Struct, frozen=True):
    """How a run ended: ``response`` has status, headers and body of what it returned, ``problem`` why it failed."""

    id: str
    state: End
    ended: float
    response: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None
    fault: Fault | None = None
    tasks: tuple[Task, ...] = ()


_order = msgspec.json.Decoder(Order)
_outcome = msgspec.json.Decoder(Outcome)


class Orders:
    """The orders of one data folder; the folders are made when the first order comes."""

    def __init__(self, settings: Settings) -> None:
        self._root = settings.root / "durable"
        self._made = False

    # ---- the gateway ---------------------------------------------------------------------------------------------

    def accept(self, order: Order) -> None:
        """Keep an order; when this returns, it is on disk."""
        if not self._made:
            for name in FOLDERS:
                (self._root / name).mkdir(parents=True, exist_ok=True, mode=0o700)
            self._made = True
        write_atomically(self._path("accepted", order.id), msgspec.json.encode(order))

    def find(self, identity: str) -> tuple[Order, str, Outcome | None]:
        """An order, its state (``accepted``, ``running`` or how it ended) and its outcome.

        Raises Problem ``not-found``.
        """
        if not _IDENTITY.fullmatch(identity):
            raise Problem("not-found")
        # in the order in which files move on: what is in none of them was in none before
        for folder in ("accepted", "open", "closed"):
            try:
                order = _order.decode(self._path(folder, identity).read_bytes())
            except FileNotFoundError:
                continue
            outcome = self.outcome(identity)
            state = outcome.state if outcome is not None else "accepted" if folder == "accepted" else "running"
            return order, state, outcome
        raise Problem("not-found")

    def outcome(self, identity: str) -> Outcome | None:
        """How it ended, None if it did not yet."""
        try:
            return _outcome.decode(self._path("outcomes", identity).read_bytes())
        except FileNotFoundError:
            return None

    # ---- the admin API -------------------------------------------------------------------------------------------

    def command(self, identity: str, what: Command) -> None:
        """Ask the runner to cancel or to try again; raises Problem ``not-found`` or ``conflict``."""
        _, state, _ = self.find(identity)
        if (what == "cancel") != (state in UNDER_WAY) or state == "succeeded":
            raise Problem("conflict", f"The run is {state}.")
        write_atomically(self._path("commands", identity), msgspec.json.encode({"what": what}))

    # ---- the runner ----------------------------------------------------------------------------------------------

    def accepted(self) -> list[str]:
        """The ids of the orders that no runner has yet."""
        return self._ids("accepted")

    def open(self) -> list[str]:
        """The ids of those that have no outcome yet."""
        return self._ids("open")

    def read(self, identity: str) -> Order:
        """One of them; raises msgspec.MsgspecError for a damaged file."""
        return self.find(identity)[0]

    def take(self, identity: str) -> None:
        """The runner has this one."""
        os.replace(self._path("accepted", identity), self._path("open", identity))

    def end(self, outcomes: Sequence[Outcome]) -> None:
        """They ended; when this returns, that is on disk."""
        write_together({self._path("outcomes", one.id): msgspec.json.encode(one) for one in outcomes})
        for one in outcomes:
            os.replace(self._path("open", one.id), self._path("closed", one.id))

    def reopen(self, order: Order) -> None:
        """It is to be run again; ``order`` says for which time."""
        write_atomically(self._path("open", order.id), msgspec.json.encode(order))
        self._path("outcomes", order.id).unlink(missing_ok=True)
        self._path("closed", order.id).unlink(missing_ok=True)

    def commands(self) -> list[tuple[str, str]]:
        """What is asked for, by id, until it was obeyed."""
        return [
            (identity, str(msgspec.json.decode(self._path("commands", identity).read_bytes())["what"]))
            for identity in self._ids("commands")
        ]

    def obeyed(self, identity: str) -> None:
        """What was asked for this one is done."""
        self._path("commands", identity).unlink(missing_ok=True)

    def forget(self, days: float) -> list[str]:
        """Remove what ended longer ago; the ids."""
        oldest, gone = time.time() - days * 86_400, []
        for identity in self._ids("closed"):
            outcome = self.outcome(identity)
            if outcome is not None and outcome.ended < oldest:
                self._path("closed", identity).unlink(missing_ok=True)
                self._path("outcomes", identity).unlink(missing_ok=True)
                gone.append(identity)
        return gone

    def _ids(self, folder: str) -> list[str]:
        try:
            names = os.listdir(self._root / folder)
        except FileNotFoundError:
            return []
        return sorted(name[:-5] for name in names if name.endswith(".json") and not name.startswith("."))

    def _path(self, folder: str, identity: str) -> Path:
        return self._root / folder / f"{identity}.json"
