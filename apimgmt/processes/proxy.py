"""proxy: the operation of another system, behind the gateway: what comes in goes through a connection, what comes out
goes back to the caller, piece by piece.

    {"kind": "proxy", "connection": "crm"}
    {"kind": "proxy", "connection": "crm", "path": "/v2/customers/{path.id}", "query": {"expand": "{query.with}"}}

See ``docs/proxy.md`` for what is passed on and what is not.
"""

from __future__ import annotations

import logging
import re
import weakref
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import uuid4

from msgspec import Meta

from apimgmt.connections import Call, Reply
from apimgmt.connections.connection import SAFE, Connection
from apimgmt.connections.known import connections
from apimgmt.connections.layers.exchange import authenticated
from apimgmt.connections.remaining import within
from apimgmt.errors import ConnectionFailed, Problem, SettingInvalid
from apimgmt.model import CompiledApi, Operation, Struct
from apimgmt.origin import Proxies
from apimgmt.processes import Invocation, Passed, Process
from apimgmt.processes.proxying.expressions import Template, Text, text_of
from apimgmt.processes.proxying.fields import HOP, Forwarding, Origins, Returning
from apimgmt.processes.proxying.judging import Judge
from apimgmt.processes.proxying.target import path_of, query_of
from apimgmt.registry import find, register
from apimgmt.request import SCOPE_KEY, Request

log = logging.getLogger("apimgmt.processes")
NOT_IMPLEMENTED = 501
CODINGS = ("Accept-Encoding", "gzip, deflate")

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch


@register("process", "proxy")
class Proxy(Struct, frozen=True):
    """``connection`` is where it goes; everything else is as the request came unless it is said here.

    ``method``, ``path`` (below the base URL), ``query``, ``headers`` and ``body`` (JSON) are made of texts with
    expressions such as ``{path.id}``. ``query`` is also ``declared`` (what the document declares), ``all`` or ``none``.
    ``forward`` lists header fields that are passed on, ``*`` is all but credentials; ``cookies`` lets cookies pass in
    both directions. ``timeout`` is for each attempt, in seconds. ``validate`` looks whether answers fit the document:
    ``off``, ``report`` or ``enforce``. With ``mockOn501`` the mock answers where the other system says 501.
    """

    connection: str
    method: Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] | None = None
    path: str = ""
    query: Literal["declared", "all", "none"] | dict[str, Any] = "declared"
    headers: dict[str, str] = {}  # noqa: RUF012  msgspec copies it
    body: Any = None
    forward: Literal["*"] | tuple[str, ...] = "*"
    cookies: bool = False
    timeout: Annotated[float, Meta(gt=0, le=300)] | None = None
    validate: Literal["off", "report", "enforce"] = "off"
    mock_on_501: bool = False

    def build(self, operation: Operation, api: CompiledApi) -> Process:
        """The process for an operation; raises SettingInvalid for a mapping that cannot work."""
        return Proxying(self, operation, api).run


class Proxying:
    """The proxy of one operation: what load time can work out, and what each connection adds to it."""

    def __init__(self, config: Proxy, operation: Operation, api: CompiledApi) -> None:
        self.config = config
        self.api = api
        self.path = path_of(config.path, operation)
        self.query = query_of(config.query, operation, api)
        self.headers = [(name, _text(name, text, operation)) for name, text in config.headers.items()]
        self.body = Template(config.body, operation) if config.body is not None else None
        self.judge = Judge(operation, api) if config.validate != "off" else None
        self._mock: Process | None = find("process", "mock")().build(operation, api) if config.mock_on_501 else None
        dropped = ("content-encoding", "content-length", "accept-ranges") if self.judge else ()
        self.returning = Returning(config.cookies, dropped)
        self._plan: Plan | None = None
        # refused here and not at the first call
        self.forwarding(())

    def forwarding(self, set_here: tuple[str, ...]) -> Forwarding:
        """Which fields are passed on, besides those that somebody sets."""
        own = (*self.config.headers, *set_here, *(("accept-encoding",) if self.judge else ()))
        replaced = ("content-type", "content-encoding") if self.body else ()
        return Forwarding(self.config.forward, self.api, self.config.cookies, (*own, *replaced))

    async def run(self, invocation: Invocation) -> Any:
        """Send the request and pass its answer on; raises Problem."""
        try:
            connection = connections.find(self.config.connection)
            plan = self._plan
            streaming = plan.streaming() if plan is not None and plan.connection() is connection else None
            if plan is None or streaming is None:
                streaming = connection.streaming()
                plan = self._plan = Plan(self, connection, streaming)
            within.set(invocation)
            reply = await streaming.run(authenticated(plan.call(invocation), connection.policy))
        except ConnectionFailed as error:
            raise error.problem() from None
        except SettingInvalid as error:
            raise Problem("upstream-failed", reason=str(error)) from None
        if reply.status == NOT_IMPLEMENTED and self._mock is not None:
            if reply.stream is not None:
                await reply.stream.aclose()
            return await self._mock(invocation)
        return plan.passed(reply, invocation)


class Plan:
    """What is known once it is known which connection it is; made anew when that changes.

    It refers to the connection and its driver weakly: an operation that nobody calls keeps no replaced one open.
    """

    def __init__(self, proxying: Proxying, connection: Connection, streaming: Any) -> None:
        configuration, config = connection.configuration, proxying.config
        self.connection = weakref.ref(connection)
        self.streaming = weakref.ref(streaming)
        self._name = connection.name
        self._proxying = proxying
        self._method = config.method
        self._own = (*configuration.headers.items(), *configuration.secret_headers.items())
        self._forwarding = proxying.forwarding(tuple(name for name, _ in self._own))
        self._fixed = [*self._own, *((CODINGS,) if proxying.judge else ())]
        self._origins = Origins(Proxies(connection.settings.trusted_proxies))
        self._base = configuration.base_url.rstrip("/")
        self._timeout = config.timeout or configuration.timeout
        self._repeatable = configuration.retries.unsafe
        self._key = configuration.idempotency_key
        self._moved = bool(config.path)

    def call(self, invocation: Invocation) -> Call:
        """The request that goes out."""
        proxying, data, scope = self._proxying, invocation.data, invocation.scope
        request: Request = scope[SCOPE_KEY]
        fields = self._forwarding.fields(scope["headers"], request.headers.get(b"connection"))
        fields += self._fixed
        fields += self._origins.fields(request)
        for name, text in proxying.headers:
            value = text.value(data)
            if value is not None:
                fields.append((name, _field(name, value)))
        content = data.content
        if proxying.body is not None:
            content = proxying.body.content(data)
            fields.append(("Content-Type", "application/json"))
        method = scope["method"]
        if self._method is not None and method != "HEAD":
            method = self._method
        path, query = proxying.path(invocation), proxying.query(invocation)
        repeatable = method in SAFE or self._is_repeatable(fields)
        return Call(
            method=method,
            url=f"{self._base}{path}?{query}" if query else self._base + path,
            headers=tuple(fields),
            content=content,
            timeout=self._timeout,
            repeatable=repeatable,
            streamed=proxying.judge is None,
        )

    def passed(self, reply: Reply, invocation: Invocation) -> Passed:
        """The answer as the caller gets it; raises Problem if it has to fit the document and does not."""
        proxying = self._proxying
        is_head = reply.method == "HEAD"
        headers = proxying.returning.fields(reply.headers, self._located(reply, invocation))
        if proxying.judge is not None:
            content_type = reply.header("content-type") or ""
            fault = proxying.judge.fault(reply.status, content_type, reply.content, is_head)
            if fault and proxying.config.validate == "enforce":
                raise Problem("upstream-failed", reason=f"{invocation.operation.key}: {fault}")
            if fault:
                log.warning("%s: the answer of %s: %s", invocation.operation.key, self._name, fault)
        if reply.stream is not None:
            return Passed(reply.status, headers, pieces=reply.stream)
        if not is_head:
            headers = [field for field in headers if field[0] != b"content-length"]
            if reply.status not in (204, 304):
                headers.append((b"content-length", b"%d" % len(reply.content)))
        return Passed(reply.status, headers, reply.content)

    def _is_repeatable(self, fields: list[tuple[str, str]]) -> bool:
        """Whether a request that changes something may be sent twice: because it has a key by which that is noticed."""
        if not self._key:
            return self._repeatable
        if not any(name.lower() == self._key.lower() for name, _ in fields):
            fields.append((self._key, str(uuid4())))
        return True

    def _located(self, reply: Reply, invocation: Invocation) -> dict[str, str] | None:
        """Where URLs of the other system are here, if paths are the same on both sides and the answer may have one."""
        if self._moved or not (reply.status == 201 or 300 <= reply.status < 400 or reply.header("content-location")):
            return None
        request: Request = invocation.scope[SCOPE_KEY]
        base = "/".join(request.segments[: request.start])
        there = {self._base: base}
        if path := urlsplit(self._base).path:
            there[path] = base
        return there


def _text(name: str, text: str, operation: Operation) -> Text:
    if name.lower() in HOP - {"proxy-authorization"}:
        raise SettingInvalid(f"headers: {name} belongs to one connection and cannot be set")
    if not _NAME(name):
        raise SettingInvalid(f"headers: {name[:100]!r} is no name of a header field")
    return Text(text, operation)


def _field(name: str, value: Any) -> str:
    """The value of a header field; raises Problem for one that could end the field (RFC 9110 section 5.5)."""
    text = text_of(value).strip(" \t")
    if not _VALUE(text):
        raise Problem("bad-request", f"What {name} is made of has characters that a header field cannot have.")
    return text
