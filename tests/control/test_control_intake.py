"""The control plane with the real intake: child process, lint, compiler."""

from __future__ import annotations

import pytest

from apimgmt.archive import Archive
from apimgmt.control.admin import DOCUMENT as ADMIN
from apimgmt.control.service import Control
from apimgmt.control.store import Store
from apimgmt.errors import DocumentRefused
from apimgmt.settings import Settings
from apimgmt.spec.intake import take_in

DEMO = ADMIN.with_name("demo.yaml")
YAML = "application/yaml"

SWAGGER = b"""
swagger: "2.0"
info: {title: Old Shop, version: "1"}
basePath: /old/
paths:
  /books/{id}:
    get:
      parameters: [{name: id, in: path, required: true, type: integer}]
      responses: {"200": {description: ok}}
    delete:
      parameters: [{name: id, in: path, required: true, type: integer}]
      responses: {"204": {description: gone}}
"""

BROKEN = b"""
openapi: 3.0.3
info: {title: Broken, version: "1"}
paths:
  /books/{id}:
    get:
      parameters: [{name: id, in: path, required: true, schema: {$ref: "#/components/schemas/Missing"}}]
      responses: {"200": {description: ok}}
  /books/{number}:
    get:
      parameters: [{name: number, in: path, required: true, schema: {$ref: "#/components/schemas/Absent"}}]
      responses: {"200": {description: ok}}
"""


@pytest.fixture
def real(settings: Settings, store: Store, archive: Archive) -> Control:
    """A control plane as the product has it."""
    return Control(settings, store, archive, take_in)


@pytest.mark.rows("F-001", "F-002")
def test_swagger_and_openapi_become_one_operation_per_method_and_path(real: Control) -> None:
    """Both specifications, with the base path of the document; the compiled form is in the archive."""
    old = real.upload(SWAGGER, YAML)
    assert (old.name, old.base_path) == ("old-shop", "/old")
    assert [operation.key for operation in old.operations] == ["get /books/{id}", "delete /books/{id}"]
    new = real.upload(DEMO.read_bytes(), YAML, publish=True)
    assert (new.name, new.base_path, new.published) == ("bookshop", "/bookshop", True)
    assert [(one.operation_id, one.public) for one in new.operations] == [
        ("listBooks", False),
        ("addBook", False),
        ("getBook", False),
    ]


def test_the_demo_has_nothing_to_say_for_itself(real: Control) -> None:
    """The sample that every new user sees is without findings, but for what its key is worth over plain HTTP,
    and that there is no key yet."""
    finding, missing = real.upload(DEMO.read_bytes(), YAML).findings
    assert missing.code == "nobody-can-call"
    assert finding.code == "credentials-over-http"


def test_all_errors_come_at_once_with_their_places(real: Control) -> None:
    """Two missing references in one document: two findings with different lines, and nothing stored."""
    with pytest.raises(DocumentRefused) as caught:
        real.upload(BROKEN, YAML)
    errors = [finding for finding in caught.value.findings if finding.severity == "error"]
    assert {7, 11} <= {finding.line for finding in errors}
    assert all(finding.pointer and finding.column for finding in errors)
    assert real.apis() == []


@pytest.mark.rows("F-053")
def test_an_operation_is_shown_as_the_document_has_it(real: Control) -> None:
    """The part of the document is there word for word."""
    real.upload(SWAGGER, YAML)
    shown = real.operation("old-shop", "delete /books/{id}").specification
    assert shown["responses"] == {"204": {"description": "gone"}}
    assert shown["parameters"][0]["name"] == "id"


def test_a_real_plan(real: Control) -> None:
    """An operation that goes, one that stays, and one whose parameter changed its type."""
    real.upload(SWAGGER, YAML)
    later = SWAGGER.replace(b"    delete:", b"    put:").replace(b"type: integer}]", b"type: string}]", 1)
    plan = real.replace("old-shop", later, YAML, plan_only=True)
    assert [entry.key for entry in plan.added] == ["put /books/{id}"]
    assert [entry.key for entry in plan.removed] == ["delete /books/{id}"]
    assert [entry.key for entry in plan.changed] == ["get /books/{id}"]
    assert plan.changed[0].changes
