"""Flows call operations by their names in OpenAPI documents: where everything goes, and what is refused."""

from __future__ import annotations

import copy
import functools
import json
import operator
from collections.abc import Iterator
from typing import Any

import pytest
from processes.flows.flowing import definition, run
from processes.flows.petstore import Petstore

from apimgmt.connections.known import connections
from apimgmt.errors import SettingInvalid
from apimgmt.processes.flows import FlowFailed, interface
from apimgmt.processes.flows.functions import openapi
from apimgmt.processes.flows.functions.openapi import interfaces, request
from apimgmt.processes.flows.interface import Interface, parsed
from apimgmt.settings import Settings

THREE = """
openapi: 3.1.0
info: {title: echo, version: '1'}
servers: [{url: '/echo/{stage}', variables: {stage: {default: v1}}}]
components:
  parameters:
    Trace: {name: X-Trace, in: header, schema: {type: string}}
  schemas:
    Order: {type: object, properties: {id: {type: integer}, lines: {type: array}}}
paths:
  /orders/{order-id}:
    parameters:
      - {name: order-id, in: path, required: true, schema: {type: string}}
      - $ref: '#/components/parameters/Trace'
    get:
      operationId: getOrder
      parameters:
        - {name: tags, in: query, schema: {type: array}}
        - {name: ids, in: query, explode: false, schema: {type: array}}
        - {name: bars, in: query, style: pipeDelimited, explode: false, schema: {type: array}}
        - {name: filter, in: query, style: deepObject, schema: {type: object}}
        - {name: full, in: query, schema: {type: boolean}}
        - {name: session, in: cookie, schema: {type: string}}
      responses: {'200': {description: ok}}
  /orders:
    post:
      operationId: createOrder
      requestBody: {required: true, content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}}
      responses: {'200': {description: ok}}
  /forms:
    post:
      operationId: sendForm
      servers: [{url: /echo/forms}]
      requestBody:
        content:
          application/x-www-form-urlencoded: {schema: {properties: {a: {}, b: {}}}}
      responses: {'200': {description: ok}}
  /texts:
    put:
      operationId: sendText
      requestBody: {x-bodyName: text, content: {text/plain: {schema: {type: string}}}}
      responses: {'200': {description: ok}}
  /elsewhere:
    get:
      operationId: elsewhere
      servers: [{url: 'http://169.254.169.254/latest'}]
      responses: {'200': {description: ok}}
  /moved:
    get: {operationId: moved, servers: [{url: ../}], responses: {'200': {description: ok}}}
"""
TWO = {
    "swagger": "2.0",
    "info": {"title": "echo", "version": "1"},
    "basePath": "/echo",
    "consumes": ["application/json"],
    "paths": {
        "/orders/{id}": {
            "put": {
                "operationId": "putOrder",
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "type": "integer"},
                    {"name": "a", "in": "query", "type": "array"},
                    {"name": "b", "in": "query", "type": "array", "collectionFormat": "multi"},
                    {"name": "c", "in": "query", "type": "array", "collectionFormat": "pipes"},
                    {"name": "order", "in": "body", "schema": {"type": "object"}},
                ],
                "responses": {"200": {"description": "ok"}},
            }
        },
        "/files": {
            "post": {
                "operationId": "sendFile",
                "consumes": ["multipart/form-data"],
                "parameters": [{"name": "note", "in": "formData", "type": "string"}],
                "responses": {"200": {"description": "ok"}},
            }
        },
    },
}


@pytest.fixture(autouse=True)
def store() -> Iterator[Petstore]:
    """A system with two documents that answers with what came to it."""
    connections.prepared([], Settings(egress_allow="127.0.0.1"))()
    interfaces.clear()
    with Petstore({"/docs/three.yaml": THREE.encode(), "/two.json": json.dumps(TWO).encode()}) as server:
        yield server
    connections.prepared([], Settings())()


def call(document: str, operation: str, /, *, more: dict[str, Any] | None = None, **parameters: Any) -> dict[str, Any]:
    """A flow of one call."""
    told = {"document": {"endpoint": document}, "operationId": operation, "parameters": parameters, **(more or {})}
    return definition({"call": "openapi", "with": told})


SENT: dict[str, tuple[str, str, dict[str, Any], list[str]]] = {
    "path": ("three", "getOrder", {"order-id": "a/b c"}, ["GET", "/echo/v1/orders/a%2Fb%20c", ""]),
    "query": (
        "three",
        "getOrder",
        {"order-id": 7, "tags": ["x", "y"], "ids": [1, 2], "bars": ["p", "q"], "full": True},
        ["GET", "/echo/v1/orders/7?tags=x&tags=y&ids=1%2C2&bars=p%7Cq&full=true", ""],
    ),
    "an object in the query": (
        "three",
        "getOrder",
        {"order-id": 7, "filter": {"state": "open", "n": 2}},
        ["GET", "/echo/v1/orders/7?filter%5Bstate%5D=open&filter%5Bn%5D=2", ""],
    ),
    "what is null is left out": (
        "three",
        "getOrder",
        {"order-id": 7, "full": "${ .nothing }"},
        ["GET", "/echo/v1/orders/7", ""],
    ),
    "a body": ("three", "createOrder", {"body": {"id": 1}}, ["POST", "/echo/v1/orders", '{"id":1}']),
    "a body by its members": ("three", "createOrder", {"id": 1}, ["POST", "/echo/v1/orders", '{"id":1}']),
    "a form": ("three", "sendForm", {"a": "x y", "b": [1, 2]}, ["POST", "/echo/forms/forms", "a=x%20y&b=1&b=2"]),
    "a text": ("three", "sendText", {"text": "hello"}, ["PUT", "/echo/v1/texts", "hello"]),
    "Swagger": (
        "two",
        "putOrder",
        {"id": 3, "a": [1, 2], "b": [1, 2], "c": [1, 2], "order": {"n": 1}},
        ["PUT", "/echo/orders/3?a=1%2C2&b=1&b=2&c=1%7C2", '{"n":1}'],
    ),
}


@pytest.mark.parametrize("name", SENT)
async def test_everything_goes_where_the_document_says(name: str, store: Petstore) -> None:
    """Path, query, header fields and body, of OpenAPI 3 in YAML and Swagger 2 in JSON; servers below the document."""
    document, operation, parameters, expected = SENT[name]
    url = {"three": "/docs/three.yaml", "two": "/two.json"}[document]
    assert await run(call(store.url + url, operation, **parameters), {}) == expected


async def test_header_fields_and_cookies(store: Petstore) -> None:
    """Those of the path count for all its operations; the credential is for the operation."""
    parameters = {"order-id": 7, "X-Trace": ["a", "b"], "session": "s 1"}
    flow = call(
        f"{store.url}/docs/three.yaml",
        "getOrder",
        more={"authentication": {"bearer": {"token": "${ .token }"}}},
        **parameters,
    )
    await run(flow, {"token": "t1"})
    document, called = store.requests
    assert (called.headers["x-trace"], called.headers["cookie"]) == ("a,b", "session=s%201")
    assert called.headers["authorization"] == "Bearer t1"
    assert "authorization" not in document.headers


async def test_a_form_with_files_is_multipart(store: Petstore) -> None:
    """If the document wants one."""
    method, target, body = await run(call(f"{store.url}/two.json", "sendFile", note="hello"), {})
    assert (method, target) == ("POST", "/echo/files")
    assert 'name="note"' in body and "hello" in body


async def test_the_whole_response_a_redirect_and_raw_content(store: Petstore) -> None:
    """As with ``call: http``."""
    url = f"{store.url}/v2/swagger.json"
    whole = await run(call(url, "getPetById", more={"output": "response"}, petId=1), {})
    assert (whole["statusCode"], whole["content"]["name"]) == (200, "Rex")
    assert whole["request"]["uri"] == f"{store.url}/v2/pet/1"
    raw = await run(call(url, "getPetById", more={"output": "raw"}, petId=1), {})
    assert raw.startswith("eyJpZCI6")
    with pytest.raises(FlowFailed) as failed:
        await run(call(url, "getPetById", petId=9), {})
    assert failed.value.error["status"] == 404
    moved = f"{store.url}/docs/three.yaml"
    with pytest.raises(FlowFailed):
        await run(call(moved, "moved"), {})
    answer = await run(call(moved, "moved", more={"redirect": True, "output": "response"}), {})
    assert answer["statusCode"] == 302


async def test_a_document_is_kept_for_some_minutes(store: Petstore, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is fetched once for many calls, again when it is old, and for each credential by itself."""
    url = f"{store.url}/docs/three.yaml"
    flow = call(url, "getOrder", **{"order-id": 7})
    for _ in range(3):
        await run(flow, {})
    assert fetched(store) == 1
    secret = {"uri": url, "authentication": {"bearer": {"token": "t"}}}
    flow["do"][0]["a"]["with"]["document"]["endpoint"] = secret
    await run(flow, {})
    assert fetched(store) == 2
    interfaces.clear()
    monkeypatch.setattr(openapi, "KEPT_SECONDS", -1.0)
    await run(flow, {})
    await run(flow, {})
    assert fetched(store) == 4


def fetched(store: Petstore) -> int:
    """How often the document was asked for."""
    return sum(seen.target.startswith("/docs") for seen in store.requests)


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "an unknown operation": ("getOrders", {}, "no operation 'getOrders'; there is: getOrder"),
    "a parameter that is needed": ("getOrder", {}, "the path parameter 'order-id' is needed"),
    "an unknown parameter": (
        "getOrder",
        {"order-id": 1, "tag": 1},
        "takes no 'tag'; it takes: order-id, X-Trace, tags",
    ),
    "a step of dots": ("getOrder", {"order-id": ".."}, "nothing but dots"),
    "an empty step": ("getOrder", {"order-id": ""}, "is empty"),
    "a body that is needed": ("createOrder", {}, "the body is needed"),
    "a body and its members": ("createOrder", {"body": {}, "id": 1}, "takes no 'id'"),
    "a form that is no object": ("sendForm", {"body": "x"}, "an object is needed"),
    "a server that must not be called": ("elsewhere", {}, "169.254.169.254"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_cannot_be_called_says_what_is_wrong(name: str, store: Petstore) -> None:
    """With the names that are near, and before anything is sent; the guard stands before every URL."""
    operation, parameters, says = WRONG[name]
    with pytest.raises(FlowFailed) as failed:
        await run(call(f"{store.url}/docs/three.yaml", operation, **parameters), {})
    assert says in failed.value.error["detail"]
    assert [seen.target for seen in store.requests] == ["/docs/three.yaml"]


@pytest.mark.parametrize("endpoint", ["http://169.254.169.254/openapi.json", "file:///etc/passwd"])
async def test_a_document_is_fetched_only_where_calls_may_go(endpoint: str) -> None:
    """The guard again."""
    with pytest.raises(FlowFailed):
        await run(call(endpoint, "getOrder"), {})


BAD: dict[str, tuple[bytes, str]] = {
    "no document": (b"[1, 2]", "no object"),
    "another document": (b'{"asyncapi": "3.0.0"}', "neither Swagger 2.0 nor OpenAPI 3.x"),
    "no YAML": (b"a: [1", "neither JSON nor YAML"),
    "an object of a program": (b"!!python/object/apply:os.system [id]", "no object"),
    "a control character": (b"a: \x00", "neither JSON nor YAML"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_document_that_is_none_is_an_error_of_the_run(name: str, store: Petstore) -> None:
    """And it is not kept."""
    content, says = BAD[name]
    store.documents["/bad"] = content
    for _ in range(2):
        with pytest.raises(FlowFailed) as failed:
            await run(call(f"{store.url}/bad", "x"), {})
        assert says in failed.value.error["detail"]
    assert len(store.requests) == 2


def yaml_of(aliases: int = 0, depth: int = 1) -> bytes:
    """A YAML with so many aliases, or so deep."""
    return b"a: &a 1\nb: [" + b"*a, " * aliases + b"]\nc: " + b"[" * (depth - 1) + b"]" * (depth - 1)


@pytest.mark.parametrize(
    ("content", "good"),
    [
        (yaml_of(aliases=interface.MOST_ALIASES), True),
        (yaml_of(aliases=interface.MOST_ALIASES + 1), False),
        (yaml_of(depth=interface.DEEPEST), True),
        (yaml_of(depth=interface.DEEPEST + 1), False),
        (b"a".ljust(interface.LARGEST), True),
        (b"a".ljust(interface.LARGEST + 1), False),
    ],
    ids=["aliases", "one alias more", "depth", "one level more", "size", "one byte more"],
)
def test_documents_have_limits(content: bytes, good: bool) -> None:
    """At the limit, and one past it."""
    if good:
        assert parsed(content)
    else:
        with pytest.raises(SettingInvalid):
            parsed(content)


def test_references_that_lead_nowhere_or_round_are_refused() -> None:
    """And so are those to other documents."""
    for reference, says in (("#/a", "circles"), ("#/b", "leads nowhere"), ("x.yaml#/a", "not followed")):
        document = {"openapi": "3.0.0", "a": {"$ref": "#/a"}, "paths": {"/x": {"$ref": reference}}}
        with pytest.raises(SettingInvalid, match=says):
            Interface(document, "http://x.example/openapi.json")


def test_an_absolute_server_and_its_slash() -> None:
    """One slash between the server and the path; a host of Swagger is taken with the scheme of the document."""
    three = {"openapi": "3.0.0", "servers": [{"url": "https://api.example/v1/"}], "paths": {}}
    three["paths"] = {"/x": {"get": {"operationId": "x"}}}
    assert request(Interface(three, "http://docs.example/a.json").operation("x"), {}).url == "https://api.example/v1/x"
    two = {"swagger": "2.0", "host": "api.example", "schemes": ["https"], "paths": three["paths"]}
    assert request(Interface(two, "http://docs.example/a.json").operation("x"), {}).url == "https://api.example/x"


def test_a_server_that_is_no_url_is_an_error_of_the_document() -> None:
    """And no defect of ours."""
    document = {"openapi": "3.0.0", "servers": [{"url": "http://[::1"}], "paths": {"/x": {"get": {"operationId": "x"}}}}
    with pytest.raises(SettingInvalid, match="no URL of a server"):
        Interface(document, "http://docs.example/a.json").operation("x")


def changed(value: Any) -> Iterator[Any]:
    """The same document with one value replaced or removed, for every value in it."""
    for steps in places(value):
        for new in (None, 5, "x", True, [], {}, ["x"], {"x": 1}, "#/nowhere", "http://[", Gone):
            made = copy.deepcopy(value)
            parent = functools.reduce(operator.getitem, steps[:-1], made)
            if not steps:
                continue
            if new is Gone:
                del parent[steps[-1]]
            else:
                parent[steps[-1]] = new
            yield made


class Gone:
    """A change: the value is not there."""


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The steps to every value inside a value, itself included."""
    yield above
    for step, one in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(one, (*above, step))


@pytest.mark.parametrize("document", [THREE.encode(), json.dumps(TWO).encode()], ids=["OpenAPI 3", "Swagger 2"])
def test_whatever_is_wrong_with_a_document_is_said(document: bytes) -> None:
    """Every value of a document replaced by others: a request comes of it, or SettingInvalid, and nothing else."""
    calls: list[tuple[str, dict[str, Any]]] = [
        ("getOrder", {"order-id": 1, "tags": [1], "filter": {"a": [1]}, "X-Trace": {"a": 1}, "session": "s"}),
        ("createOrder", {"id": 1}),
        ("sendForm", {"a": {"b": 1}}),
        ("sendText", {"text": 5}),
        ("putOrder", {"id": 1, "a": [1], "order": {"n": 1}}),
        ("sendFile", {"note": None}),
    ]
    made = refused = 0
    for value in changed(parsed(document)):
        for name, given in calls:
            try:
                request(Interface(value, "http://x.example/openapi.json").operation(name), given)
                made += 1
            except SettingInvalid:
                refused += 1
    assert made > 100 and refused > 100


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no operation": ({"document": {"endpoint": "https://x.example"}}, ""),
    "no endpoint": ({"document": {}, "operationId": "x"}, "/document"),
    "an endpoint that is none": ({"document": {"endpoint": "x.json"}, "operationId": "x"}, "/document/endpoint"),
    "OAuth": (
        {"document": {"endpoint": "https://x.example"}, "operationId": "x", "authentication": {"oauth2": {}}},
        "/authentication/oauth2",
    ),
    "an unknown output": (
        {"document": {"endpoint": "https://x.example"}, "operationId": "x", "output": "all"},
        "/output",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_arguments_that_cannot_work_are_refused_before_anything_runs(name: str) -> None:
    """With their place."""
    told, place = REFUSED[name]
    with pytest.raises(SettingInvalid) as refused:
        await run(definition({"call": "openapi", "with": told}))
    assert refused.value.pointer == f"/do/0/a/with{place}"
