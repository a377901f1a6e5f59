"""One connection: bytes in, exchanges one after the other, bytes out, and a deadline for whatever is awaited.

A connection is in one of five phases; everything that happens asks first in which::

    IDLE ──whole head──► BODY ──whole body──► BUSY ──answer complete──► IDLE ...
      └────────────── no body ────────────────┘
    any ──error, early answer──► LINGER (answer sent, input thrown away) ──► CLOSING
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from collections.abc import Callable
from contextvars import Context
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from apimgmt.errors import Problem
from apimgmt.gateway.http import framing
from apimgmt.gateway.http.exchange import HIGH_WATER, Exchange
from apimgmt.gateway.http.framing import CHUNKED, Chunks, Partial, Tail
from apimgmt.gateway.http.handshake import client_certificates
from apimgmt.gateway.http.service import RESERVE, RETRY_AFTER, SWEEP_SECONDS, Scope, Service

IDLE, BODY, BUSY, LINGER, CLOSING = range(5)
ASGI = {"version": "3.0", "spec_version": "2.4"}
PIPELINE_MOST = 16_384
REMEMBERED_MOST = 2_048
HEAD = b"HEAD "
RESET = struct.pack("ii", 1, 0)
NO_FIELDS = Tail("", [], 0, b"", False, False)
LINGER_SECONDS = 2.0
RATE_AFTER_SECONDS = 5.0


class Connection(asyncio.Protocol):
    """HTTP/1.1 on one connection; at most one request of it is in the application at a time."""

    transport: asyncio.Transport

    def __init__(self, service: Service) -> None:
        self.service = service
        self.settings = service.settings
        self.phase = IDLE
        self.deadline = math.inf
        self.exchange: Exchange | None = None
        self.buffer = b""
        self.at = 0
        self.partial: Partial | None = None
        self.tail = b""
        self.fields = NO_FIELDS
        self.chunks: Chunks | None = None
        self.left = 0
        self.received = 0
        self.started = 0.0
        self.reading_paused = False
        self.drain_waiter: asyncio.Future[None] | None = None
        self.unread_size = 0
        self.unread_since = math.inf

    # the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the peer's address and certificates, and refuse one connection too many with 503."""
        self.transport = cast(asyncio.Transport, transport)
        self.deadline = self.service.deadline(self.settings.header_seconds)
        self.write: Callable[[bytes], None] = self.transport.write
        peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        self.client = tuple(peer[:2]) if peer else None
        self.server = tuple(own[:2]) if isinstance(own, tuple) else (own, None)
        self.tls = tls_extension(transport)
        self.scheme = "http" if self.tls is None else "https"
        self.address = peer[0] if peer else ""
        self.withheld = self.service.withheld(self.address)
        full = self.service.is_full(self.address)
        crowded = len(self.service.connections) >= self.settings.connections + RESERVE
        self.service.connections.add(self)
        self.service.addresses[self.address] += 1
        if crowded:
            self.abort()
        elif full or self.service.draining:
            self._refuse(Problem("unavailable", "There are too many connections.", headers=[RETRY_AFTER]))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the exchange under way."""
        self.phase = CLOSING
        self.service.connections.discard(self)
        self.service.addresses[self.address] -= 1
        if not self.service.addresses[self.address]:
            del self.service.addresses[self.address]
        self._resume_drained()
        if self.exchange is not None:
            self.exchange.lost()
            self.exchange = None

    def data_received(self, data: bytes) -> None:
        """Bytes of a head, of a body, of a later request, or of nothing any more."""
        if self.phase == IDLE:
            self._read_head(data)
        elif self.phase == BODY:
            self._read_body(data)
        elif self.phase == BUSY:
            self.buffer = self.buffer[self.at :] + data
            self.at = 0
            if len(self.buffer) > PIPELINE_MOST:
                self._pause_reading()
        elif self.phase == LINGER:
            self.received += len(data)
            if self.received > self.settings.body_bytes:
                self.abort()

    # the head of a request

    def _read_head(self, data: bytes, at: int = 0) -> None:
        """Read the head that begins ``at``; a pipeline is not copied for each of its requests."""
        try:
            end = data.find(framing.END, at)
            if self.partial is not None or end < 0:
                self.buffer, self.at = b"", 0
                whole = self._collect(data[at:])
                if whole is None:
                    return
                data, at, end = whole, 0, whole.find(framing.END)
            self.buffer, self.at = data, end + len(framing.END)
            method, target, tail = framing.split_head(data[at:end], self.settings)
            # callers send the same fields again and again on one connection
            fields = self.fields if tail and tail == self.tail else self._parse_tail(tail)
            path, query = framing.parse_target(method, target, fields)
            self._begin(method, path, query, fields)
        except Problem as problem:
            self._refuse(problem, data[at : at + len(HEAD)])

    def _collect(self, data: bytes) -> bytes | None:
        if self.partial is None:
            self.partial = Partial(self.settings)
            self.deadline = self.service.deadline(self.settings.header_seconds)
        whole = self.partial.feed(data)
        if whole is not None:
            self.partial = None
        return whole

    def _parse_tail(self, tail: bytes) -> Tail:
        fields = framing.parse_tail(tail, self.settings)
        if not self.withheld.isdisjoint(name for name, _ in fields.headers):
            kept = [field for field in fields.headers if field[0] not in self.withheld]
            fields = fields._replace(headers=kept)
        if len(tail) <= REMEMBERED_MOST:
            self.tail, self.fields = tail, fields
        return fields

    def _begin(self, method: str, path: bytes, query: bytes, fields: Tail) -> None:
        """Start the application for a request whose head is complete."""
        service, length = self.service, fields.length
        if length > self.settings.body_bytes_most:
            raise self._too_large()
        if service.is_busy():
            raise Problem("unavailable", "There are too many requests under way.", headers=[RETRY_AFTER])
        scope: Scope = {
            "type": "http",
            "asgi": ASGI,
            "http_version": fields.version,
            "method": method,
            "scheme": self.scheme,
            "path": path.decode() if b"%" not in path else decode_path(path),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": fields.headers.copy(),
            "client": self.client,
            "server": self.server,
            "state": service.state.copy(),
            "extensions": {} if self.tls is None else {"tls": self.tls},
        }
        self.exchange = exchange = Exchange(self, service, scope, fields)
        service.exchanges.add(exchange)
        # this can happen at the end of the request before, whose context is not that of this one
        exchange.task = asyncio.Task(exchange.run(), loop=service.loop, name="request", context=Context())
        self.deadline = math.inf
        if length == 0:
            self.phase = BUSY
        else:
            self._begin_body(length)

    def _begin_body(self, length: int) -> None:
        self.phase = BODY
        self.left = length
        self.received = 0
        self.started = self.service.now
        self.chunks = Chunks(self.settings) if length == CHUNKED else None
        data = self.buffer[self.at :]
        self.buffer, self.at = b"", 0
        if data:
            self._read_body(data)

    def _too_large(self) -> Problem:
        return Problem("too-large", f"The body is longer than {self.settings.body_bytes_most} bytes.")

    # the body of a request

    def _read_body(self, data: bytes) -> None:
        exchange = cast(Exchange, self.exchange)
        try:
            piece, rest = self._decode(data)
            self.received += len(piece)
            if self.received > self.settings.body_bytes_most:
                raise self._too_large()
        except Problem as problem:
            self._refuse(problem)
            return
        if rest is not None:
            self.phase = BUSY
            self.buffer = rest
            self.chunks = None
        exchange.push(piece, rest is not None)
        if rest is None and len(exchange.body) > HIGH_WATER:
            self._pause_reading()

    def _decode(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Bytes of the body, and what follows it once it is complete (else None)."""
        if self.chunks is not None:
            return self.chunks.feed(data)
        size = len(data)
        if size < self.left:
            self.left -= size
            return data, None
        piece, rest = data[: self.left], data[self.left :]
        self.left = 0
        return piece, rest

    # what the exchange asks for

    async def drained(self) -> None:
        """Wait while the peer reads too slowly for what was written."""
        if self.drain_waiter is not None:
            await asyncio.shield(self.drain_waiter)

    def wanted(self) -> None:
        """Read on; the time for the body starts when it is asked for."""
        if self.phase == BODY:
            self._resume_reading()

    def answered(self, exchange: Exchange, keep: bool) -> None:
        """Go on to the next request, or close: gently if some of this one is still to come."""
        if exchange is not self.exchange:
            return
        self.exchange = None
        if not keep:
            self._close(linger=self.phase == BODY or self.at < len(self.buffer))
        elif self.drain_waiter is None:
            self._next()

    def broken(self, exchange: Exchange) -> None:
        """Cut the connection, so that half an answer is not taken for a whole one."""
        if exchange is self.exchange:
            self.abort()

    def _next(self) -> None:
        self.phase = IDLE
        self.deadline = self.service.deadline(self.settings.keepalive_seconds)
        if self.reading_paused:
            self._resume_reading()
        if self.at < len(self.buffer):
            self._read_head(self.buffer, self.at)
        elif self.service.draining:
            self._close(linger=False)

    # flow control

    def pause_writing(self) -> None:
        """The peer does not read what we write: let the application wait, and watch the time."""
        self.drain_waiter = self.service.loop.create_future()
        self._watch_unread()

    def resume_writing(self) -> None:
        """The peer has read enough; the next request, if it had to wait for that, can be read."""
        self._resume_drained()
        if self.phase == BUSY and self.exchange is None:
            self._next()

    def _resume_drained(self) -> None:
        waiter, self.drain_waiter = self.drain_waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _pause_reading(self) -> None:
        if not self.reading_paused:
            self.reading_paused = True
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if self.reading_paused:
            self.reading_paused = False
            self.transport.resume_reading()

    # deadlines and the end

    def check(self, now: float) -> None:
        """Close what is past its deadline; called by the sweep."""
        if self.phase == BODY:
            self._check_body(now)
        elif now >= self.deadline:
            self._expire()
        if self.drain_waiter is not None or self.phase == CLOSING:
            self._check_unread(now)

    def _expire(self) -> None:
        if self.phase == LINGER:
            self.abort()
        elif self.partial is not None:
            seconds = self.settings.header_seconds
            self._refuse(Problem("timeout", f"The header was not complete within {seconds:g} seconds."))
        else:
            self._close(linger=False)

    def _check_body(self, now: float) -> None:
        """The body has its time and, after some seconds, its least rate; time that we do not read does not count."""
        exchange = cast(Exchange, self.exchange)
        if self.reading_paused or exchange.expect:
            self.started += self.service.elapsed
        elapsed = now - self.started - SWEEP_SECONDS
        seconds, rate = self.settings.body_seconds, self.settings.body_rate
        if elapsed > seconds:
            self._refuse(Problem("timeout", f"The body was not complete within {seconds:g} seconds."))
        elif elapsed > RATE_AFTER_SECONDS and self.received < rate * elapsed:
            self._refuse(Problem("timeout", f"The body came slower than {rate} bytes per second."))

    def _watch_unread(self) -> None:
        self.unread_size = self.transport.get_write_buffer_size()
        self.unread_since = self.service.now

    def _check_unread(self, now: float) -> None:
        """Who reads slower than the least rate over the time of a stall is cut off."""
        size = self.transport.get_write_buffer_size()
        if self.unread_size - size > self.settings.body_rate * self.settings.write_seconds:
            self._watch_unread()
        elif now - self.unread_since > self.settings.write_seconds:
            # without a reset the kernel would keep what nobody reads
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.abort()

    def drain(self) -> None:
        """Close if nothing is under way, else after the answer under way."""
        if self.phase == IDLE and self.partial is None:
            self._close(linger=False)

    def abort(self) -> None:
        """Close at once."""
        self.phase = CLOSING
        self.transport.abort()

    def _refuse(self, problem: Problem, start: bytes = b"") -> None:
        """Say what is wrong, unless an answer has begun, and close; nothing after an error is read as a request.

        ``start`` is how a request begins that has come as a whole; the answer to a HEAD has no body (RFC 9110 9.3.2).
        """
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.lost()
            if exchange.answering:
                self.abort()
                return
        begun = start if self.partial is None else self.partial.buffer
        is_head = begun.startswith(HEAD) if exchange is None else exchange.scope["method"] == "HEAD"
        answer = self.service.problem(problem)
        self.transport.write(answer[: answer.index(framing.END) + len(framing.END)] if is_head else answer)
        self._close(linger=True)

    def _close(self, linger: bool) -> None:
        """Close after what was written; ``linger``: read on for a while, as a reset would destroy the answer."""
        self.buffer, self.at = b"", 0
        self.partial = None
        self._watch_unread()
        if linger and self.transport.can_write_eof():
            self.phase = LINGER
            self.received = 0
            self.deadline = self.service.deadline(LINGER_SECONDS)
            self.transport.write_eof()
            self._resume_reading()
        else:
            self.phase = CLOSING
            self.transport.close()


def decode_path(path: bytes) -> str:
    """The path, percent-decoded: as UTF-8, or byte by byte where it is not; the guard judges the raw bytes."""
    if b"%" not in path:
        return path.decode()
    decoded = unquote_to_bytes(path)
    try:
        return decoded.decode()
    except UnicodeDecodeError:
        return decoded.decode("latin-1")


def tls_extension(transport: asyncio.BaseTransport) -> dict[str, Any] | None:
    """``client_certificates`` of the connection for its scopes; None without TLS."""
    tls = transport.get_extra_info("ssl_object")
    return None if tls is None else {"client_certificates": client_certificates(tls)}
