"""What a schema says about the shape of its values."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.spec.request import outline

SCHEMAS: dict[str, Any] = {
    "Id": {"type": "integer"},
    "a/b~": {"type": "boolean"},
    "Loop": {"$ref": "#/$defs/Loop"},
    "Tree": {"anyOf": [{"$ref": "#/$defs/Tree"}, {"type": "string"}]},
}


@pytest.mark.parametrize(
    ("schema", "kinds"),
    [
        ({"type": "integer"}, {"integer"}),
        ({"type": ["string", "null"]}, {"string", "null"}),
        ({"$ref": "#/$defs/Id"}, {"integer"}),
        ({"$ref": "#/$defs/a~1b~0"}, {"boolean"}),
        ({"$ref": "#/$defs/Nobody"}, set()),
        ({"$ref": "#/$defs/Loop"}, set()),
        ({"allOf": [{"type": "number"}, {"type": "integer"}]}, {"integer"}),
        ({"type": "number", "allOf": [{"type": ["integer", "string"]}]}, {"integer"}),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"integer", "null"}),
        ({"oneOf": [{"type": "integer"}, {}]}, set()),
        ({"type": "string", "oneOf": [{"type": "integer"}, {"type": "string"}]}, {"string"}),
        ({"enum": [1, 2]}, {"integer"}),
        ({"enum": ["a", None]}, {"string", "null"}),
        ({"const": True}, {"boolean"}),
        ({"type": "number", "enum": [1, 2.5]}, {"number"}),
        ({"minimum": 1}, {"number"}),
        ({"pattern": "a"}, {"string"}),
        ({"properties": {}}, {"object"}),
        ({"items": {}}, {"array"}),
        ({}, set()),
        (True, set()),
        (False, set()),
    ],
)
def test_the_types_of_a_schema(schema: Any, kinds: set[str]) -> None:
    """Types come from `type`, references, conjunctions and alternatives; without them from what else is said."""
    assert outline.kinds(schema, SCHEMAS) == kinds


def test_a_schema_that_is_its_own_alternative_ends() -> None:
    """A recursive schema is no endless loop."""
    assert outline.kinds({"$ref": "#/$defs/Tree"}, SCHEMAS) in ({"string"}, frozenset())


def test_items_and_properties_of_all_branches() -> None:
    """Properties of alternatives come together; one that differs is either of them."""
    schema = {
        "oneOf": [
            {"properties": {"a": {"type": "integer"}, "b": {"type": "string"}}},
            {"properties": {"a": {"type": "boolean"}, "b": {"type": "string"}}, "additionalProperties": False},
        ]
    }
    assert outline.properties(schema, SCHEMAS) == {
        "a": {"anyOf": [{"type": "integer"}, {"type": "boolean"}]},
        "b": {"type": "string"},
    }
    assert outline.additional(schema, SCHEMAS) is False
    assert outline.items({"allOf": [{"items": {"type": "integer"}}]}, SCHEMAS) == {"type": "integer"}
    assert outline.items({"type": "array"}, SCHEMAS) is True
    tuple_ = {"prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False}
    assert outline.kinds(outline.items(tuple_, SCHEMAS), SCHEMAS) == {"integer", "string"}


def test_a_default_behind_a_reference() -> None:
    """A keyword is found in the schema itself first, then in what it refers to."""
    schemas: dict[str, Any] = {"Limit": {"type": "integer", "default": 100}}
    assert outline.first({"$ref": "#/$defs/Limit"}, schemas, "default") == 100
    assert outline.first({"$ref": "#/$defs/Limit", "default": 5}, schemas, "default") == 5
    assert outline.first({"type": "integer"}, schemas, "default") is None
