"""Validation and cleaning over HTTP: what is refused, and that what is judged is the clean text."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from apimgmt.settings import Settings
from harness import Client, serve

ALL = ["trim", "normalise", "control"]
NAME = {"type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-z\u00e9]+$"}
ORDER = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": NAME,
        "amount": {"type": "integer", "minimum": 1, "maximum": 10},
        "day": {"type": "string", "format": "date"},
        "tags": {"type": "array", "items": {"type": "object", "additionalProperties": NAME}},
    },
}
# "née" with an accent of its own, an override, and white space round it
DIRTY, CLEAN = "\u202e \tne\u0301e\u0000\u00a0", "n\u00e9e"
DIRTY_SENT = quote(DIRTY, safe="")


def document(content: dict[str, Any], *parameters: dict[str, Any]) -> dict[str, Any]:
    """One operation, ``post /orders/{id}``, with this body."""
    path = {"name": "id", "in": "path", "required": True, "schema": NAME}
    operation = {
        "operationId": "order",
        "parameters": [path, *parameters],
        "requestBody": {"content": content},
        "responses": {"200": {"description": "ok"}},
    }
    return {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/orders/{id}": {"post": operation}}}


def api(media_type: str, schema: Any, *parameters: dict[str, Any], steps: list[str] | None = None) -> Client:
    """The operation, with these steps of cleaning: all unless it is said."""
    content = {media_type: {"schema": schema}}
    trigger = {"textCleaning": ALL if steps is None else steps}
    return serve(document(content, *parameters), triggers={"order": trigger})


def query(name: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A query parameter."""
    return {"name": name, "in": "query", "schema": schema, **more}


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.rows("H-100")
@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"amount": 5}, "/name", "required"),
        ({"name": 5}, "/name", "type"),
        ({"name": "ann", "amount": "5"}, "/amount", "type"),
        ({"name": "ann", "amount": 11}, "/amount", "maximum"),
        ({"name": "ann", "amount": 0}, "/amount", "minimum"),
        ({"name": "ann", "day": "2026-02-30"}, "/day", "format"),
        ({"name": "a"}, "/name", "minLength"),
        ({"name": "annann"}, "/name", "maxLength"),
        ({"name": "Ann"}, "/name", "pattern"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_body_that_is_not_as_declared_is_refused(body: dict[str, Any], pointer: str, code: str) -> None:
    """Required members, types, ranges and formats: 400 with the place; at its limits it is taken."""
    client = api("application/json", ORDER, steps=[])
    answer = client.post("/orders/ann", json=body)
    assert answer.status == 400
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, code)]
    for good in ({"name": "an", "amount": 1}, {"name": "annan", "amount": 10, "day": "2026-02-28"}):
        assert client.post("/orders/ann", json=good).json()["body"] == good


@pytest.mark.rows("H-100")
@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("", "required"),
        ("?amount=ten", "type"),
        ("?amount=11", "maximum"),
        ("?amount=5&day=yesterday", "format"),
    ],
)
def test_a_parameter_that_is_not_as_declared_is_refused(target: str, code: str) -> None:
    """The same for parameters, which are texts and cast first."""
    amount = query("amount", ORDER["properties"]["amount"], required=True)
    client = api("application/json", ORDER, amount, query("day", ORDER["properties"]["day"]), steps=[])
    answer = client.post(f"/orders/ann{target}")
    assert answer.status == 400
    assert [(error["in"], error["code"]) for error in answer.json()["errors"]] == [("query", code)]
    assert client.post("/orders/ann?amount=10&day=2026-02-28").status == 200


# ---- what is cleaned -------------------------------------------------------------------------------------------------


@pytest.mark.rows("H-100")
def test_a_body_is_cleaned_before_it_is_judged() -> None:
    """At any depth, but for names; without the setting the same body is refused for its length and its pattern."""
    body = {"name": DIRTY, "tags": [{" a ": DIRTY}]}
    answer = api("application/json", ORDER).post("/orders/ann", json=body)
    assert answer.json()["body"] == {"name": CLEAN, "tags": [{" a ": CLEAN}]}
    refused = api("application/json", ORDER, steps=[]).post("/orders/ann", json=body)
    assert {error["code"] for error in refused.json()["errors"]} == {"maxLength", "pattern"}
    empty = api("application/json", ORDER).post("/orders/ann", json={"name": " a\u200b "})
    assert [error["code"] for error in empty.json()["errors"]] == ["minLength"]


PARAMETERS = [
    query("text", NAME),
    query("amount", {"type": "integer"}),
    query("either", {"anyOf": [{"type": "integer"}, NAME]}),
    query("list", {"type": "array", "items": NAME}, explode=False),
    query("many", {"type": "array", "items": NAME}),
    query("deep", {"type": "object", "properties": {"a": NAME}}, style="deepObject", explode=True),
    query("any", {"type": ["array", "string"], "items": NAME}, explode=False),
    {"name": "json", "in": "query", "content": {"application/json": {"schema": ORDER}}},
    {"name": "X-Text", "in": "header", "schema": NAME},
    {"name": "crumb", "in": "cookie", "schema": NAME},
]


@pytest.mark.rows("H-100")
@pytest.mark.parametrize(
    ("sent", "name", "value"),
    [
        (f"text={DIRTY_SENT}", "text", CLEAN),
        ("text=+ann%09", "text", "ann"),
        ("amount=%205%E2%80%8B", "amount", 5),
        ("either=%205", "either", 5),
        (f"either={DIRTY_SENT}", "either", CLEAN),
        (f"list={DIRTY_SENT},ann%20", "list", [CLEAN, "ann"]),
        (f"many={DIRTY_SENT}&many=%20ann", "many", [CLEAN, "ann"]),
        (f"deep[a]={DIRTY_SENT}", "deep", {"a": CLEAN}),
        (f"any={DIRTY_SENT},ann", "any", [CLEAN, "ann"]),
        ("json=" + quote('{"name": " ann\\u0000", "x ": " y "}'), "json", {"name": "ann", "x ": "y"}),
        (f"undeclared={DIRTY_SENT}", "undeclared", CLEAN),
        ("%20undeclared%20=a", " undeclared ", "a"),
    ],
)
def test_parameters_are_cleaned_before_they_are_cast(sent: str, name: str, value: Any) -> None:
    """Each item of what is split, each text in JSON; the name of a parameter is as it was sent."""
    answer = api("application/json", ORDER, *PARAMETERS).post(f"/orders/ann?{sent}")
    assert answer.status == 200, answer
    assert answer.json()["parameters"]["query"][name] == value


@pytest.mark.rows("H-100")
def test_paths_headers_and_cookies_are_cleaned_too() -> None:
    """The process sees clean texts; the header field of the request itself is as it came."""
    client = api("application/json", ORDER, *PARAMETERS)
    fields = {"X-Text": "an\u0085n".encode().decode("latin-1"), "Cookie": f"crumb={DIRTY_SENT}"}
    # control characters of ASCII in a path are refused before it is routed
    answer = client.post(f"/orders/{DIRTY_SENT.replace('%00', '').replace('%09', '')}", fields).json()
    found = answer["parameters"]
    assert (found["path"], found["header"], found["cookie"]) == ({"id": CLEAN}, {"X-Text": "ann"}, {"crumb": CLEAN})
    assert answer["trigger"]["httpCookies"] == {"crumb": DIRTY_SENT}


BOUNDARY = "frontier"
PARTS = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="name"\r\n\r\n{DIRTY}\r\n'
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="more"\r\nContent-Type: application/json\r\n\r\n'
    '{"a ": " b "}\r\n'
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename=" f "\r\n\r\n a \r\n--{BOUNDARY}--\r\n'
)
FORM = {"properties": {"name": NAME, "more": {"type": "object"}, "file": {"type": "string", "format": "binary"}}}
XML = {"type": "object", "properties": {"name": NAME, "amount": {"type": "integer"}}, "xml": {"name": "o"}}


@pytest.mark.rows("H-100")
@pytest.mark.parametrize(
    ("media_type", "schema", "content", "value"),
    [
        ("application/x-www-form-urlencoded", ORDER, f"name={DIRTY_SENT}&x=+y+", {"name": CLEAN, "x": "y"}),
        (
            f"multipart/form-data; boundary={BOUNDARY}",
            {"type": "object", **FORM},
            PARTS,
            {"name": CLEAN, "more": {"a ": "b"}, "file": {"filename": " f ", "contentType": "", "size": 3}},
        ),
        (
            "application/xml",
            XML,
            "<o><name>\u202ene\u0301e</name><amount>5\u200b</amount><x y=' z '> \u200bw</x></o>",
            {"name": CLEAN, "amount": 5, "x": {"y": "z"}},
        ),
        ("text/plain", NAME, DIRTY, CLEAN),
        ("text/plain", {"type": "integer"}, " 5\ufeff", 5),
        ("application/x-note", NAME, DIRTY, CLEAN),
        ("application/x-note", {"type": "object"}, DIRTY, CLEAN),
        ("application/octet-stream", {"type": "string", "format": "binary"}, " a\x00", "IGEA"),
    ],
)
def test_every_kind_of_body_is_cleaned_but_bytes(media_type: str, schema: Any, content: str, value: Any) -> None:
    """Forms, XML and texts like JSON; a file and a binary body are left alone (shown in Base64)."""
    client = api(media_type.split(";")[0], schema)
    answer = client.post("/orders/ann", {"Content-Type": media_type}, content)
    assert answer.status == 200, answer
    assert answer.json()["body"] == value


@pytest.mark.rows("H-100")
def test_what_is_not_declared_or_not_validated_is_cleaned_as_well() -> None:
    """A body that the document does not know, and what cannot be cast where validation is off."""
    bare = document({})
    operation = bare["paths"]["/orders/{id}"]["post"]
    del operation["requestBody"]
    operation["parameters"].append(query("deep", {"type": "object"}, style="deepObject"))
    client = serve(bare, trigger={"textCleaning": ALL, "validate": False})
    for content, value in ((f'{{"a": " b{chr(0x202E)} "}}', {"a": "b"}), (" no JSON\u200b", "no JSON")):
        answer = client.post("/orders/Ann%20", {"Content-Type": "application/json"}, content)
        assert (answer.json()["body"], answer.json()["parameters"]["path"]) == (value, {"id": "Ann"})


def test_the_bytes_of_a_body_stay_as_they_came() -> None:
    """A signature is over what was sent; with ``rawBody`` there is nothing else."""
    answer = api("application/json", ORDER).post(
        "/orders/ann", {"Content-Type": "application/json"}, '{"name": " ann "}'
    )
    assert answer.json()["body"] == {"name": "ann"}
    assert answer.json()["trigger"]["httpBody"] == '{"name": " ann "}'
    raw = serve(document({"application/json": {}}), trigger={"textCleaning": ALL, "rawBody": True})
    answer = raw.post("/orders/%20ann", {"Content-Type": "application/json"}, '" a "')
    assert answer.json()["trigger"]["httpContentBytesInBase64"] == "IiBhICI="
    assert answer.json()["parameters"]["path"] == {"id": "ann"}


def test_the_depth_of_a_body_has_the_same_limit_with_cleaning() -> None:
    """At the limit the innermost text is cleaned; one past it the reader refuses the body."""
    client, most = api("application/json", {}), Settings().json_depth
    dirty, clean = ("[" * most + text + "]" * most for text in ('" a "', '"a"'))
    assert client.post("/orders/ann", json=json.loads(dirty)).json()["body"] == json.loads(clean)
    assert client.post("/orders/ann", json=[json.loads(dirty)]).status == 400
