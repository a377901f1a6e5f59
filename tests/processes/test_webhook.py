"""The process ``webhook``: what is not genuine or was taken does not run (C-004, T48, S-48)."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apimgmt.connections.configuration import with_secrets
from apimgmt.connections.known import connections
from apimgmt.connections.webhooks.signature import Signatures
from apimgmt.encryption import Encryption
from apimgmt.errors import SnapshotRefused
from apimgmt.model import ConnectionEntry
from apimgmt.processes import Answer, python
from apimgmt.settings import Settings
from harness import Client, serve

SECRET, FOREIGN = (f"whsec_{base64.b64encode(bytes([number]) * 32).decode()}" for number in (1, 2))
DOCUMENT = """
openapi: 3.1.0
info: {title: hooks, version: '1'}
paths:
  /events:
    post:
      requestBody: {content: {application/json: {schema: {type: object}}}}
      responses: {'200': {description: ok}}
"""
BODY = b'{"type": "paid",  "data": {"id": 7}}'


class Taken:
    """What the process got, and what it does with it."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.fails = 0
        self.gate: asyncio.Event | None = None

    async def __call__(self, trigger: Any) -> Any:
        self.events.append(trigger.data.body)
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            self.fails -= 1
            if self.fails % 2:
                raise RuntimeError("the database is away")
            return Answer({"error": "later"}, 503)
        return {"taken": len(self.events)}


@pytest.fixture
def taken(tmp_path: Path) -> Iterator[Taken]:
    """A handler behind a connection ``payments`` that has the secret."""
    settings = Settings(data=str(tmp_path))
    plain = {"type": "webhook", "authentication": {"kind": "signature", "secret": SECRET}}
    entry = ConnectionEntry(id="c1", name="payments", settings=with_secrets(plain, Encryption(settings).encrypt))
    connections.prepared([entry], settings)()
    handler = Taken()
    python.functions["on_event"] = handler
    yield handler
    connections.prepared([], settings)()


def client(then: Any = None, connection: str = "payments") -> Client:
    """The operation, bound to the handler behind the check."""
    inner = then or {"kind": "python", "function": "on_event"}
    return serve(DOCUMENT, bindings={"post /events": {"kind": "webhook", "connection": connection, "then": inner}})


def signed(identity: str = "m1", secret: str = SECRET, age: int = 0, body: bytes = BODY) -> dict[str, str]:
    """The header fields of a sender."""
    now = int(time.time()) - age
    fields = {"webhook-id": identity, "webhook-timestamp": str(now)}
    return {**fields, "webhook-signature": Signatures([secret]).sign(identity, now, body)}


def post(api: Client, headers: dict[str, str], body: bytes = BODY) -> Any:
    """One delivery."""
    return api.request("POST", "/events", headers={"Content-Type": "application/json", **headers}, body=body)


@pytest.mark.rows("C-004")
def test_a_genuine_webhook_runs_once(taken: Taken) -> None:
    """Its repetition is acknowledged, so that the sender stops, and not run; another id is another event."""
    api = client()
    assert post(api, signed()).json() == {"taken": 1}
    assert [post(api, signed()).status for _ in range(3)] == [204, 204, 204]
    assert post(api, signed("m2")).json() == {"taken": 2}
    assert taken.events == [{"type": "paid", "data": {"id": 7}}] * 2


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "credential-missing"),
        (signed(secret=FOREIGN), "credential-unknown"),
        (signed(body=b"{}"), "credential-unknown"),
        (signed(age=3600), "credential-expired"),
    ],
    ids=["unsigned", "foreign", "changed", "stale"],
)
def test_a_forged_or_stale_one_does_not_run(taken: Taken, headers: dict[str, str], code: str) -> None:
    """401 with the reason; and it does not use up the id of the genuine one."""
    api = client()
    answer = post(api, headers)
    assert (answer.status, answer.json()["type"].rpartition("/")[2]) == (401, code)
    assert answer.header("www-authenticate") == "Webhook"
    assert taken.events == []
    assert post(api, signed()).status == 200


@pytest.mark.parametrize("fails", [1, 2], ids=["raises", "answers 503"])
def test_a_failed_run_may_be_repeated(taken: Taken, fails: int) -> None:
    """The sender gets a 5xx, sends it again, and then it is taken."""
    api = client()
    taken.fails = fails
    assert post(api, signed()).status >= 500
    taken.fails = 0
    assert post(api, signed()).status == 200
    assert post(api, signed()).status == 204


def test_without_the_check_a_replay_runs_again(taken: Taken) -> None:
    """The mutant: bound to the handler itself, the same delivery runs as often as it comes, forged or not."""
    api = serve(DOCUMENT, bindings={"post /events": {"kind": "python", "function": "on_event"}})
    for headers in (signed(), signed(), signed(secret=FOREIGN)):
        assert post(api, headers).status == 200
    assert len(taken.events) == 3


def test_a_binding_that_cannot_work_is_refused(taken: Taken) -> None:
    """An unknown inner process, a check within a check: said when it is bound."""
    with pytest.raises(SnapshotRefused, match="there is no process 'nothing'"):
        client({"kind": "nothing"})
    with pytest.raises(SnapshotRefused, match="checked once"):
        client({"kind": "webhook", "connection": "payments", "then": {"kind": "mock"}})


def test_a_connection_without_a_secret_of_webhooks_says_so(taken: Taken, caplog: pytest.LogCaptureFixture) -> None:
    """The caller gets a 500, the log the reason."""
    assert post(client(connection="nowhere"), signed()).status == 500
    assert "there is no connection 'nowhere'" in caplog.text
    assert taken.events == []
