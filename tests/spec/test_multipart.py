"""Multipart forms: fields, files, JSON parts, limits."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.errors import Problem
from apimgmt.model import Encoding, MediaType
from apimgmt.settings import Settings
from apimgmt.spec.media import MediaRange
from apimgmt.spec.request.multipart import UploadedFile, compile_multipart, without_files
from apimgmt.spec.request.styles import undecoded
from apimgmt.spec.request.values import Caster
from apimgmt.spec.validation.validator import Validators

FILE = {"type": "string", "format": "binary"}
SCHEMA: Any = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "note": {"type": "string"},
        "ids": {"type": "array", "items": {"type": "integer"}},
        "file": FILE,
        "files": {"type": "array", "items": FILE},
        "owner": {"type": "object", "properties": {"id": {"type": "integer"}}},
        "picture": {"type": "string", "contentMediaType": "image/png"},
        "inline": {"type": "string", "contentMediaType": "image/png", "contentEncoding": "base64"},
    },
}


def part(disposition: str, content: bytes, *headers: str) -> bytes:
    """One part between boundaries."""
    lines = [f"Content-Disposition: form-data; {disposition}", *headers]
    return b"--B\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + content + b"\r\n"


def read(
    *parts: bytes,
    boundary: str = "B",
    end: bytes = b"--B--\r\n",
    settings: Settings | None = None,
    **encoding: Encoding,
) -> tuple[Any, list[tuple[str, str]]]:
    """The object of a body and the pointer and code of every violation."""
    caster = Caster(Validators({}), settings or Settings(), undecoded)
    violations: list[dict[str, Any]] = []
    content = MediaType(schema=SCHEMA, encoding=encoding)
    kind = MediaRange("multipart/form-data", {"boundary": boundary} if boundary else {})
    value = compile_multipart(caster, content)(b"".join(parts) + end, kind, violations)
    return value, [(entry["pointer"], entry["code"]) for entry in violations]


def test_fields_are_cast() -> None:
    """A text is cast as in a query; repeated parts are the items of an array; undeclared parts are texts."""
    parts = [part('name="id"', b"7"), part('name="ids"', b"1"), part('name="ids"', b"2"), part('name="x"', b"5")]
    assert read(*parts) == ({"id": 7, "ids": [1, 2], "x": "5"}, [])
    assert read(part('name="note"', "é,ü+%20".encode())) == ({"note": "é,ü+%20"}, [])


@pytest.mark.rows("F-059")
def test_files_arrive_unchanged() -> None:
    """A file has the exact bytes, the client's name and media type; also without them, and in arrays."""
    content = bytes(range(256)) + b"\r\n--A\r\n\xff"
    file = part('name="file"; filename="a \\"b\\".pdf"', content, "Content-Type: application/pdf")
    assert read(file)[0]["file"] == UploadedFile(filename='a "b".pdf', content_type="application/pdf", content=content)
    assert read(part('name="picture"', content))[0]["picture"].content == content
    several, _ = read(part('name="files"; filename="1"', b"a"), part('name="files"; filename="2"', b"b"))
    assert [one.content for one in several["files"]] == [b"a", b"b"]
    undeclared, _ = read(part('name="other"; filename="1"', b"\xff"))
    assert undeclared["other"].content == b"\xff"


def test_a_form_without_fields() -> None:
    """Only the last boundary, as browsers send an empty form; without any boundary it is no form."""
    for end in (b"--B--", b"--B--\r\n", b"\r\n--B--\r\n"):
        assert read(end=end) == ({}, [])
    for end in (b"--B-", b"", b"--C--"):
        with pytest.raises(Problem):
            read(end=end)


def test_base64_is_a_text() -> None:
    """A property with `contentEncoding` is sent as text, so it stays one."""
    assert read(part('name="inline"', b"YQ=="))[0] == {"inline": "YQ=="}


def test_json_parts_are_parsed() -> None:
    """By the part's own type, by the encoding, or because the property is an object."""
    owner = b'{"id":7}'
    assert read(part('name="owner"', owner))[0] == {"owner": {"id": 7}}
    assert read(part('name="x"', owner, "Content-Type: application/json"))[0] == {"x": {"id": 7}}
    by_encoding = read(part('name="ids"', b"[1,2]"), ids=Encoding(content_type="application/json"))
    assert by_encoding[0] == {"ids": [1, 2]}
    assert read(part('name="owner"', b"{"))[1] == [("/owner", "json")]


def test_a_media_type_that_the_encoding_does_not_allow() -> None:
    """The Encoding Object's list of types and ranges is kept."""
    encoding = Encoding(content_type="image/png, text/*")
    for sent, faults in (("image/png", []), ("text/csv", []), ("image/jpeg", [("/file", "contentType")])):
        assert read(part('name="file"', b"x", f"Content-Type: {sent}"), file=encoding)[1] == faults


def test_a_part_twice_and_a_text_that_is_not_utf8() -> None:
    """Both are violations of their property."""
    assert read(part('name="id"', b"1"), part('name="id"', b"2"))[1] == [("/id", "repeated")]
    assert read(part('name="note"', b"\xff"))[1] == [("/note", "encoding")]


@pytest.mark.parametrize(
    ("parts", "options"),
    [
        ([part('name="id"', b"1")], {"boundary": ""}),
        ([part('name="id"', b"1")], {"boundary": "other"}),
        ([part('name="id"', b"1")], {"end": b""}),
        ([b"nothing"], {}),
        ([part("id", b"1")], {}),
        ([b"--B\r\n\r\n1\r\n"], {}),
        ([b'--B\r\nContent-Disposition: attachment; name="a"\r\n\r\n1\r\n'], {}),
        ([part('name="id"', b"1")], {"boundary": "B" * 300}),
        ([part('name="id"', b"1")], {"boundary": "\u20ac"}),
    ],
)
def test_what_is_not_multipart(parts: list[bytes], options: Any) -> None:
    """No boundary, a wrong one, no end, no name: a malformed body, never another exception."""
    with pytest.raises(Problem) as caught:
        read(*parts, **options)
    assert caught.value.code == "malformed-body"


def test_the_limit_of_parts() -> None:
    """As many parts as allowed are read; with one more the body is refused."""
    settings = Settings(multipart_parts=3)
    parts = [part(f'name="{index}"', b"") for index in range(4)]
    assert len(read(*parts[:3], settings=settings)[0]) == 3
    with pytest.raises(Problem):
        read(*parts, settings=settings)


def test_the_limit_of_a_part() -> None:
    """A field as long as allowed is read, one byte more is a violation; files may be as long as the body."""
    settings = Settings(multipart_part=5)
    assert read(part('name="note"', b"12345"), settings=settings) == ({"note": "12345"}, [])
    assert read(part('name="note"', b"123456"), settings=settings)[1] == [("/note", "limit")]
    assert read(part('name="file"', b"123456"), settings=settings)[1] == []


def test_validators_see_files_as_texts_of_their_length() -> None:
    """So that `maxLength` counts bytes."""
    file = UploadedFile(filename="a", content_type="", content=b"\xff\x00a")
    assert [len(text) for text in without_files([file, file])] == [3, 3]
    assert without_files({"a": 1}) == {"a": 1}
