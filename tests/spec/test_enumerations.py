"""Enumerations whose members are of another type than the schema says (apimgmt/spec/enumerations.py)."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.spec.enumerations import mend_enumeration


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer", "enum": ["1", "-2"]}, {"type": "integer", "enum": [1, -2]}),
        ({"type": "number", "enum": ["1.5", "2"]}, {"type": "number", "enum": [1.5, 2]}),
        ({"type": "boolean", "enum": ["true", "False"]}, {"type": "boolean", "enum": [True, False]}),
        ({"type": "string", "enum": [1, True, 1.5]}, {"type": "string", "enum": ["1", "true", "1.5"]}),
        ({"type": ["string", "null"], "enum": [1, None]}, {"type": ["string", "null"], "enum": ["1", None]}),
        ({"type": "array", "enum": ["a"]}, {"type": "array", "items": {"enum": ["a"]}}),
        (
            {"type": "array", "items": {"enum": ["a", "b"]}, "enum": ["a"]},
            {"type": "array", "items": {"enum": ["a"]}},
        ),
        (
            {"type": "array", "items": {"type": "integer"}, "enum": ["1"]},
            {"type": "array", "items": {"type": "integer", "enum": [1]}},
        ),
    ],
)
def test_members_of_another_type_are_read_as_they_are_meant(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    """No value would be valid otherwise, so that there is one meaning left."""
    mend_enumeration(schema)
    assert schema == expected
    assert [type(value) for value in schema.get("enum", ())] == [type(value) for value in expected.get("enum", ())]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "enum": ["1", 2]},
        {"type": "integer", "enum": [1, "2"]},
        {"type": "integer", "enum": ["1", "x"]},
        {"type": "integer", "enum": ["1.5"]},
        {"type": "integer", "enum": ["007"]},
        {"type": "integer", "enum": ["9" * 19]},
        {"type": "boolean", "enum": ["yes"]},
        {"type": "string", "enum": [[]]},
        {"type": "object", "enum": ["a"]},
        {"type": ["string", "integer"], "enum": [True]},
        {"type": "string", "enum": [None]},
        {"type": "array", "items": {"enum": ["b"]}, "enum": ["a"]},
        {"type": "array", "items": {"type": "string"}, "enum": [["a"]]},
    ],
)
def test_everything_else_stays(schema: dict[str, Any]) -> None:
    """What has a valid member, or no plain meaning, is left to the validator."""
    before = repr(schema)
    mend_enumeration(schema)
    assert repr(schema) == before
