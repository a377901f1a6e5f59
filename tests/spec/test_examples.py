"""Defaults and examples against their schemas."""

from __future__ import annotations

import json
from typing import Any

from apimgmt.settings import Settings
from apimgmt.spec.intake.loader import load
from apimgmt.spec.lint.examples import check

HEAD: dict[str, Any] = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}


def found(**members: Any) -> dict[str, str]:
    """Pointer to code of what is found; everything has to be a warning."""
    document = load(json.dumps({**HEAD, **members}).encode(), "", Settings())
    results = list(check(document))
    assert {severity for severity, *_ in results} <= {"warning"}
    return {pointer: code for _, code, _, pointer in results}


def test_wrong_defaults_and_examples_of_schemas_are_told() -> None:
    """Also through references, and only the wrong ones."""
    schemas = {
        "A": {"type": "integer", "default": "x", "example": 1},
        "B": {"properties": {"a": {"allOf": [{"$ref": "#/components/schemas/A"}], "example": "y"}}},
        "C": {"type": "string", "enum": ["a"], "default": "b"},
        "D": {"type": "string", "nullable": True, "example": None, "default": None},
    }
    assert found(components={"schemas": schemas}) == {
        "/components/schemas/A/default": "default-invalid",
        "/components/schemas/B/properties/a/example": "example-invalid",
        "/components/schemas/C/default": "default-invalid",
    }


def test_examples_of_parameters_and_media_types_are_checked() -> None:
    """Under ``example``, under ``examples``, through a reference; other media types than JSON are not read."""
    examples = {"good": {"value": 1}, "bad": {"value": "x"}, "elsewhere": {"$ref": "#/components/examples/e"}}
    parameter = {"name": "p", "in": "query", "schema": {"type": "integer"}, "examples": examples}
    content = {
        kind: {"schema": {"type": "object"}, "example": "<a/>"} for kind in ("application/json", "application/xml")
    }
    components = {
        "parameters": {"p": parameter},
        "examples": {"e": {"value": "y"}},
        "responses": {"r": {"description": "", "content": content}},
    }
    assert found(components=components) == {
        "/components/parameters/p/examples/bad": "example-invalid",
        "/components/parameters/p/examples/elsewhere": "example-invalid",
        "/components/responses/r/content/application~1json/example": "example-invalid",
    }


def test_an_example_may_be_of_a_request_or_of_a_response() -> None:
    """readOnly and writeOnly properties are both right in one direction."""
    properties = {"id": {"type": "integer", "readOnly": True}, "password": {"type": "string", "writeOnly": True}}
    schema = {"type": "object", "properties": properties, "required": ["id"]}
    assert found(components={"schemas": {"A": {**schema, "example": {"id": 1}}}}) == {}
    assert found(components={"schemas": {"A": {**schema, "example": {"password": "x"}}}}) == {}
    assert len(found(components={"schemas": {"A": {**schema, "example": {"id": "x"}}}})) == 1


def test_parameters_of_swagger_2_are_their_own_schema() -> None:
    """The default stands beside the type there."""
    parameters = {"p": {"name": "p", "in": "query", "type": "integer", "default": "x"}}
    document = {"swagger": "2.0", "info": HEAD["info"], "paths": {}, "parameters": parameters}
    loaded = load(json.dumps(document).encode(), "", Settings())
    assert [(code, pointer) for _, code, _, pointer in check(loaded)] == [("default-invalid", "/parameters/p/default")]
