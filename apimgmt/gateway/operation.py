"""The application behind an operation, composed once when its API is loaded: read, cast, validate, run, answer.

On the request path nothing is looked up by a name from the document and no schema is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from apimgmt.errors import Disconnected, Problem, SettingInvalid, SnapshotRefused
from apimgmt.gateway.deadlines import Deadlines
from apimgmt.gateway.messages.responder import Responder, compile_responder, compress
from apimgmt.model import Binding, CompiledApi, Operation, Trigger
from apimgmt.processes import Data, Invocation, Process
from apimgmt.registry import find
from apimgmt.request import SCOPE_KEY, Request
from apimgmt.settings import Settings
from apimgmt.spec.request.body import BodyReader, compile_body
from apimgmt.spec.request.parameters import ParameterReader, compile_parameters
from apimgmt.spec.validation.validator import Validators

Receive = Callable[[], Any]
Send = Callable[[Any], Any]


_NO_VALUES: dict[str, str] = {}


class OperationApp:
    """An ASGI application for one operation.

    ``names`` are the path parameters in the order of the template; ``raw_body`` passes the body unparsed (F-054).
    """

    __slots__ = (
        "_body_limit",
        "_deadlines",
        "_names",
        "_operation",
        "_process",
        "_raw_body",
        "_read_body",
        "_read_parameters",
        "_responder",
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
    ) -> None:
        self._operation = operation
        self._names = names
        self._read_parameters = read_parameters
        self._read_body = read_body
        self._process = process
        self._responder = responder
        self._deadlines = deadlines
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
        deadlines = self._deadlines
        task = deadlines.start(self._timeout)
        try:
            result = await self._process(Invocation(self._operation, data, scope, caller.get("claims")))
        except asyncio.CancelledError:
            if deadlines.has_passed(task):
                raise Problem("process-timeout", f"The process did not end within {self._timeout:g} s.") from None
            raise
        finally:
            deadlines.end(task)
        reply = self._responder.reply(result, headers.get(b"accept"))
        encodings = headers.get(b"accept-encoding")
        if encodings is not None:
            reply = compress(reply, encodings)
        fields = reply.headers if request.added is None else [*reply.headers, *request.added]
        await send({"type": "http.response.start", "status": reply.status, "headers": fields})
        await send({"type": "http.response.body", "body": reply.body})

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
    settings: Settings,
) -> OperationApp:
    """Compose the application of one operation; raises SnapshotRefused, naming the operation, if it cannot be."""
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
        ),
        compile_body(operation, validators, settings, validate=trigger.validate),
        build_process(operation, api, binding),
        compile_responder(operation, api),
        deadlines,
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
