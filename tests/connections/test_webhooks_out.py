"""Webhooks that we send: signed, repeated under one id, recorded, sent again (C-004)."""

from __future__ import annotations

import base64
import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest
from connections.faults import Faults
from standardwebhooks import Webhook

import apimgmt.asgi  # noqa: F401  registers every plug-in
from apimgmt.connections.configuration import Configuration
from apimgmt.connections.connection import Connection
from apimgmt.connections.webhooks.deliveries import LONGEST_PAYLOAD, Deliveries, Delivery
from apimgmt.connections.webhooks.sending import deliveries, send_again
from apimgmt.errors import ConnectionFailed, SettingInvalid
from apimgmt.reading import read
from apimgmt.settings import Settings

SECRET, BEFORE = (f"whsec_{base64.b64encode(bytes([number]) * 32).decode()}" for number in (1, 2))


def hooks(upstream: Faults, folder: Path, **authentication: str) -> Connection:
    """A connection of webhooks to a server of the test."""
    given: dict[str, Any] = {
        "type": "webhook",
        "baseUrl": f"{upstream.url}/hooks",
        "internalHosts": ["127.0.0.1"],
        "retries": {"delay": 0},
        "authentication": {"kind": "signature", "secret": SECRET, **authentication},
    }
    return Connection("hooks", read(given, Configuration), {}, Settings(data=str(folder)), "connection_1")


@pytest.mark.rows("C-004")
def test_an_event_is_signed_and_recorded(tmp_path: Path) -> None:
    """The receiver's own library accepts it; the record says what became of it, the payload is not readable in it."""
    with Faults("good", body=b"thank you") as upstream:
        sent = hooks(upstream, tmp_path).webhook("order.created", {"id": 7, "name": "Ægir"}, path="orders")
        [seen] = upstream.requests
    assert (seen.method, seen.target) == ("POST", "/hooks/orders")
    event = Webhook(SECRET).verify(seen.body, seen.headers)
    assert (event["type"], event["data"]) == ("order.created", {"id": 7, "name": "Ægir"})
    assert seen.headers["webhook-id"] == sent.id
    assert (sent.state, sent.status, sent.attempts, sent.answer) == ("delivered", 200, 1, "thank you")
    written = b"".join(path.read_bytes() for path in (tmp_path / "connections").rglob("*.jsonl"))
    assert sent.id.encode() in written
    assert "Ægir".encode() not in written


def test_an_answer_that_repeats_a_secret_is_recorded_without_it(tmp_path: Path) -> None:
    """What a receiver says is for people to read, and a receiver may say what it was sent."""
    with Faults("good", body=f"you sent {BEFORE} {SECRET}".encode()) as upstream:
        sent = hooks(upstream, tmp_path, previous=BEFORE).webhook("ping", None)
    assert sent.answer == "you sent *** ***"


def test_data_that_is_no_json_is_said_to_be_none(tmp_path: Path) -> None:
    """As a failure of the call, and before anything is recorded."""
    with Faults() as upstream:
        with pytest.raises(ConnectionFailed, match="`data` cannot be written as JSON") as caught:
            hooks(upstream, tmp_path).webhook("ping", {"at": object()})
        assert (caught.value.cause, upstream.requests) == ("request", [])
    assert not list(tmp_path.rglob("*.jsonl"))


def test_while_a_secret_is_replaced_both_sign(tmp_path: Path) -> None:
    """A receiver that knows only the one before, and one that knows only the new one, both accept it."""
    with Faults("good") as upstream:
        hooks(upstream, tmp_path, previous=BEFORE).webhook("ping", None)
        [seen] = upstream.requests
    for secret in (SECRET, BEFORE):
        assert Webhook(secret).verify(seen.body, seen.headers)["type"] == "ping"


def test_a_repetition_has_the_same_id(tmp_path: Path) -> None:
    """The connection is cut after the first was read, and answered 503 the second time: three requests, one event."""
    with Faults(
        "reset-before-headers", b"HTTP/1.1 503 no\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "good"
    ) as upstream:
        sent = hooks(upstream, tmp_path).webhook("order.created", {})
        ids = {seen.headers["webhook-id"] for seen in upstream.requests}
        assert len(upstream.requests) == 3
    assert ids == {sent.id}
    assert (sent.state, sent.attempts) == ("delivered", 3)


def test_what_fails_is_recorded_and_can_be_sent_again(tmp_path: Path) -> None:
    """Under the same id, with the same body; the list has the last state of each."""
    with Faults(*[b"HTTP/1.1 500 no\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbusy"] * 4, "good") as upstream:
        connection = hooks(upstream, tmp_path)
        with pytest.raises(ConnectionFailed) as failed:
            connection.webhook("order.created", {"id": 7}, identity="order-7")
        assert failed.value.cause == "status"
        [record] = deliveries(connection).all()
        assert (record.id, record.state, record.status, record.cause) == ("order-7", "failed", 500, "status")
        assert (record.answer, record.attempts) == ("busy", 4)
        assert send_again(connection, record).state == "delivered"
        bodies = {seen.body for seen in upstream.requests}
        assert len(upstream.requests) == 5
    assert len(bodies) == 1
    [record] = deliveries(connection).all()
    assert (record.id, record.state, record.cause) == ("order-7", "delivered", "")


def test_one_that_a_crash_cut_off_is_seen(tmp_path: Path) -> None:
    """It is written down as pending before it is sent; while it is on its way it is found."""
    with Faults("good") as upstream:
        connection = hooks(upstream, tmp_path)
        log = deliveries(connection)
        connection.webhook("ping", None, identity="m1")
        lines = (tmp_path / "connections" / "webhooks" / "connection_1" / "deliveries.jsonl").read_bytes().splitlines()
    assert [json.loads(line).get("state", "pending") for line in lines] == ["pending", "delivered"]
    assert [delivery.id for delivery in log.all()] == ["m1"]


@pytest.mark.parametrize(("size", "kept"), [(LONGEST_PAYLOAD, True), (LONGEST_PAYLOAD + 1, False)])
def test_a_payload_is_kept_up_to_its_limit(tmp_path: Path, size: int, kept: bool) -> None:
    """At the limit it can be sent again, one past it the error says why not."""
    with Faults("good", "good", "good") as upstream:
        connection = hooks(upstream, tmp_path)
        short = connection.webhook("e", "")
        length = len(upstream.requests[0].body)
        sent = connection.webhook("e", "x" * (size - length))
        assert len(upstream.requests[1].body) == size
        assert short.payload
        if kept:
            assert send_again(connection, sent).state == "delivered"
        else:
            with pytest.raises(ConnectionFailed, match="too long to be kept"):
                send_again(connection, sent)


def _write(folder: Path, number: int, count: int, most_bytes: int) -> None:
    log = Deliveries(folder, most_bytes)
    for place in range(count):
        log.add(Delivery(id=f"{number}-{place}", event="e", time="t", answer="x" * 50))


@pytest.mark.parametrize(("most_bytes", "newest"), [(20_000, 200), (200, 2)], ids=["seldom", "at each"])
def test_processes_write_into_one_record_without_losing_a_line(tmp_path: Path, most_bytes: int, newest: int) -> None:
    """Three at once, through changes of the file: every line is whole and the newest are all there."""
    processes = [
        multiprocessing.Process(target=_write, args=(tmp_path, number, 200, most_bytes)) for number in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    lines = [line for path in tmp_path.glob("*.jsonl") for line in path.read_bytes().splitlines()]
    assert all(json.loads(line)["answer"] == "x" * 50 for line in lines)
    assert all(path.stat().st_size <= most_bytes for path in tmp_path.glob("*.jsonl"))
    kept = {delivery.id for delivery in Deliveries(tmp_path).all()}
    assert {f"{number}-199" for number in range(3)} <= kept or len(kept) >= newest


@pytest.mark.parametrize("name", ["secret", "previous"])
def test_a_wrong_secret_is_refused_with_its_place(tmp_path: Path, name: str) -> None:
    """When the connection is made, not when the first event fails."""
    with Faults("good") as upstream, pytest.raises(SettingInvalid) as refused:
        hooks(upstream, tmp_path, **{name: "whsec_short"})
    assert refused.value.pointer == f"/authentication/{name}"


def test_a_delivery_that_is_longer_than_the_record_is_kept_alone(tmp_path: Path) -> None:
    """It has a file to itself, and the one before is there still."""
    log = Deliveries(tmp_path, most_bytes=100)
    for identity in ("a", "b"):
        log.add(Delivery(id=identity, event="e", time="t", answer="x" * 200))
    assert [one.id for one in log.all()] == ["b", "a"]
