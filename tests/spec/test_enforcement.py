"""Schemas in the form that the engine gets: bounds of formats, foreign properties, discriminators, patterns."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.spec.validation.enforcement import FOREIGN, RANGES, Enforcement


def rewritten(schema: Any, schemas: dict[str, Any] | None = None, direction: Any = "request") -> Any:
    return Enforcement(schemas or {}, direction, "urn:a").rewrite(schema)


def test_annotations_go_and_references_become_absolute() -> None:
    """The engine gets what is checked only, and finds named schemas in the registry."""
    schema = {"title": "T", "example": 1, "xml": {}, "format": "password", "items": {"$ref": "#/$defs/A"}}
    assert rewritten(schema, {"A": True}) == {"items": {"$ref": "urn:a#/$defs/A"}}


@pytest.mark.parametrize("name", sorted(RANGES))
def test_numeric_format_is_a_pair_of_bounds(name: str) -> None:
    """A format with a range tightens the bounds of the schema and never loosens them, in any order of keywords."""
    low, high = RANGES[name]
    assert rewritten({"format": name}) == {"minimum": low, "maximum": high}
    assert rewritten({"format": name, "minimum": 5}) == {"minimum": 5, "maximum": high}
    assert rewritten({"maximum": 7, "format": name}) == {"minimum": low, "maximum": 7}
    assert rewritten({"maximum": high * 2, "format": name}) == {"minimum": low, "maximum": high}


def test_read_only_is_neither_required_nor_allowed_in_a_request() -> None:
    """The same schema leaves out readOnly properties of a request and writeOnly ones of a response."""
    schema = {
        "required": ["id", "secret", "name"],
        "properties": {"id": {"readOnly": True}, "secret": {"$ref": "#/$defs/Secret"}, "name": {}},
    }
    schemas = {"Secret": {"type": "string", "writeOnly": True}}
    assert rewritten(schema, schemas, "request") == {
        "required": ["secret", "name"],
        "properties": {"id": FOREIGN, "secret": {"$ref": "urn:a#/$defs/Secret"}, "name": {}},
    }
    assert rewritten(schema, schemas, "response") == {
        "required": ["id", "name"],
        "properties": {"id": {}, "secret": FOREIGN, "name": {}},
    }


def test_read_only_of_a_base_schema_counts_for_the_one_that_extends_it() -> None:
    """``required`` beside an ``allOf`` whose reference has the readOnly property does not demand it."""
    schemas = {"Base": {"allOf": [{"properties": {"id": {"readOnly": True}}}, {"$ref": "#/$defs/Base"}]}}
    schema = {"allOf": [{"$ref": "#/$defs/Base"}, {"required": ["id", "a"]}], "required": ["id"]}
    assert rewritten(schema, schemas) == {
        "allOf": [{"$ref": "urn:a#/$defs/Base"}, {"required": ["a"]}],
        "required": [],
    }


def test_own_not_of_a_document_is_not_taken_for_a_foreign_property() -> None:
    """``not: {}`` of a document is written as ``false``."""
    assert rewritten({"properties": {"a": {"not": {}}}}) == {"properties": {"a": False}}


def test_pattern_is_translated_or_left_out() -> None:
    """What has no linear-time form is not checked; a name pattern of that kind leaves the other names open."""
    assert rewritten({"pattern": "^[^]$"}) == {"pattern": r"^[\s\S]$"}
    assert rewritten({"pattern": "(?=a)"}) == {}
    schema = {"patternProperties": {"(?=a)": {"type": "string"}, "^b": {}}, "additionalProperties": False}
    assert rewritten(schema) == {"patternProperties": {"": True, "^b": {}}, "additionalProperties": False}


MAPPING = {"c": "#/$defs/Cat", "Cat": "#/$defs/Cat", "Dog": "#/$defs/Dog"}
BRANCHES = [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]


@pytest.mark.parametrize(
    ("cat", "dog", "cats", "dogs"),
    [
        ({}, {}, ["c", "Cat"], ["Dog"]),
        ({"properties": {"k": {"const": "cat"}}}, {"properties": {"k": {"enum": ["dog"]}}}, ["cat"], ["dog"]),
        (
            {"allOf": [{"$ref": "#/$defs/Pet"}]},
            {"allOf": [{"$ref": "#/$defs/Pet"}]},
            ["c"],
            ["Dog"],
        ),
    ],
)
def test_discriminator_chooses_the_branch(cat: Any, dog: Any, cats: list[str], dogs: list[str]) -> None:
    """By what the branches demand, else by what is mapped as far as the branches take it."""
    schemas = {"Cat": cat, "Dog": dog, "Pet": {"properties": {"k": {"enum": ["c", "Dog"]}}}}
    result = rewritten({"oneOf": BRANCHES, "discriminator": {"propertyName": "k", "mapping": MAPPING}}, schemas)
    (choice,) = result["allOf"]
    assert choice["then"]["properties"] == {"k": {"enum": [*cats, *dogs]}}
    assert [part["if"]["properties"]["k"]["enum"] for part in choice["then"]["allOf"]] == [cats, dogs]
    assert choice["else"] == {"oneOf": [{"$ref": "urn:a#/$defs/Cat"}, {"$ref": "urn:a#/$defs/Dog"}]}


def test_discriminator_that_does_not_tell_apart_changes_nothing() -> None:
    """Two branches that demand the same value are tried one after the other, as without a discriminator."""
    schemas = {"Cat": {"properties": {"k": {"const": "x"}}}, "Dog": {"properties": {"k": {"const": "x"}}}}
    result = rewritten({"oneOf": BRANCHES, "discriminator": {"propertyName": "k", "mapping": MAPPING}}, schemas)
    assert result == {"oneOf": [{"$ref": "urn:a#/$defs/Cat"}, {"$ref": "urn:a#/$defs/Dog"}]}
