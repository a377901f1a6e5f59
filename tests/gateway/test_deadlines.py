"""A process that runs too long is ended (apimgmt/gateway/deadlines.py, operation.py)."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from apimgmt.gateway.deadlines import SWEEP_SECONDS, Deadlines
from apimgmt.processes import Invocation
from apimgmt.processes.python import functions
from harness import serve

DOCUMENT = """
openapi: 3.0.3
info: {title: t, version: '1'}
paths:
  /slow: {get: {operationId: slow, responses: {'200': {description: ok}}}}
  /fast: {get: {operationId: fast, responses: {'200': {description: ok}}}}
"""


async def slow(trigger: Invocation) -> str:
    """Takes longer than anybody waits."""
    await asyncio.sleep(30)
    return "late"


async def fast(trigger: Invocation) -> str:
    """Is done at once."""
    return "in time"


@pytest.mark.rows("H-046")
def test_a_process_past_its_timeout_is_a_504() -> None:
    """The caller has the answer within the timeout and a second; other operations are not touched."""
    functions.update({"slow": slow, "fast": fast})
    bindings = {name: {"kind": "python", "function": name} for name in ("slow", "fast")}
    client = serve(DOCUMENT, bindings=bindings, trigger={"timeout": 0.3})
    begun = time.monotonic()
    answer = client.get("/slow")
    assert (answer.status, answer.json()["type"].rpartition("/")[2]) == (504, "process-timeout")
    assert time.monotonic() - begun < 0.3 + 1.0
    assert client.get("/fast").text == "in time"


@pytest.mark.rows("H-046")
def test_a_timeout_is_in_the_log_under_the_id_that_the_caller_has(caplog: pytest.LogCaptureFixture) -> None:
    """The operator finds the run that was ended by the id in the problem; a synchronous function is left, too."""
    caplog.set_level(logging.INFO, "apimgmt")
    functions["blocking"] = lambda trigger: time.sleep(1.5)
    client = serve(DOCUMENT, bindings={"slow": {"kind": "python", "function": "blocking"}}, trigger={"timeout": 0.3})
    begun = time.monotonic()
    answer = client.get("/slow")
    assert answer.status == 504 and time.monotonic() - begun < 0.3 + 1.0
    identity = answer.json()["instance"].rpartition(":")[2]
    said = [record.getMessage() for record in caplog.records if identity in record.getMessage()]
    assert said == [f"{identity} process-timeout: The process did not end within 0.3 s."]


def test_a_task_that_ends_in_time_is_left_alone_and_the_sweep_stops() -> None:
    """Nothing is watched when nothing runs."""

    async def scenario() -> bool:
        deadlines = Deadlines()
        task = deadlines.start(SWEEP_SECONDS / 2)
        deadlines.end(task)
        await asyncio.sleep(SWEEP_SECONDS * 2)
        again = deadlines.start(10)
        deadlines.end(again)
        return deadlines.has_passed(task)

    assert asyncio.run(scenario()) is False


def test_being_cancelled_by_somebody_else_is_not_a_timeout() -> None:
    """Only the sweep makes a 504 of a cancellation."""

    async def scenario() -> bool:
        deadlines = Deadlines()

        async def run() -> bool:
            task = deadlines.start(10)
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                return deadlines.has_passed(task)
            return True

        task = asyncio.create_task(run())
        await asyncio.sleep(0.05)
        task.cancel()
        return await task

    assert asyncio.run(scenario()) is False
