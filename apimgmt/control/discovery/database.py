"""The tables and views of a database as entities, as the database describes them."""

from __future__ import annotations

from typing import Any

from apimgmt.connections.entities.database import Database
from apimgmt.control.discovery import MOST_ENTITIES, Discovered, Found, LeftOut, unique
from apimgmt.errors import ConnectionFailed


def discovered(database: Database, schema: str) -> Discovered:
    """An entity for every table and view of a schema, empty for the database's default; raises ConnectionFailed."""
    found: dict[str, Found] = {}
    left_out: list[LeftOut] = []
    with database.session() as session:
        inspector = database.inspector(session)
        own = schema or None
        if own and own not in (known := inspector.get_schema_names()):
            raise ConnectionFailed("request", f"there is no schema {own[:200]!r}; there are: {', '.join(known[:20])}")
        views = set(inspector.get_view_names(own))
        names = sorted({*inspector.get_table_names(own), *views})
        left_out += [LeftOut(what=name, why=f"at most {MOST_ENTITIES} tables") for name in names[MOST_ENTITIES:]]
        for name in names[:MOST_ENTITIES]:
            columns = inspector.get_columns(name, own)
            key = [] if name in views else inspector.get_pk_constraint(name, own).get("constrained_columns") or []
            chosen = unique(name, found)
            definition = _definition(name, schema, name in views, list(key), [dict(column) for column in columns])
            note = "" if key else "it has no key: rows can be listed, and changed by a filter"
            found[chosen] = Found(
                name=chosen, definition=definition, note=note if name not in views else "a view: read only"
            )
    return Discovered(found=tuple(found.values()), left_out=tuple(left_out))


def _definition(name: str, schema: str, is_view: bool, key: list[str], columns: list[dict[str, Any]]) -> dict[str, Any]:
    fields: list[dict[str, Any]] = []
    for column in columns:
        shown: dict[str, Any] = {"name": column["name"], "type": str(column["type"])}
        fields.append(shown if column.get("nullable", True) else {**shown, "nullable": False})
    definition: dict[str, Any] = {"table": name, "schema": schema, "view": is_view, "key": key, "fields": fields}
    return {member: value for member, value in definition.items() if value not in ("", False, [])}
