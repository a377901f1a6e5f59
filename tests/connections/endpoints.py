"""Connections with entities, for tests: they wait for nothing and keep what they keep in a folder of the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apimgmt.asgi  # noqa: F401  registers every plug-in
from apimgmt.connections.configuration import Configuration
from apimgmt.connections.connection import Connection
from apimgmt.connections.entities.source import Source
from apimgmt.reading import read
from apimgmt.settings import Settings

BASE = "http://crm.example/v2"


def connected(entities: dict[str, Any], data: Path | None = None, egress: str = "", **members: Any) -> Connection:
    """A connection with these entities to ``http://crm.example/v2``, or to the ``baseUrl`` that is given."""
    given = {"baseUrl": BASE, "retries": {"count": 0}, "breaker": None, **members}
    settings = Settings(egress_allow=egress) if data is None else Settings(egress_allow=egress, data=str(data))
    return Connection("crm", read(given, Configuration), entities, settings)


def endpoint(data: Path | None = None, **entity: Any) -> Source:
    """The only entity of a connection, ``customers``."""
    found: Source = connected({"customers": {"path": "/customers", **entity}}, data).entity("customers")
    return found
