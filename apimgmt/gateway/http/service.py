"""What all connections of one worker share: the application, the limits, the clock, and who is there."""

from __future__ import annotations

import asyncio
import email.utils
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Protocol

import msgspec

from apimgmt.errors import Problem
from apimgmt.settings import Settings

Message = MutableMapping[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

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
        self.settings = settings
        self.log = log
        self.state = state
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time()
        self.elapsed = 0.0
        self.prefixes = Prefixes()
        self.connections: set[Peer] = set()
        self.addresses: Counter[str] = Counter()
        self.exchanges: set[Running] = set()
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

    def drain(self) -> None:
        """Close idle connections now and the others after the answers under way."""
        self.draining = True
        for connection in tuple(self.connections):
            connection.drain()

    def abort(self) -> None:
        """Close every connection and cancel every request that is still running."""
        for connection in tuple(self.connections):
            connection.abort()
        for exchange in tuple(self.exchanges):
            exchange.cancel()

    def problem(self, problem: Problem, instance: str = "") -> bytes:
        """A whole answer that says what is wrong and that the connection closes."""
        body = msgspec.json.encode(problem.document(instance))
        headers = [("content-type", "application/problem+json"), ("content-length", str(len(body)))]
        headers += [*problem.headers, ("connection", "close")]
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
        return self.prefixes[problem.status] + fields.encode("latin-1") + b"\r\n" + body
