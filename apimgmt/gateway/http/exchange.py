"""One request and its answer: what an ASGI application receives and sends, and the bytes that this makes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from apimgmt.errors import Problem
from apimgmt.gateway.http.framing import CHUNKED, NAMES, TEXT, Tail
from apimgmt.gateway.http.service import Message, Scope, Service

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BODILESS = (204, 304)
OURS = frozenset(
    (b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"upgrade", b"date", b"server")
)
IDENTITY = b"x-request-id"
UNTIL_CLOSE = -2
HIGH_WATER = 65_536
JOINED_MOST = 65_536
LINES_MOST = 1_000
LINE_LONGEST = 256


class Channel(Protocol):
    """A connection, as the exchange on it sees it."""

    write: Callable[[bytes], None]

    async def drained(self) -> None:
        """Wait until the peer has read enough of what was written."""

    def wanted(self) -> None:
        """The application reads the body: go on reading the connection."""

    def answered(self, exchange: Exchange, keep: bool) -> None:
        """The answer is complete; ``keep`` says whether the next request may follow."""

    def broken(self, exchange: Exchange) -> None:
        """The answer cannot be completed: cut the connection, so that the caller notices."""


class Lines(dict[tuple[bytes, bytes], bytes]):
    """Header fields of answers as bytes, checked; begins anew when it holds too many."""

    def __missing__(self, field: tuple[bytes, bytes]) -> bytes:
        name, value = field
        if value.translate(None, TEXT):
            raise RuntimeError(f"the answer's field {name!r} has a control character")
        lower = NAMES[name]
        if lower in OURS:
            return b""
        line = b"%b: %b\r\n" % (lower, value)
        if lower == IDENTITY:
            # each is there once
            return line
        if len(self) >= LINES_MOST:
            self.clear()
        if len(line) <= LINE_LONGEST:
            self[field] = line
        return line


LINES = Lines()


class Exchange:
    """One request (ASGI 3 ``http`` scope) and its answer."""

    __slots__ = (
        "answering",
        "body",
        "complete",
        "connection",
        "delivered",
        "expect",
        "gone",
        "keep",
        "left",
        "over",
        "scope",
        "service",
        "silent",
        "start",
        "started",
        "task",
        "waiter",
    )

    def __init__(self, connection: Channel, service: Service, scope: Scope, fields: Tail) -> None:
        self.connection = connection
        self.service = service
        self.scope = scope
        self.keep = fields.keep
        self.expect = fields.expect
        self.body = b""
        self.complete = fields.length == 0
        self.delivered = self.gone = self.over = self.answering = self.silent = False
        self.left = 0
        # not the loop's time, which is in whole milliseconds
        self.started = monotonic()
        self.start: Message | None = None
        self.task: asyncio.Task[None] | None = None
        self.waiter: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Run the application; whatever it raises becomes a 500 with an id, or a cut connection."""
        try:
            await self.service.app(self.scope, self.receive, self.send)
        except Exception as error:
            self._failed(error)
        else:
            if not self.over and not self.gone:
                self._failed(RuntimeError("the application returned without a complete answer"))
        finally:
            self.service.exchanges.discard(self)
            self.service.tails.discard(self)
            self.task = None

    def cancel(self) -> None:
        """Stop the application."""
        if self.task is not None:
            self.task.cancel()

    def _failed(self, error: Exception) -> None:
        if self.gone and isinstance(error, ConnectionResetError):
            return
        instance = f"urn:uuid:{uuid.uuid4()}"
        self.service.log.error("request failed, %s", instance, exc_info=error)
        if self.over or self.gone:
            return
        if self.answering:
            self.connection.broken(self)
        else:
            self.start = {"status": 500}
            self.connection.write(self.service.problem(Problem("internal"), instance))
            self._finish(keep=False)

    # what comes in

    def push(self, piece: bytes, complete: bool) -> None:
        """More of the body has come."""
        self.body += piece
        self.complete = complete
        self._wake()

    def lost(self) -> None:
        """The caller is gone, or was refused while sending the body: nothing more can be said to him."""
        self.gone = True
        self._wake()

    def _wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def receive(self) -> Message:
        """The next ``http.request`` with what there is of the body, or ``http.disconnect``."""
        while not (self.gone or self.over):
            if self.body or (self.complete and not self.delivered):
                body, self.body = self.body, b""
                self.delivered = self.complete
                return {"type": "http.request", "body": body, "more_body": not self.complete}
            if not self.complete:
                self._ask()
            self.waiter = self.service.loop.create_future()
            await self.waiter
        return {"type": "http.disconnect"}

    def _ask(self) -> None:
        if self.expect and not self.answering:
            self.connection.write(CONTINUE)
        self.expect = False
        self.connection.wanted()

    # what goes out

    async def send(self, message: Message) -> None:
        """Take ``http.response.start`` and ``http.response.body``; raises RuntimeError for what is out of order.

        Raises ConnectionResetError once the caller is gone, so that endless answers end; a whole answer is dropped.

        The head waits for the first body, so that a whole answer is one write, unless that would copy much.
        """
        kind = message["type"]
        if self.over:
            raise RuntimeError(f"{kind} after the answer was complete")
        if kind == "http.response.start" and self.start is None:
            self.start = message
        elif kind != "http.response.body" or self.start is None:
            raise RuntimeError(f"{kind} is not what is to be sent now")
        elif self.gone:
            if message.get("more_body", False):
                raise ConnectionResetError("the caller is gone")
        else:
            body, more = message.get("body", b""), message.get("more_body", False)
            data = self._head(self.start, len(body), more) if not self.answering else b""
            framed = self._framed(body, more) if not self.silent else b""
            self.answering = True
            if data and len(framed) > JOINED_MOST:
                self.connection.write(data)
                data = framed
            else:
                data += framed
            if data:
                self.connection.write(data)
            if not more:
                self._finish(self.keep)
            else:
                await self.connection.drained()

    def _head(self, start: Message, size: int, more: bool) -> bytes:
        """The head of the answer; decides how the body is framed and whether the connection can be kept."""
        status: int = start["status"]
        if not 200 <= status <= 999:
            raise RuntimeError(f"{status} is not the status of a final answer")
        head = self.service.prefixes[status]
        declared: int | None = None if more else size
        for name, value in start.get("headers", ()):
            if name == b"content-length":
                declared = _length(value)
            elif line := LINES[name, value]:
                head += line
            else:
                declared = self._ours(name, value, declared)
        head += self._frame(status, declared)
        if self.keep and self.complete and not self.service.draining:
            return head + b"\r\n"
        self.keep = False
        return head + b"connection: close\r\n\r\n"

    def _ours(self, name: bytes, value: bytes, declared: int | None) -> int | None:
        """A field that this server writes itself: what the application says with it, or nothing."""
        name = name.lower()
        if name == b"connection" and value.lower() == b"close":
            self.keep = False
        return _length(value) if name == b"content-length" else declared

    def _frame(self, status: int, declared: int | None) -> bytes:
        head_only = self.scope["method"] == "HEAD"
        self.silent = head_only or status in BODILESS
        if self.silent:
            # of a HEAD the length is only known if the application says it; an empty body is no statement
            return b"content-length: %d\r\n" % declared if declared and status != 204 else b""
        if declared is not None:
            self.left = declared
            return b"content-length: %d\r\n" % declared
        if self.scope["http_version"] == "1.1":
            self.left = CHUNKED
            return b"transfer-encoding: chunked\r\n"
        self.left = UNTIL_CLOSE
        self.keep = False
        return b""

    def _framed(self, body: bytes, more: bool) -> bytes:
        if self.left >= 0:
            self.left -= len(body)
            if self.left < 0 or (self.left and not more):
                raise RuntimeError("the body is not as long as content-length says")
            return body
        if self.left == UNTIL_CLOSE:
            return body
        chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        return chunk if more else chunk + b"0\r\n\r\n"

    def _finish(self, keep: bool) -> None:
        self.over = True
        observe = self.service.observe
        if observe is not None and self.start is not None:
            observe(self.scope, self.start["status"], monotonic() - self.started)
        self._wake()
        self.connection.answered(self, keep)


def _length(value: bytes) -> int:
    if not value.isdigit():
        raise RuntimeError("the answer's content-length is not a number")
    return int(value)
