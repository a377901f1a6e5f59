"""A place where durable runs are performed by a real runner, for the tests of this folder."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import sqlalchemy

from apimgmt.archive import Archive
from apimgmt.model import Binding
from apimgmt.runs.orders import Asked, Order, Orders, Outcome
from apimgmt.settings import Settings, to_environment
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.intake.loader import load

LONG = bool(os.environ.get("APIMGMT_LONG"))
PATIENCE = 90.0
DOCUMENT = b"""
openapi: 3.1.0
info: {title: jobs, version: '1'}
paths:
  /jobs/{n}:
    post:
      operationId: job
      parameters: [{name: n, in: path, required: true, schema: {type: integer}}]
      requestBody: {content: {application/json: {schema: {type: object}}}}
      responses: {'200': {description: ok}}
"""
HANDLERS = """
import asyncio, os, time

def note(text):
    with open(os.environ["LEDGER"], "a") as ledger:
        ledger.write(text + "\\n")

async def whole(trigger):
    note(f"{trigger.data.path.n} whole")
    return {"n": trigger.data.path.n, "run": trigger.identity, "authorization": trigger.data.httpHeaders.authorization}

def failing(n):
    raise KeyError("ledger")

async def endless(n):
    note(f"{n} endless")
    await asyncio.sleep(3600)

def work(n, step):
    note(f"{n} {step} begin")
    time.sleep(float(os.environ.get("STEP_SECONDS", "0.05")))
    note(f"{n} {step} end")
    return {"n": n, "step": step}
"""


def step(number: int) -> dict[str, Any]:
    """A task that notes its beginning and its end."""
    arguments = {"n": "${$trigger.data.path.n}", "step": number}
    return {f"step{number}": {"call": "python", "with": {"function": "work", "arguments": arguments}}}


FLOW = {
    "document": {"dsl": "1.0.0", "namespace": "jobs", "name": "job", "version": "1.0.0"},
    "do": [step(1), step(2), step(3)],
}


class Place:
    """A data folder with one published document, and a runner that can be killed and started again."""

    def __init__(self, root: Path, database_url: str = "", settings: dict[str, Any] | None = None, **environment: str):
        self.log = root / "log"
        self.handlers = root / "job_handlers.py"
        self.handlers.write_text(HANDLERS)
        self.ledger = root / "ledger"
        given = {"handlers": str(self.handlers), "database_url": database_url, **(settings or {})}
        self.settings = Settings(data=str(root / "data"), **given)
        self.archive = Archive(self.settings.root)
        document = load(DOCUMENT, "application/yaml", self.settings)
        compiled = msgspec.json.encode(compile_document(document))
        self.digest = self.archive.put_api(compiled, msgspec.json.encode(document.root))
        self.orders = Orders(self.settings)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.environment = {**os.environ, **to_environment(self.settings), "LEDGER": str(self.ledger), **environment}

    def order(self, number: int, binding: Binding, seconds: float = 60.0) -> str:
        """Accept one, as the gateway does."""
        identity = f"{number:x}-{secrets.token_hex(8)}"
        asked = Asked(
            method="POST", scheme="http", target=f"/jobs/{number}", query_string="", headers=(), client="",
            path={"n": number}, query={}, header={}, cookie={},
        )  # fmt: skip
        self.orders.accept(
            Order(
                id=identity,
                api="api_jobs",
                operation="post /jobs/{n}",
                digest=self.digest,
                binding=binding,
                accepted=time.time(),
                seconds=seconds,
                asked=asked,
            )
        )
        return identity

    def start(self) -> subprocess.Popen[bytes]:
        """Start the runner."""
        command = [sys.executable, "-c", "from apimgmt.cli.child import perform; perform()"]
        with self.log.open("ab") as log:
            process = subprocess.Popen(command, env=self.environment, process_group=0, stderr=log)
        self.processes.append(process)
        return process

    def kill_child(self) -> None:
        """kill -9 for the process that performs."""
        for child in psutil.Process(self.processes[-1].pid).children():
            child.kill()

    def kill(self) -> None:
        """kill -9 for all of it."""
        os.killpg(self.processes[-1].pid, signal.SIGKILL)
        self.processes[-1].wait()

    def said(self) -> str:
        """What the runner logged."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def are_over(self) -> bool:
        """Whether every order has its outcome."""
        return not self.orders.accepted() and not self.orders.open()

    def lines(self) -> Counter[str]:
        """What the steps noted, and how often."""
        return Counter(self.ledger.read_text().splitlines()) if self.ledger.exists() else Counter()

    def close(self) -> None:
        """Leave nothing running."""
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def repeated(ledger: list[str]) -> list[str]:
    """The steps that began again although a later step of their run had begun, so that they were finished and kept."""
    reached: dict[str, int] = {}
    found = []
    for line in ledger:
        number, one, what = line.split()
        if what == "begin":
            if int(one) < reached.get(number, 0):
                found.append(line)
            reached[number] = max(reached.get(number, 0), int(one))
    return found


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait for a condition; fails if it does not come true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def outcome(place: Place, identity: str) -> Outcome:
    """How a run ended, once it did."""
    found: Outcome = until(lambda: place.orders.outcome(identity))
    return found


def ended(place: Place, identity: str) -> str:
    """In which state it ended."""
    return outcome(place, identity).state


def runners(url: str) -> int:
    """How many runners have said that they live; 0 while there is no table."""
    engine = sqlalchemy.create_engine(url)
    try:
        with engine.connect() as database:
            return int(database.execute(sqlalchemy.text("SELECT count(*) FROM dbos.apimgmt_runners")).scalar_one())
    except sqlalchemy.exc.SQLAlchemyError:
        return 0
    finally:
        engine.dispose()
