"""The server as its users see it: scopes, answers, limits, shutdown, and the processes around it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from liveserver import LiveServer, connections, free_port, read, statuses

from apimgmt.gateway.server import serve_config
from apimgmt.settings import Settings


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """One worker with small limits of the sizes that the tests below go to."""
    with LiveServer(body_bytes_most=1000, body_bytes=100_000) as running:
        yield running


def ask(server: LiveServer, head: str, body: bytes = b"") -> tuple[bytes, bytes]:
    """Head and body of the answer to one request, after which the server closes."""
    data = server.talk(head.replace("\n", "\r\n").encode("latin-1") + b"Connection: close\r\n\r\n" + body, 10.0)
    answer, _, content = data.partition(b"\r\n\r\n")
    return answer, content


def answer_on(connection: socket.socket) -> bytes:
    """One answer with a length, on a connection that stays open."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    size = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < size:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def test_a_request_has_nothing_of_the_one_before_it(server: LiveServer) -> None:
    """A request of a pipeline begins when the one before it ends, and yet not in its context."""
    data = server.talk(3 * b"GET /context HTTP/1.1\r\nHost: x\r\n\r\n")
    assert data.count(b"\r\n\r\nnothing") == 3 and b"something" not in data


def test_scope(server: LiveServer) -> None:
    """The scope is that of ASGI 3, with the raw path, names in lower case, the real peer and the lifespan's state."""
    head = (
        "POST /scope?a=%20b HTTP/1.1\nHost: x\nX-Forwarded-For: 9.9.9.9\nX-Forwarded-Proto: https\nContent-Length: 3\n"
    )
    scope = json.loads(ask(server, head, b"abc")[1])
    assert scope["asgi"]["version"] == "3.0" and scope["http_version"] == "1.1" and scope["type"] == "http"
    assert (scope["method"], scope["scheme"], scope["path"], scope["raw_path"]) == ("POST", "http", "/scope", "/scope")
    assert (scope["query_string"], scope["root_path"], scope["body"]) == ("a=%20b", "", "abc")
    assert scope["headers"][:3] == [["host", "x"], ["x-forwarded-for", "9.9.9.9"], ["x-forwarded-proto", "https"]]
    assert scope["client"][0] == "127.0.0.1" and scope["server"] == ["127.0.0.1", server.port]
    assert scope["state"] == {"started": "yes"} and scope["tls"] is None


def test_answer_in_one_write(server: LiveServer) -> None:
    """Head and body of a whole answer come together, with Server, Date and the length."""
    with server.connect() as connection:
        connection.sendall(b"GET /unsized HTTP/1.1\r\nHost: x\r\n\r\n")
        data = connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert body == b"unsized" and fields[b"content-length"] == b"7" and fields[b"server"] == b"apimgmt"
    age = datetime.now(UTC) - parsedate_to_datetime(fields[b"date"].decode())
    assert abs(age) < timedelta(seconds=3)


def test_date_moves_on(server: LiveServer) -> None:
    """The Date field is remembered for a second, not longer."""
    dates = set()
    for _ in range(3):
        dates.add(ask(server, "GET / HTTP/1.1\nHost: x\n")[0].partition(b"date: ")[2][:29])
        time.sleep(0.7)
    assert len(dates) > 1


def test_streaming(server: LiveServer) -> None:
    """Pieces without a length are chunked for HTTP/1.1, and end with the connection for HTTP/1.0."""
    head, body = ask(server, "GET /stream HTTP/1.1\nHost: x\n")
    assert b"transfer-encoding: chunked" in head
    assert body == b"3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"
    head, body = ask(server, "GET /stream HTTP/1.0\n")
    assert b"transfer-encoding" not in head and body == b"onetwothree"


@pytest.mark.parametrize(("method", "code", "length"), (("HEAD", 200, b"4"), ("GET", 204, None), ("GET", 304, b"4")))
def test_no_body(server: LiveServer, method: str, code: int, length: bytes | None) -> None:
    """HEAD, 204 and 304 have no body, whatever the application sends; the connection stays usable."""
    request = f"{method} /status?code={code} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    data = server.talk(request * 2)
    assert statuses(data) == [code, code] and b"body" not in data
    assert (b"content-length: " + (length or b"") in data) is (length is not None)


@pytest.mark.parametrize(
    "data",
    (
        b"HEAD /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"HEAD / HTTP/1.1\r\n\r\n",
        b"HEAD /" + b"a" * 100_000,
        b"HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ),
)
def test_a_refused_head_has_no_body(server: LiveServer, data: bytes) -> None:
    """A reader that knows that it asked for a HEAD would take the body for the next answer (RFC 9110 9.3.2)."""
    answer = server.talk(data)
    assert 400 <= statuses(answer)[0] < 500
    assert b"content-length" in answer and answer.endswith(b"\r\n\r\n")


def test_keeps_the_connection(server: LiveServer) -> None:
    """A hundred requests go over one connection, with what comes between them as it should be."""
    with server.connect() as connection:
        for number in range(100):
            size = number * 10
            head = f"POST /scope HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\nX-Number: {number}\r\n\r\n"
            connection.sendall(head.encode() + b"a" * size)
            data = answer_on(connection)
            scope = json.loads(data.partition(b"\r\n\r\n")[2])
            assert scope["headers"][2] == ["x-number", str(number)] and len(scope["body"]) == size


def test_expect_continue(server: LiveServer) -> None:
    """100 Continue is sent when the application wants the body, and not before an early answer."""
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"
    with server.connect() as connection:
        connection.sendall(head % b"/")
        assert read(connection, 0.3)[0] == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert statuses(read(connection, 5)[0]) == [200]
    assert statuses(server.talk(head % b"/early", 5)) == [200]


def test_disconnect_is_seen(server: LiveServer) -> None:
    """An application that waits hears that the caller is gone."""
    server.get("/events")
    with server.connect() as connection:
        connection.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.2)
    with server.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        time.sleep(0.2)
    time.sleep(0.2)
    assert json.loads(server.get("/events")[1]) == ["http.disconnect", "disconnect"]


def test_path_decoding(server: LiveServer) -> None:
    """The path is decoded once, as UTF-8 or else byte by byte; the raw path stays as it was sent."""
    data = server.talk(b"GET /caf%C3%A9 HTTP/1.1\r\nHost: x\r\n\r\nGET /%ff%2f HTTP/1.1\r\nHost: x\r\n\r\n")
    assert statuses(data) == [200, 200]
    assert json.loads(server.get("/__seen")[1])[-2:] == [["GET", "/caf%C3%A9"], ["GET", "/%ff%2f"]]


@pytest.mark.parametrize(
    "path", ("/fail", "/nothing", "/status?code=199", "/status?code=1000", "/fields?name=a%20b&value=c")
)
def test_failing_application(server: LiveServer, path: str) -> None:
    """An application that fails before its answer gives a 500 with an id, without any detail; the log has the rest."""
    head, body = ask(server, f"GET {path} HTTP/1.1\nHost: x\n")
    problem = json.loads(body)
    assert statuses(head) == [500] and problem["type"].endswith("/internal") and b"secret" not in body
    assert problem["instance"] in server.log()


@pytest.mark.parametrize("value", ("a%0d%0aX-Injected:%20b", "a%0aX-Injected:%20b", "a%0db", "a%00b"))
def test_no_header_injection(server: LiveServer, value: str) -> None:
    """A line end or NUL in a field of an answer is an error, never a second field."""
    for target in (f"/fields?name=x-a&value={value}", f"/fields?name={value}&value=b"):
        head, body = ask(server, f"GET {target} HTTP/1.1\nHost: x\n")
        assert statuses(head) == [500] and b"Injected" not in head + body


def test_framing_of_the_answer_is_ours(server: LiveServer) -> None:
    """An application can neither frame the answer twice nor keep or upgrade the connection."""
    for name, value in (
        ("transfer-encoding", "chunked"),
        ("connection", "upgrade"),
        ("server", "other"),
        ("Upgrade", "h2c"),
    ):
        head, body = ask(server, f"GET /fields?name={name}&value={value} HTTP/1.1\nHost: x\n")
        assert value.encode() not in head and body == b"ok" and head.count(b"server: apimgmt") == 1


def test_half_an_answer_is_cut(server: LiveServer) -> None:
    """A failure in the middle, or too short a body, ends the connection without the end of the message."""
    head, body = ask(server, "GET /half HTTP/1.1\nHost: x\n")
    assert statuses(head) == [200] and not body.endswith(b"0\r\n\r\n")
    head, body = ask(server, "GET /half?sized=1 HTTP/1.1\nHost: x\n")
    assert b"content-length: 10" in head and len(body) < 10


def test_order_of_messages(server: LiveServer) -> None:
    """Messages out of order raise in the application."""
    assert len(json.loads(server.get("/disorder")[1])) == 3


@pytest.mark.parametrize(("size", "status"), ((1000, 200), (1001, 413), (100_000, 413)))
def test_body_limit(server: LiveServer, size: int, status: int) -> None:
    """A body may have as many bytes as any operation may allow, and not one more, declared or chunked."""
    assert statuses(ask(server, f"POST / HTTP/1.1\nHost: x\nContent-Length: {size}\n", b"a" * size)[0]) == [status]
    body = b"".join(b"64\r\n" + b"a" * 100 + b"\r\n" for _ in range(size // 100)) + b"1\r\na\r\n" * (size % 100)
    head = ask(server, "POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n", body + b"0\r\n\r\n")[0]
    assert statuses(head) == [status]


def test_reading_ends_soon_after_a_refusal(server: LiveServer) -> None:
    """Who goes on sending after 413 is cut off; the server does not read on."""
    with server.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
        sent = 0
        with pytest.raises(ConnectionError):
            while sent < 100_000_000:
                sent += connection.send(b"a" * 65_536)
    assert sent < 20_000_000


def test_connections_limit() -> None:
    """So many connections are served, one more gets 503 with Retry-After, and room is made when one goes."""
    with LiveServer(connections=5) as server:
        time.sleep(0.2)
        with connections(server, 5, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") as opened:
            assert [statuses(answer_on(one)) for one in opened] == [[200]] * 5
            refused = server.talk(b"", 2.0)
            assert statuses(refused) == [503] and b"Retry-After: 1\r\n" in refused
        time.sleep(0.3)
        assert server.get("/")[0] == 200


def test_connections_per_address_limit() -> None:
    """One address may have so many connections and not one more."""
    with LiveServer(connections_per_address=3) as server:
        time.sleep(0.2)
        with connections(server, 3, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") as opened:
            assert [statuses(answer_on(one)) for one in opened] == [[200]] * 3
            assert statuses(server.talk(b"", 2.0)) == [503]
            with socket.create_connection(("127.0.0.1", server.port), source_address=("127.0.0.2", 0)) as other:
                other.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert statuses(answer_on(other)) == [200]


def test_in_flight_limit() -> None:
    """So many requests run at a time, one more gets 503 with Retry-After."""
    with LiveServer(in_flight=4) as server:
        request = b"GET /slow?seconds=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        with connections(server, 4, request) as opened:
            time.sleep(0.3)
            refused = server.talk(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 2.0)
            assert statuses(refused) == [503] and b"Retry-After: 1\r\n" in refused
            assert [statuses(read(one, 5.0)[0]) for one in opened] == [[200]] * 4
        assert server.get("/")[0] == 200


def test_graceful_shutdown() -> None:
    """SIGTERM with fifty requests of two seconds under way: all are answered, idle connections go at once."""
    server = LiveServer(workers=2)
    with server, connections(server, 50, b"GET /slow?seconds=2 HTTP/1.1\r\nHost: x\r\n\r\n") as running:
        with connections(server, 3, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") as idle:
            assert [statuses(answer_on(one)) for one in idle] == [[200]] * 3
            server.process.send_signal(signal.SIGTERM)
            # sooner than the requests that are under way are answered
            assert [read(one, 1.5)[1] for one in idle] == [True] * 3
        answers = [read(one, 5.0)[0] for one in running]
        assert [answer.endswith(b"\r\n\r\nslow") for answer in answers] == [True] * 50
        assert all(b"connection: close" in answer for answer in answers)
        assert server.process.wait(5) == 0
        with pytest.raises(OSError):
            server.connect()


def test_shutdown_has_an_end() -> None:
    """What takes longer than the time for running requests is cut."""
    request = b"GET /slow?seconds=30 HTTP/1.1\r\nHost: x\r\n\r\n"
    with LiveServer(graceful_seconds=0.5) as server, connections(server, 1, request):
        time.sleep(0.2)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 3.0


class SlowStart(LiveServer):
    """A server whose workers take a second to start."""

    command = (sys.executable, "-m", "apimgmt.gateway.server", "server_app:make_slowly", "{bind}", "{workers}")


def test_shutdown_while_starting() -> None:
    """A server that is told to stop while its workers start does stop."""
    for pause in (0.0, 0.3):
        with SlowStart(workers=4) as server:
            time.sleep(pause)
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < 4.0


def test_worker_is_replaced() -> None:
    """A worker that is killed is replaced, and the other serves meanwhile."""
    with LiveServer(workers=2) as server:
        victim = int(server.get("/pid")[1])
        os.kill(victim, signal.SIGKILL)
        results = []
        deadline = time.monotonic() + 3.0
        pids: set[int] = set()
        while time.monotonic() < deadline and len(pids) < 2:
            status, pid = server.get("/pid")
            results.append(status)
            pids.add(int(pid))
        assert set(results) == {200} and victim not in pids and len(pids) == 2


def test_workers_end_with_their_master() -> None:
    """When the master is killed, the workers notice and end."""
    with LiveServer() as server:
        worker = int(server.get("/pid")[1])
        server.process.kill()
        deadline = time.monotonic() + 5.0
        while time.monotonic() < deadline and Path(f"/proc/{worker}/cmdline").exists():
            time.sleep(0.1)
        assert not Path(f"/proc/{worker}/cmdline").exists()


def test_bad_settings_and_factories_end_the_server() -> None:
    """A setting or factory that cannot be is said in one line, and nothing listens."""
    for environ, factory in (
        ({"APIMGMT_CONNECTIONS": "many"}, "server_app:make"),
        ({}, "server_app:missing"),
        ({}, "server_app:make_failing"),
    ):
        command = (sys.executable, "-m", "apimgmt.gateway.server", factory, f"127.0.0.1:{free_port()}", "1")
        paths = {"PYTHONPATH": str(Path(__file__).parent)}
        done = subprocess.run(command, env={**os.environ, **environ, **paths}, capture_output=True, timeout=20)
        assert done.returncode != 0 and done.stderr


def test_serve_config() -> None:
    """The options are those that are safe: no control socket, no trusted proxies, a factory in every worker."""
    config = serve_config(Settings(graceful_seconds=1.5), bind="127.0.0.1:0", workers=3, app="a:b")
    assert config["control_socket_disable"] and config["forwarded_allow_ips"] == "" and not config["preload_app"]
    assert (config["workers"], config["graceful_timeout"], config["bind"]) == (3, 4, "127.0.0.1:0")


def test_large_answers_under_load(server: LiveServer) -> None:
    """Twenty callers at a time get large answers whole."""

    def size(_: int) -> int:
        return server.get("/large?megabytes=3")[1].count(b"x")

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(size, range(40))) == [3 * 1_048_576] * 40
    assert threading.active_count() < 40
