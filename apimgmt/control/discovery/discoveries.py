"""Discovering the entities of a connection: fetched through it, compared with what it has, stored if that is asked.

The other system is not trusted: everything comes through the connection's guard and caps, an OpenAPI document goes
through the intake in its bounded child, and of the rest no document with a DTD is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from apimgmt.archive import Archive, api_digest
from apimgmt.connections.address import joined
from apimgmt.connections.connection import ENTITIES, Connection
from apimgmt.connections.entities.entity import Entity
from apimgmt.control import TakeIn
from apimgmt.control.connections import Connections
from apimgmt.control.discovery import Discovered, Found
from apimgmt.errors import ConnectionFailed, Problem, SettingInvalid
from apimgmt.model import CompiledApi
from apimgmt.reading import read
from apimgmt.settings import Settings

Kind = Literal["openapi", "odata", "wsdl", "database"]
KINDS: dict[str, Kind] = {"odata": "odata", "soap": "wsdl", "sql": "database"}
MEDIA_TYPES = ("application/json", "application/yaml", "application/x-yaml", "text/yaml", "application/zip")
MOST_SECONDS = 120.0
# these say where a description is kept, not what an entity is
KEPT = ("contract", "description")


class Asked(NamedTuple):
    """What is to be discovered: ``source`` is a URL or a path below the base URL (of a database: a schema);
    ``content`` is the description itself, if it is not to be fetched."""

    kind: Kind | None = None
    source: str = ""
    content: bytes = b""
    media_type: str = ""
    store: bool = False
    replace: bool = False


class Result(NamedTuple):
    """What came of it, and how to keep what the entities refer to."""

    discovered: Discovered
    keep: Callable[[], object]


class Discoveries:
    """Discovers the entities of all connections."""

    def __init__(self, connections: Connections, take_in: TakeIn, archive: Archive, settings: Settings) -> None:
        self._connections = connections
        self._take_in = take_in
        self._archive = archive
        self._settings = settings

    def discover(self, reference: str, asked: Asked, if_match: str | None = None) -> dict[str, Any]:
        """What there is, each with its state (new, same or changed); stored are new ones, and changed ones if they
        are to be replaced. Raises DocumentRefused, Problem("connection-failed") or Problem("validation")."""
        connection = self._connections.opened(reference, MOST_SECONDS)
        kind = KINDS.get(connection.configuration.type, "openapi")
        try:
            if asked.kind not in (None, kind):
                raise SettingInvalid(
                    f"a connection of the type {connection.configuration.type} is discovered by {kind}"
                )
            ways = {"openapi": self._openapi, "odata": self._odata, "wsdl": self._wsdl, "database": self._database}
            result = ways[kind](connection, asked)
        except ConnectionFailed as error:
            extra = {"cause": error.cause, "remedy": error.remedy}
            raise Problem("connection-failed", f"{error}. {error.remedy}", extra=extra) from None
        except SettingInvalid as error:
            raise Problem("validation", str(error)) from None
        finally:
            connection.close()
        before = self._connections.get(reference).view["entities"]
        shape = ENTITIES.get(connection.configuration.type, Entity)
        states = {one.name: _state(one, before, shape) for one in result.discovered.found}
        stored = self._stored(reference, asked, result, states, if_match) if asked.store else []
        return {
            "kind": kind,
            "entities": [_shown(one, states[one.name], stored) for one in result.discovered.found],
            "leftOut": [{"what": one.what, "why": one.why} for one in result.discovered.left_out],
            "notes": list(result.discovered.notes),
            "others": sorted(set(before) - set(states)),
        }

    def _stored(
        self, reference: str, asked: Asked, result: Result, states: Mapping[str, list[str] | None], if_match: str | None
    ) -> list[str]:
        """The names of what was stored."""
        wanted = {
            one.name: one.definition
            for one in result.discovered.found
            if states[one.name] is None or (asked.replace and states[one.name])
        }
        if wanted:
            result.keep()
            self._connections.put_entities(reference, wanted, if_match)
        return list(wanted)

    # ---- one way for each kind -----------------------------------------------------------------------------------

    def _openapi(self, connection: Connection, asked: Asked) -> Result:
        # imported here, as in the others: each needs what the others do not
        from apimgmt.control.discovery import openapi

        content, media_type = asked.content, asked.media_type
        if not content:
            if not asked.source:
                raise SettingInvalid("say where the document is: a URL, a path below the base URL, or the document")
            content, media_type = _fetched(connection, asked.source)
        known = media_type if media_type in MEDIA_TYPES else _guessed(content)
        intake = self._take_in(content, known, self._settings)
        compiled = msgspec.json.decode(intake.compiled, type=CompiledApi)
        digest = api_digest(intake.compiled, intake.document)
        found = openapi.discovered(compiled, digest, connection.configuration.base_url)
        return Result(found, lambda: self._archive.put_api(intake.compiled, intake.document))

    def _odata(self, connection: Connection, asked: Asked) -> Result:
        from apimgmt.control.discovery import odata

        content = asked.content or _fetched(connection, asked.source or "$metadata")[0]
        return Result(odata.discovered(content), lambda: None)

    def _wsdl(self, connection: Connection, asked: Asked) -> Result:
        from apimgmt.control.discovery import wsdl

        base = connection.configuration.base_url
        location = _located(base, asked.source) if asked.source else f"{base.partition('?')[0]}?wsdl"
        service, description = wsdl.described(connection, location, asked.content)
        kept = msgspec.json.encode(description)
        found = wsdl.discovered(service, api_digest(b"", kept))
        return Result(found, lambda: self._archive.put_api(b"", kept))

    def _database(self, connection: Connection, asked: Asked) -> Result:
        from apimgmt.connections.entities.database import Database
        from apimgmt.control.discovery import database

        if asked.content:
            raise SettingInvalid("a database describes itself: leave the document out")
        made: Database = connection.kept(
            "database", lambda: Database(connection.configuration, self._settings, connection.guard)
        )
        return Result(database.discovered(made, asked.source), lambda: None)


def _fetched(connection: Connection, source: str) -> tuple[bytes, str]:
    """What is at a URL or at a path below the base URL, and its media type if it is one of a document."""
    reply = connection.fetch(_located(connection.configuration.base_url, source)).raise_for_status()
    said = (reply.header("content-type") or "").partition(";")[0].strip().lower()
    return reply.content, said if said in MEDIA_TYPES else _guessed(reply.content)


def _located(base: str, source: str) -> str:
    return source if source.lower().startswith(("http://", "https://")) else joined(base, source)


def _guessed(content: bytes) -> str:
    """A media type by the first bytes: many servers say text/plain."""
    if content.startswith(b"PK\x03\x04"):
        return "application/zip"
    return "application/json" if content.lstrip()[:1] == b"{" else "application/yaml"


def _state(found: Found, before: Mapping[str, Any], shape: Any) -> list[str] | None:
    """The members that differ from what is stored under that name; None if there is nothing."""
    if found.name not in before:
        return None
    new, old = _full(found.definition, shape), _full(before[found.name], shape)
    return sorted(name for name in {*new, *old} - set(KEPT) if new.get(name) != old.get(name))


def _full(definition: Mapping[str, Any], shape: Any) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(read(dict(definition), shape))
    return plain


def _shown(one: Found, state: list[str] | None, stored: list[str]) -> dict[str, Any]:
    word = "new" if state is None else "changed" if state else "same"
    shown = {"name": one.name, "state": word, "stored": one.name in stored, "definition": one.definition}
    return shown | ({"note": one.note} if one.note else {}) | ({"changed": state} if state else {})
