"""Results of a process that try to break the answer (S-37): what is wrong with each, the result, and its status.

200 stands for results that can be sent after all, once what belongs to the server is left out.
"""

from __future__ import annotations

from typing import Any

from connexion.exceptions import ProblemException

from apimgmt.errors import Problem

SAFE, BAD, FAILED = 200, 502, 500
SPLIT = "x\r\nX-Injected: 1"


class Strange:
    """A value of no JSON type, whose text raises."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def _itself() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


def _raises(error: BaseException) -> Any:
    def run() -> Any:
        raise error

    return run


def _envelope(status: Any = 200, content: Any = "body", **members: Any) -> dict[str, Any]:
    return {"HttpStatusCode": status, "Content": content, **members}


def _headers(*pairs: Any) -> dict[str, Any]:
    return _envelope(HttpHeaders=[{"Key": name, "Value": value} for name, value in pairs])


_STATUSES: tuple[Any, ...] = (
    99,
    100,
    101,
    102,
    103,
    199,
    0,
    -1,
    600,
    999,
    1000,
    10**30,
    "200",
    "x",
    "",
    None,
    200.0,
    True,
    [200],
    {},
)
_NAMES = (
    "X\r\nX-Injected",
    "X: 1\r\nX-Injected",
    "X Y",
    "",
    " ",
    "X:",
    "X\0",
    "Ü",
    "X\n",
    "{}",
    "(x)",
    "\tX",
    None,
    "X\x7f",
)
_VALUES = (SPLIT, "a\nX-Injected: 1", "a\rX-Injected: 1", "a\0b", "€", "日本", "a\x0bb", "a\x1bb", "a\x7fb", "\ud800")
_FRAMING = (
    ("Content-Length", "3"),
    ("Content-Length", "99999"),
    ("content-length", "-1"),
    ("Transfer-Encoding", "chunked"),
    ("TRANSFER-ENCODING", "gzip, chunked"),
    ("Connection", "X-Injected, close"),
    ("Keep-Alive", "timeout=1000"),
    ("Upgrade", "h2c"),
    ("TE", "trailers"),
    ("Trailer", "X-Injected"),
    ("Proxy-Connection", "keep-alive"),
)
_TYPES = (SPLIT, "text/html\n\n<script>", "a\0b", "€/x", 7, ["text/plain"])
_ENCODINGS = ("nosuch", "", "utf-7\r\nX-Injected: 1", "base64_codec", "rot13", "hex", 7, "\0")

ENVELOPES: list[tuple[str, Any, int]] = [
    *((f"status {status!r}", _envelope(status), BAD) for status in _STATUSES),
    *((f"name {name!r}", _headers((name, "1")), BAD) for name in _NAMES if name is not None),
    ("a header without a name", _headers((None, "1")), BAD),
    *((f"value {value!r}", _headers(("X-Value", value)), BAD) for value in _VALUES),
    *((f"framing {name}: {value}", _headers((name, value)), SAFE) for name, value in _FRAMING),
    *((f"type {kind!r}", _envelope(ContentType=kind), BAD) for kind in _TYPES),
    *((f"encoding {name!r}", _envelope(ContentEncoding=name), BAD) for name in _ENCODINGS if name),
    ("headers that are a text", _envelope(HttpHeaders="X-Injected: 1"), BAD),
    ("headers that are texts", _envelope(HttpHeaders=["X-Injected: 1"]), BAD),
    ("a pair of three", _envelope(HttpHeaders=[["a", "b", "c"]]), BAD),
    ("a value that has no text", _headers(("X-Value", Strange())), BAD),
    ("content that is a number", _envelope(content=7), BAD),
    ("content that is an object", _envelope(content={"a": 1}), BAD),
    ("content with half a surrogate", _envelope(content="\ud800"), BAD),
    ("a body where there can be none", _envelope(204, "body"), 204),
    ("a body where nothing has changed", _envelope(304, "body"), 304),
    ("a header of 10 MB", _headers(("X-Value", "a" * 10_000_000)), BAD),
    ("ten thousand headers", _headers(*[(f"X-{number}", "1") for number in range(10_000)]), BAD),
    ("two types", _headers(("Content-Type", "text/plain"), ("Content-Type", "text/html")), SAFE),
    ("an object of no JSON type", {"a": object()}, BAD),
    ("a text that raises", Strange(), BAD),
    ("half a surrogate", {"a": "\ud800"}, BAD),
    ("nested too deep", _nested(5000), BAD),
    ("a list that holds itself", _itself(), BAD),
    ("a tuple of nine", tuple(range(9)), FAILED),
    ("an exception with line breaks", _raises(ValueError(SPLIT)), FAILED),
    ("a problem with a split header", _raises(Problem("conflict", headers=[("X-Value", SPLIT)])), BAD),
    ("a problem of no status", _raises(Problem("conflict", status=99)), BAD),
    ("Connexion's problem with a split header", _raises(ProblemException(status=409, headers={"X-Value": SPLIT})), BAD),
    ("Connexion's problem of no status", _raises(ProblemException(status=99)), FAILED),
    ("an exit", _raises(SystemExit(3)), FAILED),
    ("a recursion error", _raises(RecursionError()), FAILED),
    ("a memory error", _raises(MemoryError()), FAILED),
]
