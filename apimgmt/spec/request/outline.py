"""What a schema says about the shape of a value: its JSON types, items, properties and default.

Only what casting needs, and never an error: a schema that says nothing gives a text. The validator decides about
validity. A ``$ref`` is ``#/$defs/NAME``; every function follows it through ``schemas`` and stands cycles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apimgmt.model import Schema

Schemas = Mapping[str, Schema]
Kinds = frozenset[str]

PREFIX = "#/$defs/"
_NOTHING: Kinds = frozenset()
_HINTS = {
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "string": ("pattern", "minLength", "maxLength", "format"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "object": ("properties", "additionalProperties", "required", "minProperties", "maxProperties", "patternProperties"),
}
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


def referenced(schema: Mapping[str, Any], schemas: Schemas) -> Schema:
    """The schema that ``$ref`` names; True if nothing has that name."""
    name = str(schema["$ref"]).removeprefix(PREFIX).replace("~1", "/").replace("~0", "~")
    return schemas.get(name, True)


def parts(schema: Schema, schemas: Schemas) -> list[dict[str, Any]]:
    """All objects that hold at once: the schema, what it refers to, and the members of its ``allOf``."""
    found: list[dict[str, Any]] = []
    waiting: list[Any] = [schema]
    while waiting:
        part = waiting.pop(0)
        if not isinstance(part, dict) or any(part is known for known in found):
            continue
        found.append(part)
        if "$ref" in part:
            waiting.append(referenced(part, schemas))
        waiting.extend(part.get("allOf", ()))
    return found


def kinds(schema: Schema, schemas: Schemas, above: tuple[int, ...] = ()) -> Kinds:
    """The JSON types that a value may have; empty if nothing is said."""
    if isinstance(schema, dict) and isinstance(schema.get("type"), str) and not schema.keys() & {"$ref", "allOf"}:
        return frozenset((schema["type"],))
    result = _NOTHING
    together = parts(schema, schemas)
    for part in together:
        result = _both(result, _declared(part, schemas, above))
    return result or _implied(together)


def _declared(part: dict[str, Any], schemas: Schemas, above: tuple[int, ...]) -> Kinds:
    if "type" in part:
        declared = part["type"]
        return frozenset((declared,) if isinstance(declared, str) else declared)
    result = _NOTHING
    for keyword in ("anyOf", "oneOf"):
        if keyword in part and id(part) not in above:
            alternatives = [kinds(branch, schemas, (*above, id(part))) for branch in part[keyword]]
            if all(alternatives):
                result = _both(result, frozenset[str]().union(*alternatives))
    return result


def _implied(together: list[dict[str, Any]]) -> Kinds:
    for part in together:
        values = [part["const"]] if "const" in part else part.get("enum", ())
        if values:
            return frozenset(_TYPES.get(type(value), "null") for value in values)
    return frozenset(kind for kind, words in _HINTS.items() if any(word in part for part in together for word in words))


def _both(first: Kinds, second: Kinds) -> Kinds:
    """The types in both; an integer is a number, and a contradiction is left to the validator."""
    if not first or not second:
        return first or second
    common = first & second
    if "number" in first ^ second and "integer" in first ^ second:
        common |= {"integer"}
    return common or first


def items(schema: Schema, schemas: Schemas) -> Schema:
    """The schema of the items of an array, of several (``prefixItems``, branches) any; True if nothing is said."""
    found: list[Schema] = []
    for part in _everywhere(schema, schemas):
        found.extend(part.get("prefixItems", ()))
        if part.get("items", False) is not False:
            found.append(part["items"])
    return _any_of(found)


def properties(schema: Schema, schemas: Schemas) -> dict[str, Schema]:
    """The declared properties of an object, those of every branch together."""
    found: dict[str, list[Schema]] = {}
    for part in _everywhere(schema, schemas):
        for name, declared in part.get("properties", {}).items():
            found.setdefault(name, []).append(declared)
    return {name: _any_of(declared) for name, declared in found.items()}


def required(schema: Schema, schemas: Schemas) -> frozenset[str]:
    """The properties that every value must have, whichever branch it takes."""
    return frozenset(name for part in parts(schema, schemas) for name in part.get("required", ()))


def additional(schema: Schema, schemas: Schemas) -> Schema | None:
    """The schema of undeclared properties; None if the document does not mention them."""
    for part in _everywhere(schema, schemas):
        if "additionalProperties" in part:
            return part["additionalProperties"]  # type: ignore[no-any-return]
    return None


def first(schema: Schema, schemas: Schemas, keyword: str) -> Any:
    """The value of a keyword in the schema, what it refers to, or its ``allOf``; None if it is not there."""
    if isinstance(schema, dict) and not schema.keys() & {keyword, "$ref", "allOf"}:
        return None
    return next((part[keyword] for part in parts(schema, schemas) if keyword in part), None)


def _everywhere(schema: Schema, schemas: Schemas) -> list[dict[str, Any]]:
    """The parts of a schema and those of its branches, and of theirs."""
    found = parts(schema, schemas)
    seen = {id(part) for part in found}
    for part in found:
        for branch in _branches(part):
            for further in parts(branch, schemas):
                if id(further) not in seen:
                    seen.add(id(further))
                    found.append(further)
    return found


def _branches(part: dict[str, Any]) -> Iterator[Schema]:
    yield from part.get("anyOf", ())
    yield from part.get("oneOf", ())


def _any_of(schemas: list[Schema]) -> Schema:
    different = [schema for index, schema in enumerate(schemas) if schema not in schemas[:index]]
    if not different:
        return True
    return different[0] if len(different) == 1 else {"anyOf": different}
