"""Sending a webhook: signed, repeated while the connection's retries last, recorded (C-004).

The body is ``{"type": ..., "timestamp": ..., "data": ...}`` (Standard Webhooks 1.0).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
import orjson

from apimgmt.connections import Reply
from apimgmt.connections.webhooks.deliveries import LONGEST_PAYLOAD, Deliveries, Delivery
from apimgmt.connections.webhooks.signature import ID
from apimgmt.encryption import Encryption
from apimgmt.errors import ConnectionFailed

if TYPE_CHECKING:
    from apimgmt.connections.connection import Connection

LONGEST_ANSWER = 200


def send(connection: Connection, event: str, data: Any, *, identity: str = "", path: str = "") -> Delivery:
    """Send an event and wait until it is taken (2xx); raises ConnectionFailed once there is no attempt left.

    ``identity`` is its id, under which the receiver knows a repetition; one is made if it is empty.
    """
    try:
        body = orjson.dumps({"type": event, "timestamp": _now(), "data": data})
    except TypeError as error:
        raise ConnectionFailed("request", f"`data` cannot be written as JSON: {error}") from None
    return _sent(connection, Delivery(id=identity or f"msg_{uuid4().hex}", event=event, time=_now(), path=path), body)


def send_again(connection: Connection, delivery: Delivery) -> Delivery:
    """Send a recorded one again, under its id; raises ConnectionFailed, also if its body was not kept."""
    if not delivery.payload:
        raise ConnectionFailed("request", "what was sent was too long to be kept, so it cannot be sent again")
    body = Encryption(connection.settings).decrypt(delivery.payload).encode()
    fresh = Delivery(id=delivery.id, event=delivery.event, time=_now(), path=delivery.path)
    return _sent(connection, fresh, body)


def deliveries(connection: Connection) -> Deliveries:
    """What became of the webhooks of a connection."""
    return Deliveries(folder(connection))


def folder(connection: Connection) -> Path:
    """Where a connection keeps what it remembers of webhooks."""
    return connection.settings.root / "connections" / "webhooks" / connection.identity


def _sent(connection: Connection, delivery: Delivery, body: bytes) -> Delivery:
    if len(body) <= LONGEST_PAYLOAD:
        payload = Encryption(connection.settings).encrypt(body.decode())
        delivery = msgspec.structs.replace(delivery, payload=payload)
    headers = {ID: delivery.id, "Content-Type": "application/json"}
    log = deliveries(connection)
    log.add(delivery)
    began = time.monotonic()
    with _failure_recorded(connection, log, delivery, began):
        # the id is what makes a repetition harmless
        reply = connection.call("POST", delivery.path, content=body, headers=headers, repeatable=True)
        reply.raise_for_status()
    done = _with_answer(connection, delivery, reply, "delivered", began)
    log.add(done)
    return done


@contextmanager
def _failure_recorded(connection: Connection, log: Deliveries, delivery: Delivery, began: float) -> Iterator[None]:
    try:
        yield
    except ConnectionFailed as error:
        failed = _with_answer(connection, delivery, error.reply, "failed", began)
        log.add(msgspec.structs.replace(failed, cause=error.cause))
        raise


def _with_answer(connection: Connection, delivery: Delivery, reply: Reply | None, state: Any, began: float) -> Delivery:
    return msgspec.structs.replace(
        delivery,
        state=state,
        status=reply.status if reply is not None else 0,
        attempts=reply.attempts if reply is not None else 0,
        seconds=round(time.monotonic() - began, 3),
        answer=connection.masking().text(reply.text)[:LONGEST_ANSWER] if reply is not None else "",
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
