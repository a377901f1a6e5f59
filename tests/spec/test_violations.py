"""The sentences: one per kind of error, with the place of what is wrong and without the value."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.spec.validation.validator import Validators
from apimgmt.spec.validation.violations import MOST

SCHEMAS = {
    "Pet": {
        "type": "object",
        "required": ["id", "name"],
        "properties": {"id": {"type": "integer", "readOnly": True}, "pin": {"writeOnly": True}, "name": {}},
    }
}


def said(schema: Any, value: Any, direction: Any = "request") -> list[tuple[str, str, str]]:
    found = Validators(SCHEMAS).compile(schema, direction).violations(value, {"in": "body"})
    assert all(violation["in"] == "body" for violation in found)
    return [(violation["pointer"], violation["code"], violation["detail"]) for violation in found]


@pytest.mark.parametrize(
    ("schema", "value", "pointer", "code", "detail"),
    [
        ({"type": "integer"}, "5", "", "type", "must be an integer"),
        ({"type": ["boolean", "null"]}, 5, "", "type", "must be true or false or null"),
        ({"enum": ["a", 1, None]}, 5, "", "enum", "must be one of: a, 1, null"),
        ({"enum": ["a"]}, 5, "", "enum", "must be a"),
        ({"const": {"a": 1}}, 5, "", "const", 'must be {"a": 1}'),
        ({"minimum": 6}, 5, "", "minimum", "must be at least 6"),
        ({"maximum": 4}, 5, "", "maximum", "must be at most 4"),
        ({"exclusiveMinimum": 5}, 5, "", "exclusiveMinimum", "must be greater than 5"),
        ({"exclusiveMaximum": 5}, 5, "", "exclusiveMaximum", "must be less than 5"),
        ({"multipleOf": 2}, 5, "", "multipleOf", "must be a multiple of 2"),
        ({"format": "int32"}, 2**31, "", "format", "must be in the range of int32, from -2147483648 to 2147483647"),
        ({"minLength": 1}, "", "", "minLength", "must have at least 1 character"),
        ({"maxLength": 2}, "aaa", "", "maxLength", "must have at most 2 characters"),
        ({"pattern": "^[^]\\_$"}, "a", "", "pattern", "must match the pattern ^[^]\\_$"),
        ({"format": "date"}, "a", "", "format", "must be a date such as 2024-12-31"),
        ({"format": "json-pointer"}, "a", "", "format", "must be of the format json-pointer"),
        ({"minItems": 1}, [], "", "minItems", "must have at least 1 item"),
        ({"maxItems": 0}, [1], "", "maxItems", "must have at most 0 items"),
        ({"uniqueItems": True}, [1, 1], "", "uniqueItems", "must not have the same item twice"),
        ({"contains": {"const": 1}}, [2], "", "contains", "does not have the items that it must contain"),
        ({"minProperties": 2}, {"a": 1}, "", "minProperties", "must have at least 2 properties"),
        ({"maxProperties": 1}, {"a": 1, "b": 1}, "", "maxProperties", "must have at most 1 property"),
        ({"required": ["a/b"]}, {}, "/a~1b", "required", "“a/b” is required"),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "/b", "dependentRequired", "“b” is required"),
        ({"additionalProperties": False}, {"a": 1}, "/a", "additionalProperties", "“a” is not allowed here"),
        (
            {"properties": {"b": True}, "additionalProperties": False},
            {"a": 1},
            "/a",
            "additionalProperties",
            "“a” is not allowed here",
        ),
        ({"unevaluatedProperties": False}, {"a": 1}, "/a", "unevaluatedProperties", "“a” is not allowed here"),
        (
            {"propertyNames": {"maxLength": 1}},
            {"ab": 1},
            "/ab",
            "propertyNames",
            "is a name that must have at most 1 character",
        ),
        ({"properties": {"a": False}}, {"a": {"b": 1}}, "/a", "not", "is not allowed here"),
        (
            {"properties": {"additionalProperties": False}},
            {"additionalProperties": {"b": 1}},
            "/additionalProperties",
            "not",
            "is not allowed here",
        ),
        ({"not": {"type": "string"}}, "a", "", "not", "is not allowed here"),
        ({"items": {"items": {"type": "string"}}}, [["a", 1]], "/0/1", "type", "must be a string"),
        (
            {"oneOf": [True, {"type": "string"}]},
            "a",
            "",
            "oneOf",
            "must fit exactly one of the alternatives, but fits more than one",
        ),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 1, "", "type", "must be a string"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, [], "", "anyOf", "must be a string or an integer"),
    ],
)
def test_one_violation(schema: Any, value: Any, pointer: str, code: str, detail: str) -> None:
    """Each keyword has its sentence, and the pointer leads to what is wrong or missing."""
    assert said(schema, value) == [(pointer, code, detail)]


@pytest.mark.rows("H-109")
def test_every_violation_is_told_at_once() -> None:
    """Nothing hides behind the first violation."""
    schema = {"required": ["c"], "properties": {"a": {"type": "string"}, "b": {"minimum": 2, "multipleOf": 3}}}
    assert {(pointer, code) for pointer, code, _ in said(schema, {"a": 1, "b": 1})} == {
        ("/c", "required"),
        ("/a", "type"),
        ("/b", "minimum"),
        ("/b", "multipleOf"),
    }


def test_the_same_violation_is_told_once() -> None:
    """Two schemas that demand the same of the same place make one violation."""
    assert said({"allOf": [{"type": "string"}, {"type": "string"}]}, 1) == [("", "type", "must be a string")]


def test_properties_of_the_other_side() -> None:
    """What the server sets must not be sent, what is secret is not sent back."""
    pet = {"$ref": "#/$defs/Pet"}
    assert said(pet, {"name": 1, "id": 1}) == [("/id", "readOnly", "is set by the server and must not be sent")]
    assert said(pet, {"name": 1, "id": 1, "pin": 1}, "response") == [("/pin", "writeOnly", "is never sent back")]
    assert said(pet, {"name": 1, "pin": 1}) == []


def test_branch_that_alone_can_be_meant_is_explained() -> None:
    """By its type, or by a constant of a member; several that can be meant leave it at the summary."""
    by_type = {"oneOf": [{"type": "string"}, {"type": "object", "required": ["a"]}]}
    summary = ("", "oneOf", "must fit one of the alternatives, but fits none")
    assert said(by_type, {}) == [summary, ("/a", "required", "“a” is required")]
    text = {"properties": {"k": {"const": "t"}, "v": {"type": "string"}}}
    number = {"properties": {"k": {"const": "n"}, "v": {"type": "number"}}}
    assert said({"oneOf": [text, number]}, {"k": "n", "v": "1"}) == [summary, ("/v", "type", "must be a number")]
    assert said({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, {}) == [summary]


def test_long_texts_are_cut() -> None:
    """Values of the document are shown up to 100 characters."""
    ((_, _, detail),) = said({"enum": ["a" * 80, "b" * 80]}, 1)
    assert len(detail) == len("must be one of: ") + 100
    ((_, _, detail),) = said({"required": ["a" * 101]}, {})
    assert detail == "“" + "a" * 99 + "…” is required"


@pytest.mark.parametrize(("count", "told"), [(MOST, MOST), (MOST + 1, MOST)])
def test_number_of_violations_is_limited(count: int, told: int) -> None:
    """At the limit all are told, past it as many as the limit."""
    assert len(said({"items": {"type": "string"}}, [1] * count)) == told
