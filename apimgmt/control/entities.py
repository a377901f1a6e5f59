"""Entities of connections, one by one: each is a part of its connection and is published with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apimgmt.control.connections import Connections
from apimgmt.control.resources import Shown, wrong
from apimgmt.errors import Problem, SettingInvalid


class Entities:
    """The entities of all connections. The entity tag is that of the connection."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def all(self, reference: str) -> list[dict[str, Any]]:
        """Those of one connection, by name."""
        entities = self._connections.get(reference).view["entities"]
        return [{"name": name, "definition": entities[name]} for name in sorted(entities)]

    def get(self, reference: str, name: str) -> Shown:
        """The definition of one; raises Problem("not-found")."""
        shown = self._connections.get(reference)
        entities = shown.view["entities"]
        if name not in entities:
            known = ", ".join(sorted(entities)[:20]) or "none"
            raise Problem("not-found", f"there is no entity {name[:200]!r}; there are: {known}")
        return Shown(entities[name], shown.etag)

    def put(self, reference: str, name: str, definition: Mapping[str, Any], if_match: str | None = None) -> Shown:
        """Make one, or replace it; raises Problem("validation") with the place of what is wrong in the definition."""
        try:
            row = self._connections.put_entity(reference, name, definition, if_match)
        except SettingInvalid as error:
            # the place is one below /entities/NAME of the connection; here the definition is the whole body
            place = "/" + error.pointer.split("/", 3)[3] if error.pointer.count("/") > 2 else ""
            raise wrong(place, "setting", str(error)) from None
        return Shown(self._connections.stored(row).entities[name], row.etag)

    def delete(self, reference: str, name: str, if_match: str | None = None) -> None:
        """Remove one; raises Problem("not-found") if there is none."""
        self._connections.put_entity(reference, name, None, if_match)
