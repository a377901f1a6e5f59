"""Bytes to the gateway and whole answers back, read by a second, strict reader of HTTP (h11)."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import Any, NamedTuple

import h11

PATIENCE_SECONDS = 30.0
TRACES = (b"Traceback", b'File "', b".py", b"apimgmt.gateway", b"apimgmt.spec", b"site-packages", b"Error:", b"0x7f")
PROBLEM_BYTES_MOST = 2_048


class Answer(NamedTuple):
    """One answer; ``fields`` have names in lower case."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes
    reason: str = ""

    def field(self, name: str) -> str:
        """The first field of that name, or nothing."""
        return next((value for field, value in self.fields if field == name), "")

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Wire:
    """A connection to a port of this machine."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self.reader = h11.Connection(h11.CLIENT)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, data: bytes, method: str = "GET") -> Answer | None:
        """Send a whole request and read its answer; None if the connection ends without one.

        Raises h11.RemoteProtocolError for an answer that is not HTTP.
        """
        reader = self.reader
        if reader.our_state is h11.DONE and reader.their_state is h11.DONE:
            reader.start_next_cycle()
        # h11 has to know what the answer is to; what is sent is ``data``
        reader.send(
            h11.Request(method=method if method in ("HEAD", "CONNECT") else "GET", target="/", headers=[("host", "x")])
        )
        reader.send(h11.EndOfMessage())
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(data)
        return self._answer()

    def _answer(self) -> Answer | None:
        head, body = None, b""
        while True:
            event = self.reader.next_event()
            if event is h11.NEED_DATA:
                try:
                    data = self.socket.recv(1 << 20)
                except ConnectionError:
                    return None
                if not data and head is None:
                    return None
                self.reader.receive_data(data)
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                fields = [(name.decode().lower(), value.decode("latin-1")) for name, value in head.headers]
                return Answer(head.status_code, fields, body, head.reason.decode("latin-1"))
            elif isinstance(event, h11.ConnectionClosed):
                return None

    def is_sane(self, host: str = "gateway") -> bool:
        """Whether the connection still serves the next request, or was closed after saying so."""
        if self.reader.their_state in (h11.CLOSED, h11.MUST_CLOSE):
            return True
        answer = self.ask(f"GET /livez HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return answer is not None and answer.status == 200


def request(method: str, target: str | bytes, *fields: str, body: bytes = b"", close: bool = False) -> bytes:
    """The bytes of a request; ``fields`` are header lines, ``target`` goes as it is."""
    target = target.encode("latin-1") if isinstance(target, str) else target
    lines = ["Host: gateway", *fields]
    if body and not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in lines):
        lines.append(f"Content-Length: {len(body)}")
    if close:
        lines.append("Connection: close")
    head = b" ".join((method.encode("latin-1"), target, b"HTTP/1.1\r\n"))
    return head + "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n" + body


def once(port: int, data: bytes, method: str = "GET") -> Answer | None:
    """One request on a connection of its own."""
    with Wire(port) as wire:
        return wire.ask(data, method)


def chunked(body: bytes, size: int = 65_536) -> bytes:
    """A body in chunks."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def leaks(answer: Answer) -> str:
    """What an answer to a refused request says that it must not; empty if it is as it should be.

    A problem of at most 2 KB, its violations apart, without a word about our insides.
    """
    if answer.field("content-type") != "application/problem+json":
        return f"not a problem but {answer.field('content-type')!r}"
    document = answer.json()
    if document.get("status") != answer.status or "title" not in document or "type" not in document:
        return f"not the problem of a {answer.status}"
    size = len(json.dumps({**document, "errors": []}))
    if size > PROBLEM_BYTES_MOST:
        return f"{size} bytes"
    if len(document.get("errors", ())) > 100 or any(len(json.dumps(one)) > 1_500 for one in document.get("errors", ())):
        return "violations that are too many or too long"
    return next((f"names {trace!r}" for trace in TRACES if trace in answer.body), "")
