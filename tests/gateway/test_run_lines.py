"""What a process logs is in the record of its run, whatever kind of process it is (gateway/operation.py)."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes.flows.flowing import definition

from apimgmt.errors import Problem
from apimgmt.gateway.app import Gateway
from apimgmt.processes import Invocation
from apimgmt.processes.masking import masking
from apimgmt.runs.journal import Journal
from apimgmt.runs.lines import Kept, current, listen
from apimgmt.runs.store import RunStore
from apimgmt.settings import Settings
from harness import Client, _loop, serve

KEY = "planted-key-of-the-caller"
log = logging.getLogger("shop.orders")
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "orders", "version": "1"},
    "paths": {
        f"/{name}": {"post": {"operationId": name, "responses": {"200": {"description": "ok"}}}}
        for name in ("async", "threaded", "generator", "flow", "good", "flood", "durable", "mock", "echo")
    },
}


def say(what: str) -> None:
    """Two lines, one of which nobody wants."""
    log.info("%s works", what)
    log.debug("%s works in detail", what)


async def failing(trigger: Invocation) -> None:
    """On the loop; it shows all that the caller sent."""
    say("async")
    log.warning("headers %s", dict(trigger.data.httpHeaders))
    raise KeyError("ledger")


def threaded() -> None:
    """In a thread."""
    say("threaded")
    raise Problem("conflict", "Not now.")


def generator() -> Iterator[Any]:
    """In a thread, piece by piece."""
    say("generator")
    yield 1
    raise KeyError("ledger")


def good() -> dict[str, bool]:
    """Nothing goes wrong."""
    say("good")
    return {"ok": True}


def flood() -> None:
    """More lines than anybody reads."""
    for number in range(20_000):
        log.info("line %d", number)
    raise KeyError("ledger")


FUNCTIONS = {f"lines_{one.__name__}": one for one in (failing, threaded, generator, good, flood)}
CALL = {"call": "python", "with": {"function": "lines_threaded", "arguments": {}}}
BINDINGS: dict[str, dict[str, Any]] = {
    "async": {"kind": "python", "function": "lines_failing"},
    **{name: {"kind": "python", "function": f"lines_{name}"} for name in ("threaded", "generator", "good", "flood")},
    "flow": {"kind": "flow", "definition": definition(CALL)},
    "durable": {
        "kind": "flow",
        "definition": definition(
            {"call": "python", "with": {"function": "lines_good", "arguments": {}}},
            {"call": "respond", "with": {"status": 200, "body": {}}},
            {"set": {"a": 1}},
        ),
    },
    "mock": {"kind": "mock"},
    "echo": {"kind": "echo"},
}


class Orders:
    """A gateway that hears its runs, and what it wrote down."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.settings = Settings(data=str(folder), **settings)
        self.listening = listen(self.settings, masking)
        triggers = {"durable": {"durable": True}}
        self.client: Client = serve(
            DOCUMENT, settings=self.settings, functions=FUNCTIONS, bindings=BINDINGS, triggers=triggers
        )

    def call(self, name: str) -> str:
        """The id of a call."""
        headers = {"X-Api-Key": KEY, "Accept": "application/json"}
        return str(self.client.post(f"/{name}", headers).header("x-request-id"))

    def written(self, identity: str) -> Kept | None:
        """What a run logged, once all is written."""
        gateway = self.client.app
        assert isinstance(gateway, Gateway) and gateway.runtime is not None
        journal = gateway.runtime.shared.part(Journal)
        _wait(journal.close())
        return next(iter(RunStore(self.settings.root).lines(identity)), None)

    def close(self) -> None:
        """Hear no more."""
        if self.listening is not None:
            self.listening.close()


def _wait(coroutine: Any) -> None:
    asyncio.run_coroutine_threadsafe(coroutine, _loop()).result(60)


@pytest.fixture
def orders(tmp_path: Path) -> Iterator[Orders]:
    """One with the settings that nobody changed."""
    made = Orders(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("name", ["async", "threaded", "generator", "flow"])
def test_a_run_that_fails_has_what_it_logged(orders: Orders, name: str) -> None:
    """On the loop, in a thread, in a flow; and what the platform says about it."""
    kept = orders.written(orders.call(name))
    assert kept is not None and (kept.part, kept.missing) == (0, 0)
    said = "threaded" if name == "flow" else name
    assert (kept.lines[0].level, kept.lines[0].logger, kept.lines[0].message) == (
        "INFO",
        "shop.orders",
        f"{said} works",
    )
    assert not any("in detail" in line.message for line in kept.lines)
    if name != "threaded":
        last = kept.lines[-1]
        assert last.logger == "apimgmt.gateway" and kept.id in last.message


def test_a_planted_secret_is_not_in_the_record(orders: Orders) -> None:
    """The function logs all header fields; without masking the key would be there."""
    kept = orders.written(orders.call("async"))
    assert kept is not None
    (line,) = (one.message for one in kept.lines if one.message.startswith("headers"))
    assert "'x-api-key': '***'" in line and "application/json" in line
    assert not any(KEY in one.message for one in kept.lines)


def test_a_planted_secret_would_be_in_the_record_of_the_naive_version(tmp_path: Path) -> None:
    """The same without masking: the test above sees it."""
    orders = Orders(tmp_path)
    assert orders.listening is not None
    orders.listening.close()
    orders.listening = listen(orders.settings, lambda headers: lambda text: text)
    kept = orders.written(orders.call("async"))
    orders.close()
    assert kept is not None and any(KEY in one.message for one in kept.lines)


def test_only_runs_that_are_recorded_keep_their_lines(tmp_path: Path, orders: Orders) -> None:
    """One that went well has none unless it is a sample."""
    assert orders.written(orders.call("good")) is None
    orders.close()
    samples = Orders(tmp_path / "samples", run_samples=1.0)
    kept = samples.written(samples.call("good"))
    quiet = samples.written(samples.call("mock"))
    samples.close()
    assert kept is not None and [line.message for line in kept.lines] == ["good works"]
    assert quiet is None


def test_a_run_that_logs_without_end_is_bounded(tmp_path: Path) -> None:
    """The first lines are there, and how many are missing."""
    orders = Orders(tmp_path, run_log_bytes=1000)
    kept = orders.written(orders.call("flood"))
    orders.close()
    assert kept is not None
    assert [line.message for line in kept.lines] == [f"line {number}" for number in range(len(kept.lines))]
    assert 0 < len(kept.lines) <= 12 and kept.missing == 20_000 + 1 - len(kept.lines)


def test_what_is_logged_before_a_durable_early_answer_is_kept(orders: Orders) -> None:
    """The runner records the run; the gateway keeps what it heard of it."""
    identity = orders.call("durable")
    kept = orders.written(identity)
    assert kept is not None and [line.message for line in kept.lines] == ["good works"]
    assert RunStore(orders.settings.root).find(identity) is None


def test_a_setting_says_from_which_level_on(tmp_path: Path) -> None:
    """And with 0 bytes nothing is kept."""
    for settings, expected in (
        ({"run_log_level": "DEBUG"}, ["good works", "good works in detail"]),
        ({"run_log_level": "WARNING"}, None),
        ({"run_log_bytes": 0}, None),
    ):
        orders = Orders(tmp_path / str(settings), run_samples=1.0, **settings)
        kept = orders.written(orders.call("good"))
        orders.close()
        assert ([line.message for line in kept.lines] if kept else None) == expected


@pytest.mark.parametrize("name", ["mock", "echo"])
def test_processes_that_have_nothing_to_log_are_not_heard(orders: Orders, name: str) -> None:
    """So they cost nothing: no run is put into the context."""
    seen: list[Any] = []
    observed = threading.Event()

    async def call() -> None:
        client = orders.client

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            seen.append(current.get(None))
            observed.set()

        await client.app(client.scope("POST", f"/{name}"), receive, send)

    _wait(call())
    assert observed.is_set() and set(seen) == {None}
