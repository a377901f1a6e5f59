"""Placeholders: values take their place in paths, queries, header fields, JSON and forms, and never more than that."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import UUID

import pytest
import responses
from endpoints import BASE, endpoint
from hypothesis import given, settings
from hypothesis import strategies as st

from apimgmt.connections.entities.asking import Asking, Outline
from apimgmt.connections.entities.template import Structure, Template
from apimgmt.errors import ConnectionFailed, SettingInvalid


def outline(path: str = "/x", **members: Any) -> Outline:
    """An outline of what is given; the rest is empty."""
    empty: dict[str, Any] = {"parameters": {}, "query": {}, "headers": {}, "body": None, "encoding": "json"}
    return Outline(path=path, **{**empty, "takes_rows": False, **members})


def asked_path(path: str, **values: Any) -> str:
    """The path of a request with these values."""
    return Asking(outline(path)).ask(None, values, {}).path


def naive_path(path: str, **values: Any) -> str:
    """The mutant: values are put into the path as they are."""
    return path.format(**values)


def test_a_text_that_is_a_placeholder_is_the_value_and_a_longer_one_a_text() -> None:
    """Types are kept where nothing stands around them."""
    assert Template("{n}", "body").value({"n": 5}) == 5
    assert Template("no. {n} of {m}", "body").value({"n": 5, "m": True}) == "no. 5 of true"
    assert Template("{{n}} {n}", "body").value({"n": "x"}) == "{n} x"
    assert Template("", "body").value({}) == ""


@pytest.mark.parametrize("text", ["{", "}", "a{b", "{a b}", "{1}", "{}", "{a}}", '{"a": 1}'])
def test_a_brace_that_is_no_placeholder_is_refused(text: str) -> None:
    """What was meant is not guessed; the message says how a brace is written."""
    with pytest.raises(SettingInvalid, match="a placeholder is written"):
        Template(text, "body")


@pytest.mark.parametrize(
    ("where", "place"),
    [
        ({"path": "/x/{Region}"}, "path {Region}"),
        ({"query": {"r": "{Region}"}}, "query r"),
        ({"headers": {"X-R": "{Region}"}}, "header X-R"),
        ({"body": {"a": [{"b": "in {Region}"}]}}, "body.a[0].b"),
        ({"path": "/x/{region}", "parameters": {"region": "{Region}"}}, "parameter region"),
    ],
    ids=["path", "query", "header", "body", "parameter"],
)
def test_a_missing_value_is_named_with_its_place(where: dict[str, Any], place: str) -> None:
    """Names are case-sensitive: ``region`` is not ``Region``."""
    with pytest.raises(ConnectionFailed) as caught:
        Asking(outline(**where)).ask(None, {"region": "eu"}, {})
    assert caught.value.cause == "request"
    assert str(caught.value) == f"{place}: there is no value for {{Region}}"


@pytest.mark.rows("C-036")
@responses.activate
def test_path_parameters_are_filled_from_the_flow_and_percent_encoded() -> None:
    """``/customers/{customerId}/orders/{orderId}`` from ``{CustomerId}`` and ``{OrderId}``, on the wire."""
    responses.get(f"{BASE}/customers/a%20b%2F%C3%A9/orders/7", json=[])
    source = endpoint(
        path="/customers/{customerId}/orders/{orderId}",
        parameters={"customerId": "{CustomerId}", "orderId": "{OrderId}"},
    )
    assert list(source.list(CustomerId="a b/é", OrderId=7)) == []
    assert responses.calls[0].request.url == f"{BASE}/customers/a%20b%2F%C3%A9/orders/7"


NASTY = ["..", ".", "../admin", "a/../b", "..\\x", "x/..", "", "a\r\nb", "a\x00b", "\x7f", "\ud800"]
FINE = ["a/b", "?x=1", "#f", "a?b#c", "%2e%2e", "%2F", "...", "a..b", ".x", "ü", "a b", ";v=1", "http://evil/", "a&b=c"]


@pytest.mark.rows("C-036")
@pytest.mark.parametrize("value", NASTY, ids=ascii)
def test_a_value_that_cannot_be_a_segment_is_refused(value: str) -> None:
    """Steps of dots, nothing at all and control characters."""
    with pytest.raises(ConnectionFailed) as caught:
        asked_path("/customers/{id}/orders", id=value)
    assert caught.value.cause == "request"


@pytest.mark.parametrize("value", FINE, ids=ascii)
def test_a_value_stays_in_its_segment(value: str) -> None:
    """Whatever it holds, it is one segment again when it is decoded, and there is no query."""
    path = asked_path("/customers/{id}/orders", id=value)
    parts = urlsplit(f"http://h{path}")
    assert (parts.query, parts.fragment) == ("", "")
    assert [unquote(segment) for segment in parts.path.split("/")] == ["", "customers", value, "orders"]


def test_the_naive_writer_of_paths_would_not_pass() -> None:
    """The test above is not empty: without encoding, most of the values leave their segment."""
    left = [value for value in FINE if len(naive_path("/c/{id}/o", id=value).split("/")) != 4 or set(value) & set("?#")]
    assert len(left) >= 5


def test_dots_that_only_come_together_are_refused() -> None:
    """A literal dot, or an encoded one, and a value that is a dot."""
    for template in ("/a/.{x}/b", "/a/%2e{x}/b", "/a/{x}{x}/b"):
        with pytest.raises(ConnectionFailed, match="another path"):
            asked_path(template, x=".")
    assert asked_path("/v{x}/{y}.json", x=".1", y="..a") == "/v.1/..a.json"


@settings(deadline=None)
@given(st.text(min_size=1))
def test_any_text_is_one_segment_or_refused(value: str) -> None:
    """A property: what is not refused is read back as it was."""
    try:
        path = asked_path("/a/{v}/z", v=value)
    except ConnectionFailed:
        return
    assert [unquote(segment) for segment in path.split("/")] == ["", "a", value, "z"]


@pytest.mark.rows("C-032", "C-037")
@responses.activate
def test_a_query_mixes_constants_and_placeholders() -> None:
    """``status: active, region: {Region}, limit: 100, page: {pageNumber}``; None leaves one out, a list repeats it."""
    responses.get(f"{BASE}/customers", json=[{"id": 1}])
    source = endpoint(
        query={
            "status": "active",
            "region": "{Region}",
            "limit": 100,
            "page": "{pageNumber}",
            "all": True,
            "tag": "{t}",
        }
    )
    assert list(source.list(Region="EU & UK", pageNumber=3, t=["a", "b"])) == [{"id": 1}]
    query = urlsplit(responses.calls[0].request.url).query
    assert "region=EU%20%26%20UK" in query
    assert parse_qsl(query) == [
        ("status", "active"),
        ("region", "EU & UK"),
        ("limit", "100"),
        ("page", "3"),
        ("all", "true"),
        ("tag", "a"),
        ("tag", "b"),
    ]
    list(source.list(Region=None, pageNumber=1, t=None))
    assert "region" not in responses.calls[1].request.url and "tag" not in responses.calls[1].request.url


def test_what_no_placeholder_takes_goes_into_the_query_but_never_over_a_constant() -> None:
    """A process that passes on what it was sent cannot change what the administrator fixed."""
    asking = Asking(outline(query={"tenant": 5}))
    assert asking.ask(None, {"status": "active"}, {}).query == [("tenant", "5"), ("status", "active")]
    with pytest.raises(ConnectionFailed, match="query tenant: the entity says what it is"):
        asking.ask(None, {"tenant": 6}, {})


def test_a_query_may_be_written_behind_the_path() -> None:
    """``/orders?customer_id={id}`` is what it looks like."""
    asked = Asking(outline("/orders?customer_id={id}&open")).ask(None, {"id": "a&b"}, {})
    assert (asked.path, asked.query) == ("/orders", [("customer_id", "a&b"), ("open", "")])


def test_header_fields_take_values_but_no_line_breaks() -> None:
    """A value cannot begin another field; None leaves its field out."""
    asking = Asking(outline(headers={"X-Request-ID": "{requestId}", "X-Source": "app {n}", "X-None": "{none}"}))
    asked = asking.ask(None, {"requestId": UUID(int=1), "n": 2, "none": None}, {})
    assert asked.headers == [("X-Request-ID", "00000000-0000-0000-0000-000000000001"), ("X-Source", "app 2")]
    for value in ("a\r\nX-Admin: 1", "a\nb", "a\rb", "a\x00b", "\x7f", "日本"):
        with pytest.raises(ConnectionFailed) as caught:
            asking.ask(None, {"requestId": value, "n": 1, "none": None}, {})
        assert caught.value.cause == "request" and str(caught.value).startswith("header X-Request-ID: ")


NAMES = ['"', '","admin":true,"x":"', "\\", "{email}", "</script>", "\n", "\u2028", "é", "null", "{{"]


@pytest.mark.rows("C-039")
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_values_are_escaped_in_a_json_body(name: str) -> None:
    """Whatever the value, the body has exactly the members of the template, and the value comes back as it was."""
    body = {"name": "{customerName}", "email": "{email}", "status": "active", "greeting": "Dear {customerName}!"}
    asked = Asking(outline(body=body)).ask(None, {"customerName": name, "email": "a@b.example"}, {})
    assert json.loads(asked.content) == {
        "name": name,
        "email": "a@b.example",
        "status": "active",
        "greeting": f"Dear {name}!",
    }
    assert ("Content-Type", "application/json") in asked.headers


def test_the_naive_writer_of_json_would_not_pass() -> None:
    """Put into text, the second name adds a member; the test above would see it."""
    text = '{"name": "' + NAMES[1] + '"}'
    assert json.loads(text).get("admin") is True


def test_values_keep_their_types_in_json() -> None:
    """Numbers, lists, objects, null, times and exact decimals; what JSON cannot say is refused without showing it."""
    values = {
        "n": 1.5,
        "l": [1, {"a": None}],
        "none": None,
        "t": datetime(2026, 1, 2, tzinfo=UTC),
        "d": Decimal("0.10"),
    }
    asking = Asking(outline(body={"a": "{n}", "b": ["{l}", 7, True, None], "c": "{none}", "t": "{t}", "d": "{d}"}))
    content = asking.ask(None, values, {}).content
    assert json.loads(content) == {
        "a": 1.5,
        "b": [[1, {"a": None}], 7, True, None],
        "c": None,
        "t": "2026-01-02T00:00:00+00:00",
        "d": 0.1,
    }
    assert b'"d":0.10' in content
    for value in (b"secret bytes", object(), 1 << 70, Decimal("NaN")):
        with pytest.raises(ConnectionFailed) as caught:
            asking.ask(None, {**values, "n": value}, {})
        assert caught.value.cause == "request" and "secret" not in str(caught.value)


@pytest.mark.rows("C-041")
@responses.activate
def test_a_form_is_sent_from_fields() -> None:
    """``application/x-www-form-urlencoded``; nothing in a value becomes another field."""
    responses.post(f"{BASE}/customers", json={"id": 1})
    source = endpoint(method="POST", encoding="form", body={"name": "{name}", "email": "{email}", "kind": "new"})
    source.send(name="a&admin=1", email="é@b.example")
    request = responses.calls[0].request
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qsl(request.body.decode()) == [("name", "a&admin=1"), ("email", "é@b.example"), ("kind", "new")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (5, "5"),
        (1.5, "1.5"),
        (Decimal("1.10"), "1.10"),
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02T03:04:00Z"),
        (datetime(2026, 1, 2, 3, 4), "2026-01-02T03:04:00"),
        (date(2026, 1, 2), "2026-01-02"),
    ],
    ids=str,
)
def test_values_have_one_text(value: Any, text: str) -> None:
    """Booleans as in JSON, times as in RFC 3339, decimals as they are."""
    assert Template("{v}!", "query v").text({"v": value}) == text + "!"


@pytest.mark.parametrize("value", [None, [1], {"a": 1}, b"x", float("nan")], ids=ascii)
def test_what_has_no_text_is_refused_inside_a_text(value: Any) -> None:
    """Null, lists, objects and bytes; the message names place and placeholder, not the value."""
    with pytest.raises(ConnectionFailed, match=r"query v: \{v\}: .* cannot be written as a text"):
        Template("x{v}", "query v").text({"v": value})


def test_a_structure_says_which_values_it_needs() -> None:
    """Also those behind another name."""
    mapped = {"id": Template("{CustomerId}", "parameter id")}
    assert Structure({"a": ["{id}", {"b": "{n} {m}"}]}, "body", mapped).names == {"CustomerId", "n", "m"}


def test_a_body_template_refuses_what_it_does_not_take() -> None:
    """A name that is written wrongly is not lost in silence."""
    with pytest.raises(ConnectionFailed, match="nothing takes 'emial'; the entity takes: email"):
        Asking(outline(body={"e": "{email}"})).ask(None, {"email": "a", "emial": "b"}, {})
