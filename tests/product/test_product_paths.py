"""Spellings of paths and methods, raw over a socket: nothing gets past the guard, nothing is a 500, nothing redirects
(S-21, S-22).
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

import h11
import pytest
from product_platform import Product
from product_spellings import spellings
from product_wire import Answer, Wire, leaks, request

from apimgmt.errors import Problem
from apimgmt.spec.paths import canonical

PATHS = {
    "/orders": "/orders",
    "/orders/{id}": "/orders/7",
    "/orders/{id}/lines/{line}": "/orders/7/lines/ab",
    "/files/{name}.{kind}": "/files/note.txt",
    "/admin/users/all": "/admin/users/all",
    "/a/b/c/{flag}": "/a/b/c/true",
}
METHODS = ("get", "post", "delete")
SPELLED_LEAST = 120
ODD_METHODS = (
    *("HEAD", "OPTIONS", "TRACE", "CONNECT", "PUT", "PATCH", "get", "Get", "gET", "QUERY", "PROPFIND", "MOVE", "LOCK"),
    *("SEARCH", "PURGE", "DEBUG", "TRACK", "FOO", "GETT", "GE", "G", "X" * 300, "M-SEARCH", "$", "|"),
)
OVERRIDES = (
    *("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-Method", "X-Forwarded-Method"),
    *("_method", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-Forwarded-Uri", "X-Script-Name"),
)


def document() -> dict[str, Any]:
    """Operations that all want a key; the types of path parameters differ."""
    kinds = {"id": "integer", "flag": "boolean"}
    paths: dict[str, Any] = {}
    for template in PATHS:
        names = [part.split("}")[0] for part in template.split("{")[1:]]
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": {"type": kinds.get(name, "string")}}
            for name in names
        ]
        paths[template] = {
            method: {"parameters": parameters, "responses": {"200": {"description": "ok"}}} for method in METHODS
        }
    return {
        "openapi": "3.0.3",
        "info": {"title": "Spelled", "version": "1"},
        "servers": [{"url": "/spelled"}],
        "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}},
        "security": [{"key": []}],
        "paths": paths,
    }


@pytest.fixture(scope="module")
def key(product: Product) -> str:
    """The platform with these operations, bound to functions that say that they ran."""
    api = product.upload("spelled", document())
    product.bind(
        "spelled", {operation["key"]: {"kind": "python", "function": "ran"} for operation in api["operations"]}
    )
    return product.key("spelled")


class Client:
    """Kept connections, opened again when the gateway closed one, as it does after what it could not read."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.wire = Wire(port)

    def ask(self, data: bytes, method: str = "GET") -> Answer:
        """The answer; there always is one."""
        if self.wire.reader.their_state is not h11.IDLE and self.wire.reader.their_state is not h11.DONE:
            self.wire.socket.close()
            self.wire = Wire(self.port)
        answer = self.wire.ask(data, method)
        assert answer is not None, data
        return answer


def ran(answer: Answer) -> str:
    """The operation that ran, if one did."""
    return str(answer.json()["ran"]) if answer.status == 200 and answer.body.startswith(b'{"ran"') else ""


def test_only_the_canonical_spelling_reaches_an_operation(product: Product, key: str) -> None:
    """With the key an operation runs for what reads as its path by RFC 3986 and for nothing else; without it nothing
    runs, however it is spelt; no 500, no redirect, no word about our insides."""
    client = Client(product.port)
    counts: Counter[str] = Counter()
    for path in PATHS.values():
        whole = f"/spelled{path}"
        all_spellings = list(spellings(whole))
        assert len(all_spellings) >= SPELLED_LEAST
        for spelling in [whole, *all_spellings]:
            for method in METHODS:
                bare = client.ask(request(method.upper(), spelling))
                keyed = client.ask(request(method.upper(), spelling, f"X-API-Key: {key}"))
                assert bare.status in (400, 401, 404, 405), (spelling, bare)
                assert keyed.status in (200, 400, 404, 405), (spelling, keyed)
                assert not leaks(bare) and (keyed.status == 200 or not leaks(keyed)), (spelling, bare, keyed)
                if keyed.status == 200:
                    assert ran(keyed) == f"{method} {meant(spelling)}" and bare.status == 401, (spelling, keyed)
                counts[f"{bare.status}/{keyed.status}"] += 1
    print(f"\nwithout/with the key: {dict(counts)}")
    assert counts["401/200"] >= len(PATHS)


def meant(target: str) -> str:
    """The template that a target means by RFC 3986: unreserved characters decoded, nothing else changed."""
    path = re.sub(r"^https?://gateway(?=/)", "", target).partition("?")[0]
    path = re.sub("%([0-9A-Fa-f]{2})", lambda match: _unreserved(chr(int(match[1], 16))) or match[0], path)
    if re.search(r"\\|%(2f|5c|[01].|7f)|/\.{0,2}(;[^/]*)?(/|$)", path, re.IGNORECASE):
        return ""
    segment = {"id": "-?[0-9]+", "flag": "true|false"}
    for template in PATHS:
        pattern = re.sub(r"\\{(\w+)\\}", lambda match: f"({segment.get(match[1], '[^/]+')})", re.escape(template))
        if re.fullmatch("/spelled" + pattern, path):
            return template
    return ""


def _unreserved(character: str) -> str:
    return character if re.fullmatch("[A-Za-z0-9._~-]", character) else ""


def test_what_a_naive_router_takes_would_be_found() -> None:
    """The mutant of S-21: a router that decodes first runs operations for spellings that ours refuses."""
    taken = []
    for spelling in spellings("/spelled/admin/users/all"):
        decoded = naive(spelling)
        try:
            ours = canonical(spelling.encode("latin-1")) == "/spelled/admin/users/all"
        except Problem:
            ours = False
        if decoded == "/spelled/admin/users/all" and not ours:
            taken.append(spelling)
    assert len(taken) >= 20


def naive(path: str) -> str:
    """What many routers do: decode twice, drop parameters, empty and dot segments, and the trailing slash."""
    text = unquote(unquote(path.partition("?")[0])).replace("\\", "/")
    parts = [part.partition(";")[0] for part in text.split("/")]
    return posixpath.normpath("/" + "/".join(part for part in parts if part))


@pytest.mark.parametrize("path", ["/spelled/orders", "/spelled/orders/7", "/spelled/admin/users/all"])
def test_odd_methods(product: Product, key: str, path: str) -> None:
    """HEAD is a GET with the same guard and no body; every other method that the document has not is refused."""
    client = Client(product.port)
    for method in ODD_METHODS:
        for fields, status in (((), 401), ((f"X-API-Key: {key}",), 200)):
            answer = client.ask(request(method, path, *fields), method)
            if method == "HEAD":
                assert (answer.status, answer.body) == (status, b"")
            elif method == "CONNECT":
                assert answer.status == 501
            else:
                assert answer.status == 405 and not leaks(answer), (method, answer)
                assert answer.field("allow") == "DELETE, GET, HEAD, POST"


def test_fields_that_change_method_or_path_elsewhere(product: Product, key: str) -> None:
    """No header field and no query parameter changes which operation runs, nor lets anything in."""
    client = Client(product.port)
    for name in OVERRIDES:
        for value in ("DELETE", "POST", "/spelled/orders", "/", "get"):
            keyed = client.ask(
                request("GET", f"/spelled/orders/7?_method={value}", f"{name}: {value}", f"X-API-Key: {key}")
            )
            assert ran(keyed) == "get /orders/{id}"
            assert client.ask(request("GET", "/spelled/orders/7", f"{name}: {value}")).status == 401
    for first, second in pairwise(("DELETE", "PUT", "GET")):
        answer = client.ask(
            request("POST", "/spelled/orders", f"X-HTTP-Method-Override: {first}, {second}", f"X-API-Key: {key}")
        )
        assert ran(answer) == "post /orders"
