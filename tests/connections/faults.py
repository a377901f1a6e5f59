"""A server that fails on purpose, one fault per connection or request, and counts what it saw.

    from connections.faults import Faults                       # from any folder of tests

    with Faults("reset-mid-body") as upstream:                  # always this fault
        made(baseUrl=upstream.url, internalHosts=["127.0.0.1"]).get("/")
    with Faults("reset-before-headers", "good") as upstream:    # the first request, then all others
        ...
        assert upstream.connections == 2 and [seen.method for seen in upstream.requests] == ["POST", "POST"]

``requests`` has every request that was read to its end, so a "reset-before-headers" is an effect that was committed and
not answered (R-19). ``live`` counts the connections that are still open. Other arguments: ``body`` and ``headers`` of
good answers, ``seconds`` of delays and ``pause`` between two drops of a drip, ``host`` ("::1"), ``port``, ``tls`` (a
``pki.Holder``; ``certificates`` makes good and bad ones) and ``clients`` (the authority of client certificates that are
then demanded). A fault that is ``bytes`` is sent as it stands, whereupon the connection is closed.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import socket
import ssl
import struct
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple, Self

from cryptography import x509
from pki import SERVER, Holder, authority

HEAD_MOST = 1_000_000


class Seen(NamedTuple):
    """One request: ``headers`` with names in lower case, ``peer`` is the certificate of the client if it showed one."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    peer: Any = None


class Faults:
    """The server; usable at once and closed by ``close`` or at the end of ``with``."""

    def __init__(
        self,
        *faults: str | bytes,
        body: bytes = b'{"ok": true}',
        headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),),
        seconds: float = 5.0,
        pause: float = 0.05,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: Holder | None = None,
        clients: Holder | None = None,
    ) -> None:
        self.faults = list(faults or ("good",))
        self.body, self.headers, self.seconds, self.pause = body, headers, seconds, pause
        self.status = "HTTP/1.1 200 OK"
        self.requests: list[Seen] = []
        self.connections = 0
        self._lines: set[socket.socket] = set()
        self._fillers: list[socket.socket] = []
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self.context = _context(tls, clients) if tls else None
        self._listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._listener.bind((host, port))
        self.port: int = self._listener.getsockname()[1]
        self.host = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{self.host}:{self.port}"
        if self.faults == ["refuse"]:
            return  # bound, so that nobody else takes the port, but nobody listens
        full = self.faults == ["full"]
        self._listener.listen(0 if full else 128)
        if full:
            self._fill(host)
        else:
            threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def live(self) -> int:
        """How many connections are open now."""
        return len(self._lines)

    def close(self) -> None:
        """Stop listening and cut every connection off."""
        self._closing.set()
        for one in (self._listener, *list(self._lines)):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for one in (self._listener, *self._fillers):
            one.close()

    def _fill(self, host: str) -> None:
        """Take every place of the queue, so that no further connection is ever established."""
        for _ in range(3):
            filler = socket.socket(self._listener.family)
            filler.setblocking(False)
            filler.connect_ex((host, self.port))
            self._fillers.append(filler)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._lines.add(line)
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        line = plain
        try:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context:
                line = self.context.wrap_socket(line, server_side=True)
            with line.makefile("rb") as stream:
                while self._answer(line, stream):
                    pass
        except (OSError, ValueError):
            pass
        finally:
            self._lines.discard(plain)
            line.close()

    def _answer(self, line: socket.socket, stream: Any) -> bool:
        """One request; whether another may follow on this connection."""
        if self.faults[0] in ("reset", "close", "black-hole", "drip-handshake", "greeting"):
            fault: str | bytes = self._next()
        else:
            seen = _read(stream, line)
            if seen is None:
                return False
            fault = self._next()
            self.requests.append(seen)
        if isinstance(fault, bytes):
            line.sendall(fault)
            return False
        return FAULTS[fault](self, line)

    def _next(self) -> str | bytes:
        with self._lock:
            return self.faults.pop(0) if len(self.faults) > 1 else self.faults[0]

    def wait(self, seconds: float | None = None) -> bool:
        """Wait so long, or until this server is closed; whether it was."""
        return self._closing.wait(seconds)

    def head(self, *fields: tuple[str, str], status: str = "") -> bytes:
        """The head of an answer with these fields besides its own."""
        status = status or self.status
        lines = (f"{name}: {value}" for name, value in (*self.headers, *fields))
        return "\r\n".join((status, *lines, "", "")).encode("latin-1")

    def good(self) -> bytes:
        """A whole answer without a fault."""
        return self.head(("Content-Length", str(len(self.body)))) + self.body


@contextlib.contextmanager
def pair(first: str, second: str, *faults: str | bytes) -> Iterator[tuple[Faults, Faults]]:
    """Two servers at one port of two addresses; another port, if that one is taken at the second address."""
    for _ in range(20):
        one = Faults(*faults, host=first)
        try:
            other = Faults(*faults, host=second, port=one.port)
        except OSError:
            one.close()
        else:
            break
    with one, other:
        yield one, other


def certificates(root: Holder) -> dict[str, Holder]:
    """Certificates of a server: good, expired, not-yet, wrong-name (below ``root``) and self-signed."""
    here = _named("127.0.0.1", "::1", "localhost")
    return {
        "good": root.issue("here", usage=(SERVER,), extensions=here),
        "expired": root.issue("here", usage=(SERVER,), extensions=here, days=(-9, -2)),
        "not-yet": root.issue("here", usage=(SERVER,), extensions=here, days=(2, 9)),
        "wrong-name": root.issue("there", usage=(SERVER,), extensions=_named("there.example")),
        "self-signed": authority("here", ca=False, usage=(SERVER,), extensions=here),
    }


def _named(*names: str) -> list[tuple[x509.ExtensionType, bool]]:
    given: list[x509.GeneralName] = []
    for name in names:
        try:
            given.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            given.append(x509.DNSName(name))
    return [(x509.SubjectAlternativeName(given), False)]


def _context(holder: Holder, clients: Holder | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        context.load_cert_chain(holder.save(Path(folder) / "server.pem"))
    if clients:
        context.load_verify_locations(cadata=clients.pem)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _read(stream: Any, line: socket.socket) -> Seen | None:
    """The next request, whole; None if there is none."""
    first = stream.readline(HEAD_MOST).decode("latin-1").split()
    if len(first) != 3:
        return None
    headers: dict[str, str] = {}
    while field := stream.readline(HEAD_MOST).decode("latin-1").strip():
        name, _, value = field.partition(":")
        headers[name.lower()] = value.strip()
    peer = line.getpeercert() if isinstance(line, ssl.SSLSocket) else None
    return Seen(first[0], first[1], headers, b"".join(_body(stream, headers)), peer)


def _body(stream: Any, headers: dict[str, str]) -> Iterator[bytes]:
    if "chunked" not in headers.get("transfer-encoding", ""):
        yield stream.read(int(headers.get("content-length", "0")))
        return
    while size := int(stream.readline(), 16):
        yield stream.read(size)
        stream.readline()
    stream.readline()


def _reset(line: socket.socket) -> bool:
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def _sent(line: socket.socket, content: bytes, more: bool = False) -> bool:
    line.sendall(content)
    return more


def _good(server: Faults, line: socket.socket) -> bool:
    return _sent(line, server.good(), True)


def _black_hole(server: Faults, line: socket.socket) -> bool:
    return server.wait() and False


def _delay(server: Faults, line: socket.socket) -> bool:
    return not server.wait(server.seconds) and _good(server, line)


def _drip(server: Faults, line: socket.socket, at_once: bytes, slowly: bytes) -> bool:
    line.sendall(at_once)
    for byte in slowly:
        if server.wait(server.pause):
            return False
        line.sendall(bytes([byte]))
    return True


def _endless(server: Faults, line: socket.socket, head: bytes, piece: bytes) -> bool:
    line.sendall(head)
    while not server.wait(0):
        line.sendall(piece)
    return False


def _cut(server: Faults, line: socket.socket, content: bytes) -> bool:
    # what was sent has to arrive before the reset does, which would throw it away
    line.sendall(content)
    server.wait(0.02)
    return _reset(line)


def _half(server: Faults) -> bytes:
    return server.good()[: -(len(server.body) // 2)]


def _encoded(server: Faults, line: socket.socket, coding: str, content: bytes) -> bool:
    head = server.head(("Content-Encoding", coding), ("Content-Length", str(len(content))))
    return _sent(line, head + content, True)


@functools.cache
def _bomb(window: int) -> bytes:
    """64 MiB of zeros, compressed a thousand times smaller."""
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(64)), packer.flush()])


def _chunked(server: Faults) -> bytes:
    return server.head(("Transfer-Encoding", "chunked"))


Fault = Callable[[Faults, socket.socket], bool]
ZEROS = bytes(65_536)
FAULTS: dict[str, Fault] = {
    "good": _good,
    "chunked": lambda s, line: _sent(line, _chunked(s) + b"%x\r\n%b\r\n0\r\n\r\n" % (len(s.body), s.body), True),
    "gzip": lambda s, line: _encoded(s, line, "gzip", gzip.compress(s.body)),
    "deflate": lambda s, line: _encoded(s, line, "deflate", zlib.compress(s.body)),
    # connections: "refuse" and "full" (never established) are made in the constructor and stand alone
    "reset": lambda s, line: _reset(line),
    "close": lambda s, line: False,
    "black-hole": _black_hole,
    "greeting": lambda s, line: _sent(line, b"220 mail.example is ready\r\n") or _black_hole(s, line),
    "drip-handshake": lambda s, line: _drip(s, line, b"\x16\x03\x03\x40\x00", bytes(16_384)),
    # answers that are cut off or come slowly
    "reset-before-headers": lambda s, line: _reset(line),
    "close-before-headers": lambda s, line: False,
    "reset-after-headers": lambda s, line: _cut(s, line, s.head(("Content-Length", str(len(s.body))))),
    "reset-mid-body": lambda s, line: _cut(s, line, _half(s)),
    "never-answer": _black_hole,
    "delay": _delay,
    "drip-headers": lambda s, line: _drip(s, line, b"", s.good()),
    "drip-body": lambda s, line: _drip(s, line, s.head(("Content-Length", str(len(s.body)))), s.body),
    "drip-chunks": lambda s, line: _drip(s, line, _chunked(s), b"1\r\nx\r\n" * 1000),
    # answers that are not HTTP as it should be
    "longer-length": lambda s, line: _sent(line, s.head(("Content-Length", str(len(s.body) + 9))) + s.body),
    "shorter-length": lambda s, line: _sent(line, s.head(("Content-Length", str(len(s.body) - 3))) + s.body, True),
    "two-lengths": lambda s, line: _sent(line, s.head(("Content-Length", "3"), ("Content-Length", "9")) + s.body),
    "bad-length": lambda s, line: _sent(line, s.head(("Content-Length", "many")) + s.body),
    "bad-chunk": lambda s, line: _sent(line, _chunked(s) + b"zz\r\n" + s.body + b"\r\n0\r\n\r\n"),
    "cut-chunk": lambda s, line: _sent(line, _chunked(s) + b"%x\r\n" % (len(s.body) + 9) + s.body),
    "bad-gzip": lambda s, line: _encoded(s, line, "gzip", b"\x1f\x8b" + s.body),
    "cut-gzip": lambda s, line: _encoded(s, line, "gzip", gzip.compress(s.body)[:-9]),
    "garbage": lambda s, line: _sent(line, bytes(range(256)) * 4),
    "http10": lambda s, line: _sent(line, s.head(status="HTTP/1.0 200 OK") + s.body),
    # answers that are too much
    "endless-headers": lambda s, line: _endless(s, line, b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n" * 100),
    "endless-header": lambda s, line: _endless(s, line, b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 65_536),
    "endless-body": lambda s, line: _endless(s, line, s.head(), ZEROS),
    "endless-chunks": lambda s, line: _endless(s, line, _chunked(s), b"10000\r\n" + ZEROS + b"\r\n"),
    "endless-continue": lambda s, line: _endless(s, line, b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "gzip-bomb": lambda s, line: _encoded(s, line, "gzip", _bomb(31)),
    "deflate-bomb": lambda s, line: _encoded(s, line, "deflate", _bomb(15)),
    # another status
    "redirect": lambda s, line: _sent(line, s.head(("Content-Length", "0"), status="HTTP/1.1 302 Found"), True),
    "unavailable": lambda s, line: _sent(line, s.head(("Content-Length", "0"), status="HTTP/1.1 503 Busy"), True),
}
