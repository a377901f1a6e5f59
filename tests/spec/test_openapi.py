"""What OpenAPI 3.0 to 3.2 say about parameters, bodies, responses, examples and security schemes."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.model import CompiledApi, Encoding, MediaType, Parameter, SecurityScheme
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.document import Document, Source, Specification


class Nowhere:
    def find(self, tokens: Any) -> tuple[int, int]:
        return 1, 1


def compiled(operation: dict[str, Any], specification: Specification = "3.0", **more: Any) -> CompiledApi:
    root = {"openapi": specification + ".0", "paths": {"/a/{p}": {"post": operation}}, **more}
    return compile_document(Document(root, specification, Source("", root, Nowhere())))


def parameter(raw: dict[str, Any], specification: Specification = "3.0") -> Parameter | None:
    found = compiled({"parameters": [raw]}, specification).operations[0].parameters
    return next((one for one in found if one.name == raw["name"] and one.location == raw["in"]), None)


@pytest.mark.parametrize(
    ("location", "style", "explode"),
    [("path", "simple", False), ("header", "simple", False), ("query", "form", True), ("cookie", "form", True)],
)
def test_default_style_of_each_location(location: str, style: str, explode: bool) -> None:
    """Style and explode are those that the specification gives where the document gives none."""
    found = parameter({"name": "p", "in": location})
    assert found is not None
    assert (found.style, found.explode) == (style, explode)


def test_style_and_explode_of_the_document() -> None:
    """A style without explode does not explode unless it is form or cookie; an unknown style is the default one."""
    for raw, style, explode in (
        ({"style": "deepObject"}, "deepObject", False),
        ({"style": "pipeDelimited", "explode": True}, "pipeDelimited", True),
        ({"explode": False}, "form", False),
        ({"style": "strange"}, "form", True),
    ):
        found = parameter({"name": "q", "in": "query", **raw})
        assert found is not None
        assert (found.style, found.explode) == (style, explode)


@pytest.mark.parametrize("name", ["Accept", "content-type", "Authorization"])
def test_reserved_headers_are_no_parameters(name: str) -> None:
    """Accept, Content-Type and Authorization are not parameters in OpenAPI 3 (Parameter Object)."""
    assert parameter({"name": name, "in": "header"}) is None


def test_content_parameter_has_its_media_type() -> None:
    """A parameter with ``content`` is described by its one media type."""
    found = parameter({"name": "q", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}})
    assert found is not None
    assert (found.media_type, found.schema) == ("application/json", {"type": "object"})


def test_querystring_is_a_location_since_3_2() -> None:
    """The whole query string as one parameter exists in 3.2 only."""
    raw = {"name": "q", "in": "querystring", "content": {"application/x-www-form-urlencoded": {}}}
    assert parameter(raw, "3.1") is None
    found = parameter(raw, "3.2")
    assert found is not None and found.location == "querystring"


def test_body_and_its_media_types() -> None:
    """References are followed; schemas, encoding and examples of each media type are kept."""
    content = {
        "multipart/form-data": {
            "schema": {"type": "object"},
            "encoding": {"f": {"contentType": "image/png", "style": "form", "explode": False, "headers": {"H": {}}}},
        },
        "application/json": {
            "example": 1,
            "examples": {"e": {"$ref": "#/components/examples/E"}, "x": {"externalValue": "u"}},
        },
    }
    components = {"requestBodies": {"B": {"required": True, "content": content}}, "examples": {"E": {"value": 2}}}
    body = compiled({"requestBody": {"$ref": "#/components/requestBodies/B"}}, components=components).operations[0].body
    assert body is not None and body.required
    encoding = Encoding(content_type="image/png", style="form", explode=False, headers={"H": True})
    assert body.content == {
        "multipart/form-data": MediaType(schema={"type": "object"}, encoding={"f": encoding}),
        "application/json": MediaType(examples={"": 1, "e": 2}),
    }


def test_examples_of_3_2() -> None:
    """``dataValue`` is the value; ``serializedValue`` is parsed where the media type is JSON."""
    examples = {"d": {"dataValue": {"a": 1}}, "s": {"serializedValue": "[1]"}, "t": {"serializedValue": "["}}
    content = {"application/json": {"examples": examples}, "text/csv": {"examples": examples}}
    body = compiled({"requestBody": {"content": content}}, "3.2").operations[0].body
    assert body is not None
    assert body.content["application/json"].examples == {"d": {"a": 1}, "s": [1], "t": "["}
    assert body.content["text/csv"].examples["s"] == "[1]"


def test_item_schema_describes_the_items_of_a_stream() -> None:
    """A sequential media type of 3.2 is validated as an array of its items."""
    content = {"application/jsonl": {"itemSchema": {"type": "integer"}}}
    body = compiled({"requestBody": {"content": content}}, "3.2").operations[0].body
    assert body is not None
    assert body.content["application/jsonl"].schema == {"type": "array", "items": {"type": "integer"}}


def test_response_headers_carry_their_example_in_the_schema() -> None:
    """A header is a parameter of style simple; Content-Type is none here; ``x-`` names are as good as others."""
    headers = {"x-rate": {"schema": {"type": "integer"}, "example": 5}, "Content-Type": {}, "B": {"required": True}}
    response = compiled({"responses": {"200": {"description": "d", "headers": headers}}}).operations[0].responses["200"]
    assert response.headers == {
        "x-rate": Parameter(name="x-rate", location="header", schema={"type": "integer", "example": 5}, style="simple"),
        "B": Parameter(name="B", location="header", required=True, style="simple"),
    }


def test_security_schemes_are_reduced_to_what_decides() -> None:
    """Kind, name, place and scopes stay; URLs and ``x-`` fields do not; what has no known kind is left out."""
    flows = {
        "implicit": {"scopes": {"a": "", "x-s": ""}},
        "clientCredentials": {"tokenUrl": "http://evil", "scopes": {"b": ""}},
    }
    schemes = {
        "key": {"type": "apiKey", "in": "header", "name": "X-Key", "x-apikeyInfoFunc": "os.system"},
        "bearer": {"type": "http", "scheme": "Bearer"},
        "oauth": {"type": "oauth2", "flows": flows},
        "oidc": {"type": "openIdConnect", "openIdConnectUrl": "http://evil"},
        "tls": {"type": "mutualTLS"},
        "odd": {"type": "x"},
        "half": {"type": "apiKey", "in": "body", "name": "a"},
        "ref": {"$ref": "#/components/securitySchemes/bearer"},
    }
    assert compiled({}, components={"securitySchemes": schemes}).security_schemes == {
        "key": SecurityScheme(type="apiKey", name="X-Key", location="header"),
        "bearer": SecurityScheme(type="http", scheme="bearer"),
        "oauth": SecurityScheme(type="oauth2", scopes=("a", "b")),
        "oidc": SecurityScheme(type="openIdConnect"),
        "tls": SecurityScheme(type="mutualTLS"),
        "ref": SecurityScheme(type="http", scheme="bearer"),
    }
