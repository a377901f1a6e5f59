"""The metaschemas, and which of their violations are a reason to refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apimgmt.settings import Settings
from apimgmt.spec.intake.loader import load
from apimgmt.spec.lint.structure import check

INFO = {"title": "t", "version": "1"}
OK = {"200": {"description": "ok"}}
VERSIONS = ("2.0", "3.0.3", "3.1.0", "3.2.0")


def found(specification: str, **members: Any) -> dict[tuple[str, str], str]:
    """Pointer and code of each violation, with its severity."""
    head = {"swagger": "2.0"} if specification == "2.0" else {"openapi": specification}
    document = load(json.dumps({**head, "info": INFO, "paths": {}, **members}).encode(), "", Settings())
    return {(pointer, code): severity for severity, code, _, pointer in check(document)}


def operation(**members: Any) -> dict[str, Any]:
    """A ``paths`` with one operation of these members."""
    return {"/a": {"get": {"responses": OK, **members}}}


@pytest.mark.parametrize("specification", VERSIONS)
def test_a_good_document_has_no_violation(specification: str) -> None:
    """Nothing is found where nothing is wrong."""
    assert found(specification, paths=operation(), **{"x-any": 1}) == {}


@pytest.mark.parametrize("specification", VERSIONS)
def test_sloppiness_that_changes_nothing_is_a_warning(specification: str) -> None:
    """A response without description, a version that is a number, a tag twice: the API can be served all the same."""
    paths: dict[str, Any] = {"/a": {"get": {"responses": {"200": {}}}}}
    result = found(specification, info={"title": "t", "version": 1.0}, paths=paths)
    assert result.pop(("/info/version", "wrong-type")) == "warning"
    assert set(result.values()) <= {"warning"}
    if specification != "3.2.0":  # 3.2 does not need a description any more
        assert result == {("/paths/~1a/get/responses/200", "missing-field"): "warning"}


@pytest.mark.parametrize("specification", VERSIONS)
def test_what_decides_has_to_be_there(specification: str) -> None:
    """No title, no name of a parameter, a parameter in a place that there is not."""
    result = found(specification, info={"version": "1"}, paths=operation(parameters=[{"in": "query", "schema": {}}]))
    assert result["/info", "missing-field"] == "error"
    errors = [pointer for (pointer, _), severity in result.items() if severity == "error"]
    assert "/paths/~1a/get/parameters/0" in errors
    parameter = {"name": "a", "in": "nowhere", "schema": {"type": "string"}}
    result = found(specification, paths=operation(parameters=[parameter]))
    assert "error" in [
        severity for (pointer, _), severity in result.items() if pointer.startswith("/paths/~1a/get/param")
    ]


@pytest.mark.parametrize(
    ("specification", "members", "pointer", "severity"),
    [
        ("3.0.3", {"tags": [{"name": "a"}, {"name": "a"}]}, "/tags", "warning"),
        ("3.0.3", {"unknown": 1}, "", "warning"),
        ("3.1.0", {"unknown": 1}, "", "error"),
        ("3.0.3", {"info": {**INFO, "license": {}}}, "/info/license", "warning"),
        ("3.0.3", {"info": {**INFO, "contact": {"email": 1}}}, "/info/contact/email", "warning"),
        ("3.0.3", {"info": 1}, "/info", "error"),
        ("2.0", {"basePath": "v1"}, "/basePath", "warning"),
        ("2.0", {"schemes": ["gopher"]}, "/schemes/0", "warning"),
        ("3.0.3", {"servers": {"url": "/"}}, "/servers", "error"),
        ("3.1.0", {"servers": {"url": "/"}}, "/servers", "error"),
        ("3.0.3", {"components": {"schemas": {"A": {"type": "strong"}}}}, "/components/schemas/A/type", "error"),
        ("3.0.3", {"components": {"schemas": {"A": {"type": "null"}}}}, "/components/schemas/A/type", "warning"),
        ("3.0.3", {"components": {"schemas": {"A": {"type": ["string"]}}}}, "/components/schemas/A/type", "warning"),
        ("3.0.3", {"components": {"schemas": {"A": {"required": True}}}}, "/components/schemas/A/required", "warning"),
        ("3.0.3", {"components": {"schemas": {"A": {"required": "a"}}}}, "/components/schemas/A/required", "error"),
        ("3.0.3", {"components": {"schemas": {"A": {"required": []}}}}, "/components/schemas/A/required", "warning"),
        ("3.0.3", {"components": {"schemas": {"A": {"minLength": -1}}}}, "/components/schemas/A/minLength", "error"),
        (
            "3.0.3",
            {"components": {"schemas": {"A": {"required": ["a", "a"]}}}},
            "/components/schemas/A/required",
            "warning",
        ),
        ("3.0.3", {"paths": operation(responses={})}, "/paths/~1a/get/responses", "warning"),
        ("3.0.3", {"paths": {"/a": {"get": {}}}}, "/paths/~1a/get", "warning"),
        ("3.0.3", {"paths": {"/a": {"get": 1}}}, "/paths/~1a/get", "error"),
    ],
)
def test_the_severity_of_violations(specification: str, members: dict[str, Any], pointer: str, severity: str) -> None:
    """What can be served without doubt is a warning, what would be served otherwise than it is meant an error."""
    result = {place: level for (place, _), level in found(specification, **members).items()}
    assert result == {pointer: severity}


@pytest.mark.parametrize("specification", VERSIONS)
def test_an_unknown_kind_of_security_scheme_is_an_error(specification: str) -> None:
    """Access that cannot be checked is not guessed (T10)."""
    schemes = {"s": {"type": "magic"}}
    home = {"securityDefinitions": schemes} if specification == "2.0" else {"components": {"securitySchemes": schemes}}
    result = found(specification, **home)
    assert ("error", "unknown-scheme-type") in {(severity, code) for (_, code), severity in result.items()}


def test_of_several_branches_the_one_that_was_meant_is_reported() -> None:
    """A response that is wrong deep inside gives the place deep inside, not "neither response nor reference"."""
    content = {"application/json": {"schema": {"properties": {"a": {"allOf": [{"type": "nothing"}]}}}}}
    result = found("3.0.3", paths=operation(responses={"200": {"description": "", "content": content}}))
    (place,) = result
    assert place[0].endswith("/schema/properties/a/allOf/0/type")


def test_a_path_parameter_that_is_not_required_is_a_warning() -> None:
    """It is required all the same: without it there is no such path."""
    parameter = {"name": "a", "in": "path", "required": False}
    for specification, more in (("2.0", {"type": "string"}), ("3.0.3", {"schema": {}}), ("3.1.0", {"schema": {}})):
        paths = {"/{a}": {"get": {"parameters": [{**parameter, **more}], "responses": OK}}}
        result = found(specification, paths=paths)
        assert set(result.values()) == {"warning"}
