"""The gateway as one application: refusals, pages, health (apimgmt/gateway/app.py, pages.py, routing.py)."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.errors import CATALOGUE
from apimgmt.gateway.app import Gateway
from harness import Client, serve

DOCUMENT = """
openapi: 3.1.0
info: {title: pets, version: '1'}
servers: [{url: 'https://elsewhere.example/v1'}]
paths:
  /pet/{id}:
    get:
      parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
      responses: {'200': {description: ok}}
    delete:
      parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
      responses: {'200': {description: ok}}
  /pet/{name}:
    post:
      parameters: [{name: name, in: path, required: true, schema: {type: string}}]
      responses: {'200': {description: ok}}
  /:
    get: {responses: {'200': {description: ok}}}
"""


@pytest.fixture(scope="module")
def client() -> Client:
    """The document, published without authentication."""
    return serve(DOCUMENT)


@pytest.mark.rows("F-008")
@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("PUT", "/v1/pet/7", 405, "DELETE, GET, HEAD, POST"),
        ("PUT", "/v1/pet/bob", 405, "POST"),
        ("GET", "/v1/pet/bob", 405, "POST"),
        ("TRACE", "/v1/pet/7", 405, "DELETE, GET, HEAD, POST"),
        ("GET", "/v1/pet/", 404, None),
        ("GET", "/v1/pet", 404, None),
        ("GET", "/v1", 404, None),
        ("GET", "/v2/pet/7", 404, None),
        ("GET", "/v12/pet/7", 404, None),
        ("GET", "/v1/pet/7/", 404, None),
        ("GET", "/V1/pet/7", 404, None),
    ],
)
def test_a_refusal_says_what_the_path_has(
    client: Client, method: str, path: str, status: int, allow: str | None
) -> None:
    """404 where no template matches; 405 with every method of every template that does."""
    answer = client.request(method, path)
    assert (answer.status, answer.header("allow")) == (status, allow)
    assert answer.header("content-type") == "application/problem+json"


def test_the_root_of_an_api_and_the_same_path_under_another_method(client: Client) -> None:
    """``/`` is a template like any other, and a typed sibling does not hide another method."""
    assert client.get("/v1/").json()["operation"]["path"] == "/"
    assert client.post("/v1/pet/7").json()["operation"]["path"] == "/pet/{name}"


def test_head_is_served_by_get_without_a_body(client: Client) -> None:
    """HEAD has the header of GET."""
    answer, whole = client.request("HEAD", "/v1/pet/7"), client.get("/v1/pet/7")
    assert answer.status == whole.status == 200
    assert answer.header("content-type") == whole.header("content-type")


@pytest.mark.parametrize("path", ["/v1//pet/7", "/v1/./pet/7", "/v1/x/../pet/7", "/v1/%2e%2e/pet", "/v1/pet%2f7"])
def test_an_ambiguous_path_never_reaches_an_api(client: Client, path: str) -> None:
    """Refused before routing, with a problem."""
    answer = client.get(path)
    assert (answer.status, answer.json()["type"].rpartition("/")[2]) == (400, "ambiguous-path")


def test_an_escaped_path_reaches_the_same_operation(client: Client) -> None:
    """An escape of an unreserved character is the character."""
    assert client.get("/v1/%70et/%37").json()["parameters"]["path"] == {"id": 7}


def test_the_document_is_served_where_the_api_is(client: Client) -> None:
    """``openapi.json`` says this gateway, is 3.1 if it was, and is not sent again to who has it."""
    answer = client.get("/v1/openapi.json")
    assert answer.json()["servers"] == [{"url": "/v1"}]
    assert answer.json()["openapi"] == "3.1.0"
    again = client.get("/v1/openapi.json", {"If-None-Match": answer.header("etag") or ""})
    assert (again.status, again.body) == (304, b"")


def test_swagger_ui_is_served_from_here(client: Client) -> None:
    """Page, script and style come from the gateway; the policy lets nothing else in, and no configuration by URL."""
    page = client.get("/v1/ui/?url=https://evil.example/x.json")
    assert page.header("content-type") == "text/html; charset=utf-8"
    assert "script-src 'self';" in (page.header("content-security-policy") or "")
    assert "https://" not in page.text
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js", "favicon-32x32.png"):
        assert client.get(f"/v1/ui/{name}").status == 200
    assert b"queryConfigEnabled: false" in client.get("/v1/ui/start.js").body
    assert client.get("/v1/ui").header("location") == "ui/"
    assert client.get("/v1/ui/../secret").status == 400
    assert client.get("/v1/ui/other.js").status == 404


def test_an_operation_of_the_document_comes_before_our_pages() -> None:
    """A document that has /openapi.json itself keeps it."""
    document = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}
    document["paths"] = {"/openapi.json": {"get": {"responses": {"200": {"description": "ok"}}}}}
    assert serve(document).get("/openapi.json").json()["operation"]["path"] == "/openapi.json"


def test_every_problem_type_can_be_looked_up(client: Client) -> None:
    """The type of a problem leads to what it means and what to do."""
    for code, kind in CATALOGUE.items():
        page = client.get(f"/.well-known/apimgmt/problems/{code}")
        assert page.status == 200
        assert kind.title in page.text
        assert kind.remedy in page.text


def test_health_is_above_every_api() -> None:
    """``/livez`` and ``/readyz`` belong to the platform, even beside an API at the root."""
    document: dict[str, Any] = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}}
    parameter = {"name": "any", "in": "path", "required": True, "schema": {"type": "string"}}
    document["paths"] = {"/{any}": {"get": {"parameters": [parameter], "responses": {"200": {"description": "ok"}}}}}
    client = serve(document)
    assert client.get("/livez").json() == client.get("/readyz").json() == {"status": "pass"}
    assert client.get("/other").json()["parameters"]["path"] == {"any": "other"}


def test_without_a_snapshot_the_gateway_is_alive_but_not_ready() -> None:
    """503 with Retry-After for everything until the first snapshot is built."""
    client = Client(Gateway())
    assert client.get("/livez").status == 200
    for path in ("/readyz", "/v1/pet/7"):
        answer = client.get(path)
        assert (answer.status, answer.header("retry-after")) == (503, "1")
