"""No attempt outlives the deadline of its trigger (X-007), not even one that a thread makes."""

from __future__ import annotations

import math
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apimgmt.connections.known import connections
from apimgmt.connections.remaining import remaining, within
from apimgmt.errors import ConnectionFailed
from apimgmt.model import ConnectionEntry
from apimgmt.processes import Invocation
from apimgmt.processes.python import functions
from apimgmt.settings import Settings
from harness import serve

SECONDS = 1.0
# what a busy machine may add before a socket is seen to be closed
SLACK_SECONDS = 1.5
PATIENCE_SECONDS = 30.0
DOCUMENT = """
openapi: 3.0.3
info: {title: t, version: '1'}
paths:
  /slow: {get: {operationId: slow, responses: {'200': {description: ok}}}}
"""
COUNTING = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS id FROM n"


class Silent:
    """A server that takes requests and never answers; it notes when each caller gave up."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.taken: list[float] = []
        self.given_up: list[float] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listening.accept()
            except OSError:
                return
            self.taken.append(time.monotonic())
            threading.Thread(target=self._wait, args=(peer,), daemon=True).start()

    def _wait(self, peer: socket.socket) -> None:
        with peer:
            while peer.recv(65_536):
                pass
            self.given_up.append(time.monotonic())

    def close(self) -> None:
        """Take no more."""
        self._listening.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    """The server, as the connection ``crm`` with 30 s for each attempt."""
    server = Silent()
    entry = ConnectionEntry(
        id="crm",
        name="crm",
        settings={
            "baseUrl": f"http://127.0.0.1:{server.port}",
            "internalHosts": [f"127.0.0.1:{server.port}"],
            "timeout": 30,
            "retries": {"count": 3, "delay": 0.01, "backoff": False},
        },
    )
    connections.prepared([entry], Settings())()
    yield server
    connections.prepared((), Settings())()
    server.close()


def fetch() -> Any:
    """What a function in a thread does."""
    return connections.find("crm").get("/").status


def several() -> list[Any]:
    """The same in threads of its own."""
    return [str(one) for one in connections.find("crm").parallel([{"path": "/1"}, {"path": "/2"}])]


async def on_the_loop() -> Any:
    """The same on the event loop."""
    return (await connections.find("crm").acall("GET", "/")).status


def until(condition: Any) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def called(monkeypatch: pytest.MonkeyPatch, binding: dict[str, Any]) -> float:
    """Call the operation, whose process never ends by itself; when the answer came, a 504."""
    for function in (fetch, several, on_the_loop):
        monkeypatch.setitem(functions, function.__name__, function)
    answer = serve(DOCUMENT, bindings={"slow": binding}, trigger={"timeout": SECONDS}).get("/slow")
    assert answer.status == (200 if binding.get("function") == "several" else 504)
    return time.monotonic()


def flow(task: dict[str, Any]) -> dict[str, Any]:
    """A flow of one task."""
    document = {"dsl": "1.0.0", "namespace": "n", "name": "f", "version": "1.0.0"}
    return {"kind": "flow", "definition": {"document": document, "do": [{"one": task}]}}


@pytest.mark.rows("X-007")
@pytest.mark.parametrize(
    ("binding", "attempts"),
    [
        ({"kind": "python", "function": "fetch"}, 1),
        ({"kind": "python", "function": "several"}, 2),
        ({"kind": "python", "function": "on_the_loop"}, 1),
        (flow({"call": "python", "with": {"function": "fetch"}}), 1),
        (flow({"call": "connection", "with": {"connection": "crm", "path": "/"}}), 1),
        ({"kind": "proxy", "connection": "crm"}, 1),
    ],
    ids=["thread", "threads of a thread", "loop", "flow: python", "flow: connection", "proxy"],
)
def test_no_attempt_outlives_the_deadline_of_its_trigger(
    silent: Silent, monkeypatch: pytest.MonkeyPatch, binding: dict[str, Any], attempts: int
) -> None:
    """The attempt has 30 s of its own, and three more attempts may follow; the trigger has 1 s."""
    answered = called(monkeypatch, binding)
    until(lambda: len(silent.given_up) == attempts)
    assert max(silent.given_up) - answered < SLACK_SECONDS
    assert len(silent.taken) == attempts


def test_a_call_that_knows_no_deadline_would(silent: Silent, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant: nothing is known in the thread, and its attempt goes on after the answer."""
    monkeypatch.setattr("apimgmt.connections.layers.exchange.remaining", lambda: math.inf)
    answered = called(monkeypatch, {"kind": "python", "function": "fetch"})
    time.sleep(max(0.0, answered + SLACK_SECONDS - time.monotonic()))
    assert (len(silent.taken), silent.given_up) == (1, [])


@pytest.mark.rows("X-007")
def test_a_statement_ends_with_the_process_that_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A view that never ends, asked for in a thread: the database is free again when the caller has his answer."""
    folder = tmp_path / "databases"
    folder.mkdir()
    with sqlite3.connect(folder / "shop.sqlite") as database:
        database.execute(f"CREATE VIEW endless AS {COUNTING}")
    database.close()
    ended: list[float] = []

    def ask() -> Any:
        try:
            return list(connections.find("shop").entity("endless").list())
        finally:
            ended.append(time.monotonic())

    monkeypatch.setitem(functions, "ask", ask)
    entry = ConnectionEntry(
        id="shop",
        name="shop",
        settings={"type": "sql", "baseUrl": "sqlite:///shop.sqlite", "timeout": 60},
        entities={"endless": {"table": "endless", "key": ["id"]}},
    )
    connections.prepared([entry], Settings(data=str(tmp_path)))()
    try:
        answered = called(monkeypatch, {"kind": "python", "function": "ask"})
        until(lambda: ended)
        assert ended[0] - answered < SLACK_SECONDS
    finally:
        connections.prepared((), Settings())()


def test_what_goes_on_after_its_process_has_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ended well may have left a thread behind; one that was too late has no time left."""
    left: list[Any] = []
    go_on = threading.Event()
    begun: list[threading.Thread] = []

    def look(invocation: Invocation) -> None:
        within.set(invocation)
        go_on.wait(PATIENCE_SECONDS)
        try:
            left.append(remaining())
        except ConnectionFailed as error:
            left.append(error.cause)

    def leave(trigger: Invocation) -> str:
        assert 0 < remaining() <= SECONDS
        begun.append(threading.Thread(target=look, args=(trigger,)))
        begun[-1].start()
        if trigger.data.httpRequestUri.endswith("late"):
            time.sleep(SECONDS + 1)
        return "left"

    monkeypatch.setitem(functions, "leave", leave)
    client = serve(DOCUMENT, bindings={"slow": {"kind": "python", "function": "leave"}}, trigger={"timeout": SECONDS})
    statuses = [client.get(target).status for target in ("/slow", "/slow?late")]
    go_on.set()
    for thread in begun:
        thread.join(PATIENCE_SECONDS)
    assert (statuses, sorted(left, key=str)) == ([200, 504], [math.inf, "timeout"])
    assert remaining() == math.inf
