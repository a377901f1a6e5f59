"""A grammar of requests that are nearly right: every part of HTTP, of a target, of fields and of bodies goes wrong in
turn or at once. One seed gives the same requests everywhere (S-40)."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

TARGETS = (
    *(
        "/workshop/styles/simple/7/1,2",
        "/workshop/styles/matrix/;one=7/;exploded=1;exploded=2",
        "/workshop/styles/label/.7/.red.blue",
    ),
    *(
        "/workshop/styles/query?text=a&number=1.5&flag=true&exploded=1&exploded=2&list=1,2&piped=1|2&spaced=1%202&deep[low]=1",
    ),
    *(
        "/workshop/styles/fields",
        "/workshop/tools",
        "/workshop/tools/1",
        "/workshop/open",
        "/workshop/shelf",
        "/workshop/ui/",
    ),
    *(
        "/workshop/openapi.json",
        "/workshop/ui/start.js",
        "/livez",
        "/",
        "/nothing",
        "/.well-known/apimgmt/problems/validation",
        "*",
    ),
)
SENDS = {
    "/workshop/tools": (
        "POST",
        "application/json",
        b'{"name": "plane 4", "kind": "plane", "weight": 1.5, "tags": ["a"]}',
    ),
    "/workshop/tools/1": ("PATCH", "application/merge-patch+json", b'{"name": "x"}'),
    "/workshop/bodies/form": ("POST", "application/x-www-form-urlencoded", b"name=Ann&age=7"),
    "/workshop/bodies/parts": (
        "POST",
        "multipart/form-data; boundary=b",
        b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\nT\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n'
        b"Content-Type: text/plain\r\n\r\nabc\r\n--b--\r\n",
    ),
    "/workshop/bodies/xml": ("POST", "application/xml", b'<note priority="1"><to>Ann</to></note>'),
    "/workshop/bodies/text": ("PUT", "text/plain", b"text"),
    "/workshop/bodies/bytes": ("PUT", "application/octet-stream", b"\x00\x01\xff"),
    "/workshop/bodies/tree": ("POST", "application/json", b'{"value": 1, "left": {"value": 2, "right": {"value": 3}}}'),
}
METHODS = (
    "GET",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "get",
    "FOO",
    "",
    "G T",
    "\x00",
    "P\xf6ST",
)
VERSIONS = (
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/2",
    "HTTP/1.2",
    "HTTP/11",
    "http/1.1",
    "",
    "HTTP/1.1 ",
    "HTTP/9.9",
    "XTTP/1.1",
    "HTTP/1.1\x00",
)
FIELDS = (
    *(
        "Accept: application/xml",
        "Accept: */*;q=0",
        "Accept: ,;q=,",
        "Accept: " + "a/b," * 900,
        "Accept: \xff/\xfe",
        "Accept-Encoding: gzip;q=x",
    ),
    *(
        "Accept-Encoding: " + "gzip," * 900,
        "Cookie: size=7",
        "Cookie: size=x; size=1; ;;=",
        "Cookie: " + "size=1;" * 900,
        "X-Count: 3",
        "X-Count: x",
    ),
    *(
        "X-Count: \xd9\xa3",
        "X-List: 1,,2",
        "X-List: " + "1," * 2000,
        "Content-Length: 5",
        "Content-Length: -1",
        "Content-Length: 5, 5",
        "Content-Length: 1e3",
    ),
    *(
        "Content-Length: \xb2",
        "Content-Length: " + "9" * 400,
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding : chunked",
    ),
    *(
        "Transfer-Encoding: chunked, identity",
        "Host: other",
        "Host:",
        "Host: a b",
        "Expect: 100-continue",
        "Expect: x",
        "Connection: close, \xff",
        "Connection:",
    ),
    *(
        "Upgrade: h2c",
        "Upgrade: websocket",
        "HTTP2-Settings: AAMAAABkAAQAAP__",
        " folded: 1",
        "\tfolded",
        ": no name",
        "no colon",
        "X\x00: 1",
        "X: \x00",
        "X: a\rb",
    ),
    *(
        "X-API-Key: wrong",
        "X-API-Key: \xff\xfe",
        "X-API-Key: " + "k" * 8000,
        "Authorization: Bearer",
        "Authorization: Bearer \xff",
        "Authorization: Basic !!!!",
    ),
    *(
        "Authorization: Digest x",
        "Authorization: " + "B" * 5000,
        "If-None-Match: *",
        'If-None-Match: "' + "a" * 3000,
        "Range: bytes=0-",
        "Prefer: code=999, example=\xff, dynamic=x",
    ),
    *(
        "Prefer: code=" + "9" * 500,
        "Prefer: =;,=",
        "Content-Type:",
        "Content-Type: \xff",
        "Content-Type: a/b; c",
        "Content-Encoding: gzip",
        "Trailer: X",
        "TE: trailers",
    ),
)
PIECES = (
    *(
        b"\x00",
        b"\xff",
        b"\xc0\xaf",
        b"%",
        b"%00",
        b"%2f",
        b"%ff",
        b"%zz",
        b"\r",
        b"\n",
        b"\r\n",
        b"'",
        b'"',
        b"\\",
        b"/",
        b"//",
        b"..",
        b";",
        b"&",
        b"&&",
        b"=",
    ),
    *(
        b"==",
        b"[",
        b"]",
        b"[]",
        b"{",
        b"}",
        b"<",
        b">",
        b"$ref",
        b"__proto__",
        b"null",
        b"true",
        b"NaN",
        b"-0",
        b"1e999",
        b"1_000",
        b"0x10",
        b"9" * 400,
        b"\xd9\xa3",
    ),
    *(
        b"a" * 3000,
        b"[" * 300,
        b"%5B" * 200,
        b"\xed\xa0\x80",
        b"\xef\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\\ud800",
        b"{{7*7}}",
        b"${x}",
        b"%s%n",
        b"' OR 1=1 --",
        b"../../etc/passwd",
    ),
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**63,
    2**64,
    10**400,
    1e308,
    0.1,
    "",
    "x",
    "x" * 5000,
    "\0",
    "\xad",
    [],
    {},
    [[]],
    {"": {}},
    {"value": None},
)


class Request(NamedTuple):
    """The bytes, and the method as far as the answer depends on it."""

    data: bytes
    method: str


def requests(count: int, seed: int, key: str) -> Iterator[Request]:
    """So many requests, nearly all of them malformed or invalid."""
    chance = random.Random(seed)
    for _ in range(count):
        yield _request(chance, key)


def _request(chance: random.Random, key: str) -> Request:
    method, target, fields, body = _start(chance, key)
    version = "HTTP/1.1"
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5))):
        match chance.randrange(8):
            case 0:
                method = chance.choice(METHODS)
            case 1 | 2:
                target = _spoilt(chance, target.encode("latin-1"), 1).decode("latin-1")
            case 3:
                fields.insert(chance.randrange(len(fields) + 1), chance.choice(FIELDS))
            case 4:
                version = chance.choice(VERSIONS) if chance.random() < 0.3 else version
                fields.append(_spoilt(chance, b"X-Fuzz: value", 2).decode("latin-1"))
            case 5 | 6:
                body = _body(chance, body)
            case 7:
                target += ("&" if "?" in target else "?") + _query(chance)
    if body and not any(field.lower().startswith(("content-length", "transfer-")) for field in fields):
        fields.append(f"Content-Length: {len(body)}")
    head = "\r\n".join([f"{method} {target} {version}", *fields]).encode("latin-1", "replace")
    data = head + b"\r\n\r\n" + body
    data = _spoilt(chance, data, 3) if chance.random() < 0.1 else data
    # whatever was meant: the answer depends on what is sent
    return Request(data, "HEAD" if data.startswith(b"HEAD ") else "GET")


def _start(chance: random.Random, key: str) -> tuple[str, str, list[str], bytes]:
    """A request that is right."""
    fields = ["Host: gateway", f"X-API-Key: {key}"] if chance.random() < 0.8 else ["Host: gateway"]
    if chance.random() < 0.5:
        target = chance.choice(tuple(SENDS))
        method, kind, body = SENDS[target]
        return method, target, [*fields, f"Content-Type: {kind}"], body
    return "GET", chance.choice(TARGETS), fields, b""


def _spoilt(chance: random.Random, data: bytes, most: int) -> bytes:
    """Bytes put in, taken out, doubled or flipped at random places."""
    for _ in range(chance.randint(1, most)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice((0, 1, 1, 2, 8, 64)))
        piece = (
            chance.choice(PIECES)
            if chance.random() < 0.7
            else bytes(chance.randrange(256) for _ in range(chance.randint(1, 4)))
        )
        middle = (piece, b"", data[start:end] * 2)[chance.randrange(3)]
        data = data[:start] + middle + data[end:]
    return data


def _body(chance: random.Random, body: bytes) -> bytes:
    match chance.randrange(5):
        case 0:
            return b""
        case 1:
            return chance.randbytes(chance.choice((1, 10, 1000)))
        case 2:
            return json.dumps(_value(chance, 4)).encode()
        case _:
            return _spoilt(chance, body, 4)


def _value(chance: random.Random, depth: int) -> Any:
    if not depth or chance.random() < 0.3:
        return chance.choice(VALUES)
    if chance.random() < 0.5:
        return [_value(chance, depth - 1) for _ in range(chance.randint(0, 4))]
    names = ("value", "left", "right", "name", "kind", "weight", "tags", "made", "", "x" * 200, "~1", "a/b")
    return {chance.choice(names): _value(chance, depth - 1) for _ in range(chance.randint(0, 5))}


def _query(chance: random.Random) -> str:
    names = (
        "text",
        "number",
        "flag",
        "exploded",
        "list",
        "piped",
        "spaced",
        "deep",
        "deep[low]",
        "deep[low][x]",
        "deep[",
        "colour",
        "id",
        "day",
        "limit",
        "",
    )
    pairs = []
    for _ in range(chance.choice((1, 2, 5, 150))):
        value = chance.choice(PIECES).decode("latin-1") if chance.random() < 0.5 else str(chance.choice(VALUES))[:200]
        pairs.append(f"{chance.choice(names)}={value}")
    return "&".join(pairs)
