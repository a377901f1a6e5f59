"""A call as a process makes it: what is sent, what comes back, several at a time, on a thread and on the loop."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
import responses
from connections.driving import CALL, Driver, answering
from connections.faults import Faults
from connections.test_connection import made

from apimgmt.connections import Call, Do, Reply, Send, Wait
from apimgmt.connections.authentication import Renewing, Signing
from apimgmt.connections.configuration import Configuration, Retries
from apimgmt.connections.layers.exchange import authenticated
from apimgmt.connections.parallel import parallel
from apimgmt.errors import ConnectionFailed
from apimgmt.reading import read

BASE = "http://crm.example/v2"


def sent(number: int = -1) -> Any:
    """A request that went out."""
    return responses.calls[number].request


@pytest.mark.rows("C-008")
def test_the_timeout_is_thirty_seconds_unless_it_is_set() -> None:
    """By default, by the connection, and by the call."""
    assert read({}, Configuration).timeout == 30
    assert made().prepared("GET", "/").timeout == 30
    assert made(timeout=7).prepared("GET", "/").timeout == 7
    assert made(timeout=7).prepared("GET", "/", timeout=0.5).timeout == 0.5


@pytest.mark.rows("C-008", "C-066")
def test_a_timeout_ends_an_attempt_and_is_retried() -> None:
    """A server that does not answer the first time answers the second time."""
    with Faults("never-answer", "good") as upstream:
        crm = made(baseUrl=upstream.url, timeout=0.5, internalHosts=["127.0.0.1"])
        reply = crm.get("/")
        assert (reply.status, reply.attempts, len(upstream.requests)) == (200, 2, 2)


@pytest.mark.rows("C-019", "C-038")
@responses.activate
def test_headers_of_the_connection_go_with_each_request_and_those_of_the_call_win() -> None:
    """Whatever the case of the name; there is one field then."""
    responses.add("GET", f"{BASE}/", json={})
    crm = made(headers={"X-Organization-ID": "org123", "X-Trace": "a"}, secretHeaders={"X-Key": "s3cret"})
    crm.get("/")
    crm.get("/", headers={"x-organization-id": "org9", "X-Request-ID": "r-1"})
    assert (sent(0).headers["X-Organization-ID"], sent(0).headers["X-Key"]) == ("org123", "s3cret")
    assert [value for name, value in sent().headers.items() if name.lower() == "x-organization-id"] == ["org9"]
    assert (sent().headers["X-Request-ID"], sent().headers["X-Trace"]) == ("r-1", "a")


@pytest.mark.rows("C-049", "C-050")
@responses.activate
@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "success"), (204, "success"), (302, "redirect"), (404, "client-error"), (501, "server-error")],
)
def test_a_process_can_branch_on_status_and_outcome(status: int, outcome: str) -> None:
    """No status is an exception, unless the process asks for one."""
    responses.add("GET", f"{BASE}/", status=status)
    reply = made().get("/")
    assert (reply.status, reply.outcome) == (status, outcome)
    if outcome == "success":
        assert reply.raise_for_status() is reply
    else:
        with pytest.raises(ConnectionFailed) as caught:
            reply.raise_for_status()
        assert (caught.value.cause, caught.value.reply) == ("status", reply)


@responses.activate
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "head"])
def test_every_method_has_a_function(method: str) -> None:
    """``crm.put(...)`` is ``crm.call("PUT", ...)``."""
    responses.add(method.upper(), f"{BASE}/a")
    assert getattr(made(), method)("/a").status == 200
    assert sent().method == method.upper()


@responses.activate
def test_a_query_is_encoded_and_keeps_repeated_names() -> None:
    """Lists stand for repetitions, None for nothing, true for ``true``; what the path has comes first."""
    responses.add("GET", f"{BASE}/a")
    made().get("/a?x=1", query={"q": "a b&c/ü", "tag": ["x", "y"], "none": None, "on": True})
    assert sent().url == f"{BASE}/a?x=1&q=a%20b%26c%2F%C3%BC&tag=x&tag=y&on=true"


@responses.activate
@pytest.mark.parametrize(
    ("options", "kind", "body"),
    [
        ({"json": {"a": [1, "ü"]}}, "application/json", '{"a":[1,"ü"]}'.encode()),
        ({"form": {"a": "b c", "d": ["1", "2"]}}, "application/x-www-form-urlencoded", b"a=b+c&d=1&d=2"),
        ({"content": b"\x00\xff", "headers": {"Content-Type": "image/x"}}, "image/x", b"\x00\xff"),
        ({"json": {}, "headers": {"content-type": "application/merge-patch+json"}},
         "application/merge-patch+json", b"{}"),
    ],
    ids=["json", "form", "content", "own-type"],
)  # fmt: skip
def test_bodies_have_their_type(options: dict[str, Any], kind: str, body: bytes) -> None:
    """Unless the call names another one."""
    responses.add("POST", f"{BASE}/a")
    made().post("/a", **options)
    assert (sent().headers["Content-Type"], sent().body) == (kind, body)


@responses.activate
def test_files_go_as_multipart() -> None:
    """Fields first, then files byte by byte, with names and types given, guessed or none."""
    responses.add("POST", f"{BASE}/a")
    content = bytes(range(256))
    files = {"a": content, "b": ('ü "x".txt', b"hi"), "c": ("c", b"", "image/png")}
    made().post("/a", form={"title": "ü"}, files=files)
    kind, _, boundary = sent().headers["Content-Type"].partition("; boundary=")
    parts = sent().body.split(b"--" + boundary.encode())[1:-1]
    assert kind == "multipart/form-data"
    assert [part.partition(b"\r\n\r\n")[2][:-2] for part in parts] == ["ü".encode(), content, b"hi", b""]
    heads = [part.partition(b"\r\n\r\n")[0].decode() for part in parts]
    assert 'name="title"' in heads[0] and "filename" not in heads[0]
    assert 'name="a"; filename="a"' in heads[1] and "application/octet-stream" in heads[1]
    assert 'filename="ü %22x%22.txt"' in heads[2] and "text/plain" in heads[2]
    assert "image/png" in heads[3]


@pytest.mark.parametrize(
    "options",
    [{"json": 1, "content": b"x"}, {"form": {}, "json": {}}, {"files": {"a": "text"}}, {"json": object()}],
    ids=["two-bodies", "form-and-json", "file-of-text", "no-json"],
)
def test_a_body_that_cannot_be_made_is_refused(options: dict[str, Any]) -> None:
    """Before anything is sent, with the cause ``request``."""
    with pytest.raises(ConnectionFailed) as caught:
        made().prepared("POST", "/a", **options)
    assert caught.value.cause == "request"


@pytest.mark.parametrize("url", [f"{BASE}/a", "http://crm.example/other", "http://CRM.example:80/a"])
def test_a_url_of_the_same_origin_may_be_called(url: str) -> None:
    """A link that an answer has, say."""
    assert made().prepared("GET", url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example/", "https://crm.example/v2", "http://crm.example:8080/", "//evil.example/",
        "http://crm.example@evil.example/", "http://crm.example.evil.example/", "HTTP://evil.example/",
        "http://[::1/", "http://crm.example\\@evil.example/", "http:///v2",
    ],
)  # fmt: skip
def test_a_url_of_another_origin_is_refused(url: str) -> None:
    """The credential of a connection goes to its own origin only (T44)."""
    with pytest.raises(ConnectionFailed) as caught:
        made().prepared("GET", url)
    assert caught.value.cause == "address"


@pytest.mark.rows("C-071")
def test_independent_calls_run_at_the_same_time_and_come_back_in_order() -> None:
    """Three calls that each wait for the others to have begun; a failure is kept at its place."""
    together = threading.Barrier(3, timeout=20)

    def one(number: int) -> int:
        together.wait()
        if number == 1:
            raise ConnectionFailed("timeout", "on purpose")
        return number

    results = parallel([lambda number=number: one(number) for number in range(3)])  # type: ignore[misc]
    assert results[::2] == [0, 2] and isinstance(results[1], ConnectionFailed)


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_run_at_a_time_than_may(most: int) -> None:
    """Bounded, at the number and not one past it."""
    running, seen, lock = 0, 0, threading.Lock()

    def one() -> None:
        nonlocal running, seen
        with lock:
            running += 1
            seen = max(seen, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    assert parallel([one] * 12, most) == [None] * 12
    assert seen <= most


def test_no_calls_and_defects() -> None:
    """Nothing gives nothing; an exception that is none of ours comes out."""
    assert parallel([]) == []
    with pytest.raises(ZeroDivisionError):
        parallel([lambda: 1 // 0])


@pytest.mark.rows("C-071")
@responses.activate
def test_a_connection_calls_in_parallel() -> None:
    """Replies at the places of their calls, GET if nothing else is said, failures kept."""
    for number in range(5):
        responses.add("GET", f"{BASE}/{number}", json={"n": number})
    responses.add("POST", f"{BASE}/notes", status=201)
    calls: list[dict[str, Any]] = [{"path": f"/{number}"} for number in range(5)]
    results = made().parallel([*calls, {"method": "POST", "path": "/notes", "json": {}}, {"path": "//evil.example"}])
    assert [reply.json()["n"] for reply in results[:5] if isinstance(reply, Reply)] == [0, 1, 2, 3, 4]
    assert isinstance(results[5], Reply) and results[5].status == 201
    assert isinstance(results[6], ConnectionFailed)


async def test_an_async_function_calls_without_blocking() -> None:
    """The same layers on the event loop: a retry, then the answer."""
    with Faults("unavailable", "good") as upstream:
        crm = made(baseUrl=upstream.url, internalHosts=["127.0.0.1"])
        reply = await crm.acall("GET", "/a", query={"x": 1})
        assert (reply.json(), reply.attempts, upstream.requests[-1].target) == ({"ok": True}, 2, "/a?x=1")
        await crm.streaming().close()
        crm.close()


class Renewable:
    """A credential that is worth nothing until it is renewed."""

    def sign(self, call: Call) -> Signing:
        """With the old one."""
        yield from ()
        return call.with_headers(("Authorization", "old"))

    def renew(self, call: Call, refused: Call) -> Renewing:
        """With a new one, which somebody else is asked for."""
        assert dict(refused.headers)["Authorization"] == "old"
        token = yield Do(lambda: "new")
        return call.with_headers(("Authorization", token))


def test_the_layers_stand_in_their_order() -> None:
    """Authentication asks for a new credential after the retries are over, and retries begin anew with it."""
    answers = {"old": answering(503, 401), "new": answering(503, 200)}
    driver = Driver(lambda call: answers[dict(call.headers)["Authorization"]](call))
    policy = replace(driver.policy(Retries(delay=1, backoff=False)), authentication=Renewable())
    reply = driver.run(authenticated(CALL, policy))
    assert (reply.status, reply.attempts, driver.waits) == (200, 4, [1, 1])


def test_the_layers_do_nothing_themselves() -> None:
    """They yield steps and no more: nothing is sent, no time passes, until a driver does it."""
    driver = Driver(answering(503))
    exchange = authenticated(CALL, driver.policy(Retries(delay=50, backoff=False)))
    assert next(exchange) == Send(CALL)
    assert exchange.send(Reply(503, ())) == Wait(50)
    assert exchange.send(None) == Send(CALL)
    exchange.close()
    assert driver.calls == driver.waits == []


@responses.activate
def test_the_debug_log_shows_calls_without_their_secrets(caplog: pytest.LogCaptureFixture) -> None:
    """At the level DEBUG, for every connection: request and answer, each on one line."""
    responses.add("POST", f"{BASE}/a", json={}, headers={"Set-Cookie": "sid=s3cret-sid"}, status=201)
    crm = made(authentication={"kind": "bearer", "token": "s3cret-token"}, secretHeaders={"X-Own": "s3cret-own"})
    with caplog.at_level(logging.DEBUG, "apimgmt.connections"):
        crm.post("/a", query={"api_key": "s3cret-key"}, json={"a": 1})
    lines = [record.getMessage() for record in caplog.records if record.name == "apimgmt.connections"]
    assert len(lines) == 2 and "s3cret" not in "".join(lines)
    assert lines[0].startswith(f"POST {BASE}/a?api_key=***, headers ") and '{"a":1}' in lines[0]
    assert "answers 201" in lines[1]
