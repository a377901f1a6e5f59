"""Framing on a real server: what the application saw is what was sent, or the connection was closed with a 4xx."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator

import pytest
from http_shapes import ACCEPTED, AFTER, LAST, LENGTH, REFUSED, SMUGGLED, post
from liveserver import LiveServer, read, statuses


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """A server with the settings that it has without any."""
    with LiveServer() as running:
        yield running


def seen(server: LiveServer) -> list[list[str]]:
    """Method and path of every request that reached the application since the last time."""
    found: list[list[str]] = json.loads(server.get("/__seen")[1])
    return found


def say(connection: socket.socket, data: bytes, step: int) -> tuple[bytes, bool]:
    """Send in pieces of `step` bytes, and read what comes back."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(ConnectionError):
        for at in range(0, len(data), step):
            connection.sendall(data[at : at + step])
    return read(connection, 5.0)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(server: LiveServer, name: str) -> None:
    """A malformed or ambiguous request is answered with 4xx or 501 and closed; nothing after it runs."""
    with server.connect() as connection:
        data, closed = say(connection, REFUSED[name] + AFTER, 1 << 20)
    assert closed, data
    assert statuses(data)[-1] in (400, 414, 417, 431, 501), data
    assert b"connection: close" in data and b"application/problem+json" in data
    assert [request for request in seen(server) if request[1] in ("/after", "/smuggled")] == []


@pytest.mark.parametrize("step", (1 << 20, 1))
@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(server: LiveServer, name: str, step: int) -> None:
    """A legal request is read in one way, however it is cut into packets, and the one after it is the next request."""
    data, expected = ACCEPTED[name]
    with server.connect() as connection:
        answer, closed = say(connection, data + LAST, step if len(data) < 1000 else 1 << 20)
    assert seen(server) == [*expected, ["GET", "/after"]], answer
    assert set(statuses(answer)) <= {200, 100} and closed


@pytest.mark.parametrize("name", sorted(REFUSED)[::3])
def test_refused_in_pieces(server: LiveServer, name: str) -> None:
    """A malformed request is refused as well if it comes in small packets."""
    data = REFUSED[name]
    with server.connect() as connection:
        answer, closed = say(connection, data + AFTER, max(1, len(data) // 60))
    assert closed and statuses(answer)[-1] >= 400
    assert [request for request in seen(server) if request[1] in ("/after", "/smuggled")] == []


@pytest.mark.parametrize(
    "body",
    (
        post(b"Content-Length: 1000\r\n", SMUGGLED).replace(b"/post", b"/early"),
        post(b"Transfer-Encoding: chunked\r\n", b"fff\r\n" + SMUGGLED).replace(b"/post", b"/early"),
        post(b"Expect: 100-continue\r\nContent-Length: 1000\r\n", SMUGGLED).replace(b"/post", b"/early"),
    ),
    ids=("length", "chunked", "expect"),
)
def test_early_answer(server: LiveServer, body: bytes) -> None:
    """An answer given before the body was there closes the connection: the rest of the body is never a request."""
    with server.connect() as connection:
        connection.sendall(body)
        first, closed = read(connection, 1.0)
        with pytest.raises(ConnectionError):
            for _ in range(100):
                connection.sendall(AFTER * 2_000)
    assert statuses(first) == [200] and closed and b"connection: close" in first
    assert seen(server) == [["POST", "/early"]]


def test_http_1_0(server: LiveServer) -> None:
    """HTTP/1.0 needs no Host and gets one answer."""
    with server.connect() as connection:
        data, closed = say(connection, b"GET /get HTTP/1.0\r\n\r\n" + AFTER, 1 << 20)
    assert statuses(data) == [200] and closed
    assert seen(server) == [["GET", "/get"]]


def test_pipeline_is_bounded(server: LiveServer) -> None:
    """Ten thousand pipelined requests are all answered, one after the other and in order."""
    request = b"GET /get HTTP/1.1\r\nHost: x\r\n\r\n"
    with server.connect() as connection:
        sender = threading.Thread(target=connection.sendall, args=(request * 9_999 + LAST,))
        sender.start()
        data, closed = read(connection, 5.0)
        sender.join()
    assert len(statuses(data)) == 10_000 and closed
    assert seen(server) == [*[["GET", "/get"]] * 9_999, ["GET", "/after"]]


def test_requests_after_close_are_not_read(server: LiveServer) -> None:
    """What comes after a request that says close is not served."""
    with server.connect() as connection:
        data, closed = say(connection, post(LENGTH + b"Connection: x, Close\r\n", b"abcde") + AFTER, 1 << 20)
    assert statuses(data) == [200] and closed
    assert seen(server) == [["POST", "/post"]]
