"""The shape of schema keywords in OpenAPI 3.1 and 3.2."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.spec.grammar import Node
from apimgmt.spec.lint.keywords import check


def found(schema: dict[str, Any]) -> list[tuple[str, str]]:
    """Severity and pointer of what is found in a schema at ``/s``."""
    return [(severity, pointer) for severity, _, _, pointer in check(Node("schema", schema, ((), "s")))]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["string", "null"], "required": [], "enum": [], "minLength": 1.0, "multipleOf": 0.01},
        {"items": False, "additionalProperties": True, "prefixItems": [True], "$defs": {}, "minimum": -1},
        {"exclusiveMinimum": 3, "uniqueItems": False, "allOf": [], "const": None, "unknown": 1},
    ],
)
def test_good_schemas(schema: dict[str, Any]) -> None:
    """Every keyword of a right shape, boolean schemas, and keywords that nobody knows."""
    assert found(schema) == []


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("type", "strong"),
        ("type", []),
        ("type", {"a": 1}),
        ("required", "a"),
        ("required", [1]),
        ("enum", "a"),
        ("pattern", 1),
        ("minLength", -1),
        ("maxItems", 1.5),
        ("maxItems", True),
        ("minimum", "0"),
        ("multipleOf", 0),
        ("properties", []),
        ("items", "string"),
        ("allOf", {}),
        ("not", None),
        ("$ref", 1),
        ("uniqueItems", "yes"),
    ],
)
def test_wrong_shapes_are_errors(keyword: str, value: Any) -> None:
    """The compiler would leave such a keyword out, and accept more than the document says."""
    assert found({keyword: value}) == [("error", f"/s/{keyword}")]


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("exclusiveMinimum", True), ("required", True), ("items", [{}]), ("type", "file")],
)
def test_older_shapes_are_warnings(keyword: str, value: Any) -> None:
    """What draft 4 and OpenAPI 3.0 had is understood."""
    assert found({keyword: value}) == [("warning", f"/s/{keyword}")]
