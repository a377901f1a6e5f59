"""Bodies: media types, what each is read as, and every violation at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimgmt.errors import Problem
from apimgmt.model import Body, MediaType, Operation
from apimgmt.settings import Settings
from apimgmt.spec.request.body import compile_body
from apimgmt.spec.request.multipart import UploadedFile
from apimgmt.spec.validation.validator import Validators

ORDER: Any = {
    "type": "object",
    "required": ["customerId", "items"],
    "properties": {
        "id": {"type": "integer", "readOnly": True},
        "customerId": {"type": "string"},
        "orderDate": {"type": "string", "format": "date"},
        "priority": {"type": "string", "default": "normal"},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"productId": {"type": "string"}, "quantity": {"type": "number"}},
            },
        },
    },
}
JSON = b"application/json"


def read(
    content_type: bytes | None, content: bytes, *, required: bool = False, validate: bool = True, **declared: Any
) -> tuple[Any, list[tuple[str, str]]]:
    """Value, and pointer and code of every violation; `declared` maps media types (`_` is `/`) to schemas."""
    contents = {name.replace("_", "/", 1): MediaType(schema=schema) for name, schema in declared.items()}
    return read_contents(content_type, content, contents, required, validate)


def read_contents(
    content_type: bytes | None, content: bytes, contents: Any, required: bool = False, validate: bool = True
) -> tuple[Any, list[tuple[str, str]]]:
    """The same with the content map of a body; an empty map means that no body is declared."""
    body = Body(required=required, content=contents) if contents else None
    operation = Operation(key="post /", method="post", path="/", body=body)
    reader = compile_body(operation, Validators({}), Settings(form_fields=3), validate=validate)
    violations: list[dict[str, Any]] = []
    value = reader(content_type, content, violations)
    assert all(entry["in"] == "body" and "name" not in entry for entry in violations)
    return value, [(entry["pointer"], entry["code"]) for entry in violations]


def refusal(content_type: bytes | None, content: bytes, contents: Any) -> Problem:
    """The problem that a body is answered with."""
    with pytest.raises(Problem) as caught:
        read_contents(content_type, content, contents)
    return caught.value


@pytest.mark.rows("F-075", "H-024")
def test_a_json_body_is_its_value() -> None:
    """What is valid arrives as it was sent; nothing is added to it, not even a default."""
    body = b'{"customerId":"c","items":[{"productId":"p","quantity":1.5}],"orderDate":"2024-02-29"}'
    value, violations = read(JSON, body, application_json=ORDER)
    assert value["items"][0] == {"productId": "p", "quantity": 1.5}
    assert ("priority" in value, violations) == (False, [])


@pytest.mark.rows("H-024", "H-025", "H-026", "H-027")
def test_every_violation_at_once() -> None:
    """Each has the pointer of its place: missing properties, formats, types deep inside, read-only properties."""
    body = b'{"id":1,"orderDate":"2024-02-30","items":[{"productId":5},{"quantity":"x"}]}'
    _, violations = read(JSON, body, application_json=ORDER)
    assert sorted(violations) == [
        ("/customerId", "required"),
        ("/id", "readOnly"),
        ("/items/0/productId", "type"),
        ("/items/1/quantity", "type"),
        ("/orderDate", "format"),
    ]


def test_without_validation_a_body_is_only_parsed() -> None:
    """The value is there, whatever the schema says; what is no JSON is still refused."""
    assert read(JSON, b'{"id":1}', application_json=ORDER, validate=False, required=True) == ({"id": 1}, [])
    assert read(JSON, b"", application_json=ORDER, validate=False, required=True) == (None, [])


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/json",
        b"Application/JSON",
        b"APPLICATION/JSON ; charset=UTF-8",
        b"application/json;charset=utf-8",
        b'application/json; charset="utf-8"; x=y',
        b"application/json; charset=utf8",
    ],
)
def test_the_spelling_of_a_media_type_changes_nothing(content_type: bytes) -> None:
    """No spelling goes round the validation."""
    assert read(content_type, b"5", application_json=ORDER) == (5, [("", "type")])


@pytest.mark.parametrize(
    "content_type",
    [
        b"text/plain",
        b"application/problem+json",
        b"json",
        b"",
        b"application/json; charset=latin-1",
        b"\xff/\xff",
        None,
    ],
)
def test_other_media_types_are_refused(content_type: bytes | None) -> None:
    """415 names what is taken, in the detail and as `Accept` (RFC 9110, 15.5.16)."""
    two = {"application/json": MediaType(), "application/xml": MediaType()}
    problem = refusal(content_type, b"{}", two)
    assert (problem.code, problem.status) == ("unsupported-media-type", 415)
    assert list(problem.headers) == [("Accept", "application/json, application/xml")]


def test_what_is_declared_under_no_media_type_takes_every_one() -> None:
    """A document that says ``""`` or ``json`` limits nothing; what is named properly comes first."""
    contents = {"": MediaType(schema={"const": 0}), "application/xml": MediaType(schema={"const": 1})}
    assert read_contents(JSON, b"0", contents) == (0, [])
    assert read_contents(None, b"0", {"json": MediaType(schema={"const": 0})}) == (0, [])
    problem = refusal(b"text", b"0", contents)
    assert list(problem.headers) == [("Accept", "application/xml")]


def test_the_more_precise_media_type_decides() -> None:
    """An exact type before a suffix, that before a range; the content is read by what was sent."""
    contents = {
        "*/*": MediaType(schema={"const": 0}),
        "application/*": MediaType(schema={"const": 1}),
        "application/*+json": MediaType(schema={"const": 2}),
        "application/hal+json": MediaType(schema={"const": 3}),
    }
    for sent, value in ((b"text/json", 0), (JSON, 1), (b"application/a+json", 2), (b"application/hal+json", 3)):
        assert read_contents(sent, str(value).encode(), contents) == (value, [])
        assert read_contents(sent, b"9", contents) == (9, [("", "const")])


def test_parameters_of_a_media_type() -> None:
    """A version that the document names may be left out, but not be another one."""
    contents = {
        "application/json; version=1": MediaType(schema={"const": 1}),
        "application/json; version=2; charset=utf-8": MediaType(schema={"const": 2}),
    }
    assert read_contents(b"application/json;version=2", b"2", contents) == (2, [])
    assert read_contents(JSON, b"1", contents) == (1, [])
    assert refusal(b"application/json; version=3", b"1", contents).status == 415


def test_without_a_content_type() -> None:
    """If there is only one declared type it must be that; a range is read as JSON."""
    assert read(None, b"5", application_json={"type": "string"}) == (5, [("", "type")])
    assert read_contents(None, b"5", {"*/*": MediaType(schema={"type": "integer"})}) == (5, [])


@pytest.mark.rows("F-076")
def test_an_empty_body() -> None:
    """An optional body that is not there is None, whatever the media type; a required one is a violation."""
    for content_type in (None, JSON, b"text/plain", b"nonsense"):
        assert read(content_type, b"", application_json=ORDER) == (None, [])
        assert read(content_type, b"", application_json=ORDER, required=True) == (None, [("", "required")])


@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_form_whose_schema_is_a_string_is_a_text(media_type: str) -> None:
    """No form could be valid; the text can. A schema that says nothing is that of a form."""
    text = {media_type: MediaType(schema={"type": "string", "maxLength": 3})}
    assert read_contents(media_type.encode(), b"a=1", text) == ("a=1", [])
    assert read_contents(media_type.encode(), b"a=12", text) == ("a=12", [("", "maxLength")])
    form = {"application/x-www-form-urlencoded": MediaType()}
    assert read_contents(b"application/x-www-form-urlencoded", b"a=1", form) == ({"a": "1"}, [])


def test_an_empty_form_is_a_form() -> None:
    """A form without fields has no bytes, so it is present if its media type is."""
    form = {"application_x-www-form-urlencoded": {"type": "object", "required": ["a"]}}
    sent = b"application/x-www-form-urlencoded"
    assert read(sent, b"", required=True, **form) == ({}, [("/a", "required")])
    assert read(None, b"", required=True, **form) == (None, [("", "required")])


@pytest.mark.rows("F-075", "F-076")
def test_a_body_that_the_document_does_not_declare() -> None:
    """JSON is its value, anything else (also JSON that is none) is the text, nothing is None; nothing is refused."""
    assert read(JSON, b'{"house":{"windows":4}}') == ({"house": {"windows": 4}}, [])
    assert read(b"application/ld+json; charset=x", b"[1]") == ([1], [])
    assert read(JSON, b"{oops") == ("{oops", [])
    assert read(b"text/plain", b"5") == ("5", [])
    assert read(None, b"a\xff") == ("a\ufffd", [])
    assert read(JSON, b"") == (None, [])


@pytest.mark.parametrize(
    "content", [b"{", b'{"a":1,"a":2}', b"[NaN]", b"\xff", b"[" * 100_000, b"9" * 5_000, b'"\\ud800"']
)
def test_a_malformed_body_is_a_400(content: bytes) -> None:
    """What takes other gateways down is one problem here."""
    problem = refusal(JSON, content, {"application/json": MediaType()})
    assert (problem.code, problem.status) == ("malformed-body", 400)
    assert len(problem.detail) < 200


@pytest.mark.rows("F-091")
def test_large_integers_in_a_body() -> None:
    """They keep their value; int64 is a range."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer", "format": "int64"}}}
    assert read(JSON, b'{"a":18446744073709551617}', application_json=schema) == ({"a": 2**64 + 1}, [])
    assert read(JSON, b'{"b":18446744073709551617}', application_json=schema)[1] == [("/b", "format")]


@pytest.mark.rows("F-099", "F-100")
def test_a_form_is_cast_and_validated() -> None:
    """Fields become values; violations have the pointer of the property."""
    schema = {
        "type": "object",
        "required": ["name"],
        "properties": {"age": {"type": "integer"}, "ids": {"type": "array", "items": {"type": "integer"}}},
    }
    form = {"application_x-www-form-urlencoded": schema}
    sent = b"application/x-www-form-urlencoded; charset=UTF-8"
    assert read(sent, b"name=a+b&ids=1&ids=2", **form) == ({"name": "a b", "ids": [1, 2]}, [])
    assert read(sent, b"age=x&ids=y", **form)[1] == [("/name", "required"), ("/age", "type"), ("/ids/0", "type")]
    assert read(sent, b"age=%zz", **form)[1] == [("/age", "encoding")]


def test_the_limit_of_form_fields() -> None:
    """As many fields as allowed are read, one more is refused."""
    form = {"application/x-www-form-urlencoded": MediaType()}
    sent = b"application/x-www-form-urlencoded"
    assert read_contents(sent, b"a=1&b=2&c=3", form)[0] == {"a": "1", "b": "2", "c": "3"}
    assert refusal(sent, b"a=1&b=2&c=3&d=4", form).code == "malformed-body"


def test_a_multipart_form() -> None:
    """Fields and files by the schema; lengths of files are those of their bytes."""
    schema = {
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "file": {"type": "string", "format": "binary", "maxLength": 3},
        },
    }
    contents = {"multipart/form-data": MediaType(schema=schema)}
    body = (
        b'--B\r\nContent-Disposition: form-data; name="id"\r\n\r\n%s\r\n'
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n%s\r\n--B--\r\n'
    )
    sent = b"multipart/form-data; boundary=B"
    value, violations = read_contents(sent, body % (b"5", b"\xff\x00a"), contents)
    file = UploadedFile(filename="f", content_type="", content=b"\xff\x00a")
    assert (value, violations) == ({"id": 5, "file": file}, [])
    assert read_contents(sent, body % (b"x", b"1234"), contents)[1] == [("/id", "type"), ("/file", "maxLength")]
    assert refusal(b"multipart/form-data", body, contents).code == "malformed-body"


def test_an_xml_body_is_validated() -> None:
    """XML is a value like any other; violations point into the value."""
    schema = {"type": "object", "properties": {"id": {"type": "integer", "xml": {"attribute": True}}}}
    contents = {"application/xml": MediaType(schema=schema)}
    assert read_contents(b"application/xml", b'<pet id="5"/>', contents) == ({"id": 5}, [])
    assert read_contents(b"application/xml", b'<pet id="x"/>', contents)[1] == [("/id", "type")]


@pytest.mark.rows("F-076")
@pytest.mark.parametrize(
    ("content_type", "schema", "content", "value", "violations"),
    [
        (b"text/plain", {"type": "string"}, "é".encode(), "é", []),
        (b"text/plain", {"type": "string", "maxLength": 1}, b"ab", "ab", [("", "maxLength")]),
        (b"text/plain", {"type": "integer"}, b"5", 5, []),
        (b"text/plain", {"type": "integer"}, b"x", "x", [("", "type")]),
        (b"text/csv", {"type": "object"}, b"a,b", "a,b", []),
        (b"text/csv", True, b"a,b", "a,b", []),
        (b"application/pdf", {"type": "string", "format": "binary"}, b"%PDF\xff\x00", b"%PDF\xff\x00", []),
        (b"application/octet-stream", True, b"\x00\xff", b"\x00\xff", []),
        (b"application/octet-stream", {"type": "string", "format": "binary", "maxLength": 1}, b"\xff", b"\xff", []),
        (b"image/png", {"type": "string", "format": "binary", "maxLength": 1}, b"ab", b"ab", [("", "maxLength")]),
        (b"application/x-ndjson", {"type": "string"}, b"{}\n{}", "{}\n{}", []),
        (b"application/yaml", {"type": "object"}, b"a: 1", "a: 1", []),
        (b"application/yaml", {"type": "object"}, b"\xff", b"\xff", []),
    ],
)
def test_texts_and_bytes(
    content_type: bytes, schema: Any, content: bytes, value: Any, violations: list[tuple[str, str]]
) -> None:
    """A text type is a text or a scalar; binary is bytes; a schema that cannot judge a text is not asked."""
    contents = {content_type.decode(): MediaType(schema=schema)}
    assert read_contents(content_type, content, contents) == (value, violations)


def test_a_text_that_is_not_utf8_is_refused() -> None:
    """Where a text is promised, other bytes are a malformed body."""
    assert refusal(b"text/plain", b"\xff", {"text/plain": MediaType()}).code == "malformed-body"


@given(
    st.sampled_from(
        [
            b"application/json",
            b"application/xml",
            b"text/plain",
            b"application/x-www-form-urlencoded",
            b"multipart/form-data; boundary=B",
            b"application/octet-stream",
        ]
    )
    | st.binary(max_size=20),
    st.binary(max_size=60) | st.from_regex(rb'(--B\r\n|Content-Disposition: form-data; name="a"|\r\n|a|--B--){0,8}'),
    st.sampled_from([ORDER, True, {"type": "integer"}]),
)
def test_nothing_that_is_sent_raises_anything_else(content_type: bytes, content: bytes, schema: Any) -> None:
    """Whatever bytes come under whatever type: a value, violations, or a problem of the catalogue."""
    try:
        read_contents(content_type, content, {"*/*": MediaType(schema=schema)})
    except Problem as problem:
        assert problem.code in ("malformed-body", "unsupported-media-type")
