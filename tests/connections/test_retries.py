"""Which calls are repeated, how often and after how long; and that a repetition has no second effect."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from email.utils import formatdate
from typing import Any

import msgspec
import pytest
import responses
from connections.driving import CALL, Driver, answering
from connections.test_connection import made

from apimgmt.connections import Call, Reply
from apimgmt.connections.configuration import Retries
from apimgmt.connections.layers.exchange import MOST_WAIT_SECONDS, NETWORK, UNSENT, authenticated
from apimgmt.errors import CAUSES, ConnectionFailed

POSTS = int(os.environ.get("APIMGMT_TEST_POSTS", "100"))
POST = msgspec.structs.replace(CALL, method="POST", repeatable=False)


def driven(*answers: int | str | Reply, call: Call = CALL, deadline: float = 120.0, **retries: Any) -> Driver:
    """A driver that has run one call with these retries; the failure, if there is one, is its ``failure``."""
    driver = Driver(answering(*answers))
    try:
        driver.reply = driver.run(authenticated(call, driver.policy(Retries(**retries), deadline=deadline)))
    except ConnectionFailed as error:
        driver.failure = error
    return driver


def later(seconds: str, status: int = 429) -> Reply:
    """An answer that asks to wait."""
    return Reply(status, (("retry-after", seconds),))


@pytest.mark.rows("C-009", "C-062", "C-063")
def test_three_retries_come_after_one_two_and_four_seconds() -> None:
    """The defaults: four requests, each pause twice as long as the one before, up to a tenth longer by chance."""
    driver = driven(503)
    assert len(driver.calls) == 4 and driver.reply.status == 503 and driver.reply.attempts == 4
    for wait, exact in zip(driver.waits, (1, 2, 4), strict=True):
        assert exact <= wait <= exact * 1.1


@pytest.mark.rows("C-063")
def test_pauses_differ_by_chance() -> None:
    """Callers that failed together do not come back together."""
    assert len({driven(503).waits[0] for _ in range(20)}) > 10


@pytest.mark.rows("C-009")
@pytest.mark.parametrize("count", [0, 1, 3, 10])
def test_the_number_of_retries_is_the_one_that_is_set(count: int) -> None:
    """So many repetitions, so many requests and one."""
    driver = driven(503, count=count, delay=0.01)
    assert len(driver.calls) == count + 1


@pytest.mark.parametrize("backoff", [True, False])
def test_the_delay_is_the_one_that_is_set(backoff: bool) -> None:
    """Without backoff every pause is as long as the delay, with it only the first."""
    waits = driven(503, count=2, delay=0.5, backoff=backoff).waits
    assert waits == [0.5, 0.5] if not backoff else 0.5 <= waits[0] <= 0.55 and 1 <= waits[1] <= 1.1


@pytest.mark.rows("C-064")
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_statuses_that_may_pass_are_repeated(status: int) -> None:
    """A second attempt is made, and its answer is the answer."""
    driver = driven(status, 200)
    assert (len(driver.calls), driver.reply.status) == (2, 200)


@pytest.mark.rows("C-064")
@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 409, 501])
def test_statuses_that_stay_are_not_repeated(status: int) -> None:
    """One request."""
    assert len(driven(status).calls) == 1


def test_the_statuses_can_be_chosen() -> None:
    """Only those that are named."""
    assert len(driven(418, statuses=(418,), count=1).calls) == 2
    assert len(driven(503, statuses=(418,), count=1).calls) == 1


@pytest.mark.parametrize("status", [302, 404, 429, 501, 503])
def test_all_errors_are_repeated_if_that_is_set(status: int) -> None:
    """Everything that is no success."""
    assert len(driven(status, 200, all_errors=True).calls) == 2


@pytest.mark.rows("C-066")
@pytest.mark.parametrize("cause", sorted(NETWORK))
def test_failures_of_the_network_are_repeated(cause: str) -> None:
    """A timeout, too, if there are retries."""
    assert driven(cause, 200).reply.status == 200
    assert driven(cause, 200, count=0).failure.cause == cause


@pytest.mark.parametrize("cause", sorted(set(CAUSES) - NETWORK))
def test_other_failures_are_final(cause: str) -> None:
    """What would fail the same way again is not repeated."""
    driver = driven(cause, 200)
    assert (len(driver.calls), driver.failure.cause) == (1, cause)


@pytest.mark.parametrize("cause", sorted(NETWORK))
def test_a_post_is_repeated_only_if_nothing_was_sent(cause: str) -> None:
    """After a reset or a timeout nobody knows whether it had its effect."""
    assert len(driven(cause, 200, call=POST).calls) == (2 if cause in UNSENT else 1)


@pytest.mark.parametrize("status", [429, 503])
def test_a_post_is_not_repeated_after_an_answer(status: int) -> None:
    """Unless it was asked for, which ``Connection`` says in the call."""
    assert len(driven(status, 200, call=POST).calls) == 1


@responses.activate
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_unsafe_retries_have_to_be_asked_for(method: str) -> None:
    """``retries.unsafe`` says that repeating a POST does no harm."""
    for unsafe, requests in ((False, 1), (True, 4)):
        responses.reset()
        responses.add(method, "http://crm.example/v2/a", status=503)
        made(retries={"delay": 0, "unsafe": unsafe}).call(method, "/a")
        assert len(responses.calls) == requests


@pytest.mark.rows("C-067", "C-069")
def test_without_a_retry_after_the_set_time_is_waited() -> None:
    """After a 429 the pause of the connection passes, then requests go on."""
    driver = driven(429, 200, delay=7, backoff=False)
    assert (driver.waits, driver.reply.status) == ([7], 200)


@pytest.mark.rows("C-068")
@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_after_in_seconds_is_obeyed(status: int) -> None:
    """Exactly so long, whatever the backoff."""
    assert driven(later("9", status), 200).waits == [9]


@pytest.mark.rows("C-068")
def test_a_retry_after_with_a_date_is_obeyed() -> None:
    """Until that time."""
    driver = driven(later(formatdate(time.time() + 30, usegmt=True)), 200)
    assert 25 <= driver.waits[0] <= 30 and driver.reply.status == 200
    assert driven(later(formatdate(0, usegmt=True)), 200).waits == []


@pytest.mark.parametrize("text", ["soon", "-3", "1e9", "9" * 400, "٣", "Wed, 99 Nov 2026 00:00:00 GMT"])
def test_a_retry_after_that_cannot_be_read_counts_as_none(text: str) -> None:
    """Then the connection's own pause holds."""
    assert driven(later(text), 200, delay=2, backoff=False).waits == [2]


def test_nobody_waits_for_longer_than_a_minute() -> None:
    """An hour that is asked for becomes 60 seconds (T45)."""
    assert driven(later("3600"), 200).waits == [MOST_WAIT_SECONDS]


@pytest.mark.parametrize(("asked", "requests"), [("59", 2), ("60", 1)])
def test_nobody_waits_beyond_the_deadline(asked: str, requests: int) -> None:
    """What could only be sent too late is given up at once, with the answer that there is."""
    driver = driven(later(asked), 200, deadline=60)
    assert len(driver.calls) == requests
    assert driver.waits == ([59] if requests == 2 else [])


def test_attempts_share_the_deadline() -> None:
    """The last attempt has only the time that is left; then the call ends, however many retries there are."""
    driver = Driver(answering("timeout"), seconds=30)
    with pytest.raises(ConnectionFailed) as caught:
        driver.run(authenticated(CALL, driver.policy(Retries(count=9, delay=0), deadline=70)))
    assert caught.value.cause == "timeout"
    assert [call.timeout for call in driver.calls] == [30, 30, 10]


@pytest.mark.rows("C-076")
@responses.activate
def test_a_429_that_outlives_the_retries_is_rate_limited() -> None:
    """Raised with the last Retry-After, and told to our caller as 503 with it."""
    for seconds in ("0", "0", "17"):
        responses.add("GET", "http://crm.example/v2/", status=429, headers={"Retry-After": seconds})
    reply = made(retries={"delay": 0, "count": 2}).get("/")
    with pytest.raises(ConnectionFailed) as caught:
        reply.raise_for_status()
    assert (caught.value.cause, caught.value.retry_after, caught.value.reply) == ("rate-limited", 17, reply)
    problem = caught.value.problem()
    assert (problem.status, dict(problem.headers)["retry-after"]) == (503, "17")


@responses.activate
@pytest.mark.parametrize(("configured", "given", "field"), [
    ("X-Request-Key", "", "X-Request-Key"),
    ("X-Request-Key", "mine-1", "X-Request-Key"),
    ("", "mine-1", "Idempotency-Key"),
])  # fmt: skip
def test_an_idempotency_key_is_the_same_in_all_attempts(configured: str, given: str, field: str) -> None:
    """Made for each call or given by the caller; with it a POST is repeated."""
    responses.add("POST", "http://crm.example/v2/a", status=503)
    crm = made(idempotencyKey=configured)
    crm.post("/a", json={}, **({"idempotency_key": given} if given else {}))
    keys = {sent.request.headers[field] for sent in responses.calls}
    assert len(responses.calls) == 4 and len(keys) == 1 and (not given or keys == {given})
    crm.post("/a", json={}, **({"idempotency_key": "mine-2"} if given else {}))
    assert len({sent.request.headers[field] for sent in responses.calls}) == 2


@responses.activate
def test_a_key_in_the_headers_of_a_call_is_kept() -> None:
    """Whoever sends the field himself has chosen the key."""
    responses.add("POST", "http://crm.example/v2/a", status=503)
    made(idempotencyKey="Idempotency-Key").post("/a", headers={"idempotency-key": "k"})
    assert [sent.request.headers["idempotency-key"] for sent in responses.calls] == ["k"] * 4


@responses.activate
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_call_that_is_harmless_anyway_has_no_key(method: str) -> None:
    """The key is for what would have another effect each time."""
    responses.add(method, "http://crm.example/v2/a")
    made(idempotencyKey="Idempotency-Key").call(method, "/a")
    assert "Idempotency-Key" not in responses.calls[0].request.headers


class Ledger:
    """Commits every POST and resets the connection before it answers; a key that it knows is answered at once.

    ``effects`` counts what was committed; a request without a key is always a new effect.
    """

    def __init__(self) -> None:
        self.effects = 0
        self.requests = 0
        self._keys: set[str] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            with line, line.makefile("rb") as stream:
                self._answer(line, stream)

    def _answer(self, line: socket.socket, stream: Any) -> None:
        fields: dict[str, str] = {}
        stream.readline()
        while text := stream.readline().decode().strip():
            name, _, value = text.partition(": ")
            fields[name.lower()] = value
        stream.read(int(fields["content-length"]))
        self.requests += 1
        key = fields.get("idempotency-key", "")
        if key in self._keys:
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        self.effects += 1
        if key:
            self._keys.add(key)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def posted(posts: int, **members: Any) -> tuple[Ledger, int]:
    """So many POSTs to a ledger, and how many of them succeeded."""
    ledger = Ledger()
    crm = made(baseUrl=ledger.url, internalHosts=["127.0.0.1"], **members)
    succeeded = 0
    for number in range(posts):
        try:
            succeeded += crm.post("/orders", json={"number": number}).status == 200
        except ConnectionFailed as error:
            assert error.cause == "reset"
    crm.close()
    ledger.close()
    return ledger, succeeded


def test_posts_without_a_key_are_never_sent_twice() -> None:
    """R-19: the connection is reset after the commit; nothing is repeated, so nothing happens twice."""
    ledger, succeeded = posted(POSTS, breaker=None)
    assert (ledger.requests, ledger.effects, succeeded) == (POSTS, POSTS, 0)


def test_posts_with_a_key_have_exactly_one_effect_each() -> None:
    """R-19: every call is repeated once, succeeds, and has one effect."""
    ledger, succeeded = posted(POSTS, idempotencyKey="Idempotency-Key")
    assert (ledger.requests, ledger.effects, succeeded) == (2 * POSTS, POSTS, POSTS)


def test_repeating_posts_without_a_key_would_be_seen() -> None:
    """The mutant: unsafe retries without a key have more effects than calls, so the two tests above can fail."""
    ledger, _ = posted(5, breaker=None, retries={"delay": 0, "count": 1, "unsafe": True})
    assert ledger.effects == 10
