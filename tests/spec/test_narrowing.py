"""Differences between two schemas: what is taken no longer, and what is taken now."""

from __future__ import annotations

import time
from typing import Any

import pytest

from apimgmt.spec.comparison.narrowing import Schemas

NARROWER, WIDER, BOTH, NEITHER = (True, False), (False, True), (True, True), (False, False)


def shifts(old: Any, new: Any) -> list[tuple[str, str, tuple[bool, bool]]]:
    found = Schemas({}, {}).shifts(old, new)
    return [(shift.place, shift.code, (shift.narrower, shift.wider)) for shift in found]


@pytest.mark.parametrize(
    ("old", "new", "code", "effect"),
    [
        ({"type": "integer"}, {"type": "string"}, "type-changed", BOTH),
        ({"type": "integer"}, {"type": "number"}, "type-changed", WIDER),
        ({"type": ["string", "null"]}, {"type": "string"}, "type-changed", NARROWER),
        (True, {"type": "string"}, "type-changed", NARROWER),
        ({"type": "string"}, False, "type-changed", NARROWER),
        ({"enum": ["a", "b"]}, {"enum": ["a"]}, "enum-value-removed", NARROWER),
        ({"enum": ["a"]}, {"enum": ["a", "b"]}, "enum-value-added", WIDER),
        ({}, {"enum": ["a"]}, "enum-changed", NARROWER),
        ({"const": 1}, {}, "enum-changed", WIDER),
        ({"minimum": 1}, {"minimum": 2}, "limit-changed", NARROWER),
        ({"minimum": 1}, {"minimum": 0}, "limit-changed", WIDER),
        ({"maxLength": 1}, {"maxLength": 2}, "limit-changed", WIDER),
        ({"maxLength": 1}, {}, "limit-changed", WIDER),
        ({}, {"format": "date"}, "limit-changed", NARROWER),
        ({"pattern": "a"}, {"pattern": "b"}, "limit-changed", BOTH),
        ({"not": {"type": "string"}}, {}, "schema-changed", BOTH),
        ({"allOf": [{}]}, {"allOf": [{}, {}]}, "schema-changed", NARROWER),
        ({"oneOf": [{}]}, {}, "schema-changed", WIDER),
        ({"oneOf": [{}]}, {"oneOf": [{}, {}]}, "alternatives-changed", WIDER),
        ({"anyOf": [{}, {}]}, {"anyOf": [{}]}, "alternatives-changed", NARROWER),
    ],
)
def test_one_shift(old: Any, new: Any, code: str, effect: tuple[bool, bool]) -> None:
    """Each kind of change is narrower, wider or both."""
    assert shifts(old, new) == [("", code, effect)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"properties": {"a/b": {}}}, {}, ("/a~1b", "property-removed", WIDER)),
        ({"properties": {"a": {}}}, {"additionalProperties": False}, ("/a", "property-removed", BOTH)),
        ({}, {"properties": {"a": {}}}, ("/a", "property-added", NEITHER)),
        ({}, {"required": ["a"]}, ("/a", "property-required", NARROWER)),
        (
            {"properties": {"a": {}}, "required": ["a"]},
            {"properties": {"a": {}}},
            ("/a", "property-optional", WIDER),
        ),
        ({"items": {"type": "string"}}, {"items": {}}, ("/*", "type-changed", WIDER)),
        (
            {"properties": {"a": {"items": {"enum": [1]}}}},
            {"properties": {"a": {"items": {"enum": [1, 2]}}}},
            ("/a/*", "enum-value-added", WIDER),
        ),
    ],
)
def test_place_of_a_shift(old: Any, new: Any, expected: Any) -> None:
    """Members and items are named by a pointer, ``*`` for any."""
    assert expected in shifts(old, new)


def test_annotations_are_no_difference() -> None:
    """Texts and examples change nothing for a caller."""
    assert shifts({"title": "a", "example": 1}, {"title": "b", "default": 2}) == []


def test_change_of_a_named_schema_is_found_where_it_is_used() -> None:
    """A change deep in recursive schemas shows wherever they are used, and the walk ends."""
    node = {"properties": {"next": {"$ref": "#/$defs/Node"}, "leaf": {"$ref": "#/$defs/Leaf"}}}
    old: dict[str, Any] = {"Node": node, "Leaf": {}}
    new = {**old, "Leaf": {"type": "string"}}
    (found,) = Schemas(old, new).shifts({"$ref": "#/$defs/Node"}, {"$ref": "#/$defs/Node"})
    assert (found.place, found.code, found.narrower) == ("/leaf", "type-changed", True)


def test_equal_schemas_cost_no_walk() -> None:
    """Ten thousand comparisons of a schema over 1,000 linked ones take no time if nothing changed."""
    schemas: dict[str, Any] = {f"S{n}": {"items": {"$ref": f"#/$defs/S{(n + 1) % 1000}"}} for n in range(1000)}
    comparison = Schemas(schemas, schemas)
    start = time.process_time()
    for _ in range(10_000):
        assert not list(comparison.shifts({"$ref": "#/$defs/S0"}, {"$ref": "#/$defs/S0"}))
    assert time.process_time() - start < 1.0
