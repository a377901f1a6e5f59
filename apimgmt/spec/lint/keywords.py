"""The shape of JSON Schema keywords in OpenAPI 3.1 and 3.2, whose metaschemas only say that a schema is an object.

A keyword of the wrong shape is left out by the compiler, so that more would be accepted than the document says: an
error. Keywords of older dialects, whose meaning nobody doubts, are a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from apimgmt.spec.document import Severity
from apimgmt.spec.grammar import Node

_TYPES = frozenset(("string", "number", "integer", "boolean", "array", "object", "null"))

Shape = Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _is_schema(value: Any) -> bool:
    return isinstance(value, (dict, bool))


def _is_type(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, str) and item in _TYPES for item in value)
    return isinstance(value, str) and value in _TYPES


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


_SHAPES: dict[str, tuple[str, Shape]] = {
    "type": ("one of the seven types, or a list of them", _is_type),
    "required": ("a list of names", _is_texts),
    "enum": ("a list", lambda value: isinstance(value, list)),
    "pattern": ("a string", lambda value: isinstance(value, str)),
    "$ref": ("a string", lambda value: isinstance(value, str)),
    "uniqueItems": ("true or false", lambda value: isinstance(value, bool)),
    "multipleOf": ("a number above 0", lambda value: _is_number(value) and value > 0),
    **dict.fromkeys(
        ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
        ("a number", _is_number),
    ),
    **dict.fromkeys(
        ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
        ("a whole number from 0", _is_count),
    ),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), ("a list", lambda value: isinstance(value, list))),
    **dict.fromkeys(("properties", "patternProperties", "$defs"), ("an object", lambda value: isinstance(value, dict))),
    **dict.fromkeys(
        ("items", "additionalProperties", "not", "if", "then", "else", "contains"), ("a schema", _is_schema)
    ),
}
_OLDER: dict[str, Shape] = {
    "exclusiveMinimum": lambda value: isinstance(value, bool),
    "exclusiveMaximum": lambda value: isinstance(value, bool),
    "required": lambda value: isinstance(value, bool),
    "items": lambda value: isinstance(value, list),
    "type": lambda value: value == "file",
}


def check(node: Node) -> Iterator[tuple[Severity, str, str, str]]:
    """Severity, code, message and pointer for every keyword of this schema that has the wrong shape."""
    for keyword, value in node.value.items():
        shape = _SHAPES.get(keyword)
        if shape is None or shape[1](value):
            continue
        older = keyword in _OLDER and _OLDER[keyword](value)
        message = f"`{keyword}` has to be {shape[0]}" + ("; this is how older versions had it." if older else ".")
        yield "warning" if older else "error", "schema-keyword", message, f"{node.pointer}/{keyword}"
