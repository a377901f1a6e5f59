"""Processes: what runs behind an operation. This file holds the protocol; every kind is a file of its own.

A kind is a frozen struct registered as ``process``; its fields are the ``config`` of a binding, and
``build(operation, api)`` makes the function that runs for every request::

    async def run(invocation: Invocation) -> object

The result becomes the HTTP response (see ``gateway/messages.py``).
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterable, Mapping
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


class Invocation:
    """One run of a process: ``#trigger``. ``claimsprincipal`` is None unless the caller came with OAuth 2 (F-071)."""

    __slots__ = ("claimsprincipal", "data", "operation", "scope")

    def __init__(self, operation: Operation, data: Data, scope: Mapping[str, Any], claimsprincipal: Any = None) -> None:
        self.operation = operation
        self.data = data
        self.scope = scope
        self.claimsprincipal = claimsprincipal


Process = Callable[[Invocation], Awaitable[Any]]


class ProcessKind(Protocol):
    """What a file in this folder registers: a struct with this method."""

    def build(self, operation: Operation, api: CompiledApi) -> Process:
        """The function that runs for every request; raises SettingInvalid if the configuration cannot work."""
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
