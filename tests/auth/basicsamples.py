"""Requests with user names and passwords, and gateways that take them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from apimgmt.auth.directories.local import HASHER
from apimgmt.model import Rule, UserEntry
from apimgmt.processes import Invocation
from apimgmt.settings import Settings
from harness import Answer, Client, serve

DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "shop", "version": "1"},
    "paths": {
        "/orders": {"get": {"responses": {"200": {"description": "ok"}}}},
        "/orders/{id}": {
            "get": {
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
                "responses": {"200": {"description": "ok"}},
            }
        },
    },
}
ALL = (Rule(),)


def user(name: str, password: str = "", rules: tuple[Rule, ...] = ALL) -> UserEntry:
    """A user of the snapshot, with a real hash of the password."""
    return UserEntry(id=f"user_{name}", name=name, password=HASHER.hash(password) if password else "", rules=rules)


def who(invocation: Invocation) -> Any:
    """Answers with the caller's name."""
    return {"name": invocation.data.username}


def gateway(
    folder: Path, *users: UserEntry, trigger: dict[str, Any] | None = None, bind: str = "echo", **settings: Any
) -> Client:
    """A gateway whose operations take Basic; what it counts is kept in ``folder``. ``bind="who"`` says who calls."""
    whose = {"get /orders": {"kind": "python", "function": "who"}}
    return serve(
        DOCUMENT,
        bindings=whose if bind == "who" else {},
        functions={"who": who},
        authentication="basic",
        trigger=trigger,
        access={"users": users},
        settings=Settings(data=str(folder), **settings),
    )


def basic(name: str, password: str) -> dict[str, str]:
    """The header field for a name and a password."""
    return field(f"{name}:{password}".encode())


def field(pair: bytes) -> dict[str, str]:
    """The header field for any bytes."""
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def ask(client: Client, name: str, password: str, path: str = "/orders", address: str = "192.0.2.7") -> Answer:
    """One GET with a name and a password, from an address."""
    client.address = address
    return client.get(path, basic(name, password))
