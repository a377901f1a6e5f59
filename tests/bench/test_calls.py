"""Requests made from a document alone (bench/calls.py), written as the tables of the specifications show it."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.model import Body, Encoding, MediaType, Operation, Parameter
from bench.calls import BOUNDARY, Call, Unsendable, make

LIST = {"const": ["blue", "black"]}
RGB = {"const": {"R": 100, "G": 200}}


def call(*parameters: Parameter, path: str = "/", body: Body | None = None, **more: Any) -> Call:
    """The request for one operation."""
    return make(Operation(key="k", method="post", path=path, parameters=parameters, body=body), {}, **more)


def parameter(location: Any, schema: Any, style: Any, explode: bool = False, **more: Any) -> Parameter:
    """A required parameter ``color``."""
    return Parameter(
        name="color", location=location, schema=schema, style=style, explode=explode, required=True, **more
    )


@pytest.mark.parametrize(
    ("schema", "style", "explode", "text"),
    [
        ({"const": "a b"}, "simple", False, "a%20b"),
        ({"const": True}, "simple", False, "true"),
        (LIST, "simple", False, "blue,black"),
        (RGB, "simple", False, "R,100,G,200"),
        (RGB, "simple", True, "R=100,G=200"),
        (LIST, "label", True, ".blue.black"),
        (RGB, "label", True, ".R=100.G=200"),
        ({"const": "blue"}, "matrix", False, ";color=blue"),
        (LIST, "matrix", False, ";color=blue,black"),
        (LIST, "matrix", True, ";color=blue;color=black"),
        (RGB, "matrix", False, ";color=R,100,G,200"),
        (RGB, "matrix", True, ";R=100;G=200"),
    ],
)
def test_the_style_table_of_paths(schema: Any, style: str, explode: bool, text: str) -> None:
    """RFC 6570 as OpenAPI applies it."""
    assert call(parameter("path", schema, style, explode), path="/{color}").path == f"/{text}"


@pytest.mark.parametrize(
    ("schema", "style", "explode", "text"),
    [
        (LIST, "form", True, "color=blue&color=black"),
        (LIST, "form", False, "color=blue,black"),
        (RGB, "form", True, "R=100&G=200"),
        (RGB, "form", False, "color=R,100,G,200"),
        (LIST, "spaceDelimited", False, "color=blue%20black"),
        (LIST, "pipeDelimited", False, "color=blue%7Cblack"),
        (RGB, "deepObject", True, "color[R]=100&color[G]=200"),
    ],
)
def test_the_style_table_of_queries(schema: Any, style: str, explode: bool, text: str) -> None:
    """Queries, and cookies of style form alike."""
    assert call(parameter("query", schema, style, explode)).query == text


def test_headers_and_cookies() -> None:
    """Headers are not encoded; cookies are one field."""
    made = call(parameter("header", {"const": "a b"}, "simple"), parameter("cookie", {"const": "a b"}, "form"))
    assert made.headers == [("color", "a b"), ("Cookie", "color=a%20b")]


def test_only_what_is_required_or_everything() -> None:
    """Optional parameters and an optional body are in the second request only."""
    optional = Parameter(name="q", location="query", schema={"const": 1})
    body = Body(content={"application/json": MediaType(schema={"const": 5})})
    assert call(optional, body=body) == Call("POST", "/", "", [], b"")
    full = call(optional, body=body, everything=True)
    assert full == Call("POST", "/", "q=1", [("Content-Type", "application/json")], b"5")


def test_bodies_by_media_type() -> None:
    """JSON, forms with their encodings, multipart; a name that is no media type is sent as JSON."""
    value = MediaType(schema={"const": {"a": [1, 2], "b": {"c": "d"}}}, encoding={"a": Encoding(explode=False)})
    names = ("", "a/json", "multipart/form-data", "text/plain; utf-8")
    sent = {name: call(body=Body(required=True, content={name: value})) for name in names}
    assert sent[""].headers == [("Content-Type", "application/json")]
    assert sent["text/plain; utf-8"].headers == [("Content-Type", "application/json")]
    assert sent["a/json"].body == b'{"a": [1, 2], "b": {"c": "d"}}'
    assert sent["multipart/form-data"].body.count(BOUNDARY.encode()) == 4
    form = call(body=Body(required=True, content={"application/x-www-form-urlencoded": value}))
    assert form.body == b"a=1,2&b[c]=d"


def test_what_cannot_be_sent() -> None:
    """A path has no slash in a segment; what does not fit is sent with a doubt."""
    with pytest.raises(Unsendable):
        call(parameter("path", {"const": "a/b"}, "simple"), path="/{color}")
    assert call(parameter("query", {"allOf": [{"type": "string"}, {"type": "integer"}]}, "form")).doubts


@pytest.mark.parametrize(
    ("pattern", "path"), [("^arn/[a-z]*$", "/arn/"), ("^/arn$", "/arn"), ("^(a/b|c)$", "/c"), ("^arn/[.]*$", "/arn/")]
)
def test_values_of_a_path_that_may_have_slashes(pattern: str, path: str) -> None:
    """Several segments where a slash has to be, the last of them perhaps empty; else a value without a slash."""
    assert call(parameter("path", {"type": "string", "pattern": pattern}, "simple"), path="/{color}").path == path
