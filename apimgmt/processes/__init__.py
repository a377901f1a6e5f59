"""Processes: what runs behind an operation. This file holds the protocol; every kind is a file of its own.

A kind is a frozen struct registered as ``process``; its fields are the ``config`` of a binding, and
``build(operation, api)`` makes the function that runs for every request::

    async def run(invocation: Invocation) -> object

The result becomes the HTTP response (see ``gateway/messages.py``).
"""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from apimgmt.members import HeaderMembers as HeaderMembers
from apimgmt.members import Members as Members
from apimgmt.model import CompiledApi, Operation


class Body(dict[str, Any]):
    """A JSON object of a request body whose properties are reachable by dots, at any depth (F-075)."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return dotted(self.get(name))


def dotted(value: Any) -> Any:
    """``value`` with its objects reachable by dots."""
    return Body(value) if type(value) is dict else value


class Data:
    """``#trigger.data``: the request as a process sees it (rows F-061 to F-089).

    ``path``, ``query``, ``header`` and ``cookie`` are cast by the document. Everything else is worked out when asked
    for, so that a process that does not look does not pay.
    """

    __slots__ = ("_body", "_raw", "_scope", "cookie", "header", "path", "query", "raw_body", "username")

    def __init__(
        self,
        scope: Mapping[str, Any],
        path: Members,
        query: Members,
        header: HeaderMembers,
        cookie: Members,
        body: Any = None,
        raw: bytes = b"",
        username: str | None = None,
        raw_body: bool = False,
    ) -> None:
        self._scope = scope
        self.path = path
        self.query = query
        self.header = header
        self.cookie = cookie
        self._body = body
        self._raw = raw
        self.username = username
        self.raw_body = raw_body

    @property
    def body(self) -> Any:
        """The parsed body: object, array, string or None if nothing was sent or the body is passed raw."""
        return dotted(self._body)

    @property
    def parsed(self) -> Any:
        """The same as plain values, as a function gets it that names its arguments."""
        return self._body

    @property
    def content(self) -> bytes:
        """The exact bytes of the body."""
        return self._raw

    @property
    def httpBody(self) -> str:  # noqa: N802  the name is the seed's (F-061)
        """The body as text; bytes that are not UTF-8 become U+FFFD."""
        return self._raw.decode("utf-8", "replace")

    @property
    def httpContentBytesInBase64(self) -> str | None:  # noqa: N802  (F-056, F-058)
        """The exact bytes of the body in Base64 if the operation passes its body raw, otherwise None."""
        return base64.b64encode(self._raw).decode("ascii") if self.raw_body else None

    @property
    def httpClientIp(self) -> str | None:  # noqa: N802  (F-062)
        """The address of the client."""
        client = self._scope.get("client")
        return client[0] if client else None

    @property
    def httpMethod(self) -> str:  # noqa: N802  (F-064)
        """The method in capitals."""
        return str(self._scope["method"])

    @property
    def httpHeader(self) -> HeaderMembers:  # noqa: N802  (F-089: both spellings resolve)
        """The same as ``header``."""
        return self.header

    @property
    def httpHeaders(self) -> HeaderMembers:  # noqa: N802
        """All header fields as they came, names in lower case."""
        return HeaderMembers(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in self._scope["headers"]
        )

    @property
    def httpCookies(self) -> Members:  # noqa: N802  (F-063)
        """The cookies of the request, as text."""
        pairs = Members()
        for name, value in self._scope["headers"]:
            if name == b"cookie":
                for pair in value.decode("latin-1").split(";"):
                    key, equals, text = pair.strip().partition("=")
                    if equals:
                        pairs.setdefault(key, text)
        return pairs

    @property
    def httpRequestUri(self) -> str:  # noqa: N802  (F-065)
        """The absolute URI of the request: scheme, host, port, path and query."""
        scope = self._scope
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        target = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        return f"{scope['scheme']}://{host}{target}{'?' + query if query else ''}"


class Answering(Protocol):
    """Who can answer the caller of an invocation before its process ends."""

    async def answer(self, invocation: Invocation, result: Any) -> None:
        """Send the answer for this result; raises Problem ``bad-result`` for one that cannot be sent."""

    def left(self, invocation: Invocation) -> float:
        """The seconds that its process has left."""


class Invocation:
    """One run of a process: ``#trigger``. ``claimsprincipal`` is None unless the caller came with OAuth 2 (F-071).

    ``answering`` sends early answers through ``channel``, in the loop of ``task``; ``early`` is the result of the
    first. ``answered`` are the seconds after which the caller had one and ``status`` is its status; once it ``is_over``
    for the caller, no other counts. ``tasks`` are those that a flow performed, ``error`` is what it ended with. A run
    that goes on by itself has an ``identity``, and ``keep`` performs the tasks of a flow so that none is repeated.
    ``lines`` is what it logs.
    """

    __slots__ = (
        "answered",
        "answering",
        "channel",
        "claimsprincipal",
        "data",
        "early",
        "error",
        "identity",
        "is_handed_over",
        "is_over",
        "keep",
        "lines",
        "operation",
        "scope",
        "status",
        "task",
        "tasks",
    )

    def __init__(self, operation: Operation, data: Data, scope: Mapping[str, Any], claimsprincipal: Any = None) -> None:
        self.operation = operation
        self.data = data
        self.scope = scope
        self.claimsprincipal = claimsprincipal
        self.answering: Answering | None = None
        self.channel: Any = None
        self.error: BaseException | None = None
        self.task: asyncio.Task[Any] | None = None
        self.answered: float | None = None
        self.identity = ""
        self.is_handed_over = False
        self.is_over = False
        self.keep: Any = None
        self.lines: Any = None
        self.early: Any = None
        self.status = 200
        self.tasks: Sequence[Any] = ()

    def respond(self, result: Any) -> Any:
        """Answer the caller now, and go on: ``await trigger.respond(result)``, without ``await`` in a thread (F-103).

        Whether the caller got this: only the first early answer counts (F-105), and none after the timeout. What can be
        returned can be given here; raises Problem ``bad-result`` for what cannot be sent.
        """
        task = self.task
        if _has_loop():
            return self._respond(result)
        if task is None or self.is_over:
            return False
        return asyncio.run_coroutine_threadsafe(self._respond(result), task.get_loop()).result()

    def left(self) -> float:
        """The seconds that the process has left; what it calls takes no longer (X-007)."""
        return math.inf if self.answering is None else self.answering.left(self)

    async def _respond(self, result: Any) -> bool:
        if self.is_over:
            return False
        # before anything is awaited: two branches of a process may respond at once
        self.is_over, self.early = True, result
        if self.answering is not None:
            try:
                await self.answering.answer(self, result)
            except HandedOver:
                raise
            except BaseException:
                self.is_over = False
                raise
        return True


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


Process = Callable[[Invocation], Awaitable[Any]]


class ProcessKind(Protocol):
    """What a file in this folder registers: a struct with this method."""

    def build(self, operation: Operation, api: CompiledApi) -> Process:
        """The function that runs for every request; raises SettingInvalid if the configuration cannot work."""
        ...


class Pieces(Protocol):
    """A body that comes piece by piece."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces; raises ConnectionFailed where no more can come."""
        ...

    async def aclose(self) -> None:
        """Let go of where they come from; may be called twice."""
        ...


class Envelope:
    """A ready HTTP response; sent as it is, without content negotiation (F-114 to F-121).

    ``headers`` are pairs; a name may come twice. ``content`` is text (encoded with ``encoding``) or bytes.
    """

    __slots__ = ("content", "content_type", "encoding", "headers", "status")

    def __init__(
        self,
        status: int = 200,
        content: str | bytes = b"",
        content_type: str | None = None,
        encoding: str | None = None,
        headers: Iterable[tuple[Any, Any]] = (),
    ) -> None:
        self.status = status
        self.content = content
        self.content_type = content_type
        self.encoding = encoding
        self.headers = headers


class Answer:
    """A result with a status and header fields of its own, whose value is still written by Accept (F-108 to F-113).

    ``headers`` are pairs; a ``Content-Type`` among them decides the format instead of Accept.
    """

    __slots__ = ("headers", "status", "value")

    def __init__(self, value: Any, status: int = 200, headers: Iterable[tuple[Any, Any]] = ()) -> None:
        self.value = value
        self.status = status
        self.headers = headers


class Alternatives:
    """A result that is there in several media types, best first, of which the caller's Accept picks one.

    ``contents`` maps a media type to the function that gives its body, so that what is not asked for is not made.
    """

    __slots__ = ("contents", "headers", "status")

    def __init__(
        self,
        contents: Mapping[str, Callable[[], str | bytes]],
        status: int = 200,
        headers: Iterable[tuple[Any, Any]] = (),
    ) -> None:
        self.contents = contents
        self.status = status
        self.headers = headers


class Passed:
    """An answer of another system, passed on as it came, without negotiation.

    ``headers`` are ready to be sent: pairs of bytes, names in lower case, nothing of the connection. The body is
    ``content``, or comes in ``pieces``: an iterator of bytes whose ``aclose`` is called however it ends.
    """

    __slots__ = ("content", "headers", "pieces", "status")

    def __init__(
        self, status: int, headers: list[tuple[bytes, bytes]], content: bytes = b"", pieces: Pieces | None = None
    ) -> None:
        self.status = status
        self.headers = headers
        self.content = content
        self.pieces = pieces


class Intermediate:
    """An early answer, yielded by a generator that goes on afterwards: ``yield Intermediate(result)`` (F-103)."""

    __slots__ = ("result",)

    def __init__(self, result: Any) -> None:
        self.result = result


class HandedOver(Exception):
    """Somebody else goes on with this run, from the task of its flow that has just answered the caller."""


class Thrown(Exception):
    """``raise Thrown(result)``: the caller gets this answer, and the run counts as failed (F-125)."""

    def __init__(self, result: Any) -> None:
        super().__init__("the process ended with an answer of its own")
        self.result = result
