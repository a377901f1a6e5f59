"""What Swagger 2.0 says about parameters, form fields, ``consumes`` and ``produces``."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.model import Body, CompiledApi, Encoding, MediaType, Parameter, Response, SecurityScheme
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.document import Document, Source

FORM, MULTIPART, JSON = "application/x-www-form-urlencoded", "multipart/form-data", "application/json"


class Nowhere:
    def find(self, tokens: Any) -> tuple[int, int]:
        return 1, 1


def compiled(operation: dict[str, Any], **more: Any) -> CompiledApi:
    root = {"swagger": "2.0", "paths": {"/a": {"post": operation}}, **more}
    return compile_document(Document(root, "2.0", Source("", root, Nowhere())))


def body(*parameters: dict[str, Any], **more: Any) -> Body:
    found = compiled({"parameters": list(parameters), **more}, consumes=["text/global"]).operations[0].body
    assert found is not None
    return found


def test_a_content_type_parameter_adds_what_it_lists() -> None:
    """A request that satisfies the parameter is not refused for its media type (Docker's ``POST /build``)."""
    listed = {"name": "Content-type", "in": "header", "type": "string", "enum": ["application/x-tar", "text/global"]}
    found = body({"name": "b", "in": "body", "schema": {"type": "string", "format": "binary"}}, listed)
    assert list(found.content) == ["text/global", "application/x-tar"]


@pytest.mark.parametrize(
    ("location", "collection", "style", "explode"),
    [
        ("query", None, "form", False),
        ("query", "csv", "form", False),
        ("query", "multi", "form", True),
        ("query", "ssv", "spaceDelimited", False),
        ("query", "tsv", "tabDelimited", False),
        ("query", "pipes", "pipeDelimited", False),
        ("header", None, "simple", False),
        ("header", "pipes", "pipeDelimited", False),
    ],
)
def test_collection_format(location: Any, collection: str | None, style: Any, explode: bool) -> None:
    """Each ``collectionFormat`` has its style; the parameter's own keywords are its schema."""
    raw = {"name": "q", "in": location, "type": "array", "items": {"type": "integer"}, "default": [1]}
    raw |= {"collectionFormat": collection} if collection else {}
    schema = {"type": "array", "items": {"type": "integer"}, "default": [1]}
    (found,) = compiled({"parameters": [raw]}).operations[0].parameters
    assert found == Parameter(name="q", location=location, schema=schema, style=style, explode=explode)


def test_collection_format_of_nested_items_stays_in_the_schema() -> None:
    """The inner format of an array of arrays is an annotation of ``items``."""
    raw = {
        "name": "q",
        "in": "query",
        "type": "array",
        "items": {"type": "array", "items": {}, "collectionFormat": "pipes"},
    }
    (found,) = compiled({"parameters": [raw]}).operations[0].parameters
    assert found.schema == {"type": "array", "items": {"type": "array", "items": {}, "collectionFormat": "pipes"}}


def test_body_parameter_takes_what_is_consumed() -> None:
    """The operation's ``consumes`` counts, else the document's, else JSON."""
    raw = {"in": "body", "name": "b", "required": True, "schema": {"type": "object"}}
    media = MediaType(schema={"type": "object"})
    assert body(raw) == Body(required=True, content={"text/global": media})
    assert body(raw, consumes=["text/own"]) == Body(required=True, content={"text/own": media})
    assert body(raw, consumes=[]) == Body(required=True, content={JSON: media})


@pytest.mark.parametrize(
    ("consumes", "kind", "expected"),
    [
        ([], "string", [FORM]),
        ([JSON], "string", [FORM]),
        ([MULTIPART], "string", [MULTIPART]),
        ([FORM, MULTIPART], "string", [FORM, MULTIPART]),
        ([FORM], "file", [MULTIPART]),
        ([], "file", [MULTIPART]),
    ],
)
def test_form_fields_choose_their_media_type(consumes: list[str], kind: str, expected: list[str]) -> None:
    """A file needs multipart; otherwise the form types of ``consumes`` count, and urlencoded where there is none."""
    assert list(body({"in": "formData", "name": "f", "type": kind}, consumes=consumes).content) == expected


def test_form_fields_become_one_object() -> None:
    """Each field is a property, files are binary strings, arrays say how they are written."""
    fields = (
        {"in": "formData", "name": "f", "type": "file", "required": True},
        {"in": "formData", "name": "a", "type": "array", "items": {"type": "string"}, "collectionFormat": "multi"},
    )
    media = MediaType(
        schema={
            "type": "object",
            "properties": {
                "f": {"type": "string", "format": "binary"},
                "a": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["f"],
        },
        encoding={"a": Encoding(style="form", explode=True)},
    )
    assert body(*fields) == Body(required=True, content={MULTIPART: media})


def test_responses_have_the_produced_media_types_and_examples() -> None:
    """A schema is produced in every type; an example belongs to its own; without both there is no content."""
    responses = {
        "200": {"description": "d", "schema": {"type": "string"}, "examples": {"text/b": "x", "text/c": "y", "odd": 1}},
        "204": {"description": "none", "headers": {"X": {"type": "integer"}}},
    }
    found = compiled({"responses": responses, "produces": ["text/a", "text/b"]}).operations[0].responses
    schema = {"type": "string"}
    assert found == {
        "200": Response(
            description="d",
            content={
                "text/a": MediaType(schema=schema),
                "text/b": MediaType(schema=schema, examples={"": "x"}),
                "text/c": MediaType(schema=schema, examples={"": "y"}),
            },
        ),
        "204": Response(
            description="none",
            headers={"X": Parameter(name="X", location="header", schema={"type": "integer"}, style="simple")},
        ),
    }


@pytest.mark.parametrize(
    ("written", "expected"), [("/v2/", "/v2"), ("v2", "/v2"), ("/", ""), (None, ""), ("/a{b}", "")]
)
def test_base_path(written: Any, expected: str) -> None:
    """``basePath`` loses its last slash; host and schemes say nothing about us."""
    assert compiled({}, basePath=written, host="example.com", schemes=["https"]).base_path == expected


def test_security_definitions() -> None:
    """Basic is http/basic, as in OpenAPI 3; the scopes of a flow are kept."""
    definitions = {"b": {"type": "basic"}, "o": {"type": "oauth2", "flow": "implicit", "scopes": {"r": "", "x-y": ""}}}
    assert compiled({}, securityDefinitions=definitions).security_schemes == {
        "b": SecurityScheme(type="http", scheme="basic"),
        "o": SecurityScheme(type="oauth2", scopes=("r",)),
    }
