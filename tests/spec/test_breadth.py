"""The longest list of alternatives in a schema."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.spec.validation.breadth import breadth

SCHEMAS: dict[str, Any] = {
    "Tree": {"properties": {"left": {"$ref": "#/$defs/Tree"}, "value": {"$ref": "#/$defs/Value"}}},
    "Value": {"oneOf": [{"type": "integer"}, {"type": "string"}, {"$ref": "#/$defs/Tree"}]},
    "Other": {"anyOf": [{}] * 9},
}


@pytest.mark.parametrize(
    ("schema", "widest"),
    [
        (True, 1),
        ({"type": "integer"}, 1),
        ({"anyOf": [{}, {}]}, 2),
        ({"items": {"not": {"oneOf": [{}, {"anyOf": [{}] * 5}]}}}, 5),
        ({"properties": {"oneOf": {"type": "string"}}}, 1),
        ({"$ref": "#/$defs/Tree"}, 3),
        ({"allOf": [{"$ref": "#/$defs/Value"}, {"$ref": "#/$defs/Other"}]}, 9),
        ({"$ref": "#/$defs/Absent"}, 1),
    ],
)
def test_breadth(schema: Any, widest: int) -> None:
    """Found at any depth and behind references, which may go round; a property of that name is none."""
    assert breadth(schema, SCHEMAS) == widest
