"""What all connections of one worker share: the application, the limits, the clock, and who is there."""

from __future__ import annotations

import asyncio
import email.utils
import logging
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Protocol

import msgspec

from apimgmt.errors import Problem
from apimgmt.origin import Proxies
from apimgmt.settings import Settings

Message = MutableMapping[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# a certificate of the caller (RFC 9440), the chain that belongs to it, and Envoy's field for both
CERTIFICATE_FIELDS = (b"client-cert", b"client-cert-chain", b"x-forwarded-client-cert")
SWEEP_SECONDS = 0.25
RESERVE = 100
RETRY_AFTER = ("Retry-After", "1")


class Peer(Protocol):
    """A connection, as the sweep and the shutdown see it."""

    def check(self, now: float) -> None:
        """Close what is past its deadline."""

    def drain(self) -> None:
        """Close if nothing is under way, else after the answer under way."""

    def abort(self) -> None:
        """Close at once, whatever is under way."""


class Running(Protocol):
    """A request in the application, as the shutdown sees it."""

    over: bool

    def cancel(self) -> None:
        """Stop the application."""


class Prefixes(dict[int, bytes]):
    """Status line, Server and Date of an answer by status; emptied when the second changes."""

    def __init__(self) -> None:
        super().__init__()
        self.second = 0

    def __missing__(self, status: int) -> bytes:
        reason = HTTPStatus(status).phrase if status in HTTPStatus.__members__.values() else ""
        date = email.utils.formatdate(self.second, usegmt=True)
        prefix = f"HTTP/1.1 {status} {reason}\r\nserver: apimgmt\r\ndate: {date}\r\n".encode()
        self[status] = prefix
        return prefix

    def tick(self) -> None:
        """Forget what carries an old date."""
        second = int(time.time())
        if second != self.second:
            self.second = second
            self.clear()


class Service:
    """One application served by one worker; ``now`` is the loop's time in seconds at the last sweep."""

    def __init__(self, app: Application, settings: Settings, log: logging.Logger, state: dict[str, Any]) -> None:
        self.app = app
        # a gateway that counts its requests is told of each: its scope, its status and its seconds
        self.observe: Callable[[Scope, int, float], None] | None = getattr(app, "observe", None)
        self.settings = settings
        self.log = log
        self.state = state
        self._proxies = Proxies(settings.trusted_proxies)
        self._certificate_field = settings.client_certificate_header.lower().encode()
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time()
        self.elapsed = 0.0
        self.prefixes = Prefixes()
        self.connections: set[Peer] = set()
        self.addresses: Counter[str] = Counter()
        self.exchanges: set[Running] = set()
        self.tails: set[Running] = set()
        self.draining = False
        self.prefixes.tick()

    def sweep(self) -> None:
        """Look at every connection once, and come back: one timer a worker instead of one a request."""
        now = self.loop.time()
        self.elapsed, self.now = now - self.now, now
        self.loop.call_later(SWEEP_SECONDS, self.sweep)
        self.prefixes.tick()
        for connection in tuple(self.connections):
            connection.check(now)

    def deadline(self, seconds: float) -> float:
        """The loop's time after which ``seconds`` have surely passed, although ``now`` is a little old."""
        return self.now + seconds + SWEEP_SECONDS

    def is_full(self, address: str) -> bool:
        """Whether one more connection, from this address, is one too many."""
        most = self.settings.connections_per_address
        return len(self.connections) >= self.settings.connections or 0 < most <= self.addresses[address]

    def is_busy(self) -> bool:
        """Whether one more request is one too many; what goes on after its answer is put aside, up to a limit."""
        if len(self.exchanges) < self.settings.in_flight:
            return False
        room = self.settings.tails - len(self.tails)
        answered = [exchange for exchange in self.exchanges if exchange.over][: max(room, 0)]
        self.tails.update(answered)
        self.exchanges.difference_update(answered)
        return len(self.exchanges) >= self.settings.in_flight

    def withheld(self, address: str) -> frozenset[bytes]:
        """The header fields that this peer may not send: those that speak of a client certificate, but for the one in
        which a listed proxy passes them on."""
        said = self._certificate_field
        passed_on = {said, *CERTIFICATE_FIELDS[:2]} if said == CERTIFICATE_FIELDS[0] else {said}
        every = {*CERTIFICATE_FIELDS, said} - {b""}
        return frozenset(every - passed_on if self._proxies.has(address) else every)

    def drain(self) -> None:
        """Close idle connections now and the others after the answers under way."""
        self.draining = True
        for connection in tuple(self.connections):
            connection.drain()

    def abort(self) -> None:
        """Close every connection and cancel every request that is still running."""
        for connection in tuple(self.connections):
            connection.abort()
        for exchange in (*self.exchanges, *self.tails):
            exchange.cancel()

    def problem(self, problem: Problem, instance: str = "") -> bytes:
        """A whole answer that says what is wrong and that the connection closes."""
        body = msgspec.json.encode(problem.document(instance))
        headers = [("content-type", "application/problem+json"), ("content-length", str(len(body)))]
        identity = instance.rpartition(":")[2] or uuid.uuid4().hex
        headers += [*problem.headers, ("x-request-id", identity), ("connection", "close")]
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
        return self.prefixes[problem.status] + fields.encode("latin-1") + b"\r\n" + body
