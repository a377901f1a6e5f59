"""What the specification demands beyond its metaschemas."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from apimgmt.settings import Settings
from apimgmt.spec.grammar import walk
from apimgmt.spec.intake.loader import load
from apimgmt.spec.lint.rules import PATH_MOST, SEGMENTS_MOST, Rules

OK = {"200": {"description": "ok"}}


def found(
    paths: Any, specification: str = "3.0.3", settings: Settings | None = None, **more: Any
) -> dict[str, tuple[str, str]]:
    """Pointer to severity and code of what the rules find."""
    head = {"swagger": "2.0"} if specification == "2.0" else {"openapi": specification}
    root = {**head, "info": {"title": "t", "version": "1"}, "paths": paths, **more}
    document = load(json.dumps(root).encode(), "", Settings())
    rules = Rules(document, settings or Settings())
    results = [result for node in walk(document.root) for result in rules.of(node)]
    return {pointer: (severity, code) for severity, code, _, pointer in results}


def get(**members: Any) -> dict[str, Any]:
    """A path item with one operation."""
    return {"get": {"responses": OK, **members}}


def test_a_good_document_breaks_no_rule() -> None:
    """Path parameters shared by the path, own ones, references, a hash and a dot in the path."""
    parameter = {"name": "id", "in": "path", "required": True, "schema": {}}
    paths = {
        "/a/{id}": {"parameters": [{"$ref": "#/components/parameters/id"}], **get()},
        "/a/{id}#b": get(parameters=[parameter]),
        "/a.b/{id}.json": get(parameters=[parameter]),
        "x-note": {"get": 1},
    }
    assert found(paths, components={"parameters": {"id": parameter}}) == {}


@pytest.mark.rows("F-007")
def test_methods_other_than_the_seven_are_left_out_with_a_warning() -> None:
    """TRACE, QUERY, additional operations, and methods in capitals."""
    item = {**get(), "trace": {"responses": OK}, "POST": {"responses": OK}}
    assert found({"/a": item}) == {
        "/paths/~1a/trace": ("warning", "unsupported-method"),
        "/paths/~1a/POST": ("warning", "unsupported-method"),
    }
    item = {**get(), "query": {"responses": OK}, "additionalOperations": {"COPY": {"responses": OK}}}
    assert found({"/a": item}, "3.2.0") == {
        "/paths/~1a/query": ("warning", "unsupported-method"),
        "/paths/~1a/additionalOperations/COPY": ("warning", "unsupported-method"),
    }


def test_path_parameters_and_their_places_belong_together() -> None:
    """One that is not declared is a string, one without a place is left out: both are warnings."""
    parameter = {"name": "b", "in": "path", "required": True, "schema": {}}
    assert found({"/{a}": get()}) == {"/paths/~1{a}/get": ("warning", "path-parameter-undeclared")}
    assert found({"/a": get(parameters=[parameter])}) == {"/paths/~1a/get": ("warning", "path-parameter-unused")}


@pytest.mark.rows("H-065")
def test_one_name_in_path_and_query_is_a_warning() -> None:
    """Functions that name their arguments can only be given one of the two."""
    path = {"name": "a", "in": "path", "required": True, "schema": {}}
    paths = {"/{a}": get(parameters=[path, {"name": "a", "in": "query", "schema": {}}])}
    assert found(paths) == {"/paths/~1{a}/get": ("warning", "same-name")}


@pytest.mark.parametrize("path", ["a", "/a//b", "/a/../b"])
def test_paths_that_nobody_can_call_are_errors(path: str) -> None:
    """No slash in front, an empty segment, a dot segment."""
    assert found({path: get()})["/paths/" + path.replace("/", "~1")] == ("error", "path-invalid")


def test_a_query_string_in_a_path_is_a_warning() -> None:
    """It is part of the path; parameters are declared elsewhere."""
    assert found({"/a?b=c": get()}) == {"/paths/~1a?b=c": ("warning", "path-query")}


def test_a_name_twice_in_a_path_is_a_warning() -> None:
    """Only one of the two values reaches the process."""
    assert found({"/{a}/{a}": get()})["/paths/~1{a}~1{a}"] == ("warning", "path-name-twice")


@pytest.mark.parametrize("path", ["/{a", "/a}", "/{}"])
def test_braces_that_belong_to_nothing_are_a_warning(path: str) -> None:
    """They are taken as they are."""
    assert found({path: get()})["/paths/" + path.replace("/", "~1")] == ("warning", "path-braces")


def test_the_length_of_paths_is_limited() -> None:
    """The limits pass, one character or one segment more is refused."""
    assert found({"/" + "a" * (PATH_MOST - 1): get()}) == {}
    assert found({"/a" * SEGMENTS_MOST: get()}) == {}
    assert {code for _, code in found({"/" + "a" * PATH_MOST: get()}).values()} == {"path-invalid"}
    assert {code for _, code in found({"/a" * (SEGMENTS_MOST + 1): get()}).values()} == {"path-invalid"}


def test_parameters_that_are_there_twice() -> None:
    """The same twice is a warning, two different ones of one name an error; header names have no case."""
    one = {"name": "A", "in": "header", "schema": {"type": "string"}}
    other = {"name": "a", "in": "header", "schema": {"type": "integer"}}
    here = "/paths/~1a/get/parameters/1"
    assert found({"/a": get(parameters=[one, one])}) == {here: ("warning", "duplicate-parameter")}
    assert found({"/a": get(parameters=[one, other])}) == {here: ("error", "duplicate-parameter")}
    assert found({"/a": {"parameters": [one], **get(parameters=[other])}}) == {}
    assert found({"/a": get(parameters=[one, {**other, "in": "query"}])}) == {}


def test_an_operation_id_twice_is_a_warning() -> None:
    """Operations go by method and path here (F4)."""
    paths = {"/a": get(operationId="x"), "/b": get(operationId="x"), "/c": get(operationId="")}
    assert found(paths) == {"/paths/~1b/get/operationId": ("warning", "duplicate-operation-id")}


def test_swagger_2_has_at_most_one_body() -> None:
    """Two bodies, or a body beside form data, cannot both be meant."""
    body = {"name": "b", "in": "body", "schema": {}}
    form = {"name": "f", "in": "formData", "type": "string"}
    here = {"/paths/~1a/get/parameters": ("error", "several-bodies")}
    assert found({"/a": get(parameters=[body, {**body, "name": "c"}])}, "2.0") == here
    assert found({"/a": get(parameters=[body, form])}, "2.0") == here
    assert found({"/a": get(parameters=[form, {**form, "name": "g"}])}, "2.0") == {}


def test_header_names_are_tokens() -> None:
    """A name that no header field can have (RFC 9110 section 5.1)."""
    parameter = {"name": "a b", "in": "header", "schema": {}}
    responses = {"200": {"description": "", "headers": {"c=d": {"schema": {}}}}}
    paths = {"/a": get(parameters=[parameter], responses=responses)}
    for specification, severity in (("3.0.3", "warning"), ("3.2.0", "error")):
        assert found(paths, specification) == {
            "/paths/~1a/get/parameters/0/name": (severity, "header-name"),
            "/paths/~1a/get/responses/200/headers/c=d": (severity, "header-name"),
        }


def test_headers_that_the_specification_describes_elsewhere_are_told() -> None:
    """Accept, Content-Type and Authorization as parameters have no effect."""
    parameter = {"name": "Content-Type", "in": "header", "schema": {}}
    here = "/paths/~1a/get/parameters/0"
    assert found({"/a": get(parameters=[parameter])}) == {here: ("info", "header-ignored")}


@pytest.mark.parametrize("pattern", ["(?=a)b", r"(a)\1", "(", "(?<!a)b"])
def test_patterns_that_are_not_linear_are_documentation_only(pattern: str) -> None:
    """Look-around, back-references and what is no pattern: a warning, wherever it stands (F7, S-06)."""
    schemas = {"A": {"properties": {"p": {"pattern": pattern}}}}
    assert found({}, components={"schemas": schemas}) == {
        "/components/schemas/A/properties/p/pattern": ("warning", "pattern-not-enforced")
    }
    parameter = {"name": "p", "in": "query", "type": "string", "pattern": pattern}
    here = "/paths/~1a/get/parameters/0/pattern"
    assert found({"/a": get(parameters=[parameter])}, "2.0") == {here: ("warning", "pattern-not-enforced")}


def test_patterns_that_are_linear_are_fine() -> None:
    """Also those that hang a backtracking engine."""
    assert found({}, components={"schemas": {"A": {"pattern": "^(a+)+$"}, "B": {"pattern": r"^\d{3}[^]$"}}}) == {}


def test_the_number_of_operations_is_limited() -> None:
    """The limit passes, one more is refused."""
    paths = {f"/{n}": get() for n in range(3)}
    settings = msgspec.structs.replace(Settings(), document_operations=3)
    assert found(paths, settings=settings) == {}
    settings = msgspec.structs.replace(Settings(), document_operations=2)
    assert found(paths, settings=settings) == {"/paths": ("error", "too-much-operations")}


def test_the_number_of_parameters_is_limited() -> None:
    """Those of the path and those of the operation together: the limit passes, one more is refused."""
    item = {
        "parameters": [{"name": "a", "in": "query", "schema": {}}],
        **get(parameters=[{"name": "b", "in": "query", "schema": {}}]),
    }
    settings = msgspec.structs.replace(Settings(), document_parameters=2)
    assert found({"/a": item}, settings=settings) == {}
    settings = msgspec.structs.replace(Settings(), document_parameters=1)
    assert found({"/a": item}, settings=settings) == {"/paths/~1a/get": ("error", "too-much-parameters")}


def test_servers_of_paths_and_operations_are_told() -> None:
    """They have no effect: an API has one base path."""
    item = {"servers": [{"url": "/x"}], **get(servers=[{"url": "/y"}])}
    assert found({"/a": item}) == {
        "/paths/~1a/servers": ("info", "servers-ignored"),
        "/paths/~1a/get/servers": ("info", "servers-ignored"),
    }


def test_fields_that_exclude_each_other() -> None:
    """``example`` and ``examples`` from 3.1 on, XML node types of 3.2, a body in a link."""
    parameters = {"p": {"name": "p", "in": "query", "schema": {}, "example": 1, "examples": {}}}
    here = {"/components/parameters/p": ("error", "excluded-together")}
    assert found({}, "3.1.0", components={"parameters": parameters}) == here
    assert found({}, "3.0.3", components={"parameters": parameters}) == {}
    schemas = {"A": {"xml": {"nodeType": "attribute", "attribute": True}}, "B": {"xml": {"nodeType": "element"}}}
    here = {"/components/schemas/A/xml": ("error", "excluded-together")}
    assert found({}, "3.2.0", components={"schemas": schemas}) == here
    links = {"l": {"operationId": "x", "body": {}}}
    assert found({}, "3.1.0", components={"links": links}) == {"/components/links/l/body": ("error", "unknown-field")}


def test_path_items_behind_references_are_looked_at() -> None:
    """The rules hold for what is served, wherever it is written."""
    paths = {"/{a}": {"$ref": "#/components/pathItems/p"}}
    result = found(paths, "3.1.0", components={"pathItems": {"p": get()}})
    assert result == {"/components/pathItems/p/get": ("warning", "path-parameter-undeclared")}
