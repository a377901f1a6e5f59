"""What runs log, in the real product: functions, flows with connections, durable runs whose runner is killed.

``PRODUCT_RUN_LOGS_LINES=1000000`` is the long form of the test with a function that logs without end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from product_platform import PROGRAM, TOKEN, Product, wait

PASSWORD, KEY = "planted-password-of-crm", "planted-key-of-the-caller"
LINES = int(os.environ.get("PRODUCT_RUN_LOGS_LINES", "30000"))
NAMES = ("broken", "flood", "good", "calling", "steps", "mended")
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Logs", "version": "1"},
    "paths": {
        f"/{name}": {"post": {"operationId": name, "responses": {"200": {"description": "ok"}}}} for name in NAMES
    },
}
HANDLERS = """
import logging, os, time
from pathlib import Path

FOLDER = Path(os.environ["RUN_LOGS_FOLDER"])
log = logging.getLogger("shop.orders")

def broken(trigger):
    log.info("the password of crm is %s", os.environ["RUN_LOGS_PASSWORD"])
    log.warning("headers %s", dict(trigger.data.httpHeaders))
    raise KeyError("the ledger is closed")

def flood():
    for number in range(int(os.environ["RUN_LOGS_LINES"])):
        log.info("line %d", number)
    raise KeyError("ledger")

def good():
    log.info("good works")
    return {"ok": True}

def first():
    log.info("first works")

def second():
    log.info("second works, with %s", os.environ["RUN_LOGS_PASSWORD"])
    (FOLDER / "second").touch()
    while not (FOLDER / "go").exists():
        time.sleep(0.05)
    log.info("second is done")

def mended():
    log.info("mended works")
    assert (FOLDER / "mended").exists()
"""


def flow(*tasks: dict[str, Any]) -> dict[str, Any]:
    """A binding to a flow of these tasks."""
    document = {"dsl": "1.0.0", "namespace": "logs", "name": "logs", "version": "1.0.0"}
    named = [{f"step{place}": task} for place, task in enumerate(tasks)]
    return {"kind": "flow", "definition": {"document": document, "do": named}}


def function(name: str) -> dict[str, Any]:
    """A task that runs a function."""
    return {"call": "python", "with": {"function": name, "arguments": {}}}


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One worker and a runner, which keep what runs log down to DEBUG, and a connection with a password."""
    folder = tmp_path_factory.mktemp("logs")
    handlers = folder / "run_logs_handlers.py"
    handlers.write_text(HANDLERS)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RUN_LOGS_FOLDER", str(folder))
        environment.setenv("RUN_LOGS_PASSWORD", PASSWORD)
        environment.setenv("RUN_LOGS_LINES", str(LINES))
        product = Product(folder, workers=1, handlers=handlers, run_log_level="DEBUG", egress_allow="127.0.0.1")
        try:
            product.start()
            _publish(product)
            yield product
        finally:
            product.stop()


def _publish(product: Product) -> None:
    secret = {"kind": "basic", "username": "us", "password": PASSWORD}
    crm = {"name": "crm", "baseUrl": product.gateway, "authentication": secret}
    product.ask("POST", "/connections", crm, untested="true")
    product.upload("logs", DOCUMENT, basePath="/logs", authentication="none")
    call = {"connection": "crm", "method": "POST", "path": "/logs/broken"}
    flows = {
        "calling": flow(function("first"), {"call": "connection", "with": call}),
        "steps": flow(function("first"), function("second")),
    }
    functions = {name: {"kind": "python", "function": name} for name in NAMES if name not in flows}
    product.bind("logs", functions | flows)
    triggers = {name: {"respondAsync": "allowed"} for name in ("steps", "mended")} | {"flood": {"timeout": 100}}
    product.ask("PUT", "/apis/logs/triggers", triggers, publish="true")


def call(product: Product, name: str, **headers: str) -> str:
    """The id of a run."""
    headers = {"X-API-Key": KEY, **headers}
    answer = requests.post(f"{product.gateway}/logs/{name}", headers=headers, timeout=120)
    return answer.headers["X-Request-Id"]


def logged(product: Product, identity: str, *states: str) -> Any:
    """What a run logged, once it has ended so."""
    found: list[Any] = []

    def is_there() -> bool:
        try:
            if product.ask("GET", f"/runs/{identity}")["state"] in states:
                found.append(product.ask("GET", f"/runs/{identity}/logs"))
        except requests.HTTPError:
            return False
        return bool(found)

    wait(is_there)
    return found[0]


def messages(told: Any, logger: str = "shop.orders") -> list[str]:
    """The texts of one logger."""
    return [line["message"] for line in told["lines"] if line["logger"] == logger]


def nowhere(product: Product) -> None:
    """No secret is in what is kept of runs, in whatever file."""
    kept = [product.data / "runs.sqlite", *(product.data / "durable" / "lines").glob("*")]
    for path in kept:
        content = path.read_bytes()
        assert PASSWORD.encode() not in content and KEY.encode() not in content, path


@pytest.mark.rows("H-043", "H-110")
def test_what_a_function_logged_is_found_by_the_id_of_its_answer(logs: Product) -> None:
    """With the platform's own line, and without the secrets that it logged: the connection's and the caller's."""
    identity = call(logs, "broken")
    told = logged(logs, identity, "failed")
    first, second = messages(told)
    assert first == "the password of crm is ***" and "'x-api-key': '***'" in second
    (said,) = messages(told, "apimgmt.gateway")
    assert identity in said and "the ledger is closed" in said
    assert [line["level"] for line in told["lines"]] == ["INFO", "WARNING", "ERROR"]
    assert told["missing"] == 0
    nowhere(logs)


def test_the_command_shows_them(logs: Product) -> None:
    """Line by line, or as the admin API says it."""
    identity = call(logs, "broken")
    told = logged(logs, identity, "failed")
    command = [PROGRAM, "runs", "logs", identity, "--url", logs.admin.removesuffix("/api/v1"), "--token", TOKEN]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "INFO      shop.orders  the password of crm is ***" in shown
    printed = subprocess.run([*command, "--output", "json"], capture_output=True, check=True, timeout=60).stdout
    assert json.loads(printed) == told


def test_a_function_that_logs_without_end_is_bounded(logs: Product) -> None:
    """The oldest are there, the rest is counted, and the worker has not grown by them."""
    before = logs.memory()
    told = logged(logs, call(logs, "flood"), "failed")
    kept = messages(told)
    assert kept == [f"line {number}" for number in range(len(kept))] and 100 < len(kept) < 300
    assert len(kept) + told["missing"] == LINES + 1
    after = logs.memory()
    assert all(after[worker] - before[worker] < 50 for worker in before)


def test_a_flow_has_its_tasks_and_the_calls_of_its_connections(logs: Product) -> None:
    """In order: the task, what its function logged, the call and its answer with the credential masked."""
    told = logged(logs, call(logs, "calling"), "failed")
    texts = [line["message"] for line in told["lines"]]
    places = [
        next(place for place, text in enumerate(texts) if part in text)
        for part in ("/do/0/step0 took", "first works", "/do/1/step1 failed after", "POST http://", "answers 500")
    ]
    assert places == sorted(places), texts
    assert any('"Authorization":"***"' in text for text in texts), texts
    nowhere(logs)


def test_a_run_that_went_well_and_is_no_sample_is_not_known(logs: Product) -> None:
    """Nothing is kept of it."""
    with pytest.raises(requests.HTTPError, match="404"):
        logs.ask("GET", f"/runs/{call(logs, 'good')}/logs")


@pytest.mark.rows("H-106")
def test_a_durable_run_loses_no_line_when_its_runner_is_killed(logs: Product) -> None:
    """What was logged before is there while it goes on and afterwards; the step under way runs, and logs, again."""
    identity = call(logs, "steps", Prefer="respond-async")
    folder = logs.folder
    wait((folder / "second").exists)
    assert messages(logs.ask("GET", f"/runs/{identity}/logs")) == ["first works", "second works, with ***"]
    nowhere(logs)
    (folder / "second").unlink()
    runner = logs.master("runner")
    assert runner is not None
    for child in [runner, *runner.children(recursive=True)]:
        os.kill(child.pid, signal.SIGKILL)
    wait((folder / "second").exists)
    (folder / "go").touch()
    told = logged(logs, identity, "succeeded")
    assert messages(told) == [
        *("first works", "second works, with ***", "second works, with ***", "second is done"),
    ]
    nowhere(logs)


def test_a_run_that_is_tried_again_has_the_lines_of_both_attempts(logs: Product) -> None:
    """The first fails, somebody mends what was wrong, the second succeeds."""
    identity = call(logs, "mended", Prefer="respond-async")
    assert messages(logged(logs, identity, "failed")) == ["mended works"]
    Path(logs.folder / "mended").touch()
    logs.ask("POST", f"/runs/{identity}/retry")
    assert messages(logged(logs, identity, "succeeded")) == ["mended works", "mended works"]
