"""Where the rows are in an answer, and which fields they have, as its schema says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apimgmt.model import Schema, Struct

MOST_FIELDS = 500
MOST_STEPS = 200
_TYPES = {"integer": "integer", "number": "number", "boolean": "boolean", "string": "string"}
_FORMATS = {"date-time": "datetime", "date": "date"}
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


class Shape(Struct, frozen=True):
    """``response``, ``dataPath`` and ``fields`` of an entity; ``members`` are those of the answer itself."""

    response: str = "json"
    data_path: str = "$"
    fields: tuple[dict[str, Any], ...] = ()
    members: tuple[str, ...] = ()
    is_list: bool = False

    def definition(self) -> dict[str, Any]:
        """The members of an entity that differ from its defaults."""
        shown: dict[str, Any] = {} if self.response == "json" else {"response": self.response}
        if self.data_path != "$":
            shown["dataPath"] = self.data_path
        if self.fields:
            shown["fields"] = list(self.fields)
        return shown


def rows_of(schema: Schema, schemas: Mapping[str, Schema]) -> Shape:
    """A list is the rows, an object with one list of objects in it has them there, any other object is the row."""
    parts = list(_parts(schema, schemas))
    if any(_has_type(part, "array") for part in parts):
        return Shape(fields=_fields(_items(parts), schemas), is_list=True)
    members = _members(parts)
    taken_apart = {name: list(_parts(value, schemas)) for name, value in members.items()}
    lists = [
        (name, _items(inner)) for name, inner in taken_apart.items() if any(_has_type(part, "array") for part in inner)
    ]
    if len(lists) == 1:
        name, items = lists[0]
        fields = _fields(items, schemas)
        # an object that only has a list of texts or numbers is a row that has a list
        if fields:
            return Shape(data_path=f"$[{_quoted(name)}]" if set(name) - _PLAIN else f"$.{name}", fields=fields,
                         members=tuple(members), is_list=True)  # fmt: skip
    return Shape(fields=_fields(schema, schemas), members=tuple(members))


def type_of(schema: Schema, schemas: Mapping[str, Schema]) -> str:
    """The type of a field: ``json`` for whatever is not plainly one of the others."""
    kinds: set[str] = set()
    form = ""
    for part in _parts(schema, schemas):
        own = part.get("type", ())
        kinds |= {own} if isinstance(own, str) else set(own)
        form = str(part.get("format", form))
    kinds.discard("null")
    if len(kinds) != 1:
        return "json"
    kind = kinds.pop()
    return _FORMATS.get(form, "string") if kind == "string" else _TYPES.get(kind, "json")


def _fields(schema: Schema, schemas: Mapping[str, Schema]) -> tuple[dict[str, Any], ...]:
    members = _members(list(_parts(schema, schemas)))
    names = [name for name in members if name][:MOST_FIELDS]
    return tuple({"name": name, "type": type_of(members[name], schemas)} for name in names)


def _parts(schema: Schema, schemas: Mapping[str, Schema]) -> Iterator[dict[str, Any]]:
    """A schema and all that holds with it: references, ``allOf``, the one branch that is not null."""
    pending: list[Schema] = [schema]
    seen: set[int] = set()
    while pending and len(seen) < MOST_STEPS:
        part = pending.pop()
        if not isinstance(part, dict) or id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        if isinstance(part.get("$ref"), str):
            pending.append(schemas.get(part["$ref"].removeprefix("#/$defs/"), True))
        pending += part.get("allOf", ())
        branches = [one for word in ("anyOf", "oneOf") for one in part.get(word, ())]
        branches = [one for one in branches if not (isinstance(one, dict) and one.get("type") == "null")]
        pending += branches if len(branches) == 1 else []


def _members(parts: list[dict[str, Any]]) -> dict[str, Schema]:
    return {name: value for part in reversed(parts) for name, value in part.get("properties", {}).items()}


def _items(parts: list[dict[str, Any]]) -> Schema:
    return next((part["items"] for part in parts if "items" in part), True)


def _has_type(part: dict[str, Any], kind: str) -> bool:
    own = part.get("type", ())
    return own == kind or (isinstance(own, list) and kind in own)


def _quoted(name: str) -> str:
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"
