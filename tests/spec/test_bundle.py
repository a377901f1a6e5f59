"""References among the files of an upload, and those that lead nowhere."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from apimgmt.settings import Settings
from apimgmt.spec.document import Document
from apimgmt.spec.intake.loader import load

HEAD = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}}


def bundled(root: Any, **files: Any) -> Document:
    """A zip of ``openapi.json`` and these files (``a__b`` is ``a/b.json``), loaded."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("openapi.json", json.dumps(root))
        for name, content in files.items():
            archive.writestr(name.replace("__", "/") + ".json", json.dumps(content, indent=1))
    return load(buffer.getvalue(), "application/zip", Settings())


def single(**more: Any) -> Document:
    """One document, loaded."""
    return load(json.dumps({**HEAD, **more}).encode(), "application/json", Settings())


def with_schema(schema: Any, **more: Any) -> dict[str, Any]:
    """A document whose one operation takes this schema as body."""
    content = {"application/json": {"schema": schema}}
    operation = {"requestBody": {"content": content}, "responses": {"200": {"description": "ok"}}}
    return {**HEAD, "paths": {"/a": {"post": operation}}, **more}


def schema_of(document: Document) -> Any:
    """The schema of the body of the one operation."""
    return document.root["paths"]["/a"]["post"]["requestBody"]["content"]["application/json"]["schema"]


def test_a_schema_of_another_file_becomes_a_component() -> None:
    """It is named after where it came from, and its own references come along."""
    document = bundled(
        with_schema({"$ref": "models/pet.json#/Pet"}),
        models__pet={
            "Pet": {"properties": {"owner": {"$ref": "#/Owner"}, "tag": {"$ref": "../tag.json"}}},
            "Owner": {},
        },
        tag={"type": "string"},
    )
    assert document.findings == []
    assert schema_of(document) == {"$ref": "#/components/schemas/Pet"}
    assert document.root["components"]["schemas"] == {
        "Pet": {
            "properties": {"owner": {"$ref": "#/components/schemas/Owner"}, "tag": {"$ref": "#/components/schemas/tag"}}
        },
        "Owner": {},
        "tag": {"type": "string"},
    }


def test_names_that_are_taken_get_a_number() -> None:
    """Two schemas of one name in two files stay two."""
    document = bundled(
        with_schema({"anyOf": [{"$ref": "a.json#/Pet"}, {"$ref": "b.json#/Pet"}, {"$ref": "a.json#/Pet"}]}),
        a={"Pet": {"type": "string"}},
        b={"Pet": {"type": "integer"}},
    )
    assert [part["$ref"] for part in schema_of(document)["anyOf"]] == [
        "#/components/schemas/Pet",
        "#/components/schemas/Pet_2",
        "#/components/schemas/Pet",
    ]


def test_recursion_through_files_stays_a_reference() -> None:
    """Two files that refer to each other, and a file that refers to itself as a whole."""
    document = bundled(
        with_schema({"$ref": "node.json"}),
        node={"properties": {"next": {"$ref": "#"}, "leaf": {"$ref": "leaf.json"}}},
        leaf={"properties": {"node": {"$ref": "node.json"}}},
    )
    assert document.findings == []
    assert document.root["components"]["schemas"]["node"]["properties"]["next"] == {"$ref": "#/components/schemas/node"}
    leaf = document.root["components"]["schemas"]["leaf"]
    assert leaf["properties"]["node"] == {"$ref": "#/components/schemas/node"}


def test_a_reference_back_to_the_root_needs_no_copy() -> None:
    """What is in the root document already is referred to where it is."""
    document = bundled(
        with_schema({"$ref": "a.json"}, components={"schemas": {"Pet": {}}}),
        a={"items": {"$ref": "openapi.json#/components/schemas/Pet"}},
    )
    assert document.root["components"]["schemas"]["a"] == {"items": {"$ref": "#/components/schemas/Pet"}}


def test_path_items_are_put_in_line() -> None:
    """OpenAPI 3.0 has no place for them; their parameters and responses get one each."""
    item = {
        "get": {
            "parameters": [{"$ref": "parameters.json#/limit"}],
            "responses": {"200": {"$ref": "#/ok"}},
        },
        "ok": {"description": "ok"},
    }
    limit = {"name": "limit", "in": "query", "schema": {"type": "integer"}}
    document = bundled({**HEAD, "paths": {"/a": {"$ref": "item.json"}}}, item=item, parameters={"limit": limit})
    operation = document.root["paths"]["/a"]["get"]
    assert operation["parameters"] == [{"$ref": "#/components/parameters/limit"}]
    assert operation["responses"]["200"] == {"$ref": "#/components/responses/ok"}
    assert document.root["components"]["parameters"]["limit"] == limit


def test_swagger_2_has_its_own_places() -> None:
    """Definitions, parameters and responses stand at the top there."""
    root = {
        "swagger": "2.0",
        "info": HEAD["info"],
        "paths": {"/a": {"get": {"responses": {"200": {"$ref": "r.json#/ok"}}}}},
    }
    document = bundled(root, r={"ok": {"description": "ok", "schema": {"$ref": "#/S"}}, "S": {"type": "object"}})
    assert document.root["responses"] == {"ok": {"description": "ok", "schema": {"$ref": "#/definitions/S"}}}
    assert document.root["definitions"] == {"S": {"type": "object"}}


def test_a_discriminator_maps_to_files_too() -> None:
    """Its mapping is rewritten like references; names of schemas stay names."""
    mapping = {"dog": "dog.json", "cat": "#/components/schemas/Cat", "fox": "Fox"}
    root = with_schema(
        {"discriminator": {"propertyName": "kind", "mapping": mapping}}, components={"schemas": {"Cat": {}}}
    )
    document = bundled(root, dog={"type": "object"})
    assert schema_of(document)["discriminator"]["mapping"] == {
        "dog": "#/components/schemas/dog",
        "cat": "#/components/schemas/Cat",
        "fox": "Fox",
    }


def test_findings_in_another_file_name_the_file() -> None:
    """Pointer, line and column are those of the uploaded file, not of the bundled document."""
    document = bundled(with_schema({"$ref": "m/pet.json#/Pet"}), m__pet={"Pet": {"items": {"$ref": "gone.json"}}})
    (finding,) = document.findings
    assert (finding.code, finding.file, finding.pointer) == ("external-reference", "m/pet.json", "/Pet/items")
    assert (finding.line, finding.column) == (3, 3)
    assert document.locate("/components/schemas/Pet/items") == (3, 3, "m/pet.json")


def test_path_items_that_contain_themselves_are_refused() -> None:
    """Putting them in line would never end; also when two files contain each other twice."""
    callbacks = {"c": {"u": {"$ref": "b.json"}, "v": {"$ref": "b.json"}}}
    back = {"c": {"u": {"$ref": "a.json"}, "v": {"$ref": "a.json"}}}
    document = bundled(
        {**HEAD, "paths": {"/a": {"$ref": "a.json"}}},
        a={"get": {"callbacks": callbacks, "responses": {}}},
        b={"get": {"callbacks": back, "responses": {}}},
    )
    assert {finding.code for finding in document.findings} == {"external-reference"}


def test_a_fan_of_files_costs_no_more_than_its_files() -> None:
    """30 path items that each contain the next twice are 2^30 places, but 30 walks."""
    files = {
        f"p{n}": {"get": {"callbacks": {"c": {k: {"$ref": f"p{n + 1}.json"} for k in "uv"}}, "responses": {}}}
        for n in range(8)
    }
    document = bundled({**HEAD, "paths": {"/a": {"$ref": "p0.json"}}}, **files, p8={})
    assert document.findings == []


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("#/components/schemas/None", "unresolved-reference"),
        ("#/components/schemas", "unresolved-reference"),
        ("#nowhere", "unresolved-reference"),
        ("#", "reference-kind"),
        ("#/components/responses/R", "reference-kind"),
        ("#/components/schemas/Self", "reference-loop"),
        ("#/components/schemas/Ping", "reference-loop"),
        ("pet.yaml", "external-reference"),
        ("http://example.com/pet.yaml", "external-reference"),
        ("/etc/passwd", "external-reference"),
    ],
)
def test_references_that_lead_nowhere_are_errors_with_a_place(reference: str, code: str) -> None:
    """Nothing there, the wrong kind of thing, in a circle, out of the upload: one finding where the reference is."""
    schemas = {
        "Self": {"$ref": "#/components/schemas/Self"},
        "Ping": {"$ref": "#/components/schemas/Pong"},
        "Pong": {"$ref": "#/components/schemas/Ping"},
    }
    components = {"schemas": schemas, "responses": {"R": {"description": "r"}}}
    document = single(**with_schema({"$ref": reference}, components=components))
    places = {finding.pointer: (finding.severity, finding.code) for finding in document.findings}
    here = "/paths/~1a/post/requestBody/content/application~1json/schema"
    if reference == "#/components/schemas":
        assert here not in places  # an object is there; the compiler reads it as a schema without keywords
    else:
        assert places[here] == ("error", code)


def test_a_chain_of_references_has_at_most_fifty() -> None:
    """Fifty lead to the schema, fifty-one are refused."""

    def codes(length: int) -> set[str]:
        chain: dict[str, Any] = {f"S{n}": {"$ref": f"#/components/schemas/S{n + 1}"} for n in range(length - 1)}
        chain[f"S{length - 1}"] = {"type": "string"}
        document = single(**with_schema({"$ref": "#/components/schemas/S0"}, components={"schemas": chain}))
        return {finding.code for finding in document.findings}

    assert codes(50) == set()
    assert codes(51) == {"reference-depth"}


def test_a_property_named_ref_is_no_reference() -> None:
    """Nor is one in an example, a default, an enum or an extension."""
    data = {"$ref": "http://example.com/x"}
    schema = {"properties": {"$ref": {"type": "string"}}, "example": data, "default": data, "enum": [data], "x-a": data}
    assert single(**with_schema(schema)).findings == []


def test_percent_encoded_and_escaped_pointers_are_followed() -> None:
    """``~1``, ``~0`` and percent-encoding in a fragment (RFC 6901 section 6)."""
    components = {"schemas": {"a/b~c d": {"type": "string"}}}
    document = single(**with_schema({"$ref": "#/components/schemas/a~1b~0c%20d"}, components=components))
    assert document.findings == []


def test_what_lies_outside_the_table_is_walked_when_it_is_referred_to() -> None:
    """A schema under an extension counts once a reference leads there, with its own references."""
    parts = {"x-parts": {"Pet": {"items": {"$ref": "#/x-parts/None"}}}}
    document = single(**with_schema({"$ref": "#/x-parts/Pet"}), **parts)
    assert [finding.pointer for finding in document.findings] == ["/x-parts/Pet/items"]
    assert single(**with_schema({}), **parts).findings == []


def test_anchors_and_identifiers_of_3_1_are_followed() -> None:
    """``$anchor``, ``$id`` and references relative to an ``$id`` (JSON Schema 2020-12 section 8.2)."""
    schemas = {
        "A": {"$anchor": "a", "type": "string"},
        "B": {"$id": "https://example.com/b", "$defs": {"C": {}}, "items": {"$ref": "#/$defs/C"}},
    }
    schema = {"allOf": [{"$ref": "#a"}, {"$ref": "https://example.com/b"}]}
    document = single(**{**with_schema(schema, components={"schemas": schemas}), "openapi": "3.1.0"})
    assert document.findings == []


def test_a_broken_reference_of_what_is_not_served_is_a_warning() -> None:
    """Examples, links and security schemes are left out; what needs such a scheme says so itself."""
    components = {"securitySchemes": {"s": {"$ref": "https://example.com/s"}}, "examples": {"e": {"$ref": "#/none"}}}
    document = single(paths={}, components=components)
    assert [finding.severity for finding in document.findings] == ["warning", "warning"]
