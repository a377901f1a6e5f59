"""Conversion of every dialect to 2020-12, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimgmt.model import Schema
from apimgmt.spec.document import Specification
from apimgmt.spec.references import References
from apimgmt.spec.schema import Translator
from apimgmt.spec.validation.validator import Validators


def converted(
    schema: Any, specification: Specification = "3.0", schemas: dict[str, Any] | None = None
) -> tuple[Schema, dict[str, Schema]]:
    """The converted schema and the named ones that it reaches."""
    root = {"components": {"schemas": schemas or {}}, "definitions": schemas or {}}
    translator = Translator(References(root, specification), specification)
    result = translator.translate(schema)
    return result, translator.finish()


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        ({"type": "string", "enum": ["a"], "nullable": True}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"type": "string", "enum": ["a", None], "nullable": True}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"nullable": True}, {}),
        ({"type": "integer", "enum": ["1"]}, {"type": "integer", "enum": [1]}),
        ({"pattern": "/^a$/"}, {"pattern": "^a$"}),
        (
            {"nullable": True, "title": "T", "allOf": [{"type": "object"}]},
            {"title": "T", "anyOf": [{"allOf": [{"type": "object"}]}, {"type": "null"}]},
        ),
        ({"type": "integer", "minimum": 0, "exclusiveMinimum": True}, {"type": "integer", "exclusiveMinimum": 0}),
        ({"maximum": 9, "exclusiveMaximum": False}, {"maximum": 9}),
        ({"exclusiveMaximum": True}, {}),
        ({"exclusiveMaximum": 9}, {"exclusiveMaximum": 9}),
        ({"type": "file"}, {"type": "string", "format": "binary"}),
        (
            {"items": [{"type": "string"}], "additionalItems": False},
            {"prefixItems": [{"type": "string"}], "items": False},
        ),
        ({"items": {"type": "string"}, "additionalItems": False}, {"items": {"type": "string"}}),
        ({"dependencies": {"a": ["b", "b"]}}, {"dependentRequired": {"a": ["b"]}}),
        ({"dependencies": {"a": {"minProperties": 2}}}, {"dependentSchemas": {"a": {"minProperties": 2}}}),
        ({"discriminator": "kind"}, {"discriminator": {"propertyName": "kind"}}),
        (
            {"properties": {"$ref": {"type": "string"}, "x-a": {}}},
            {"properties": {"$ref": {"type": "string"}, "x-a": {}}},
        ),
        ({"xml": {"name": "n", "x-y": 1}, "x-z": 1, "definitions": {}}, {"xml": {"name": "n"}}),
        (True, True),
        (False, False),
        (None, True),
        ("nonsense", True),
    ],
)
def test_draft_4_dialect(schema: Any, expected: Any) -> None:
    """Swagger 2.0 and OpenAPI 3.0 become 2020-12, keyword by keyword."""
    assert converted(schema, "3.0")[0] == expected
    assert converted(schema, "2.0")[0] == expected


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "any"},
        {"type": []},
        {"type": [["string"]]},
        {"required": True},
        {"enum": {}},
        {"enum": []},
        {"minimum": "1"},
        {"maxLength": -1},
        {"maxLength": 1.5},
        {"multipleOf": 0},
        {"pattern": 3},
        {"items": []},
        {"allOf": {}},
        {"oneOf": []},
        {"properties": []},
        {"additionalProperties": "no"},
        {"deprecated": "yes", "title": 1, "format": None, "readOnly": 1},
        {"$ref": "#/nowhere"},
        {"$ref": 5},
    ],
)
def test_keyword_of_the_wrong_shape_is_left_out(schema: Any) -> None:
    """What real documents get wrong does not stop the rest, and the engine takes the result."""
    result, schemas = converted(schema)
    assert result == {}
    assert Validators(schemas).compile(result).is_valid(1)


def test_reference_is_named_and_only_the_reachable_is_kept() -> None:
    """A recursive schema is translated once; what nothing refers to is not there."""
    schemas = {"Node": {"properties": {"next": {"$ref": "#/components/schemas/Node"}}}, "Unused": {}}
    result, reached = converted({"$ref": "#/components/schemas/Node"}, "3.0", schemas)
    assert result == {"$ref": "#/$defs/Node"}
    assert reached == {"Node": {"properties": {"next": {"$ref": "#/$defs/Node"}}}}


def test_reference_into_a_schema_and_an_odd_name_get_safe_names() -> None:
    """A name is made of letters, digits, dot, hyphen and underscore, and no two places share one."""
    schemas = {"A b": {"type": "string"}, "A/b": {"type": "integer"}, "O": {"properties": {"p": {"type": "null"}}}}
    result, reached = converted(
        {
            "allOf": [
                {"$ref": "#/components/schemas/A%20b"},
                {"$ref": "#/components/schemas/A~1b"},
                {"$ref": "#/components/schemas/O/properties/p"},
            ]
        },
        "3.0",
        schemas,
    )
    assert result == {"allOf": [{"$ref": f"#/$defs/{name}"} for name in ("A_b", "A_b_2", "O.properties.p")]}
    assert reached == {"A_b": {"type": "string"}, "A_b_2": {"type": "integer"}, "O.properties.p": {"type": "null"}}


def test_siblings_of_a_reference() -> None:
    """Before 3.1 only annotations and ``nullable`` beside a reference count; since 3.1 everything does."""
    schema = {"$ref": "#/components/schemas/A", "nullable": True, "description": "d", "maxLength": 1, "readOnly": True}
    old, _ = converted(schema, "3.0", {"A": {}})
    assert old == {"description": "d", "readOnly": True, "anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]}
    del schema["nullable"]
    new, _ = converted(schema, "3.1", {"A": {}})
    assert new == {"$ref": "#/$defs/A", "description": "d", "maxLength": 1, "readOnly": True}


def test_vendor_nullable_of_swagger_2() -> None:
    """``x-nullable`` is the only way that Swagger 2 has, so it is read, and not kept."""
    assert converted({"type": "string", "x-nullable": True}, "2.0")[0] == {"type": ["string", "null"]}


def test_discriminator_knows_the_values_of_its_branches() -> None:
    """Mapped values, as names or as references, come first; each branch answers to its own name too."""
    schemas: dict[str, Any] = {"Cat": {}, "Dog": {}, "Other": {}}
    raw = {
        "oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}, {"type": "null"}],
        "discriminator": {
            "propertyName": "kind",
            "mapping": {"c": "Cat", "d": "#/components/schemas/Dog", "o": "Other", "n": 1},
        },
    }
    result, reached = converted(raw, "3.1", schemas)
    assert isinstance(result, dict)
    mapping = {"c": "#/$defs/Cat", "d": "#/$defs/Dog", "Cat": "#/$defs/Cat", "Dog": "#/$defs/Dog"}
    assert result["discriminator"] == {"propertyName": "kind", "mapping": mapping}
    assert set(reached) == {"Cat", "Dog"}


def test_dynamic_references_are_bound_where_they_are_used() -> None:
    """One generic list gives two schemas, each with the item type of the schema that extends it."""
    generic = {
        "$id": "https://example.com/list",
        "type": "array",
        "items": {"$dynamicRef": "#item"},
        "$defs": {"item": {"$dynamicAnchor": "item", "not": {}}},
    }
    schemas = {
        "List": generic,
        "Texts": {
            "$id": "https://example.com/texts",
            "$ref": "list",
            "$defs": {"item": {"$dynamicAnchor": "item", "type": "string"}},
        },
        "Numbers": {
            "$id": "https://example.com/numbers",
            "$ref": "list",
            "$defs": {"item": {"$dynamicAnchor": "item", "type": "number"}},
        },
    }
    both = {"properties": {n: {"$ref": f"#/components/schemas/{n}"} for n in ("Texts", "Numbers")}}
    result, reached = converted(both, "3.1", schemas)
    validator = Validators(reached).compile(result)
    assert validator.is_valid({"Texts": ["a"], "Numbers": [1]})
    assert not validator.is_valid({"Texts": [1]})
    assert not validator.is_valid({"Numbers": ["a"]})


values = st.none() | st.integers(-5, 5) | st.floats(-5, 5) | st.text(max_size=2) | st.booleans()


@given(bound=st.integers(-3, 3), exclusive=st.booleans(), nullable=st.booleans(), value=values)
def test_bounds_and_nullable_keep_their_verdicts(bound: int, exclusive: bool, nullable: bool, value: Any) -> None:
    """For any value, the converted schema says what OpenAPI 3.0 says in words."""
    raw = {"type": "number", "minimum": bound, "exclusiveMinimum": exclusive, "nullable": nullable}
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    expected = (value is None and nullable) or (is_number and (value > bound if exclusive else value >= bound))
    result, schemas = converted(raw)
    assert Validators(schemas).compile(result).is_valid(value) == expected


@given(options=st.lists(values, min_size=1, max_size=4), nullable=st.booleans(), value=values)
def test_nullable_enum_of_a_reference_keeps_its_verdicts(options: list[Any], nullable: bool, value: Any) -> None:
    """A nullable reference takes what the target takes, and null; one that is not takes what the target takes."""
    raw = {"$ref": "#/components/schemas/E", "nullable": nullable}
    result, schemas = converted(raw, "3.0", {"E": {"enum": options}})
    fits = any(value == option and isinstance(value, bool) == isinstance(option, bool) for option in options)
    expected = fits or (value is None and nullable)
    assert Validators(schemas).compile(result).is_valid(value) == expected
