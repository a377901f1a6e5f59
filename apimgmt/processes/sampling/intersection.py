"""Two schemas that hold at once, as one: what ``allOf``, a reference with siblings and a chosen branch come to."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from apimgmt.model import Schema
from apimgmt.processes.sampling.scalars import Unsatisfiable

# what is still to be chosen: a list of {"oneOf": branches} and {"anyOf": branches}
CHOICES = "x-choices"


def intersect(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """What both ask for; annotations of ``one`` win. Raises Unsatisfiable where they plainly exclude each other."""
    merged = {**other, **one}
    for keyword in one.keys() & other.keys():
        merge = _MERGES.get(keyword)
        if merge is not None:
            merged[keyword] = merge(one[keyword], other[keyword])
    _close(merged, one, other)
    return merged


def _close(merged: dict[str, Any], one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """A side that is closed allows only its own properties, also those that the other side describes."""
    for side in (one, other):
        if side.get("additionalProperties") is False and "properties" in merged and "patternProperties" not in side:
            own = side.get("properties", {})
            merged["properties"] = {name: schema for name, schema in merged["properties"].items() if name in own}


def types_of(schema: Mapping[str, Any]) -> list[str]:
    """The types that a schema names, none if it names none."""
    names = schema.get("type", ())
    return [names] if isinstance(names, str) else list(names)


def _types(one: Any, other: Any) -> list[str]:
    ours, theirs = types_of({"type": one}), types_of({"type": other})
    common = [name for name in ours if name in theirs or (name == "integer" and "number" in theirs)]
    common += ["integer"] if "integer" in theirs and "number" in ours and "integer" not in common else []
    if not common:
        raise Unsatisfiable("types exclude each other")
    return common


def _values(one: list[Any], other: list[Any]) -> list[Any]:
    common = [value for value in one if any(same(value, theirs) for theirs in other)]
    if not common:
        raise Unsatisfiable("enumerations exclude each other")
    return common


def _constant(one: Any, other: Any) -> Any:
    if not same(one, other):
        raise Unsatisfiable("constants exclude each other")
    return one


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal at every depth: 1 is 1.0 but not true (JSON Schema core 4.2.2)."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    return bool(one == other)


def _both(one: Schema, other: Schema) -> Schema:
    if one is False or other is False:
        return False
    if one is True or other is True:
        return other if one is True else one
    if one == other:
        return one
    # who hides a property hides it for both
    hiding = {word: True for word in ("readOnly", "writeOnly") if one.get(word) is True or other.get(word) is True}
    return {"allOf": [one, other], **hiding}


def _each(one: Mapping[str, Schema], other: Mapping[str, Schema]) -> dict[str, Schema]:
    ours = {name: _both(schema, other[name]) if name in other else schema for name, schema in one.items()}
    return ours | {name: schema for name, schema in other.items() if name not in ours}


def _multiple(one: Any, other: Any) -> Any:
    return math.lcm(one, other) if isinstance(one, int) and isinstance(other, int) else max(one, other)


def _joined(one: list[Any], other: list[Any]) -> list[Any]:
    return [*one, *(item for item in other if item not in one)]


_MERGES: dict[str, Callable[[Any, Any], Any]] = {
    "type": _types,
    "enum": _values,
    "const": _constant,
    "minimum": max,
    "exclusiveMinimum": max,
    "minLength": max,
    "minItems": max,
    "minProperties": max,
    "maximum": min,
    "exclusiveMaximum": min,
    "maxLength": min,
    "maxItems": min,
    "maxProperties": min,
    "multipleOf": _multiple,
    "required": _joined,
    "properties": _each,
    "patternProperties": _each,
    "additionalProperties": _both,
    "items": _both,
    "contains": _both,
    "propertyNames": _both,
    "uniqueItems": lambda one, other: one or other,
    "not": lambda one, other: {"anyOf": [one, other]},
    CHOICES: lambda one, other: [*one, *other],
}
