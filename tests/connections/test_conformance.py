"""Calls held against the document of their entity: before they are sent, and when the answer has come."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import responses

import apimgmt.connections.authentication.apikey
import apimgmt.connections.authentication.none  # noqa: F401  importing a kind registers it
from apimgmt.archive import Archive
from apimgmt.connections.configuration import Configuration
from apimgmt.connections.connection import Connection
from apimgmt.connections.entities.contract import placeholder, template
from apimgmt.errors import ConnectionFailed
from apimgmt.reading import read
from apimgmt.settings import Settings
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.intake.loader import load

BASE = "http://crm.example/v2"
CUSTOMER = {
    "type": "object",
    "required": ["id"],
    "additionalProperties": False,
    "patternProperties": {"^x-": {"type": "integer"}},
    "properties": {
        "id": {"type": "integer"},
        "mail": {"type": "string", "pattern": "^(a+)+$"},
        "parent": {"$ref": "#/components/schemas/Customer"},
    },
}
JSON = "application/json"
DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "crm", "version": "1"},
    "paths": {
        "/customers/{customer id}": {
            "parameters": [
                {"name": "customer id", "in": "path", "required": True, "schema": {"type": "integer"}},
                {"name": "X-Api-Key", "in": "header", "required": True, "schema": {"type": "string"}},
            ],
            "get": {
                "parameters": [
                    {"name": "view", "in": "query", "schema": {"type": "string", "enum": ["short", "long"]}}
                ],
                "responses": {
                    "200": {"description": "", "content": {JSON: {"schema": {"$ref": "#/components/schemas/Customer"}}}}
                },
            },
            "put": {
                "requestBody": {
                    "required": True,
                    "content": {JSON: {"schema": {"$ref": "#/components/schemas/Customer"}}},
                },
                "responses": {"204": {"description": ""}},
            },
        }
    },
    "components": {"schemas": {"Customer": CUSTOMER}},
}
SWAGGER = {
    "swagger": "2.0",
    "info": {"title": "crm", "version": "1"},
    "paths": {
        "/customers/{customer id}": {
            "get": {
                "produces": [JSON],
                "parameters": [{"name": "customer id", "in": "path", "required": True, "type": "integer"}],
                "responses": {"200": {"description": "", "schema": {"$ref": "#/definitions/Customer"}}},
            }
        }
    },
    "definitions": {"Customer": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}},
}


def made(folder: Path, check: str = "enforce", document: Any = DOCUMENT, **members: Any) -> Connection:
    """A connection whose two entities have a contract in a kept document."""
    settings = Settings(data=str(folder))
    content = json.dumps(document).encode()
    compiled = compile_document(load(content, JSON, settings))
    digest = Archive(settings.root).put_api(msgspec.json.encode(compiled), content)
    key = {"kind": "apiKey", "name": "X-Api-Key", "key": "k3y"}
    given = {"baseUrl": BASE, "retries": {"count": 0}, "check": check, "authentication": key, **members}
    path = template("/customers/{customer id}")
    entities = {
        method: {
            "method": method.upper(),
            "path": path,
            "contract": {"document": digest, "operation": f"{method} /customers/{{customer id}}"},
        }
        for method in ("get", "put")
    }
    return Connection("crm", read(given, Configuration), entities, settings)


def refused(call: Any) -> str:
    """What a call is refused with."""
    with pytest.raises(ConnectionFailed) as caught:
        call()
    assert caught.value.cause == "schema"
    return str(caught.value)


@pytest.mark.parametrize("document", [DOCUMENT, SWAGGER], ids=["3.0", "2.0"])
@responses.activate
def test_a_call_that_fits_goes_through(tmp_path: Path, document: Any) -> None:
    """Request and answer are as the document says, in every version of it."""
    responses.add("GET", f"{BASE}/customers/5", json={"id": 5})
    assert made(tmp_path, document=document).entity("get").get(customer_id=5) == {"id": 5}


@responses.activate
def test_a_request_that_does_not_fit_is_not_sent(tmp_path: Path) -> None:
    """Path, query and body: what is wrong is named, its value is not."""
    connection = made(tmp_path)
    text = refused(lambda: connection.entity("get").get(customer_id="five-planted"))
    assert "path customer_id" in text and "planted" not in text
    text = refused(lambda: connection.entity("get").get(customer_id=5, view="planted"))
    assert "query view" in text and "`enum`" in text and "planted" not in text
    text = refused(lambda: connection.entity("put").update({"mail": "a"}, customer_id=5))
    assert "$ (without id) does not meet `required`" in text
    assert len(responses.calls) == 0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param({"id": "planted"}, "$.id does not meet `type`", id="type"),
        pytest.param({}, "without id", id="required"),
        pytest.param({"id": 1, "mail": "planted"}, "$.mail does not meet `pattern`", id="pattern"),
        pytest.param({"id": 1, "parent": {"id": None}}, "$.parent.id does not meet `type`", id="reference"),
        pytest.param({"id": 1, "other": "planted"}, "`additionalProperties`", id="additional"),
        pytest.param({"id": 1, "x-a": "planted"}, "$['x-a'] does not meet `type`", id="pattern-property"),
        pytest.param([], "$ does not meet `type`", id="array"),
    ],
)
@responses.activate
def test_an_answer_that_does_not_fit_is_refused(tmp_path: Path, answer: Any, words: str) -> None:
    """With the place and the keyword, without the value."""
    responses.add("GET", f"{BASE}/customers/5", json=answer)
    text = refused(lambda: made(tmp_path).entity("get").get(customer_id=5))
    assert words in text and "planted" not in text


@responses.activate
def test_an_answer_with_what_the_document_allows(tmp_path: Path) -> None:
    """Members by pattern, and what is nested."""
    responses.add("GET", f"{BASE}/customers/5", json={"id": 1, "x-a": 1, "mail": "aaa", "parent": {"id": 2}})
    assert made(tmp_path).entity("get").get(customer_id=5)["x-a"] == 1


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (200, "xx", JSON, "MediaTypeDeserializeError"),
        (200, "<a/>", "application/xml", "MediaTypeNotFound"),
        (202, "{}", JSON, "the status 202 is not in the document"),
    ],
)
@responses.activate
def test_an_answer_of_another_kind(tmp_path: Path, status: int, body: str, kind: str, words: str) -> None:
    """Not JSON, another media type, a success that the document does not know."""
    responses.add("GET", f"{BASE}/customers/5", body=body, status=status, content_type=kind)
    assert words in refused(lambda: made(tmp_path).entity("get").get(customer_id=5))


@responses.activate
def test_an_undocumented_error_stays_what_it_is(tmp_path: Path) -> None:
    """A 404 that the document forgot is a 404."""
    responses.add("GET", f"{BASE}/customers/5", json={}, status=404)
    with pytest.raises(ConnectionFailed) as caught:
        made(tmp_path).entity("get").get(customer_id=5)
    assert caught.value.cause == "status"


@responses.activate
def test_report_logs_each_fault_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The call goes through; the log says what does not fit, without values."""
    responses.add("GET", f"{BASE}/customers/5", json={"id": "planted"})
    connection = made(tmp_path, "report")
    with caplog.at_level(logging.WARNING, "apimgmt.connections"):
        for _ in range(3):
            assert connection.entity("get").get(customer_id=5) == {"id": "planted"}
    (record,) = caplog.records
    assert "crm.get: the answer is not as the document says: $.id does not meet `type`" in record.getMessage()
    assert "planted" not in caplog.text


@responses.activate
def test_off_looks_at_nothing(tmp_path: Path) -> None:
    """Nothing is loaded either: the document may be gone."""
    responses.add("GET", f"{BASE}/customers/x", json={"id": "x"})
    connection = made(tmp_path, "off")
    for file in (tmp_path / "compiled").iterdir():
        file.unlink()
    assert connection.entity("get").get(customer_id="x") == {"id": "x"}


def test_a_document_that_is_gone_is_told(tmp_path: Path) -> None:
    """With what to do."""
    connection = made(tmp_path)
    for file in (tmp_path / "compiled").iterdir():
        file.unlink()
    assert "discover it again" in refused(lambda: connection.entity("get").get(customer_id=5))


@responses.activate
def test_a_pattern_of_the_other_system_cannot_stop_us(tmp_path: Path) -> None:
    """A pattern that takes exponential time elsewhere is matched in linear time."""
    responses.add("GET", f"{BASE}/customers/5", json={"id": 1, "mail": "a" * 5_000 + "!"})
    began = time.monotonic()
    assert "`pattern`" in refused(lambda: made(tmp_path).entity("get").get(customer_id=5))
    # the ordinary engine needs longer than the universe is old
    assert time.monotonic() - began < 60


@responses.activate
def test_an_answer_nested_without_end(tmp_path: Path) -> None:
    """Deep nesting is told, whatever it does to the checker."""
    depth = 900
    responses.add(
        "GET", f"{BASE}/customers/5", body='{"id":1,"parent":' * depth + '{"id":1}' + "}" * depth, content_type=JSON
    )
    try:
        made(tmp_path).entity("get").get(customer_id=5)
    except ConnectionFailed as error:
        assert error.cause == "schema"


@pytest.mark.parametrize(
    ("name", "written"), [("id", "id"), ("customer id", "customer_id"), ("1st", "_1st"), ("ä[x]", "__x_"), ("", "_")]
)
def test_names_as_placeholders(name: str, written: str) -> None:
    """Whatever a document calls a parameter, there is a placeholder for it."""
    assert placeholder(name) == written and template(f"/a/{{{name}}}/b") == f"/a/{{{written}}}/b"
