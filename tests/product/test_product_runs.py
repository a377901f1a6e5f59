"""Runs in the real product: early answers with one worker, records by id, 202 with a killed runner."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from product_platform import Product, wait
from product_wire import Wire, request

NAMES = ("early", "quick", "broken", "later")
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Jobs", "version": "1"},
    "paths": {
        f"/{name}": {"post": {"operationId": name, "responses": {"200": {"description": "ok"}}}} for name in NAMES
    },
}
HANDLERS = """
import asyncio, os, time
from pathlib import Path

FOLDER = Path(os.environ["RUNS_FOLDER"])

async def early(trigger):
    await trigger.respond({"pid": os.getpid()})
    (FOLDER / "began").touch()
    while not (FOLDER / "go").exists():
        await asyncio.sleep(0.02)
    (FOLDER / "ended").touch()

async def quick():
    return {"pid": os.getpid()}

def broken():
    raise KeyError("the ledger is closed")

def later(trigger):
    with open(FOLDER / "ledger", "a") as ledger:
        ledger.write(trigger.identity + "\\n")
    time.sleep(1)
    return {"done": True}
"""


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One gateway worker, a runner, and functions that do more than answer."""
    folder = tmp_path_factory.mktemp("runs")
    handlers = folder / "runs_handlers.py"
    handlers.write_text(HANDLERS)
    os.environ["RUNS_FOLDER"] = str(folder)
    product = Product(folder, workers=1, handlers=handlers, graceful_seconds=20)
    try:
        product.start()
        product.upload("jobs", DOCUMENT, basePath="/jobs", authentication="none")
        product.bind("jobs", {name: {"kind": "python", "function": name} for name in NAMES})
        product.ask("PUT", "/apis/jobs/triggers", {"later": {"respondAsync": "allowed"}}, publish="true")
        yield product
    finally:
        product.stop()


@pytest.mark.rows("F-103", "F-104", "F-107")
def test_a_long_tail_holds_up_nobody_with_one_worker(jobs: Product) -> None:
    """The caller has his answer, and the next request of the same connection is served, while the process goes on."""
    line = Wire(jobs.port)
    first = line.ask(request("POST", "/jobs/early"))
    wait((jobs.folder / "began").exists)
    second = line.ask(request("POST", "/jobs/quick"))
    other = Wire(jobs.port).ask(request("POST", "/jobs/quick"))
    assert [answer.status for answer in (first, second, other)] == [200, 200, 200]
    assert first.body == second.body == other.body, "one worker"
    assert not (jobs.folder / "ended").exists()
    (jobs.folder / "go").touch()
    wait((jobs.folder / "ended").exists)
    run = until(lambda: _run(jobs, dict(first.fields)["x-request-id"]))
    assert (run["state"], run["status"], run["operation"]) == ("succeeded", 200, "post /early")
    assert run["answered"] < run["seconds"]


@pytest.mark.rows("H-043", "H-110")
def test_a_500_is_found_by_its_id(jobs: Product) -> None:
    """The answer has an id and none of the error's words; the run of that id has them all."""
    answer = requests.post(f"{jobs.gateway}/jobs/broken", timeout=30)
    identity = answer.headers["X-Request-Id"]
    assert answer.status_code == 500 and answer.json()["instance"] == f"urn:apimgmt:request:{identity}"
    assert "ledger" not in answer.text
    run = until(lambda: _run(jobs, identity))
    assert (run["state"], run["status"], run["api"]) == ("failed", 500, "jobs")
    assert "the ledger is closed" in run["error"]["reason"] and "in broken" in run["error"]["traceback"]
    assert identity in [one["id"] for one in jobs.ask("GET", "/runs", state="failed", api="jobs")["runs"]]


@pytest.mark.rows("H-106")
def test_what_was_accepted_is_done_though_its_runner_is_killed(jobs: Product) -> None:
    """202, ``kill -9`` in the middle, and the URL tells the result; both times the run has the same id."""
    answer = requests.post(f"{jobs.gateway}/jobs/later", headers={"Prefer": "respond-async"}, timeout=30)
    assert answer.status_code == 202, answer.text
    ledger = jobs.folder / "ledger"
    wait(ledger.exists)
    runner = jobs.master("runner")
    assert runner is not None
    os.kill(runner.pid, signal.SIGKILL)
    url = jobs.gateway + answer.headers["Location"]
    told = until(lambda: _ended(url))
    assert (told["state"], told["response"]["body"]) == ("succeeded", {"done": True})
    assert ledger.read_text().split() == [answer.json()["id"]] * 2
    run = until(lambda: _run(jobs, answer.json()["id"]))
    assert run["state"] == "succeeded"


def test_a_tail_is_waited_for_when_the_gateway_stops(jobs: Product) -> None:
    """A signal to stop: what goes on after its early answer ends first, then nothing is left. Last of this file."""
    for name in ("began", "go", "ended"):
        (jobs.folder / name).unlink(missing_ok=True)
    assert requests.post(f"{jobs.gateway}/jobs/early", timeout=30).status_code == 200
    assert jobs.process is not None
    jobs.process.send_signal(signal.SIGTERM)
    threading.Timer(2.0, (jobs.folder / "go").touch).start()
    jobs.process.wait(60)
    assert (jobs.folder / "ended").exists()


def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What a condition gives, once it is something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def _run(product: Product, identity: str) -> Any:
    """The record of a run, once it is there."""
    try:
        found = product.ask("GET", f"/runs/{identity}")
    except requests.HTTPError:
        return None
    return found if found["state"] != "running" else None


def _ended(url: str) -> Any:
    told = requests.get(url, timeout=30).json()
    return told if told["state"] not in ("accepted", "running") else None
