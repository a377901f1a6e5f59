"""What a schema takes less of than before (narrower), and what more (wider).

Narrower is what breaks a caller's requests, wider is what breaks its reading of responses. This is a reasonable subset,
not a decision procedure: keywords whose effect is not compared count as both when they change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from apimgmt.model import Schema
from apimgmt.spec.document import escape
from apimgmt.spec.schema import REF, TYPES

_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_EITHER = ("pattern", "format", "multipleOf", "uniqueItems")
_OPAQUE = ("not", "if", "then", "else", "patternProperties", "prefixItems", "dependentSchemas", "dependentRequired")
_OPAQUE_TOO = ("contains", "minContains", "maxContains", "propertyNames", "unevaluatedProperties", "unevaluatedItems")
_MOST_HOPS = 20
_ANYTHING: dict[str, Any] = {}
_NOTHING: dict[str, Any] = {"not": {}}


class Shift(NamedTuple):
    """One difference between two schemas, at ``place`` (a pointer into the value, ``*`` for any item or member)."""

    place: str
    code: str
    message: str
    narrower: bool = False
    wider: bool = False


class Schemas:
    """The named schemas of two revisions, and which of them differ anywhere below."""

    def __init__(self, old: Mapping[str, Schema], new: Mapping[str, Schema]) -> None:
        self._old = old
        self._new = new
        self._tainted = _tainted(old, new)

    def shifts(self, old: Schema, new: Schema) -> Iterator[Shift]:
        """Every difference between a schema of the old revision and one of the new."""
        return self._compare(old, new, "", set())

    def _compare(self, old: Schema, new: Schema, place: str, seen: set[tuple[int, int]]) -> Iterator[Shift]:
        if old == new and self._tainted.isdisjoint(_references(old)):
            return
        before, after = _resolved(old, self._old), _resolved(new, self._new)
        pair = (id(before), id(after))
        if pair in seen:
            return
        seen.add(pair)
        yield from _types(before, after, place)
        if before is _NOTHING or after is _NOTHING:
            return
        yield from _values(before, after, place)
        yield from _bounds(before, after, place)
        yield from self._object(before, after, place, seen)
        yield from self._parts(before, after, place, seen)
        for keyword in (*_OPAQUE, *_OPAQUE_TOO):
            if before.get(keyword) != after.get(keyword):
                yield Shift(place, "schema-changed", f"`{keyword}` changed", narrower=True, wider=True)

    def _object(
        self, old: dict[str, Any], new: dict[str, Any], place: str, seen: set[tuple[int, int]]
    ) -> Iterator[Shift]:
        before, after = old.get("properties", {}), new.get("properties", {})
        required, needed = set(old.get("required", ())), set(new.get("required", ()))
        closed = new.get("additionalProperties") is False
        for name in before:
            at = f"{place}/{escape(name)}"
            if name not in after:
                yield Shift(at, "property-removed", "property removed", narrower=closed, wider=True)
            else:
                yield from self._compare(before[name], after[name], at, seen)
        for name in after:
            if name not in before and name not in needed:
                yield Shift(f"{place}/{escape(name)}", "property-added", "property added")
        for name in sorted(needed - required):
            yield Shift(f"{place}/{escape(name)}", "property-required", "property became required", narrower=True)
        for name in sorted(required - needed & set(after)):
            yield Shift(f"{place}/{escape(name)}", "property-optional", "property may be absent now", wider=True)

    def _parts(
        self, old: dict[str, Any], new: dict[str, Any], place: str, seen: set[tuple[int, int]]
    ) -> Iterator[Shift]:
        for keyword in ("items", "additionalProperties"):
            if keyword in old or keyword in new:
                yield from self._compare(old.get(keyword, True), new.get(keyword, True), f"{place}/*", seen)
        for keyword in ("allOf", "anyOf", "oneOf"):
            before, after = old.get(keyword, []), new.get(keyword, [])
            if len(before) == len(after):
                for one, other in zip(before, after, strict=True):
                    yield from self._compare(one, other, place, seen)
            elif keyword == "allOf" or not before or not after:
                more = len(after) > len(before)
                yield Shift(place, "schema-changed", f"`{keyword}` changed", narrower=more, wider=not more)
            else:
                more = len(after) > len(before)
                message = "an alternative was added" if more else "an alternative was removed"
                yield Shift(place, "alternatives-changed", message, narrower=not more, wider=more)


def _types(old: dict[str, Any], new: dict[str, Any], place: str) -> Iterator[Shift]:
    before, after = _type_set(old), _type_set(new)
    if before != after:
        message = f"type changed from {_listed(before)} to {_listed(after)}"
        yield Shift(place, "type-changed", message, narrower=not before <= after, wider=not after <= before)


def _type_set(schema: dict[str, Any]) -> set[str]:
    """The types a schema takes; ``number`` takes integers too."""
    if schema is _NOTHING:
        return set()
    types = schema.get("type", list(TYPES))
    found = {types} if isinstance(types, str) else set(types)
    return found | {"integer"} if "number" in found else found


def _listed(types: set[str]) -> str:
    shown = types - {"integer"} if "number" in types else types
    return "any" if types == TYPES else " or ".join(sorted(shown)) or "nothing"


def _values(old: dict[str, Any], new: dict[str, Any], place: str) -> Iterator[Shift]:
    before, after = _value_set(old), _value_set(new)
    if before is None or after is None:
        if before is not after:
            message = "values are free now" if after is None else "only listed values are taken now"
            yield Shift(place, "enum-changed", message, narrower=before is None, wider=after is None)
        return
    gone, come = [v for v in before if v not in after], [v for v in after if v not in before]
    if gone:
        yield Shift(place, "enum-value-removed", f"value removed: {', '.join(gone)[:100]}", narrower=True)
    if come:
        yield Shift(place, "enum-value-added", f"value added: {', '.join(come)[:100]}", wider=True)


def _value_set(schema: dict[str, Any]) -> list[str] | None:
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return None if values is None else [msgspec.json.encode(value).decode() for value in values]


def _bounds(old: dict[str, Any], new: dict[str, Any], place: str) -> Iterator[Shift]:
    for keyword in (*_LOWER, *_UPPER, *_EITHER):
        before, after = old.get(keyword), new.get(keyword)
        if before == after:
            continue
        if before is None or after is None:
            narrower, wider = before is None, after is None
        elif keyword in _EITHER:
            narrower = wider = True
        else:
            narrower = (after > before) if keyword in _LOWER else (after < before)
            wider = not narrower
        message = f"`{keyword}` changed from {_shown(before)} to {_shown(after)}"
        yield Shift(place, "limit-changed", message, narrower=narrower, wider=wider)


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)[:50]


def _resolved(schema: Schema, schemas: Mapping[str, Schema]) -> dict[str, Any]:
    for _ in range(_MOST_HOPS):
        if isinstance(schema, bool):
            return _ANYTHING if schema else _NOTHING
        if set(schema) != {"$ref"}:
            return schema
        schema = schemas.get(schema["$ref"].removeprefix(REF), True)
    return _ANYTHING


def _tainted(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> set[str]:
    """The names whose schemas differ, themselves or in what they refer to."""
    users: dict[str, list[str]] = {}
    for name, schema in new.items():
        for used in _references(schema):
            users.setdefault(used, []).append(name)
    queue = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    tainted = set(queue)
    while queue:
        for user in users.get(queue.pop(), ()):
            if user not in tainted:
                tainted.add(user)
                queue.append(user)
    return tainted


def _references(schema: Any) -> Iterable[str]:
    """The names that a schema refers to, anywhere in it."""
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(REF)
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _references(item)
