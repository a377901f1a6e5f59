"""Every limit of a request at its value, one past it and a hundred times it, by table, on the real gateway (S-35)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from product_platform import Product
from product_wire import Answer, Wire, chunked, leaks, request

from apimgmt.settings import Settings

DEFAULT = Settings()
GROWTH_MB = 20.0
TIMES = 100


class Case(NamedTuple):
    """A limit: its value, what makes a request of a size, and the statuses at the limit, past it, and far past it."""

    limit: int
    make: Callable[[int], bytes]
    inside: int
    outside: int
    far: int = 0


def post(path: str, kind: str, body: bytes) -> bytes:
    """A POST to the sample."""
    return request("POST", f"/workshop{path}", f"Content-Type: {kind}", KEY, body=body)


def tree(body: str) -> bytes:
    """A JSON body for an operation that takes anything."""
    return post("/any", "application/json", body.encode())


def in_chunks(size: int) -> bytes:
    """A body of so many bytes in chunks."""
    return request(
        "PUT", "/workshop/any", "Content-Type: text/plain", "Transfer-Encoding: chunked", KEY, body=chunked(b"a" * size)
    )


def parts(count: int, size: int = 1) -> bytes:
    """A multipart body of so many parts, the first with so many bytes."""
    texts = [b"a" * size] + [b"a"] * (count - 1)
    head = b'--b\r\nContent-Disposition: form-data; name="p%d"\r\n\r\n%b\r\n'
    return b"".join(head % part for part in enumerate(texts)) + b"--b--\r\n"


KEY = "X-API-Key: {key}"
LINE = len("GET /workshop/open? HTTP/1.1")
OWN_FIELDS = 2
FORM, XML, JSON = "application/x-www-form-urlencoded", "application/xml", "application/json"

CASES = {
    "request line": Case(
        DEFAULT.request_line, lambda size: request("GET", f"/workshop/open?{'a' * (size - LINE)}"), 200, 414
    ),
    "path in the request line": Case(
        DEFAULT.request_line, lambda size: request("GET", f"/{'a' * (size - len('GET / HTTP/1.1'))}"), 404, 414
    ),
    "header fields": Case(
        DEFAULT.header_fields,
        lambda count: request("GET", "/workshop/open", *[f"X-{number}: 1" for number in range(count - 1)]),
        200,
        431,
    ),
    "header field": Case(
        DEFAULT.header_field, lambda size: request("GET", "/workshop/open", f"X-Long: {'a' * (size - 8)}"), 200, 431
    ),
    "cookie field": Case(
        DEFAULT.header_field, lambda size: request("GET", "/workshop/open", f"Cookie: {'a' * (size - 8)}"), 200, 431
    ),
    "name of a field": Case(
        DEFAULT.header_field, lambda size: request("GET", "/workshop/open", f"{'X' * (size - 3)}: 1"), 200, 431
    ),
    "query parameters": Case(
        DEFAULT.query_parameters,
        lambda count: request("GET", f"/workshop/open?{'&'.join(['a'] * count)}"),
        200,
        400,
        414,
    ),
    "body": Case(DEFAULT.body_bytes, lambda size: post("/any", "text/plain", b"a" * size), 200, 413),
    "body in chunks": Case(DEFAULT.body_bytes, in_chunks, 200, 413),
    "JSON depth, arrays": Case(DEFAULT.json_depth, lambda depth: tree("[" * depth + "]" * depth), 200, 400),
    "JSON depth, objects": Case(DEFAULT.json_depth, lambda depth: tree('{"a":' * depth + "1" + "}" * depth), 200, 400),
    "JSON values": Case(DEFAULT.json_nodes, lambda count: tree(f"[{','.join('1' * (count - 1))}]"), 200, 400, 413),
    "JSON integer": Case(DEFAULT.json_digits, lambda digits: tree("9" * digits), 200, 400),
    "JSON fraction": Case(DEFAULT.json_digits, lambda digits: tree("0." + "1" * (digits - 2)), 200, 400),
    "form fields": Case(
        DEFAULT.form_fields,
        lambda count: post("/any", FORM, "&".join(f"a{number}=1" for number in range(count)).encode()),
        200,
        400,
    ),
    "parts": Case(
        DEFAULT.multipart_parts, lambda count: post("/any", "multipart/form-data; boundary=b", parts(count)), 200, 400
    ),
    "XML depth": Case(DEFAULT.xml_depth, lambda depth: post("/any", XML, b"<a>" * depth + b"</a>" * depth), 200, 400),
}

MALFORMED = {
    "NaN": (JSON, b"[NaN]"),
    "infinity": (JSON, b"[-Infinity]"),
    "a number out of range": (JSON, b"[1e999]"),
    "an exponent without end": (JSON, b"[1e" + b"9" * 1000 + b"]"),
    "two equal names": (JSON, b'{"a": 1, "a": 2}'),
    "two equal names, one escaped": (JSON, b'{"a": 1, "\\u0061": 2}'),
    "two equal names, deep": (JSON, b'[[{"a": {"b": 1, "b": 1}}]]'),
    "no JSON": (JSON, b"{"),
    "JSON and more": (JSON, b"1 1"),
    "a comment": (JSON, b"[1 /* 2 */]"),
    "a trailing comma": (JSON, b"[1,]"),
    "single quotes": (JSON, b"{'a': 1}"),
    "half a surrogate": (JSON, b'"\\ud800"'),
    "a control character": (JSON, b'"a\x01"'),
    "not UTF-8": (JSON, b'"\xff"'),
    "UTF-16": (JSON, '"a"'.encode("utf-16")),
    "a byte order mark": (JSON, b"\xef\xbb\xbf1"),
    "only space": (JSON, b"  "),
    "a bracket 100,000 times": (JSON, b"[" * 100_000),
    "a brace 100,000 times": (JSON, b'{"a":' * 100_000),
    "a document type": (XML, b"<!DOCTYPE a><a/>"),
    "an entity": (XML, b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
    "an external entity": (XML, b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
    "a billion laughs": (
        XML,
        b"<!DOCTYPE a [<!ENTITY a0 'ha'>"
        + b"".join(b"<!ENTITY a%d '%b'>" % (level, b"&a%d;" % (level - 1) * 10) for level in range(1, 10))
        + b"]><a>&a9;</a>",
    ),
    "XML of another charset": (XML, b'<?xml version="1.0" encoding="utf-7"?><a/>'),
    "XML cut off": (XML, b"<a><b>"),
    "no boundary": ("multipart/form-data", b"--b--\r\n"),
    "an empty boundary": ('multipart/form-data; boundary=""', b"----\r\n"),
    "a part without a name": ("multipart/form-data; boundary=b", b"--b\r\nX: 1\r\n\r\na\r\n--b--\r\n"),
    "parts cut off": ("multipart/form-data; boundary=b", parts(2)[:-6]),
}


@pytest.fixture(scope="module")
def key(product: Product, workshop: str) -> str:
    """The sample, and an operation that takes anything in every form."""
    kinds: dict[str, Any] = {
        kind: {} for kind in ("application/json", FORM, "multipart/form-data", XML, "text/plain", "*/*")
    }
    method = {"requestBody": {"content": kinds}, "responses": {"200": {"description": "ok"}}}
    paths = {"/any": {"post": method, "put": method}, "/open": {"get": {"responses": {"200": {"description": "ok"}}}}}
    document = {"openapi": "3.1.0", "info": {"title": "Any", "version": "1"}, "paths": paths}
    api = product.upload("limits", document, basePath="/limits", authentication="none")
    product.bind("limits", {one["key"]: {"kind": "python", "function": "took"} for one in api["operations"]})
    return workshop


def ask(product: Product, key: str, data: bytes) -> Answer:
    """Send a request; the connection is sane afterwards."""
    data = data.replace(b"{key}", key.encode(), 1).replace(b"/workshop/any", b"/limits/any", 1)
    with Wire(product.port) as wire:
        answer = wire.ask(data)
        assert answer is not None
        assert wire.is_sane()
        return answer


@pytest.mark.parametrize("name", CASES)
def test_limit(product: Product, key: str, name: str) -> None:
    """At the limit it is taken, one past it and a hundred times it is refused with its status; nothing grows."""
    case, before, pids = CASES[name], product.memory(), product.pids()
    assert ask(product, key, case.make(case.limit)).status == case.inside
    for size, status in ((case.limit + 1, case.outside), (case.limit * TIMES, case.far or case.outside)):
        answer = ask(product, key, case.make(size))
        assert answer.status == status, answer
        assert not leaks(answer), answer
    assert product.pids() == pids
    grown = max(after - before[pid] for pid, after in product.memory().items())
    assert grown <= GROWTH_MB + case.limit / 1e6 * 2


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_body(product: Product, key: str, name: str) -> None:
    """A body that is not what its type says is a 400 that says so, and the connection goes on."""
    kind, body = MALFORMED[name]
    answer = ask(product, key, post("/any", kind, body))
    assert answer.status == 400 and answer.json()["type"].endswith("/malformed-body"), answer
    assert not leaks(answer), answer


@pytest.mark.parametrize(("size", "status"), [(0, 200), (1, 200), (2, 400)])
def test_part_that_is_no_file(product: Product, key: str, size: int, status: int) -> None:
    """A field of a form may have as many bytes as its limit, however large the body may be."""
    product.ask(
        "PUT", "/apis/limits/triggers", {"post /any": {"bodyLimit": 8 * DEFAULT.multipart_part}}, publish="true"
    )
    body = parts(1, DEFAULT.multipart_part - 1 + size)
    answer = ask(product, key, post("/any", "multipart/form-data; boundary=b", body))
    assert answer.status == status and (status == 200 or not leaks(answer)), answer
    product.ask("PUT", "/apis/limits/triggers", {"post /any": {"bodyLimit": DEFAULT.body_bytes}}, publish="true")


def test_a_body_that_is_announced_too_large_is_not_read(product: Product, key: str) -> None:
    """413 comes before the body, which is 100 GB, does."""
    with Wire(product.port) as wire:
        head = request("POST", "/limits/any", "Content-Type: text/plain", "Content-Length: 100000000000")
        answer = wire.ask(head)
        assert answer is not None and answer.status == 413 and not leaks(answer)


def test_many_names_that_could_collide(product: Product, key: str) -> None:
    """20,000 names of one length cost what they cost: keys of dictionaries are keyed hashes, and integers are texts."""
    body = json.dumps({str((2**61 - 1) * number): number for number in range(20_000)}).encode()
    before = product.cpu()
    answer = ask(product, key, post("/any", "application/json", body))
    assert answer.status == 200
    assert product.cpu() - before < 1.0
