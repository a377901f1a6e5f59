"""Envelopes: the body, its charset and its headers (F-116 to F-119)."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.errors import Problem
from apimgmt.gateway.messages.envelopes import envelope_of, envelope_reply, framed, is_envelope
from apimgmt.gateway.messages.reply import Reply


def _reply(**members: Any) -> Reply:
    return envelope_reply(envelope_of({"HttpStatusCode": 200, "Content": "", **members}), "text/plain")


@pytest.mark.rows("F-117", "F-118")
@pytest.mark.parametrize(
    ("content", "content_type", "encoding", "body", "sent"),
    [
        ("é", "text/plain", "iso-8859-1", b"\xe9", b"text/plain; charset=iso-8859-1"),
        ("é", "text/plain", "utf-8", b"\xc3\xa9", b"text/plain; charset=utf-8"),
        ("é", "text/plain", None, b"\xc3\xa9", b"text/plain; charset=utf-8"),
        ("e", "text/plain", None, b"e", b"text/plain"),
        ("é", "application/json", "utf-8", b"\xc3\xa9", b"application/json"),
        ("é", "application/json", None, b"\xc3\xa9", b"application/json"),
        ("é", "text/html; charset=latin-1", None, b"\xe9", b"text/html; charset=latin-1"),
        ("é", 'text/html;charset="utf-8";x=y', "latin-1", b"\xe9", b"text/html; charset=latin-1;x=y"),
        ("é", None, "latin-1", b"\xe9", b"text/plain; charset=latin-1"),
        ("é", "application/xml", "utf-16-le", b"\xe9\x00", b"application/xml; charset=utf-16-le"),
    ],
)
def test_charset(content: str, content_type: str | None, encoding: str | None, body: bytes, sent: bytes) -> None:
    """The bytes and the charset agree; a type is left as it is where there is nothing to add."""
    reply = _reply(Content=content, ContentType=content_type, ContentEncoding=encoding)
    assert (reply.body, reply.header(b"content-type")) == (body, sent)


@pytest.mark.parametrize("encoding", ["hex", "nonsense", "ascii", "rot13", "a\0b"])
def test_encoding_that_is_none(encoding: str) -> None:
    """An encoding that does not exist, is no text encoding or lacks a character is a bad result."""
    with pytest.raises(Problem):
        _reply(Content="é", ContentEncoding=encoding)


@pytest.mark.rows("F-119")
@pytest.mark.parametrize(
    "headers",
    [
        [{"Key": "Set-Cookie", "Value": "a=1"}, {"Key": "Set-Cookie", "Value": "b=2"}],
        [{"key": "set-cookie", "value": "a=1"}, {"name": "set-cookie", "value": "b=2"}],
        [["Set-Cookie", "a=1"], ("Set-Cookie", "b=2")],
        {"Set-Cookie": ["a=1", "b=2"]},
    ],
)
def test_headers(headers: Any) -> None:
    """Two pairs with one key are both sent, in whichever way the list is written."""
    reply = _reply(HttpHeaders=headers)
    assert [field for field in reply.headers if field[0] == b"set-cookie"] == [
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
    ]


@pytest.mark.parametrize("headers", [["x"], [{"Key": "a"}], 5, [["a"]]])
def test_headers_that_are_none(headers: Any) -> None:
    """Headers that are not pairs are a bad result, not an exception of another kind."""
    with pytest.raises(Problem):
        _reply(HttpHeaders=headers)


@pytest.mark.parametrize("member", [{"Content": 5}, {"ContentType": 5}, {"ContentEncoding": 5}, {"HttpStatusCode": 0}])
def test_wrong_types(member: dict[str, Any]) -> None:
    """A member of the wrong type is a bad result."""
    with pytest.raises(Problem):
        _reply(**member)


def test_content_may_be_nothing_or_bytes() -> None:
    """No content is an empty body without a type; bytes go as they are."""
    reply = _reply(Content=None)
    assert (reply.body, reply.header(b"content-type"), reply.header(b"content-length")) == (b"", None, b"0")
    assert _reply(Content=b"\xff").body == b"\xff"


@pytest.mark.rows("F-114", "F-120")
def test_what_is_an_envelope() -> None:
    """Both properties are needed, whatever their values."""
    assert is_envelope({"HttpStatusCode": None, "Content": None})
    assert not is_envelope({"HttpStatusCode": 200})
    assert not is_envelope({"Content": ""})


@pytest.mark.rows("H-038")
def test_framing() -> None:
    """204 has neither type nor length, 205 the length 0, 304 keeps its type; others have a length."""
    fields = [(b"content-type", b"text/plain"), (b"etag", b'"1"')]
    assert framed(204, fields, b"x") == Reply(204, fields[1:], b"")
    assert framed(205, fields, b"x") == Reply(205, [fields[1], (b"content-length", b"0")], b"")
    assert framed(304, fields, b"x") == Reply(304, fields, b"")
    assert framed(200, fields, b"x") == Reply(200, [*fields, (b"content-length", b"1")], b"x")
