"""A gateway whose operations are bound to ``proxy``, before a server that a test controls."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

from cryptography.fernet import Fernet

import harness
from apimgmt.connections.configuration import with_secrets
from apimgmt.connections.known import connections
from apimgmt.encryption import Encryption
from apimgmt.model import ConnectionEntry
from apimgmt.settings import Settings
from harness import Client

PATIENCE_SECONDS = 20.0
ITEM = {
    "type": "object",
    "required": ["ok"],
    "properties": {"ok": {"type": "boolean"}, "next": {"$ref": "#/components/schemas/Item"}},
}
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
ANSWER = {
    "200": {"description": "it", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}}
}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Items", "version": "1"},
    "servers": [{"url": "/shop"}],
    "components": {
        "schemas": {"Item": ITEM},
        "securitySchemes": {
            "own": {"type": "apiKey", "in": "header", "name": "X-Own-Key"},
            "cake": {"type": "apiKey", "in": "cookie", "name": "key"},
        },
    },
    "paths": {
        "/items/{id}": {
            "get": {
                "operationId": "get",
                "parameters": [
                    ID,
                    {"name": "q", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                    {"name": "s", "in": "query", "schema": {"type": "string"}},
                    {"name": "deep", "in": "query", "style": "deepObject", "schema": {"type": "object"}},
                    {"name": "X-Tenant", "in": "header", "schema": {"type": "string"}},
                    {"name": "lang", "in": "cookie", "schema": {"type": "string"}},
                ],
                "responses": ANSWER,
            },
            "put": {
                "operationId": "put",
                "parameters": [ID],
                "requestBody": {"content": {"application/json": {"schema": {}}, "application/octet-stream": {}}},
                "responses": ANSWER,
            },
            "post": {
                "operationId": "post",
                "parameters": [ID],
                "requestBody": {"content": {"application/json": {"schema": {}}}},
                "responses": ANSWER,
            },
        },
        "/plain": {"get": {"operationId": "plain", "responses": {"200": {"description": "it"}}}},
    },
}
BOUND = ("get", "put", "post", "plain")


@contextlib.contextmanager
def proxied(
    url: str, connection: dict[str, Any] | None = None, settings: dict[str, Any] | None = None, **binding: Any
) -> Iterator[Client]:
    """All operations of ``DOCUMENT`` bound to a proxy; ``connection`` are members of the connection ``upstream``."""
    known = Settings(egress_allow="127.0.0.1", secret_keys=Fernet.generate_key().decode(), **(settings or {}))
    members = {"baseUrl": url, "retries": {"count": 0}, "timeout": 5.0, **(connection or {})}
    stored = with_secrets(members, Encryption(known).encrypt)
    connections.prepared([ConnectionEntry(id="upstream", name="upstream", settings=stored)], known)()
    fields = {"kind": "proxy", "connection": "upstream", **binding}
    bindings = {name: fields for name in BOUND} if "on" not in binding else {}
    if "on" in binding:
        fields.pop("on")
        bindings = {binding["on"]: fields}
    try:
        yield harness.serve(DOCUMENT, bindings=bindings)
    finally:
        on_loop(connections.aclose())
        connections.prepared([], Settings())()


def on_loop(coroutine: Any) -> Any:
    """What a coroutine gives, run on the loop of the gateways of the tests."""
    return asyncio.run_coroutine_threadsafe(coroutine, harness._loop()).result(PATIENCE_SECONDS)


def until(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait for a condition; fails if it does not come true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")


class Flood:
    """A server that sends one answer of ``size`` bytes as fast as it is taken; ``sent`` counts, ``cut`` is set when its
    reader goes away before the end, ``left`` when he is gone."""

    def __init__(self, size: int, head: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n") -> None:
        self.size = size
        self.head = head % size if b"%d" in head else head
        self.sent = 0
        self.cut = threading.Event()
        self.left = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        line, _ = self._listener.accept()
        with line:
            while b"\r\n\r\n" not in line.recv(65_536):
                pass
            try:
                line.sendall(self.head)
                piece = bytes(65_536)
                while self.sent < self.size:
                    self.sent += line.send(piece[: self.size - self.sent])
                line.recv(1)
            except OSError:
                self.cut.set()
            self.left.set()

    def stalled(self) -> int:
        """Wait until nothing more is taken; the bytes sent by then."""
        last, since = -1, time.monotonic()
        while time.monotonic() - since < 0.5:
            if self.sent != last:
                last, since = self.sent, time.monotonic()
            time.sleep(0.01)
        return last
