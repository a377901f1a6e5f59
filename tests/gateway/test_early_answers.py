"""Early answers: the caller has the answer, the process goes on (apimgmt/gateway/operation.py, processes/python.py)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from apimgmt.errors import Problem
from apimgmt.gateway.app import Gateway
from apimgmt.processes import Answer, Envelope, Intermediate, Invocation, Thrown
from apimgmt.runs import RunRecord
from apimgmt.runs.journal import Journal
from apimgmt.runs.store import RunStore
from apimgmt.settings import Settings
from harness import Client, _loop, serve

DOCUMENT = """
openapi: 3.1.0
info: {title: orders, version: '1'}
paths:
  /orders:
    post:
      operationId: order
      requestBody: {content: {application/json: {schema: {type: object}}}}
      responses: {'200': {description: ok}}
    get:
      operationId: orders
      responses: {'200': {description: ok}}
"""
PATIENCE = 20.0


class Caller:
    """Calls an operation as a server would: it has the answer when that is complete, not when the process ends."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.messages: list[dict[str, Any]] = []
        self.answered = threading.Event()

    def call(self, method: str = "POST", headers: dict[str, list[str]] | None = None) -> Any:
        """A future of the whole request, tail included."""

        async def exchange() -> None:
            await self.client.app(self.client.scope(method, "/orders", dict(headers or {})), self._receive, self._send)

        return asyncio.run_coroutine_threadsafe(exchange(), _loop())

    async def _receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.answered.set()

    @property
    def status(self) -> int:
        """The status of the answer."""
        status: int = self.messages[0]["status"]
        return status

    @property
    def body(self) -> bytes:
        """The body of the answer."""
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    @property
    def identity(self) -> str:
        """X-Request-Id of the answer."""
        (value,) = [value for name, value in self.messages[0]["headers"] if name == b"x-request-id"]
        return str(value, "ascii")


class Orders:
    """The gateway with one function behind its operation, and what it recorded."""

    def __init__(self, function: Callable[..., Any], folder: str, trigger: dict[str, Any], **settings: Any) -> None:
        self.settings = Settings(data=folder, **settings)
        self.client = serve(
            DOCUMENT,
            bindings={
                "order": {"kind": "python", "function": "early"},
                "orders": {"kind": "python", "function": "early"},
            },
            functions={"early": function},
            trigger=trigger,
            settings=self.settings,
        )

    def call(self, method: str = "POST") -> Caller:
        """Call it, and wait for the answer and for the end of the process."""
        caller = Caller(self.client)
        caller.call(method).result(PATIENCE)
        return caller

    def run(self, caller: Caller) -> RunRecord | None:
        """The record of a run, once everything is written."""
        gateway: Gateway = self.client.app
        assert gateway.runtime is not None
        asyncio.run_coroutine_threadsafe(gateway.runtime.shared.part(Journal).close(), _loop()).result(PATIENCE)
        return RunStore(self.settings.root).find(caller.identity)


@pytest.fixture
def orders(tmp_path: Any) -> Callable[..., Orders]:
    """Makes gateways with a function behind their operation."""
    return lambda function, trigger=None, **settings: Orders(function, str(tmp_path), trigger or {}, **settings)


class Gate:
    """What a process waits at until the test opens it."""

    def __init__(self) -> None:
        self.event = threading.Event()

    async def passed(self) -> None:
        """Wait on the loop."""
        await asyncio.to_thread(self.event.wait, PATIENCE)


def _variants(gate: Gate) -> dict[str, Callable[..., Any]]:
    """The same process in every way in which it can be written."""

    async def awaited(trigger: Invocation) -> Any:
        await trigger.respond({"state": "accepted"})
        await gate.passed()
        return {"state": "late"}

    def threaded(trigger: Invocation) -> Any:
        trigger.respond({"state": "accepted"})
        gate.event.wait(PATIENCE)
        return {"state": "late"}

    async def async_generator() -> Any:
        yield Intermediate({"state": "accepted"})
        await gate.passed()
        yield {"state": "late"}

    def generator() -> Any:
        yield Intermediate({"state": "accepted"})
        gate.event.wait(PATIENCE)
        return {"state": "late"}

    return {function.__name__: function for function in (awaited, threaded, async_generator, generator)}


@pytest.mark.rows("F-103", "F-104")
@pytest.mark.parametrize("name", ["awaited", "threaded", "async_generator", "generator"])
def test_the_caller_has_the_answer_while_the_process_runs(orders: Callable[..., Orders], name: str) -> None:
    """The complete answer is there while the process still waits; its end is recorded, and changes nothing."""
    gate = Gate()
    platform = orders(_variants(gate)[name])
    caller = Caller(platform.client)
    whole = caller.call()
    assert caller.answered.wait(PATIENCE)
    assert (caller.status, caller.body, whole.done()) == (200, b'{"state":"accepted"}', False)
    gate.event.set()
    whole.result(PATIENCE)
    assert len(caller.messages) == 2
    run = platform.run(caller)
    assert run is not None
    assert (run.state, run.status, run.operation) == ("succeeded", 200, "post /orders")
    assert run.answered is not None and run.seconds >= run.answered


@pytest.mark.rows("F-105")
def test_only_the_first_early_answer_counts(orders: Callable[..., Orders]) -> None:
    """Later ones and the result change nothing, and the process is told so."""
    told: list[Any] = []

    async def process(trigger: Invocation) -> Any:
        told.append(await trigger.respond(Answer({"n": 1}, 202)))
        told.extend(await asyncio.gather(trigger.respond({"n": 2}), trigger.respond({"n": 3})))
        return {"n": 4}

    caller = orders(process).call()
    assert (caller.status, caller.body, told) == (202, b'{"n":1}', [True, False, False])
    assert len(caller.messages) == 2


@pytest.mark.rows("F-105")
def test_of_two_at_once_one_counts(orders: Callable[..., Orders]) -> None:
    """Two branches that respond at the same moment: the caller gets one whole answer."""
    told: list[bool] = []

    async def process(trigger: Invocation) -> None:
        told.extend(await asyncio.gather(*(trigger.respond({"n": number}) for number in range(20))))

    caller = orders(process).call()
    assert (caller.status, sum(told), len(caller.messages)) == (200, 1, 2)


@pytest.mark.rows("F-106")
@pytest.mark.parametrize(
    "error", [ValueError("the ledger is closed"), Problem("conflict"), SystemExit(3), Thrown({"no": 1})], ids=repr
)
def test_an_error_afterwards_is_a_failed_run_and_nothing_else(
    orders: Callable[..., Orders], error: BaseException
) -> None:
    """The answer stays as it was; the record has the error."""

    async def process(trigger: Invocation) -> None:
        await trigger.respond({"state": "accepted"})
        raise error

    platform = orders(process)
    caller = platform.call()
    assert (caller.status, caller.body, len(caller.messages)) == (200, b'{"state":"accepted"}', 2)
    run = platform.run(caller)
    assert run is not None and run.fault is not None
    assert (run.state, run.status) == ("failed", 200)
    if isinstance(error, ValueError):
        assert "the ledger is closed" in run.fault.reason and "test_early_answers.py" in run.fault.traceback


@pytest.mark.rows("F-124")
@pytest.mark.parametrize(
    "result",
    [
        Envelope(202, "<ok/>", "application/xml", headers=[("X-Queue", "7")]),
        {"HttpStatusCode": 202, "Content": "<ok/>", "ContentType": "application/xml", "HttpHeaders": {"X-Queue": "7"}},
        ("<ok/>", 202, {"Content-Type": "application/xml", "X-Queue": "7"}),
    ],
    ids=["envelope", "dictionary", "tuple"],
)
def test_an_early_answer_can_be_a_predefined_response(orders: Callable[..., Orders], result: Any) -> None:
    """Status, body, type and fields are those that the process says."""

    async def process(trigger: Invocation) -> None:
        await trigger.respond(result)

    caller = orders(process).call()
    headers = dict(caller.messages[0]["headers"])
    assert (caller.status, caller.body) == (202, b"<ok/>")
    assert headers[b"content-type"].startswith(b"application/xml") and headers[b"x-queue"] == b"7"


@pytest.mark.rows("F-125")
@pytest.mark.parametrize(
    "result",
    [
        Answer({"error": "taken"}, 409),
        {"HttpStatusCode": 409, "Content": '{"error":"taken"}'},
        ({"error": "taken"}, 409),
    ],
    ids=["answer", "dictionary", "tuple"],
)
def test_a_thrown_response_is_sent_and_the_run_failed(orders: Callable[..., Orders], result: Any) -> None:
    """The caller gets that status and body."""

    def process() -> None:
        raise Thrown(result)

    platform = orders(process)
    caller = platform.call()
    assert (caller.status, caller.body) == (409, b'{"error":"taken"}')
    run = platform.run(caller)
    assert run is not None and (run.state, run.status) == ("failed", 409)


@pytest.mark.rows("F-125")
def test_a_thrown_problem_is_a_failed_run(orders: Callable[..., Orders]) -> None:
    """A Problem is the other way to throw; its id finds the record, whatever its status."""

    def process() -> None:
        raise Problem("conflict", "The order exists.", reason="ledger row 7")

    platform = orders(process)
    caller = platform.call()
    run = platform.run(caller)
    assert run is not None and run.fault is not None
    assert (caller.status, run.state, run.status) == (409, "failed", 409)
    assert (run.fault.detail, run.fault.reason) == ("The order exists.", "ledger row 7")


def test_what_cannot_be_sent_early_is_the_process_s_own_error(orders: Callable[..., Orders]) -> None:
    """Nothing was sent yet, so the process may answer otherwise; if it does not care, the caller gets 502."""

    async def careful(trigger: Invocation) -> Any:
        with pytest.raises(Problem):
            await trigger.respond(Answer({}, 99))
        return {"state": "otherwise"}

    async def careless(trigger: Invocation) -> Any:
        await trigger.respond(Answer({}, 99))

    assert orders(careful).call().body == b'{"state":"otherwise"}'
    assert orders(careless).call().status == 502


@pytest.mark.rows("H-046")
def test_the_timeout_holds_until_the_answer_and_the_tail_has_its_own(orders: Callable[..., Orders]) -> None:
    """A process that answers in time goes on beyond the timeout; one that does not end in the tail's time is ended."""
    ended = threading.Event()

    async def process(trigger: Invocation) -> None:
        await trigger.respond({})
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            ended.set()

    platform = orders(process, {"timeout": 0.3}, tail_seconds=1.0)
    began = time.monotonic()
    caller = platform.call()
    assert ended.is_set() and time.monotonic() - began >= 1.0
    run = platform.run(caller)
    assert run is not None and (caller.status, run.state, run.status) == (200, "timed-out", 200)


def test_a_process_that_took_too_long_has_nothing_more_to_say(orders: Callable[..., Orders]) -> None:
    """After 504 an early answer from a thread that went on is refused, and the run is recorded as timed out."""
    told: list[Any] = []
    gate, done = Gate(), threading.Event()

    def process(trigger: Invocation) -> None:
        gate.event.wait(PATIENCE)
        told.append(trigger.respond({"too": "late"}))
        done.set()

    platform = orders(process, {"timeout": 0.1})
    caller = platform.call()
    gate.event.set()
    assert done.wait(PATIENCE)
    assert (caller.status, told, len(caller.messages)) == (504, [False], 2)
    run = platform.run(caller)
    assert run is not None and (run.state, run.status) == ("timed-out", 504)


def test_an_early_answer_of_a_cached_operation_is_not_held_back(orders: Callable[..., Orders]) -> None:
    """The cache passes it on at once, and does not keep it."""
    gate = Gate()
    platform = orders(_variants(gate)["awaited"], {"policies": {"cache": {"seconds": 60}}})
    caller = Caller(platform.client)
    whole = caller.call("GET")
    assert caller.answered.wait(PATIENCE)
    gate.event.set()
    whole.result(PATIENCE)
    again = platform.call("GET")
    assert (caller.body, again.body) == (b'{"state":"accepted"}', b'{"state":"accepted"}')
    assert dict(again.messages[0]["headers"])[b"cache-status"] == b"apimgmt; fwd=miss"


@pytest.mark.rows("F-103", "F-124", "F-125")
def test_a_flow_answers_early_and_goes_on(tmp_path: Any) -> None:
    """``call: respond`` is the answer; what fails afterwards is recorded with the time of every task."""
    definition = {
        "document": {"dsl": "1.0.0", "namespace": "shop", "name": "order", "version": "1.0.0"},
        "do": [
            {"accept": {"call": "respond", "with": {"status": 202, "body": {"id": 7}, "headers": {"X-Queue": "1"}}}},
            {"again": {"call": "respond", "with": {"status": 200, "body": "second"}}},
            {"fail": {"raise": {"error": {"type": "urn:x", "status": 409, "title": "taken"}}}},
        ],
    }
    settings = Settings(data=str(tmp_path))
    client = serve(DOCUMENT, bindings={"order": {"kind": "flow", "definition": definition}}, settings=settings)
    answer = client.post("/orders")
    assert (answer.status, answer.json(), answer.header("x-queue")) == (202, {"id": 7}, "1")
    asyncio.run_coroutine_threadsafe(client.app.runtime.shared.part(Journal).close(), _loop()).result(PATIENCE)
    run = RunStore(settings.root).find(answer.header("x-request-id") or "")
    assert run is not None
    assert (run.state, [(task.task, task.failed) for task in run.tasks]) == (
        "failed",
        [("/do/0/accept", False), ("/do/1/again", False), ("/do/2/fail", True)],
    )


@pytest.mark.rows("F-125")
def test_a_flow_throws_a_predefined_response(tmp_path: Any) -> None:
    """With ``throw`` the flow ends there."""
    throw = {"call": "respond", "with": {"status": 409, "body": {"error": "taken"}, "throw": True}}
    definition = {
        "document": {"dsl": "1.0.0", "namespace": "shop", "name": "order", "version": "1.0.0"},
        "do": [{"throw": throw}, {"never": {"set": {"a": 1}}}],
    }
    client = serve(DOCUMENT, bindings={"order": {"kind": "flow", "definition": definition}})
    answer = client.post("/orders")
    assert (answer.status, answer.json()) == (409, {"error": "taken"})
