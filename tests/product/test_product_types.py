"""Content types and charsets: a body is validated whatever the type is called, or refused; never a 500 (S-36)."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from product_platform import Product
from product_wire import Wire, leaks, request

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
VALID = {JSON: b'{"name": "Ann", "age": 7}', FORM: b"name=Ann&age=7"}
INVALID = {JSON: b'{"name": 7, "age": "x", "more": 1}', FORM: b"name=Ann&age=x&more=1"}

# spellings of application/json by RFC 9110 8.3.1: case does not matter, space around ; does not, utf-8 is the charset
SAME = (
    *("application/json", "APPLICATION/JSON", "Application/json", "application/JSON", "aPPLICATION/jSON"),
    *("application/json;charset=utf-8", "application/json; charset=UTF-8", 'application/json; charset="utf-8"'),
    *("application/json ; charset=utf-8", "application/json;CHARSET=utf-8", "application/json;  charset=Utf-8"),
    *(
        "application/json; version=1",
        "application/json;a=b;c=d",
        "application/json; charset=utf8",
        "  application/json",
    ),
)
OTHER = (
    *("application/json; charset=utf-16", "application/json; charset=latin-1", "application/json; charset=utf-7"),
    *("application/json; charset=utf-8; charset=utf-16", "application/json; charset=utf-16; charset=utf-8"),
    *(
        "application/json; charset=",
        "application/json; charset=nosuch",
        "application/json; charset=\xff",
        "application/json;=",
    ),
    *("application/json; charset=cp037", "application/json;charset=utf-8;=", "application/json; charset=base64_codec"),
    *(
        "application/json, text/plain",
        "text/plain, application/json",
        "application/json text/plain",
        "application/json,",
    ),
    *("application", "application/", "/json", "/", "*/*", "application/*", "*", ";", ",", " ", "", "json", "text/json"),
    *("application/x-json", "application/jsonx", "application/json5", "application/ndjson", "application/vnd.api+json"),
    *("application/problem+json", "text/plain", "text/html", "application/xml", "multipart/form-data; boundary=b"),
    *(
        "application/octet-stream",
        "application//json",
        "application/json/x",
        "application\\json",
        "application/json\t;x",
    ),
    *("\xe0pplication/json", "application/js\xf6n", "application/json\x80", "ap plication/json", '"application/json"'),
    *(
        "application/json; boundary=" + "a" * 4000,
        "a" * 8000 + "/json",
        "application/" + "j" * 8000,
        "application/json" + ";" * 4000,
    ),
)
FORMS = (
    "application/x-www-form-urlencoded; charset=utf-8",
    "Application/X-WWW-Form-Urlencoded",
    "application/x-www-form-urlencoded;",
)


@pytest.fixture(scope="module", autouse=True)
def api(product: Product) -> None:
    """One operation that takes JSON and one that takes a form, with the same schema."""
    schema = {
        "type": "object",
        "required": ["name", "age"],
        "additionalProperties": False,
        "properties": {"name": {"type": "string", "maxLength": 10}, "age": {"type": "integer"}},
    }
    paths: dict[str, Any] = {
        f"/{name}": {
            "post": {
                "requestBody": {"required": True, "content": {kind: {"schema": schema}}},
                "responses": {"200": {"description": "ok"}},
            }
        }
        for name, kind in (("json", JSON), ("form", FORM))
    }
    document = {"openapi": "3.0.3", "info": {"title": "Types", "version": "1"}, "paths": paths}
    made = product.upload("types", document, basePath="/types", authentication="none")
    product.bind("types", {one["key"]: {"kind": "python", "function": "took"} for one in made["operations"]})


def send(product: Product, path: str, body: bytes, *fields: str) -> tuple[int, bytes]:
    """Status and body of the answer; a refusal is a problem and the connection is sane."""
    with Wire(product.port) as wire:
        answer = wire.ask(request("POST", f"/types{path}", *fields, body=body))
        assert answer is not None and answer.status in (200, 400, 413, 415, 431), (fields, answer)
        assert answer.status == 200 or not leaks(answer), (fields, answer)
        assert wire.is_sane()
        return answer.status, answer.body


@pytest.mark.rows("F-054")
@pytest.mark.parametrize(("path", "kind"), [("/json", JSON), ("/form", FORM)])
def test_every_spelling_is_validated_or_refused(product: Product, path: str, kind: str) -> None:
    """Over 60 types: what is valid is 200 or refused, what is invalid is never 200; case and spaces change nothing."""
    types = (*SAME, *OTHER, *FORMS)
    assert len(set(types)) >= 60
    accepted = set()
    for written in types:
        field = f"Content-Type: {written}"
        if send(product, path, VALID[kind], field)[0] == 200:
            accepted.add(written)
        for body in (INVALID[kind], b"", b"\xff\xfe", VALID[JSON if kind == FORM else FORM]):
            status, said = send(product, path, body, field)
            assert status != 200, (written, body, said)
    expected = set(SAME) if kind == JSON else set(FORMS)
    assert accepted >= expected
    print(f"\n{kind}: {len(accepted)} of {len(types)} spellings accepted, besides the same ones: {accepted - expected}")
    assert accepted - expected <= LENIENT


# an unknown parameter is ignored, however long it is; tab and space are both white space
LENIENT = {
    "application/json\t;x",
    "application/json; boundary=" + "a" * 4000,
    "application/json" + ";" * 4000,
    "application/json;=",
}


def test_a_missing_type_and_two_types(product: Product) -> None:
    """Without a type the only declared one is meant; two type fields are two readings, so at most the first counts."""
    assert send(product, "/json", VALID[JSON])[0] == 200
    assert send(product, "/json", INVALID[JSON])[0] == 400
    for first, second in ((JSON, "text/plain"), ("text/plain", JSON), (JSON, JSON)):
        assert send(product, "/json", INVALID[JSON], f"Content-Type: {first}", f"Content-Type: {second}")[0] != 200


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "identity, gzip", "x-gzip", "GZIP"])
def test_a_coded_body_is_not_taken_for_a_plain_one(product: Product, coding: str) -> None:
    """Request bodies are not decompressed, so there is no bomb; a coded body is no JSON, and JSON that says it is coded
    is validated like any other."""
    fields = (f"Content-Type: {JSON}", f"Content-Encoding: {coding}")
    assert send(product, "/json", gzip.compress(VALID[JSON]), *fields)[0] in (400, 415)
    assert send(product, "/json", INVALID[JSON], *fields)[0] in (400, 415)
