"""Discovery: what another system says about itself becomes entities of its connection (C-027 to C-029).

    openapi    the operations of an OpenAPI or Swagger document      wsdl       the operations of a SOAP service
    odata      the entity sets of an OData 4 service                 database   tables and views
    discoveries  what all of them do: fetch, compare, store

This file holds what the others give, and imports none of them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from apimgmt.model import Struct

MOST_ENTITIES = 5_000
LONGEST_NAME = 200


class Found(Struct, frozen=True):
    """An entity that can be had: its name, its definition as JSON, and what was guessed."""

    name: str
    definition: dict[str, Any]
    note: str = ""


class LeftOut(Struct, frozen=True):
    """What cannot be had as an entity, and why."""

    what: str
    why: str


class Discovered(Struct, frozen=True):
    """What was found, what was left out, and what is worth saying about the whole."""

    found: tuple[Found, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()


def unique(wanted: str, taken: Collection[str]) -> str:
    """A name that an entity can have and that is not taken: ``get customers``, ``get customers 2``."""
    signs = "".join(sign if sign.isalnum() or sign in "_ .-" else "_" for sign in wanted)
    name = signs.lstrip(" .-")[:LONGEST_NAME].rstrip(" ") or "_"
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name[: LONGEST_NAME - 8]} {number}"
    return found
