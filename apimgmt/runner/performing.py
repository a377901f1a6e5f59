"""One order, performed: the request is put together again, the process runs, and what comes of it is plain JSON.

``step`` keeps what a function returns and does not call it again after a crash. A flow has one step for each task of
its own; every other process is one step as a whole.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from apimgmt.archive import Archive
from apimgmt.auth.tokens.claims import ClaimsPrincipal
from apimgmt.errors import Problem
from apimgmt.members import HeaderMembers, Members
from apimgmt.model import Operation
from apimgmt.processes import Answer, Data, Envelope, Invocation, Passed, Process, Thrown
from apimgmt.processes.flows import Ended, FlowFailed, Scope, Step
from apimgmt.processes.functions.results import adapted
from apimgmt.registry import find
from apimgmt.runs.lines import current
from apimgmt.runs.orders import Order
from apimgmt.runs.written import WrittenLines

log = logging.getLogger("apimgmt.runner")
TEXT_LONGEST = 20_000

Keep = Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]]


class Performer:
    """Performs orders; processes are built once for each binding."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._built: dict[bytes, tuple[Operation, Process]] = {}

    async def perform(self, order: Order, step: Keep) -> dict[str, Any]:
        """The outcome as JSON: ``state``, and ``response`` or ``problem`` and ``fault``. Raises nothing of its own."""
        tasks: list[Step] = []
        lines = WrittenLines(self._archive.root, order.id, order.attempt + 1, order.accepted)
        current.set(lines)
        try:
            operation, process = self._process(order)
            run = _invocation(order, operation)
            run.answering = Deadline(order.seconds)
            try:
                async with asyncio.timeout(order.seconds):
                    outcome = await _performed(process, run, order, step, tasks)
            except TimeoutError:
                outcome = failed(Problem("process-timeout", f"The process did not end within {order.seconds:g} s."))
        except Exception as error:
            outcome = failed(error)
        if outcome["state"] != "succeeded":
            log.error("%s %s: %s", order.id, outcome["fault"]["code"], outcome["fault"]["reason"])
        try:
            await asyncio.to_thread(lines.end)
        except (OSError, sqlite3.Error) as error:
            log.error("what %s logged stays where it is: %s", order.id, error)
        return outcome | {"tasks": [_task(one) for one in tasks]}

    def _process(self, order: Order) -> tuple[Operation, Process]:
        """The process of the operation as it was published when the request came."""
        key = msgspec.json.encode([order.digest, order.operation, order.binding], order="deterministic")
        built = self._built.get(key)
        if built is None:
            api = self._archive.load_api(order.digest)
            operation = next(one for one in api.operations if one.key == order.operation)
            kind = msgspec.convert(order.binding.config, find("process", order.binding.kind))
            built = self._built[key] = (operation, kind.build(operation, api))
        return built


class Deadline:
    """What stands in for the gateway: the caller has an answer already, and ``seconds`` are left from now on."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    async def answer(self, invocation: Invocation, result: Any) -> None:
        """Nobody waits."""

    def left(self, invocation: Invocation) -> float:
        """The seconds that the process has left."""
        return max(0.0, self._until - time.monotonic())


async def _performed(process: Process, run: Invocation, order: Order, step: Keep, tasks: list[Step]) -> dict[str, Any]:
    if order.binding.kind != "flow":

        async def whole() -> dict[str, Any]:
            return await _ended(process, run)

        kept: dict[str, Any] = await step("process", whole)
        return kept
    run.keep = Keeper(order.id, step, tasks, order.done).keep
    return await _ended(process, run)


async def _ended(process: Process, run: Invocation) -> dict[str, Any]:
    try:
        return {"state": "succeeded", "response": response(await process(run))}
    except Thrown as thrown:
        return failed(thrown) | {"response": response(await adapted(thrown.result))}
    except Exception as error:
        return failed(error)


class Keeper:
    """Keeps what came of each of a flow's own tasks; those of ``done`` had ended before."""

    def __init__(self, identity: str, step: Keep, tasks: list[Step], done: Sequence[dict[str, Any]] = ()) -> None:
        self._identity = identity
        self._done = done
        self._step = step
        self._tasks = tasks
        self._number = 0

    async def keep(self, place: str, perform: Any, scope: Scope, given: Any) -> tuple[Any, int]:
        """What the task gave, now or before a crash. A failure is kept as well: it is raised again, not tried again."""
        execution = scope.execution
        self._number += 1
        execution.identify(f"{self._identity}/{self._number}")
        before = len(execution.steps)

        async def once() -> dict[str, Any]:
            kept: dict[str, Any] = {}
            try:
                kept["output"], kept["then"] = await perform(scope, given)
            except Ended as ended:
                kept["ended"] = ended.output
            except FlowFailed as error:
                kept["failed"] = error.error
            except Thrown as thrown:
                kept["thrown"] = response(await adapted(thrown.result))
            except Exception as error:
                kept["fault"] = failed(error)
            kept["context"] = execution.context
            kept["tasks"] = [list(one) for one in execution.steps[before:]]
            made: dict[str, Any] = plain(kept)
            return made

        is_done = self._number <= len(self._done)
        kept = self._done[self._number - 1] if is_done else await self._step(place, once)
        execution.context = kept["context"]
        execution.steps[before:] = [Step(*one) for one in kept["tasks"]]
        self._tasks[:] = execution.steps
        if "ended" in kept:
            raise Ended(kept["ended"])
        if "failed" in kept:
            raise FlowFailed(kept["failed"])
        if "thrown" in kept:
            raise Thrown(_answer(kept["thrown"]))
        if "fault" in kept:
            problem = kept["fault"]["problem"]
            raise Problem("process-failed", status=problem["status"], reason=kept["fault"]["fault"]["reason"])
        return kept["output"], kept["then"]


def response(result: Any) -> dict[str, Any]:
    """Status, headers and body of a result, as JSON; raises Problem ``bad-result`` for what is none."""
    status, headers, body = 200, [], result
    if isinstance(result, Answer):
        status, headers, body = result.status, list(result.headers), result.value
    elif isinstance(result, Envelope):
        status, headers, body = result.status, list(result.headers), result.content
        headers += [("content-type", result.content_type)] if result.content_type else []
    elif isinstance(result, Mapping) and "HttpStatusCode" in result and "Content" in result:
        status, body = result["HttpStatusCode"], result["Content"]
        headers = [("content-type", result["ContentType"])] if result.get("ContentType") else []
    elif isinstance(result, Passed):
        raise Problem("bad-result", "An answer that is passed on cannot be kept for later.")
    fields = {str(name).lower(): str(value) for name, value in headers}
    made: dict[str, Any] = plain({"status": 204 if body is None and status == 200 else status, "headers": fields})
    made["body"] = body.decode("utf-8", "replace") if isinstance(body, bytes) else plain(body)
    return made


def failed(error: BaseException) -> dict[str, Any]:
    """The outcome for an error: what a caller may see of it, and the rest for operators."""
    problem = error if isinstance(error, Problem) else Problem("process-failed")
    origin = error.__cause__ or error
    lines = traceback.format_exception(type(origin), origin, origin.__traceback__)
    reason = problem.reason or ("" if origin is problem else f"{type(origin).__name__}: {origin}")
    fault = {"code": problem.code, "detail": problem.detail, "reason": reason[:TEXT_LONGEST]}
    return {
        "state": "timed-out" if problem.code == "process-timeout" else "failed",
        "problem": plain(problem.document()),
        "fault": fault | {"traceback": "".join(lines)[-TEXT_LONGEST:]},
    }


def plain(value: Any) -> Any:
    """The value as JSON has it; raises Problem ``bad-result`` for one that JSON has not."""
    try:
        return msgspec.json.decode(msgspec.json.encode(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise Problem("bad-result", "The result holds a value that cannot be written as JSON.") from error


def _answer(kept: Mapping[str, Any]) -> Answer:
    return Answer(kept["body"], kept["status"], list(kept["headers"].items()))


def _task(step: Step) -> dict[str, Any]:
    return {"task": step.task, "began": step.began, "seconds": step.seconds, "failed": step.failed}


def _invocation(order: Order, operation: Operation) -> Invocation:
    """The invocation, as the gateway would have made it, without the credentials."""
    asked = order.asked
    scope = {
        "type": "http",
        "method": asked.method,
        "scheme": asked.scheme,
        "path": asked.target,
        "raw_path": asked.target.encode("latin-1"),
        "query_string": asked.query_string.encode("latin-1"),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in asked.headers],
        "client": (asked.client, 0) if asked.client else None,
    }
    data = Data(
        scope,
        Members(asked.path),
        Members(asked.query),
        HeaderMembers(asked.header),
        Members(asked.cookie),
        asked.body,
        asked.content,
        asked.username,
        asked.raw_body,
    )
    principal = ClaimsPrincipal(asked.claims, asked.roles) if asked.claims is not None else None
    run = Invocation(operation, data, scope, principal)
    run.identity = order.id
    return run
