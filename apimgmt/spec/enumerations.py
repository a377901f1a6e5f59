"""Enumerations whose members are of another type than the schema says: read as they can only be meant.

    {"type": "integer", "enum": ["1", "2"]}         -> {"type": "integer", "enum": [1, 2]}
    {"type": "string", "enum": [1, true]}           -> {"type": "string", "enum": ["1", "true"]}
    {"type": "array", "items": {}, "enum": ["a"]}   -> {"type": "array", "items": {"enum": ["a"]}}

Taken literally no value would be valid. An enumeration with one member of the right type is left as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?")
_BOOLEANS = {"true": True, "false": False}


def mend_enumeration(schema: dict[str, Any]) -> None:
    """Change the ``enum`` of a schema that has a ``type`` too, if no member but null is of one of its types."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    types = [name for name in types if name != "null"]
    values = [value for value in schema["enum"] if value is not None]
    if len(types) != 1 or not values or any(_is_of(types[0], value) for value in values):
        return
    if types[0] == "array" and isinstance(schema.get("items", {}), dict):
        _move_to_items(schema, schema.get("items", {}), values)
        return
    cast = _CASTS.get(types[0])
    meant = [cast(value) for value in values] if cast is not None else []
    if meant and None not in meant:
        schema["enum"] = [*meant, *([None] if None in schema["enum"] else [])]


def _move_to_items(schema: dict[str, Any], items: dict[str, Any], values: list[Any]) -> None:
    if "enum" not in items:
        del schema["enum"]
        schema["items"] = {**items, "enum": values}
        if "type" in items:
            mend_enumeration(schema["items"])
    elif all(value in items["enum"] for value in values):
        del schema["enum"]
        schema["items"] = {**items, "enum": values}


def _is_of(name: str, value: Any) -> bool:
    kinds: dict[str, type | tuple[type, ...]] = {
        "string": str,
        "boolean": bool,
        "array": list,
        "object": dict,
        "integer": int,
        "number": (int, float),
    }
    return isinstance(value, kinds[name]) and (name == "boolean" or not isinstance(value, bool))


def _text(value: Any) -> str | None:
    return None if isinstance(value, dict | list) else json.dumps(value)


def _number(value: Any) -> int | float | None:
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return None
    return float(value) if "." in value else int(value)


def _integer(value: Any) -> int | None:
    number = _number(value)
    return number if isinstance(number, int) else None


def _boolean(value: Any) -> bool | None:
    return _BOOLEANS.get(value.lower()) if isinstance(value, str) else None


_CASTS: dict[str, Callable[[Any], Any]] = {
    "string": _text,
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
}
