"""The pools of the driver over requests: they dial only what the guard permits, and no byte is waited for longer than
the call may take.

A timeout of requests is one for each read; a system that sends a byte now and then is never timed out by it. Here every
read and write of a socket gets the time that is left until the deadline of its call.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from apimgmt.connections.egress.guard import Guard
from apimgmt.connections.egress.resolving import Info
from apimgmt.errors import ConnectionFailed

# it writes whole URLs, with their queries, into the log
logging.getLogger("urllib3").setLevel(logging.ERROR)

POOLED = 40
# the status line, all fields and all interim answers together
MOST_HEAD_BYTES = 262_144


class Deadline(threading.local):
    """When the call that this thread makes has to end: a time of ``time.monotonic``, None for never."""

    until: float | None = None

    @contextlib.contextmanager
    def within(self, until: float | None) -> Iterator[None]:
        """Calls made inside end by then."""
        before, self.until = self.until, until
        try:
            yield
        finally:
            self.until = before


def left(until: float | None) -> float | None:
    """The seconds until then, None for no limit; raises TimeoutError if there are none."""
    if until is None:
        return None
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds


def sooner(until: float | None, seconds: float | None) -> float | None:
    """The earlier of a deadline and so many seconds from now, None for neither."""
    given = [one for one in (until, None if seconds is None else time.monotonic() + seconds) if one is not None]
    return min(given, default=None)


class _Timed:
    """What both sockets have: a deadline for everything they do, and a limit for the head of an answer."""

    until: float | None = None
    head_left: int | None = None

    def _count(self, size: int) -> int:
        if self.head_left is not None:
            self.head_left -= size
            if self.head_left < 0:
                raise ConnectionFailed("protocol", f"the head of the answer is longer than {MOST_HEAD_BYTES} bytes")
        return size


class Line(_Timed, socket.socket):
    """A socket that keeps a deadline."""

    def recv_into(self, *arguments: Any, **options: Any) -> int:
        """Read, for no longer than there is time."""
        self.settimeout(left(self.until))
        return self._count(super().recv_into(*arguments, **options))

    def sendall(self, *arguments: Any, **options: Any) -> None:
        """Write, for no longer than there is time."""
        self.settimeout(left(self.until))
        super().sendall(*arguments, **options)

    def gettimeout(self) -> float | None:
        """The time that is left: a handshake that begins on this socket gets so much."""
        return left(self.until)


class SecureLine(_Timed, ssl.SSLSocket):
    """The same with TLS."""

    def recv_into(self, *arguments: Any, **options: Any) -> int:
        """Read, for no longer than there is time."""
        self.settimeout(left(self.until))
        return self._count(super().recv_into(*arguments, **options))

    def send(self, *arguments: Any, **options: Any) -> int:
        """Write a part, for no longer than there is time."""
        self.settimeout(left(self.until))
        return super().send(*arguments, **options)


def dial(found: list[Info], until: float | None, options: Any = ()) -> Line:
    """A connection to the first of these addresses that answers; none gets more than its share of the time."""
    failed: OSError | None = None
    for index, info in enumerate(found):
        seconds = left(until)
        line = Line(info[0], info[1], info[2])
        try:
            for option in options:
                line.setsockopt(*option)
            line.settimeout(None if seconds is None else seconds / (len(found) - index))
            line.connect(info[4])
        except OSError as error:
            line.close()
            failed = error
        else:
            return line
    raise failed or OSError("no address")


class Pools(HTTPAdapter):
    """The adapter of requests over such pools. ``trust`` gives the TLS context, ``proxy_fields`` go to a proxy."""

    def __init__(
        self,
        guard: Guard,
        trust: Callable[[], ssl.SSLContext],
        proxy_fields: Mapping[str, str] | None = None,
        connect_timeout: float | None = None,
    ) -> None:
        self.deadline = Deadline()
        self._trust = trust
        self._proxy_fields = dict(proxy_fields or {})
        self._classes = _classes(guard, self.deadline, connect_timeout)
        super().__init__(pool_connections=4, pool_maxsize=POOLED, max_retries=urllib3.Retry(0, read=False))

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """The pools, made of guarded connections."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self._classes

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """The pools of a proxy, guarded as well."""
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = self._classes
        return manager

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """What a proxy is told and the system behind it is not."""
        return self._proxy_fields

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The pool of an origin, with the connection's own TLS context."""
        host, _ = super().build_connection_pool_key_attributes(request, True, None)
        if host["scheme"] != "https":
            return host, {}
        context = self._trust()
        context.sslsocket_class = SecureLine
        return host, {"ssl_context": context}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing: the context says what is trusted, and requests would add the public authorities to it."""


class _Dialling:
    """A connection of urllib3 that dials what was looked at, and hands the deadline of the call to its socket."""

    guard: Guard
    deadline: Deadline
    connect_timeout: float | None

    def _new_conn(self: Any) -> socket.socket:
        until = sooner(self.deadline.until, self.connect_timeout)
        found = self.guard.addresses(self._dns_host, self.port, left(until))
        try:
            line = dial(found, until, self.socket_options or ())
        except OSError as error:
            # urllib3 passes over a reset while a request is written; one of a connection that never was is none
            raise NewConnectionError(self, "no connection") from error
        line.until = self.deadline.until
        return line

    def connect(self: Any) -> None:
        try:
            super().connect()  # type: ignore[misc]
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            raise ConnectionFailed("tls", "the other system cut the connection off in the TLS handshake") from None
        if not isinstance(self.sock, _Timed):
            # a release of urllib3 that dials in another way: nothing is sent past the guard
            self.close()
            raise ConnectionFailed("forbidden-address", "the connection was not made by the egress guard")
        self.sock.until = self.deadline.until

    def request(self: Any, *arguments: Any, **options: Any) -> None:
        if self.sock is not None:
            self.sock.until = self.deadline.until
        super().request(*arguments, **options)  # type: ignore[misc]

    def getresponse(self: Any) -> Any:
        line = self.sock
        if line is None:
            raise ConnectionResetError("the connection was lost while the request was written")
        line.head_left = MOST_HEAD_BYTES
        try:
            return super().getresponse()  # type: ignore[misc]
        finally:
            line.head_left = None


class _SecurePool(HTTPSConnectionPool):
    """Says nothing of its own about a certificate that nobody looked at: the log has had it, once (``blocking.py``)."""

    def _validate_conn(self, conn: Any) -> None:
        # the same as of the class above, without its warning at every request
        if conn.is_closed:
            conn.connect()


def _classes(guard: Guard, deadline: Deadline, connect_timeout: float | None) -> dict[str, type[HTTPConnectionPool]]:
    """The pools of each scheme; urllib3 makes their connections by itself, so that they know these by their class."""
    known = {"guard": guard, "deadline": deadline, "connect_timeout": connect_timeout}
    plain = type("Plain", (_Dialling, HTTPConnection), known)
    secure = type("Secure", (_Dialling, HTTPSConnection), known)
    return {
        "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("SecurePool", (_SecurePool,), {"ConnectionCls": secure}),
    }
