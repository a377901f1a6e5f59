"""Bytes to a Document: media types, versions, doubles, numbers, limits, and places."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from apimgmt.errors import DocumentRefused
from apimgmt.model import Finding
from apimgmt.settings import Settings
from apimgmt.spec.intake.loader import load

HEAD = "openapi: 3.0.3\ninfo: {title: t, version: '1'}\npaths: {}\n"


def document(**more: Any) -> bytes:
    """A small document as JSON."""
    return json.dumps({"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}, **more}).encode()


def refused(content: bytes, media_type: str = "", **settings: Any) -> Finding:
    """The one finding with which loading ends."""
    with pytest.raises(DocumentRefused) as caught:
        load(content, media_type, msgspec.structs.replace(Settings(), **settings))
    (finding,) = caught.value.findings
    assert finding.severity == "error"
    return finding


@pytest.mark.parametrize("media_type", ["application/json", "application/yaml", "", "text/plain; charset=utf-8"])
def test_json_is_read_whatever_it_is_called(media_type: str) -> None:
    """A document that starts with a brace is JSON under every media type."""
    assert load(document(), media_type, Settings()).root["info"] == {"title": "t", "version": "1"}


def test_yaml_is_read_without_a_media_type() -> None:
    """What does not start with a brace is YAML."""
    assert load(HEAD.encode(), "", Settings()).root["openapi"] == "3.0.3"


def test_flow_yaml_that_looks_like_json_is_read() -> None:
    """YAML may start with a brace too; only a file that says it is JSON has to be JSON."""
    flow = b"{openapi: 3.0.3, info: {title: t, version: '1'}, paths: {}}"
    assert load(flow, "application/yaml", Settings()).root["paths"] == {}
    assert refused(flow, "application/json").code == "syntax"


@pytest.mark.parametrize(
    ("head", "specification"),
    [
        ('swagger: "2.0"', "2.0"),
        ("swagger: 2.0", "2.0"),
        ("swagger: 2", "2.0"),
        ("openapi: 3.0.4", "3.0"),
        ("openapi: 3.1", "3.1"),
        ("openapi: 3.1.1", "3.1"),
        ("openapi: 3.2.0", "3.2"),
        ("openapi: 3.0.0-rc2", "3.0"),
    ],
)
def test_versions_are_known_also_when_written_as_numbers(head: str, specification: str) -> None:
    """All four specifications are told apart; a number is written back as the string that it should have been."""
    loaded = load(f"{head}\ninfo: {{}}\n".encode(), "", Settings())
    assert loaded.specification == specification
    assert isinstance(loaded.root.get("openapi", loaded.root.get("swagger")), str)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("swagger: '1.2'", "version"),
        ("openapi: 4.0.0", "version"),
        ("openapi: 3.3.0", "version"),
        ("openapi: [3]", "version"),
        ("asyncapi: 2.6.0", "not-openapi"),
        ("[1]", "not-openapi"),
        ("", "not-openapi"),
    ],
)
def test_other_documents_are_refused_kindly(content: str, code: str) -> None:
    """What is no OpenAPI document of a known version is refused with one finding that says so."""
    assert refused(content.encode()).code == code


def test_the_place_of_a_syntax_error_is_told() -> None:
    """Line and column of the first wrong character, in JSON and in YAML."""
    finding = refused(b'{\n "a": 1,\n "b" 2}', "application/json")
    assert (finding.line, finding.column) == (3, 6)
    finding = refused(b"a: 1\nb: [1, 2\nc: 3\n", "application/yaml")
    assert finding.line == 3


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 500])
def test_numbers_that_json_cannot_hold_are_refused(literal: str) -> None:
    """No NaN, no infinity, and no number that becomes one."""
    assert refused(b'{"openapi": "3.0.3", "x-a": ' + literal.encode() + b"}").code == "number"


def test_integers_beyond_64_bits_become_floats() -> None:
    """They could not be written as JSON by every library otherwise; within 64 bits they stay exact."""
    root = load(document(**{"x-a": 2**64, "x-b": 2**64 - 1, "x-c": -(2**63)}), "", Settings()).root
    assert (root["x-a"], type(root["x-a"])) == (2.0**64, float)
    assert (root["x-b"], root["x-c"]) == (2**64 - 1, -(2**63))


def test_half_a_surrogate_pair_is_refused_and_a_whole_one_is_not() -> None:
    """Every string of a loaded document can be written as UTF-8."""
    assert load(rb'{"openapi": "3.0.3", "x-a": "\ud83d\ude00"}', "", Settings()).root["x-a"] == "\U0001f600"
    finding = refused(b'{"openapi": "3.0.3",\n "x-a": "' + rb'\ud83d"}')
    assert (finding.code, finding.line, finding.column) == ("text", 2, 10)


@pytest.mark.parametrize("media_type", ["application/json", "application/yaml"])
def test_a_name_that_decides_may_not_be_there_twice(media_type: str) -> None:
    """Readers differ in which one they take, so that a check could see another document than the server."""
    content = b'{"openapi": "3.0.3",\n "paths": {},\n "paths": {}}'
    if media_type == "application/yaml":
        content = b"openapi: 3.0.3\npaths: {}\npaths: {}\n"
    (finding,) = load(content, media_type, Settings()).findings
    assert (finding.severity, finding.code, finding.line) == ("error", "duplicate-name", 3)


def test_a_name_that_only_describes_may_be_there_twice() -> None:
    """Two descriptions are a warning, the last one counts; all doubles are found, each with its place."""
    content = b'{"openapi": "3.0.3", "info": {"title": "a",\n "title": "b"}, "tags": [],\n "tags": [1]}'
    loaded = load(content, "", Settings())
    assert loaded.root["info"] == {"title": "b"}
    assert [(finding.severity, finding.line) for finding in loaded.findings] == [("warning", 2), ("warning", 3)]


def nested(depth: int) -> Any:
    """A list in a list ... so that a document with it as an extension is ``depth`` deep."""
    value: Any = []
    for _ in range(depth - 2):
        value = [value]
    return value


@pytest.mark.parametrize("as_yaml", [False, True])
def test_limits_hold_at_the_limit_and_not_beyond(as_yaml: bool) -> None:
    """Depth, number of values, length of strings: the limit passes, one more is refused by its name."""

    def attempt(value: Any, **settings: Any) -> str:
        content = document(**{"x-a": value})
        if as_yaml:
            content = HEAD.encode() + b"x-a: " + json.dumps(value).encode()
        limits = msgspec.structs.replace(Settings(), **settings)
        try:
            return load(content, "", limits).specification
        except DocumentRefused as refusal:
            return refusal.findings[0].code

    assert attempt(nested(10), document_depth=10) == "3.0"
    assert attempt(nested(11), document_depth=10) == "too-much-depth"
    assert attempt("x" * 99, document_text=99) == "3.0"
    assert attempt("x" * 100, document_text=99) == "too-much-text"
    assert attempt("\u00e9" * 50, document_text=100) == "3.0"
    assert attempt("\u00e9" * 50, document_text=99) == "too-much-text"
    assert attempt([0] * 93, document_nodes=100) == "3.0"
    assert attempt([0] * 94, document_nodes=100) == "too-much-nodes"


def test_the_limit_of_bytes_holds() -> None:
    """A document of exactly the limit is read; one more byte is refused before anything is parsed."""
    content = document()
    assert load(content, "", msgspec.structs.replace(Settings(), document_bytes=len(content)))
    assert refused(content, document_bytes=len(content) - 1).code == "too-much-bytes"


@pytest.mark.parametrize("content", [b"[" * 101, b'{"a": ' * 5_000, b"[" * 100_000])
@pytest.mark.parametrize("media_type", ["application/json", "application/yaml"])
def test_depth_is_refused_with_its_place(content: bytes, media_type: str) -> None:
    """The bracket that goes too deep is named, however deep the rest goes."""
    if media_type == "application/json" and content == b"[" * 101:
        content += b"]" * 101
    finding = refused(content, media_type)
    assert finding.code in ("too-much-depth", "not-openapi")


def test_places_lead_to_names_and_items() -> None:
    """The place of a member is that of its name, of an item that of the item; what is not there gives its parent's."""
    for content in (
        b'{\n "openapi": "3.0.3",\n "tags": [\n  {"name": "a"},\n  {"name": "b"}]}',
        b'openapi: 3.0.3\n\ntags:\n- {name: "a"}\n- {name: "b"}\n',
    ):
        loaded = load(content, "", Settings())
        assert loaded.locate("/openapi")[0] == (2 if content.startswith(b"{") else 1)
        assert loaded.locate("/tags")[0] == 3
        assert loaded.locate("/tags/1")[0] == 5
        assert loaded.locate("/tags/1/name")[0] == 5
        assert loaded.locate("/tags/7/name") == loaded.locate("/tags")
