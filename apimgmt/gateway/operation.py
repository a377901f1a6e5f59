"""The application behind an operation, composed once when its API is loaded: read, cast, validate, run, answer.

On the request path nothing is looked up by a name from the document and no schema is read.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from apimgmt.errors import ConnectionFailed, Disconnected, Problem, SettingInvalid, SnapshotRefused
from apimgmt.gateway.accepting import Accepting, Done
from apimgmt.gateway.deadlines import Deadlines
from apimgmt.gateway.messages.passing import pass_on
from apimgmt.gateway.messages.reply import Reply
from apimgmt.gateway.messages.responder import Responder, compile_responder, compress
from apimgmt.model import Binding, CompiledApi, Operation, Trigger
from apimgmt.processes import Data, HandedOver, Invocation, Passed, Process, Thrown
from apimgmt.processes.functions.results import adapted
from apimgmt.registry import find
from apimgmt.request import SCOPE_KEY, Request
from apimgmt.runs.journal import Journal
from apimgmt.runs.lines import heard
from apimgmt.settings import Settings
from apimgmt.spec.request.body import BodyReader, compile_body
from apimgmt.spec.request.cleaning import compile_cleaning
from apimgmt.spec.request.parameters import ParameterReader, compile_parameters
from apimgmt.spec.validation.validator import Validators

log = logging.getLogger("apimgmt.gateway")
Receive = Callable[[], Any]
Send = Callable[[Any], Any]
DURABLE = ("flow", "mock")
# no code of others and no other system: they have nothing to log
SILENT = ("mock", "echo")


_NO_VALUES: dict[str, str] = {}


class OperationApp:
    """An ASGI application for one operation.

    ``names`` are the path parameters in the order of the template; ``raw_body`` passes the body unparsed (F-054).
    """

    __slots__ = (
        "_accepting",
        "_body_limit",
        "_deadlines",
        "_journal",
        "_names",
        "_operation",
        "_process",
        "_raw_body",
        "_read_body",
        "_read_parameters",
        "_responder",
        "_tail",
        "_timeout",
        "error_format",
    )

    def __init__(
        self,
        operation: Operation,
        names: tuple[str, ...],
        trigger: Trigger,
        read_parameters: ParameterReader,
        read_body: BodyReader,
        process: Process,
        responder: Responder,
        deadlines: Deadlines,
        journal: Journal,
        tail: float,
        accepting: Accepting | None = None,
    ) -> None:
        self._operation = operation
        self._names = names
        self._read_parameters = read_parameters
        self._read_body = read_body
        self._process = process
        self._responder = responder
        self._deadlines = deadlines
        self._journal = journal
        self._tail = tail
        self._accepting = accepting
        self._timeout = trigger.timeout
        self._raw_body = trigger.raw_body
        self._body_limit = trigger.body_limit
        self.error_format = trigger.error_format

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        request: Request = scope[SCOPE_KEY]
        headers = request.headers
        violations: list[dict[str, Any]] = []
        values = dict(zip(self._names, request.values)) if self._names else _NO_VALUES  # noqa: B905  the tree fits
        path, query, header, cookie = self._read_parameters(values, scope["query_string"], scope["headers"], violations)
        content = b""
        if b"content-length" in headers or b"transfer-encoding" in headers:
            content = await self._receive(headers, receive)
        body = None if self._raw_body else self._read_body(headers.get(b"content-type"), content, violations)
        if violations:
            raise Problem("validation", _summary(violations), errors=violations)
        caller = request.caller
        data = Data(scope, path, query, header, cookie, body, content, caller.get("sub"), self._raw_body)
        request.run = run = Invocation(self._operation, data, scope, caller.get("claims"))
        run.channel = send
        accepting = self._accepting
        if accepting is not None and accepting.wants(headers):
            result: Any = await accepting.accept(run)
        else:
            result = await self._perform(run, request)
        if run.answered is not None:
            return
        if type(result) is Passed and result.pieces is not None:
            await self._pass_on(result, request, receive, send)
            return
        reply = self._reply(result, headers)
        fields = reply.headers if request.added is None else [*reply.headers, *request.added]
        await send({"type": "http.response.start", "status": reply.status, "headers": fields})
        await send({"type": "http.response.body", "body": reply.body})
        journal = self._journal
        if run.error is not None or (journal.share and journal.sample()):
            journal.ended(request, run, reply.status, run.error, reply.body)

    def _reply(self, result: Any, headers: Mapping[bytes, bytes]) -> Reply:
        """A whole answer; raises Problem ``bad-result`` for what cannot be sent."""
        if type(result) is not Passed:
            reply = self._responder.reply(result, headers.get(b"accept"))
        else:
            reply = Reply(result.status, result.headers, result.content)
        encodings = headers.get(b"accept-encoding")
        return reply if encodings is None else compress(reply, encodings)

    async def _perform(self, run: Invocation, request: Request) -> Any:
        """The result of the process, within its time. Nothing is raised once the caller has an early answer (F-106)."""
        deadlines = self._deadlines
        run.task = task = deadlines.start(self._timeout)
        run.answering = self
        if self._accepting is not None and self._accepting.is_durable:
            run.keep = Done().keep
        try:
            return await self._process(run)
        except asyncio.CancelledError as cancelled:
            if deadlines.has_passed(task):
                seconds = self._timeout if run.answered is None else self._tail
                run.error = Problem("process-timeout", f"The process did not end within {seconds:g} s.")
            elif run.answered is None:
                raise
            else:
                run.error = Problem("unavailable", reason="the gateway stopped before the process ended")
                run.error.__cause__ = cancelled
        except HandedOver:
            # the runner has it, and records it
            run.is_handed_over = True
        except Thrown as thrown:
            run.error = thrown
            return await adapted(thrown.result)
        except Exception as error:
            run.error = error
        finally:
            deadlines.end(task)
            run.is_over, run.task = True, None
            if run.is_handed_over:
                self._journal.handed_over(request, run)
            elif run.answered is not None:
                self._ended_later(run, request)
        if run.answered is None and run.error is not None:
            raise run.error

    def left(self, run: Invocation) -> float:
        """The seconds that the process has left, none after its deadline; what outlives its process otherwise has no
        end."""
        if run.task is not None:
            return self._deadlines.left(run.task)
        return 0.0 if isinstance(run.error, Problem) and run.error.code == "process-timeout" else math.inf

    async def answer(self, run: Invocation, result: Any) -> None:
        """Answer the caller while the process goes on; from now on it has the time of a tail.

        The task goes on as it is: the server has its answer, and takes the next request of the connection.
        """
        request: Request = run.scope[SCOPE_KEY]
        result = await adapted(result)
        if type(result) is Passed and result.pieces is not None:
            raise Problem("bad-result", "An early answer is whole: it cannot come in pieces.")
        reply = self._reply(result, request.headers)
        if run.task is None:
            return
        if run.keep is not None:
            assert self._accepting is not None
            await self._accepting.keep(run, reply.status, run.keep.__self__.tasks)
        self._deadlines.extend(run.task, self._tail)
        run.answered, run.status = time.monotonic() - request.began, reply.status
        fields = reply.headers if request.added is None else [*reply.headers, *request.added]
        await run.channel({"type": "http.response.start", "status": reply.status, "headers": fields})
        await run.channel({"type": "http.response.body", "body": reply.body})
        if run.keep is not None:
            raise HandedOver

    def _ended_later(self, run: Invocation, request: Request) -> None:
        """Record how a process ended whose caller had an early answer (F-104)."""
        error = run.error
        if error is not None:
            log.error("%s failed after its early answer: %s", request.id, error, exc_info=error.__cause__ or error)
        self._journal.ended(request, run, run.status, error)

    async def _pass_on(self, passed: Passed, request: Request, receive: Receive, send: Send) -> None:
        try:
            await pass_on(passed, request.added, receive, send)
        except ConnectionFailed as error:
            raise error.problem() from None

    async def _receive(self, headers: Any, receive: Receive) -> bytes:
        """The body, counted while it is read (T35)."""
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self._body_limit:
            raise self._too_large()
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        content: bytes = message.get("body", b"")
        if message.get("more_body"):
            content = await self._receive_rest(content, receive)
        if len(content) > self._body_limit:
            raise self._too_large()
        return content

    async def _receive_rest(self, first: bytes, receive: Receive) -> bytes:
        parts, size, more = [first], len(first), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            part = message.get("body", b"")
            more = message.get("more_body", False)
            parts.append(part)
            size += len(part)
            if size > self._body_limit:
                raise self._too_large()
        return b"".join(parts)

    def _too_large(self) -> Problem:
        return Problem("too-large", f"This operation takes at most {self._body_limit} bytes.")


def compile_operation(
    operation: Operation,
    names: tuple[str, ...],
    api: CompiledApi,
    binding: Binding,
    trigger: Trigger,
    validators: Validators,
    deadlines: Deadlines,
    journal: Journal,
    accepting: Accepting | None,
    settings: Settings,
) -> OperationApp:
    """Compose the application of one operation; raises SnapshotRefused, naming the operation, if it cannot be."""
    if trigger.durable and binding.kind not in DURABLE:
        detail = "only a flow can go on elsewhere after an early answer; use `respondAsync` for a function"
        raise SnapshotRefused(f"{operation.key}: durable: {detail}")
    process = build_process(operation, api, binding)
    cleaning = compile_cleaning(trigger.text_cleaning)
    return OperationApp(
        operation,
        names,
        trigger,
        compile_parameters(
            operation,
            validators,
            settings,
            strict_query=trigger.strict_query,
            validate=trigger.validate,
            cleaning=cleaning,
        ),
        compile_body(operation, validators, settings, validate=trigger.validate, cleaning=cleaning),
        process if binding.kind in SILENT else heard(process),
        compile_responder(operation, api),
        deadlines,
        journal,
        settings.tail_seconds,
        accepting,
    )


def build_process(operation: Operation, api: CompiledApi, binding: Binding) -> Process:
    """The process of a binding, its configuration decoded strictly: an unknown field is an error."""
    try:
        kind = find("process", binding.kind)
        process: Process = msgspec.convert(binding.config, kind).build(operation, api)
    except (SettingInvalid, msgspec.ValidationError) as error:
        raise SnapshotRefused(f"{operation.key}: {error}") from None
    return process


def _summary(violations: list[dict[str, Any]]) -> str:
    return "1 value is wrong." if len(violations) == 1 else f"{len(violations)} values are wrong."
