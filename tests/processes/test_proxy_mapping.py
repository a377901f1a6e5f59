"""proxy: requests that are made of others, answers that are held against the document, the mock for what is missing."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from connections.faults import Faults
from invocations import api, operation
from processes.proxied import proxied

from apimgmt.errors import SettingInvalid
from apimgmt.model import Parameter
from apimgmt.processes.proxy import Proxy
from apimgmt.processes.proxying.target import properties
from apimgmt.reading import read

JSON = {"Content-Type": "application/json"}


def test_a_request_is_made_of_expressions() -> None:
    """Path, query, fields and body are filled with the values of the request; what is missing is left out."""
    binding: dict[str, Any] = {
        "path": "/customers/{path.id}/orders",
        "query": {"q": "{query.q}", "tag": "t-{path.id}", "none": "{header.X-Tenant}", "fixed": 5},
        "headers": {"X-Language": "{cookie.lang}", "X-Who": "{caller}", "X-Tenant-Id": "t:{header.x-tenant}"},
        "on": "get",
    }
    with Faults() as upstream, proxied(upstream.url, **binding) as client:
        client.get("/shop/items/a%20b?q=1&q=2%263", {"Cookie": "lang=de"})
    seen = upstream.requests[0]
    assert seen.target == "/customers/a%20b/orders?q=1&q=2%263&tag=t-a+b&fixed=5"
    assert seen.headers["x-language"] == "de"
    assert not {"x-who", "x-tenant-id", "cookie"} & seen.headers.keys()


def test_a_body_is_made_of_expressions() -> None:
    """An expression that stands alone keeps its type; the method can be another."""
    body = {"who": {"id": "{path.id}", "n": "{body.a.n}", "text": "n={body.a.n}"}, "list": ["{body.a}", 1, None]}
    binding: dict[str, Any] = {"method": "PATCH", "body": {**body, "gone": "{body.x.y}"}, "on": "post"}
    with Faults() as upstream, proxied(upstream.url, **binding) as client:
        client.request("POST", "/shop/items/7", {**JSON, "Content-Encoding": "identity"}, b'{"a": {"n": 1.5}}')
    seen = upstream.requests[0]
    assert (seen.method, seen.headers["content-type"]) == ("PATCH", "application/json")
    assert json.loads(seen.body) == {
        "who": {"id": "7", "n": 1.5, "text": "n=1.5"},
        "list": [{"n": 1.5}, 1, None],
        "gone": None,
    }


@pytest.mark.parametrize("value", ["x%0d%0aInjected:%201", "x%00", "%E2%82%AC"], ids=["newline", "null", "euro"])
def test_a_value_cannot_become_a_second_field(value: str) -> None:
    """What a field cannot hold is 400, and nothing is sent."""
    binding: dict[str, Any] = {"headers": {"X-Q": "{query.s}"}, "on": "get"}
    with Faults() as upstream, proxied(upstream.url, **binding) as client:
        got = client.get(f"/shop/items/1?s={value}")
    assert got.status == 400
    assert upstream.connections == 0


def sent_path(value: str, path: str) -> tuple[int, str]:
    """The status, and the path that the other system saw, for the value of ``q``."""
    binding: dict[str, Any] = {"path": path, "query": "none", "on": "get"}
    with Faults() as upstream, proxied(upstream.url, **binding) as client:
        got = client.get(f"/shop/items/1?q={value}" if value else "/shop/items/1")
        return got.status, upstream.requests[0].target if upstream.requests else ""


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ("a/b", "/x/%5B%22a%2Fb%22%5D/y"),
        ("..", "/x/%5B%22..%22%5D/y"),
    ],
    ids=["slash", "dots"],
)
def test_a_list_in_a_path_is_one_segment(value: str, target: str) -> None:
    """Whatever is in a value, it is one segment."""
    assert sent_path(value, "/x/{query.q}/y") == (200, target)


@pytest.mark.parametrize("tenant", ["..", ".", "%2e%2e", "..%2f.."], ids=["two", "one", "encoded", "slash"])
def test_a_value_cannot_lead_to_another_path(tenant: str) -> None:
    """Dots are refused; what looks encoded already is encoded once more."""
    binding: dict[str, Any] = {"path": "/tenants/{header.X-Tenant}/x", "query": "none", "on": "get"}
    with Faults() as upstream, proxied(upstream.url, **binding) as client:
        got = client.get("/shop/items/1", {"X-Tenant": tenant})
    targets = [seen.target for seen in upstream.requests]
    if tenant in ("..", "."):
        assert (got.status, targets) == (400, [])
    else:
        assert (got.status, len(targets)) == (200, 1)
        assert targets[0].startswith("/tenants/") and targets[0].count("/") == 3 and "%25" in targets[0]


def test_a_missing_value_of_the_path_is_400() -> None:
    """There is no path without it."""
    assert sent_path("", "/x/{query.q}") == (400, "")


@pytest.mark.parametrize(
    ("binding", "said"),
    [
        ({"path": "customers"}, "begin with one slash"),
        ({"path": "/a//b"}, "begin with one slash"),
        ({"path": "/a?b=1"}, "put the query under"),
        ({"path": "/a b"}, "percent-encode"),
        ({"path": "/{id}"}, "an expression is"),
        ({"path": "/{path.nr}"}, "it has: id"),
        ({"path": "/{path.id"}, "a brace belongs"),
        ({"query": {"a": "{query.zz}"}}, "no query parameter 'zz'"),
        ({"query": "some"}, "query"),
        ({"headers": {"Connection": "close"}}, "belongs to one connection"),
        ({"headers": {"X Y": "1"}}, "no name of a header field"),
        ({"forward": ["Transfer-Encoding"]}, "never passed on"),
        ({"forward": "all"}, "forward"),
        ({"body": {"a": "{nothing}"}}, "an expression is"),
        ({"timeout": 0}, "timeout"),
        ({"method": "get"}, "method"),
        ({"validate": "maybe"}, "validate"),
        ({"unknown": 1}, "unknown"),
    ],
    ids=lambda value: "" if isinstance(value, str) else json.dumps(value)[:30],
)
def test_a_mapping_that_cannot_work_is_refused_when_it_is_made(binding: dict[str, Any], said: str) -> None:
    """With what is wrong and what there is, before anything is published."""
    one = operation(Parameter(name="id", location="path", required=True))
    with pytest.raises(SettingInvalid) as caught:
        read({"connection": "crm", **binding}, Proxy).build(one, api(one))
    assert said in f"{caught.value} {caught.value.pointer}"


@pytest.mark.parametrize(
    ("schema", "names", "is_open"),
    [
        ({"type": "string"}, set(), False),
        ({"type": "object", "properties": {"a": {}}}, {"a"}, True),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": False}, {"a"}, False),
        ({"$ref": "#/$defs/Point"}, {"x"}, False),
        ({"allOf": [{"$ref": "#/$defs/Point"}, {"properties": {"y": {}}}]}, {"x", "y"}, True),
        ({"$ref": "#/$defs/Loop"}, set(), False),
        (True, set(), False),
    ],
    ids=["text", "open", "closed", "reference", "composed", "loop", "anything"],
)
def test_the_properties_of_a_spread_object(schema: Any, names: set[str], is_open: bool) -> None:
    """They are the names under which an object stands in a query."""
    point = {"type": "object", "properties": {"x": {}}, "additionalProperties": False}
    schemas = {"Point": point, "Loop": {"$ref": "#/$defs/Loop"}}
    assert properties(schema, schemas) == (names, is_open)


ANSWERS = {
    "fits": (200, b'{"ok": true, "next": {"ok": false}}', "application/json", ""),
    "other type": (200, b'{"ok": 1}', "application/json; charset=utf-8", "at /ok (type)"),
    "deep": (200, b'{"ok": true, "next": {}}', "application/json", "/next"),
    "no JSON": (200, b"{", "application/json", "is not JSON"),
    "media type": (200, b"<ok/>", "text/xml", "media type text/xml is not declared"),
    "status": (201, b'{"ok": true}', "application/json", "status 201 is not declared"),
    "nothing": (200, b"", "", "there is no body"),
}


def answer(name: str) -> bytes:
    """One of ``ANSWERS`` on the wire."""
    status, body, kind, _ = ANSWERS[name]
    typed = f"Content-Type: {kind}\r\n" if kind else ""
    return f"HTTP/1.1 {status} X\r\n{typed}Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("validate", ["off", "report", "enforce"])
def test_answers_are_held_against_the_document(name: str, validate: str, caplog: pytest.LogCaptureFixture) -> None:
    """Off: passed. Report: passed, and the log says what is wrong. Enforce: 502, and the log says it."""
    status, body, _, fault = ANSWERS[name]
    caplog.set_level(logging.WARNING)
    with Faults(answer(name)) as upstream, proxied(upstream.url, validate=validate) as client:
        got = client.get("/shop/items/1")
    told = caplog.text
    if validate == "enforce" and fault:
        assert (got.status, got.json()["type"].rpartition("/")[2]) == (502, "upstream-failed")
        assert fault not in got.text
    else:
        assert (got.status, got.body) == (status, body)
    if validate != "off":
        assert fault in told
        assert bool(fault) == bool(told)


def test_an_encoded_answer_is_validated_and_passed_unpacked() -> None:
    """What is to be judged is unpacked; the caller gets it so."""
    with Faults("gzip", body=b'{"ok": true}') as upstream, proxied(upstream.url, validate="enforce") as client:
        got = client.get("/shop/items/1")
    assert (got.status, got.body, got.header("content-encoding")) == (200, b'{"ok": true}', None)
    assert upstream.requests[0].headers["accept-encoding"] == "gzip, deflate"


def test_a_bomb_is_502_where_answers_are_validated() -> None:
    """The limit of the connection holds for what comes out."""
    with Faults("gzip-bomb") as upstream, proxied(upstream.url, validate="report") as client:
        assert client.get("/shop/items/1").status == 502


@pytest.mark.parametrize("length", [0, 100_000], ids=["short", "long"])
def test_the_mock_answers_what_is_not_implemented(length: int) -> None:
    """501 of the other system becomes the mock's answer, if that is wanted; nothing else does."""
    refused = b"HTTP/1.1 501 No\r\nContent-Length: %d\r\n\r\n" % length + bytes(length)
    with Faults(refused) as upstream, proxied(upstream.url, mockOn501=True) as client:
        got = client.get("/shop/items/1")
        assert (got.status, got.header("x-apimgmt-source")) == (200, "mock")
        assert isinstance(got.json()["ok"], bool)
    with Faults(refused) as upstream, proxied(upstream.url) as client:
        assert client.get("/shop/items/1").status == 501
    with Faults("unavailable") as upstream, proxied(upstream.url, mockOn501=True) as client:
        assert client.get("/shop/items/1").status == 503
