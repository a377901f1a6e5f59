"""What callers were promised with 202, kept though gateway workers and the runner are killed all the time (R-03).

``APIMGMT_LONG=1`` is the long form: 50 requests a second for a minute, and a kill every second.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from product_platform import PROGRAM, TOKEN, Product

LONG = bool(os.environ.get("APIMGMT_LONG"))
RATE, SECONDS, PAUSE = (50, 60, 1.0) if LONG else (15, 8, 1.5)
PATIENCE = 270.0 if LONG else 90.0
ATTEMPTS = 3
HANDLERS = """
import os, time
from pathlib import Path

FOLDER = Path(os.environ["DURABLE_FOLDER"])

def note(text):
    with open(FOLDER / "ledger", "a") as ledger:
        ledger.write(text + "\\n")

def work(n, step):
    note(f"{n} {step} begin")
    time.sleep(0.02)
    note(f"{n} {step} end")
    return {"n": n, "step": step}

def deadly(n):
    note(f"{n} deadly")
    if not (FOLDER / "mended").exists():
        os.kill(os.getpid(), 9)
    return {"n": n}
"""
NUMBER = {"name": "n", "in": "path", "required": True, "schema": {"type": "integer"}}
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Jobs", "version": "1"},
    "paths": {
        f"/{name}/{{n}}": {
            "post": {"operationId": name, "parameters": [NUMBER], "responses": {"200": {"description": "ok"}}}
        }
        for name in ("steps", "deadly")
    },
}


def step(number: int) -> dict[str, Any]:
    """A task that notes its beginning and its end."""
    arguments = {"n": "${$trigger.data.path.n}", "step": number}
    return {f"step{number}": {"call": "python", "with": {"function": "work", "arguments": arguments}}}


FLOW = {
    "document": {"dsl": "1.0.0", "namespace": "jobs", "name": "job", "version": "1.0.0"},
    "do": [step(1), step(2), step(3)],
}
BINDINGS = {"steps": {"kind": "flow", "definition": FLOW}, "deadly": {"kind": "python", "function": "deadly"}}


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Product]:
    """Two gateway workers and a runner of this test's own, because they are going to be killed."""
    monkeypatch.setenv("DURABLE_FOLDER", str(tmp_path))
    handlers = tmp_path / "durable_handlers.py"
    handlers.write_text(HANDLERS)
    product = Product(tmp_path, handlers=handlers, run_attempts=ATTEMPTS if not LONG else 100)
    try:
        product.start()
        product.upload("jobs", DOCUMENT, basePath="/jobs", authentication="none")
        product.bind("jobs", BINDINGS)
        triggers = {name: {"respondAsync": "allowed"} for name in ("steps", "deadly")}
        product.ask("PUT", "/apis/jobs/triggers", triggers, publish="true")
        yield product
    finally:
        product.stop()


def order(product: Product, name: str, number: int) -> str:
    """Where the run of a request is, or nothing if there was no answer; fails for any other answer."""
    url, headers = f"{product.gateway}/jobs/{name}/{number}", {"Prefer": "respond-async"}
    try:
        answer = requests.post(url, headers=headers, timeout=60)
    except requests.ConnectionError:
        return ""
    assert answer.status_code == 202, answer.text
    return product.gateway + answer.headers["Location"]


def told(url: str) -> dict[str, Any]:
    """What the caller is told; a worker that dies meanwhile is asked again."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.ConnectionError):
            answer = requests.get(url, timeout=60)
            assert answer.status_code == 200, answer.text
            said: dict[str, Any] = answer.json()
            if said["state"] not in ("accepted", "running"):
                return said
        time.sleep(0.05)
    raise AssertionError(f"{url} did not end")


def kill(product: Product, turn: int) -> str:
    """``kill -9`` of a gateway worker, or of the process that performs the runs; which it was."""
    name = "runner" if turn % 4 == 3 else "gateway"
    deadline = time.monotonic() + PATIENCE
    while not (found := product.workers(name)):
        assert time.monotonic() < deadline, f"there is no {name} any more"
        time.sleep(0.02)
    with contextlib.suppress(psutil.NoSuchProcess):
        found[turn % len(found)].kill()
    return name


def repeated(lines: list[str]) -> list[str]:
    """The steps that began again although a later one of their run had begun, so that they were finished and kept."""
    reached: dict[str, int] = {}
    found = []
    for line in lines:
        number, one, what = line.split()
        if what == "begin":
            if int(one) < reached.get(number, 0):
                found.append(line)
            reached[number] = max(reached.get(number, 0), int(one))
    return found


@pytest.mark.rows("H-106")
def test_every_202_ends_once_though_workers_are_killed(jobs: Product) -> None:
    """A gateway worker, and now and then the runner, dies under load. Who has 202 has a run that ends once; who lost
    the connection may have one or none, never two; no finished step is repeated."""
    kills: Counter[str] = Counter()
    orders: list[Future[str]] = []
    with ThreadPoolExecutor(RATE) as threads:
        began = killed = time.monotonic()
        while time.monotonic() < began + SECONDS:
            orders.append(threads.submit(order, jobs, "steps", len(orders)))
            if time.monotonic() >= killed + PAUSE:
                kills[kill(jobs, kills.total())] += 1
                killed = time.monotonic()
            time.sleep(max(0.0, began + len(orders) / RATE - time.monotonic()))
        urls = [one.result() for one in orders]
        states = Counter(one["state"] for one in threads.map(told, filter(None, urls)))
    seconds = time.monotonic() - killed
    print(f"\n{len(urls)} requests, {urls.count('')} broken, {kills}: {states} {seconds:.1f} s after the last kill")
    assert kills["gateway"] >= 2 and kills["runner"] >= 1
    assert states == {"succeeded": len([url for url in urls if url])}
    assert len({*urls} - {""}) == len([url for url in urls if url]), "an id was given twice"
    assert urls.count("") < len(urls) / 2
    _wait_for_those_without_an_answer(jobs)
    lines = (jobs.folder / "ledger").read_text().splitlines()
    assert repeated(lines) == []
    counts = Counter(lines)
    for number, url in enumerate(urls):
        times = [counts[f"{number} {one} end"] for one in (1, 2, 3)]
        assert (times == [0, 0, 0] and not url) or all(1 <= each <= kills["runner"] + 1 for each in times)
    closed = list((jobs.data / "durable" / "closed").glob("*.json"))
    assert len(closed) == len({line.split()[0] for line in lines}), "a request was accepted twice"


def _wait_for_those_without_an_answer(product: Product) -> None:
    """Nobody can ask for them: their files say when they are over."""
    deadline = time.monotonic() + PATIENCE
    while [*product.data.glob("durable/accepted/[!.]*"), *product.data.glob("durable/open/[!.]*")]:
        assert time.monotonic() < deadline, "they did not end"
        time.sleep(0.05)


@pytest.mark.rows("H-106")
@pytest.mark.skipif(LONG, reason="the short form has it")
def test_a_run_that_kills_the_runner_is_dead_and_can_be_tried_again(jobs: Product) -> None:
    """Its caller is told, its record says why, the runs beside it succeed; mended, it is tried again from the shell."""
    deadly = order(jobs, "deadly", 0)
    others = [order(jobs, "steps", number) for number in range(1, 4)]
    said = told(deadly)
    assert (said["state"], said["problem"]["status"]) == ("dead", 500)
    assert [told(url)["state"] for url in others] == ["succeeded"] * 3
    ledger = (jobs.folder / "ledger").read_text().splitlines()
    assert ledger.count("0 deadly") == ATTEMPTS + 1
    record = jobs.ask("GET", f"/runs/{said['id']}")
    assert (record["state"], record["error"]["detail"]) == ("dead", "It was begun too often.")
    (jobs.folder / "mended").touch()
    environment = {**os.environ, "APIMGMT_URL": jobs.admin.removesuffix("/api/v1"), "APIMGMT_TOKEN": TOKEN}
    subprocess.run([PROGRAM, "runs", "retry", said["id"]], env=environment, check=True, capture_output=True)
    deadline = time.monotonic() + PATIENCE
    while told(deadly)["state"] != "succeeded":
        assert time.monotonic() < deadline
        time.sleep(0.05)
