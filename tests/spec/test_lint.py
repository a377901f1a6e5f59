"""All findings of a document at once."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from apimgmt.model import Finding
from apimgmt.settings import Settings
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.intake.loader import load
from apimgmt.spec.lint.linter import FINDINGS_MOST, lint, lint_operations

OK = {"200": {"description": "ok"}}


def linted(root: Any, **settings: Any) -> list[Finding]:
    """The findings about a document itself."""
    limits = msgspec.structs.replace(Settings(), **settings)
    return lint(load(root if isinstance(root, bytes) else json.dumps(root).encode(), "", limits), limits)


def of_operations(paths: Any, **settings: Any) -> list[Finding]:
    """The findings about the operations of a document."""
    limits = msgspec.structs.replace(Settings(), **settings)
    root = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "security": [], "paths": paths}
    document = load(json.dumps(root, indent=1).encode(), "", limits)
    findings = lint_operations(compile_document(document), document, limits)
    return [finding for finding in findings if finding.code != "public"]


def get(name: str | None = None, kind: str = "string") -> dict[str, Any]:
    """A path item with one operation, which may have a path parameter."""
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": kind}}] if name else []
    return {"get": {"parameters": parameters, "responses": OK}}


def test_everything_is_said_at_once_errors_first() -> None:
    """Structure, references, rules and limits in one list; each finding has a place and says what to do."""
    content = b"""openapi: 3.0.3
info: {version: 1}
paths:
  /a/{b}:
    get:
      parameters:
      - {name: b, in: path, required: true, schema: {$ref: '#/components/schemas/None'}}
      - {name: c, in: sky, schema: {}}
      responses: {200: {}}
    trace: {responses: {200: {description: ok}}}
components:
  schemas:
    A: {type: string, pattern: '(?=a)', default: 1}
"""
    findings = linted(content)
    assert [(finding.severity, finding.code, finding.line) for finding in findings] == [
        ("error", "missing-field", 2),
        ("error", "unresolved-reference", 7),
        ("error", "wrong-value", 8),
        ("warning", "wrong-type", 2),
        ("warning", "missing-field", 9),
        ("warning", "unsupported-method", 10),
        ("warning", "pattern-not-enforced", 13),
        ("warning", "default-invalid", 13),
    ]
    assert all(finding.column > 0 and finding.message.endswith(".") for finding in findings)


def test_what_real_documents_have_is_no_reason_to_refuse() -> None:
    """A recursive schema, ``#`` in a path, a boolean schema, a wrong example, parents that list their children."""
    schemas = {
        "Tree": {"type": "object", "properties": {"children": {"items": {"$ref": "#/components/schemas/Tree"}}}},
        "Any": True,
        "None": {"not": {}, "additionalProperties": False},
        "Wrong": {"type": "integer", "example": "x"},
        "Pet": {"oneOf": [{"$ref": "#/components/schemas/Cat"}]},
        "Cat": {"allOf": [{"$ref": "#/components/schemas/Pet"}]},
    }
    root = {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {"/a#b": get()},
        "components": {"schemas": schemas},
    }
    assert [finding.severity for finding in linted(root)] == ["warning"]


@pytest.mark.rows("F-017", "F-019")
def test_templates_that_no_request_can_tell_apart_are_refused_with_a_witness() -> None:
    """Both operations, both places and a URL that shows the clash are in the message."""
    (finding,) = of_operations({"/pet/{id}": get("id"), "/pet/{petId}": get("petId")})
    assert (finding.severity, finding.code, finding.pointer) == ("error", "ambiguous-path", "/paths/~1pet~1{petId}/get")
    for part in ("get /pet/{id} (line 10,", "get /pet/{petId} (line 29,", "'/pet/text'"):
        assert part in finding.message, finding.message


@pytest.mark.rows("F-014", "F-017")
def test_a_string_beside_a_literal_is_a_warning_or_by_setting_an_error() -> None:
    """Types that tell the two apart are no collision at all."""
    paths = {"/pet/{name}": get("name"), "/pet/status": get()}
    (finding,) = of_operations(paths)
    assert (finding.severity, finding.code) == ("warning", "path-collision")
    assert "'/pet/status'" in finding.message
    (finding,) = of_operations(paths, path_collisions="refuse")
    assert finding.severity == "error"
    assert of_operations({"/pet/{id}": get("id", "integer"), "/pet/status": get()}) == []


@pytest.mark.rows("F-018")
def test_collisions_are_judged_per_method() -> None:
    """GET and POST of two templates that look the same do not clash."""
    other = {"post": get("b")["get"]}
    assert of_operations({"/{a}": get("a"), "/{b}": other}) == []


def test_the_number_of_schemas_is_limited() -> None:
    """The limit passes, one more is refused; of Swagger 2 and of OpenAPI 3."""
    schemas: dict[str, Any] = {"A": {}, "B": {}}
    info = {"title": "t", "version": "1"}
    for root in (
        {"openapi": "3.0.3", "info": info, "paths": {}, "components": {"schemas": schemas}},
        {"swagger": "2.0", "info": info, "paths": {}, "definitions": schemas},
    ):
        assert linted(root, document_schemas=2) == []
        assert [finding.code for finding in linted(root, document_schemas=1)] == ["too-much-schemas"]


def test_findings_of_one_kind_are_not_endless() -> None:
    """After 1,000 the rest is counted, not listed."""
    paths = {f"/{n}": {"trace": {"responses": OK}} for n in range(FINDINGS_MOST + 5)}
    findings = linted({"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths})
    assert len(findings) == FINDINGS_MOST + 1
    assert any("5 more" in finding.message for finding in findings)
    paths = dict(list(paths.items())[:FINDINGS_MOST])
    assert len(linted({"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths})) == FINDINGS_MOST
