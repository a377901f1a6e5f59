"""The grammar of HTTP/1.1: limits at the limit and one past it, and llhttp as a second reader."""

from __future__ import annotations

import time
from typing import Any

import httptools
import pytest
from http_shapes import ACCEPTED, AFTER, REFUSED
from hypothesis import given
from hypothesis import strategies as st

from apimgmt.errors import Problem
from apimgmt.gateway.http import framing
from apimgmt.gateway.http.framing import CHUNKED, Chunks, Partial
from apimgmt.settings import Settings

SETTINGS = Settings()

# what llhttp, strict as it comes, takes for a good request followed by another: each of these is ours to refuse
LLHTTP_LETS_THROUGH = {
    "CONNECT", "CONNECT with a path", "Host empty", "Host twice", "Host twice the same", "Host with a list",
    "Host with a long port", "Host with a named port", "Host with a path", "Host with a query",
    "Host with a scheme", "Host with a space", "Host with a user", "chunk extension too long",
    "chunk extensions too long in sum", "chunk size of twenty digits", "coding gzip then chunked",
    "empty line first", "expectation twice", "expectation unknown", "field too long", "line too long", "no Host",
    "target * for GET", "target of another host", "target of another port", "target of another scheme",
    "target with a fragment", "target with a user", "target without a host", "too many fields", "trailer too long",
    "trailer with a Host", "two spaces after the method", "two spaces before the version",
}  # fmt: skip


class Reader:
    """llhttp, as httptools offers it, writing down what it reads; `lenient` switches all its checks off."""

    def __init__(self, lenient: bool = False) -> None:
        self.messages: list[dict[str, Any]] = []
        self.parser = httptools.HttpRequestParser(self)
        if lenient:
            self.parser.set_dangerous_leniencies(*(True,) * 10)

    def on_message_begin(self) -> None:
        self.messages.append({"target": b"", "headers": [], "body": b"", "complete": False})

    def on_url(self, url: bytes) -> None:
        self.messages[-1]["target"] += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if "method" not in self.messages[-1]:
            self.messages[-1]["headers"].append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.messages[-1]["method"] = self.parser.get_method().decode()

    def on_body(self, body: bytes) -> None:
        self.messages[-1]["body"] += body

    def on_message_complete(self) -> None:
        self.messages[-1]["complete"] = True


def llhttp(data: bytes, lenient: bool = False) -> list[dict[str, Any]] | None:
    """The messages that llhttp reads, or None if it refuses."""
    reader = Reader(lenient)
    try:
        reader.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        return reader.messages
    except httptools.HttpParserError:
        return None
    return reader.messages


def ours(data: bytes) -> list[dict[str, Any]] | None:
    """The messages that we read, in the same form, or None if we refuse."""
    messages = []
    try:
        while data:
            head, _, data = data.partition(framing.END)
            method, target, tail = framing.split_head(head, SETTINGS)
            fields = framing.parse_tail(tail, SETTINGS)
            framing.parse_target(method, target, fields)
            rest: bytes | None
            if fields.length == CHUNKED:
                body, rest = Chunks(SETTINGS).feed(data)
            else:
                body, rest = data[: fields.length], data[fields.length :]
            messages.append(
                {"method": method, "target": target, "headers": fields.headers, "body": body, "complete": True}
            )
            data = rest or b""
    except Problem:
        return None
    return messages


@pytest.mark.parametrize(
    "name", sorted(set(ACCEPTED) - {"method in lower case", "method unknown", "upgrade", "h2c upgrade"})
)
def test_reads_as_llhttp(name: str) -> None:
    """What we accept, llhttp accepts and reads the same; it knows no unknown methods and stops at an upgrade."""
    data = ACCEPTED[name][0] + AFTER
    assert ours(data) == llhttp(data)


def test_llhttp_alone_is_not_enough() -> None:
    """Exactly these of the shapes that we refuse would get past llhttp: the list is checked, not remembered."""
    through = {name for name, data in REFUSED.items() if (read := llhttp(data + AFTER)) and read[-1]["complete"]}
    assert through == LLHTTP_LETS_THROUGH


def test_mutant_lenient() -> None:
    """A parser with its checks off, as servers have shipped, takes many of the shapes: the shapes can fail."""
    through = [name for name, data in REFUSED.items() if (read := llhttp(data + AFTER, True)) and read[-1]["complete"]]
    assert len(through) > len(LLHTTP_LETS_THROUGH) + 20


TOKEN = st.text("!#$%&'*+-.^_`|~09AZaz", min_size=1, max_size=8).map(str.encode)
PIECES = st.sampled_from(
    (b"GET", b"POST", b" ", b"/", b"/a?b=c", b"HTTP/1.1", b"HTTP/1.0", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b":", b"\t",
     b"0", b"5", b"Host: x\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"A: b\r\n", b",", b";",
     b"\x00", b"\xff", b"#", b"abcde", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nHost: x\r\n",
     b"\x0b", b"+")
)  # fmt: skip


@given(st.lists(PIECES | TOKEN, max_size=14).map(b"".join))
def test_never_reads_more_than_llhttp(data: bytes) -> None:
    """No sequence of bytes is a request for us and something else for llhttp (unless it only lacks the method)."""
    messages = ours(data + AFTER)
    if messages is None or any(message["method"] not in ("GET", "POST") for message in messages):
        return
    assert messages == llhttp(data + AFTER)


@given(st.binary(max_size=40), st.lists(st.integers(1, 50), max_size=30))
def test_partial_is_the_same_in_pieces(noise: bytes, cuts: list[int]) -> None:
    """A head in pieces is complete at the same byte, or refused, as in one piece."""
    data = b"GET /a HTTP/1.1\r\nHost: x\r\nA: " + noise + b"\r\n\r\nrest"

    def collect(sizes: list[int]) -> bytes | None:
        partial, at = Partial(SETTINGS), 0
        try:
            for size in [*sizes, len(data)]:
                whole = partial.feed(data[at : at + size])
                if whole is not None:
                    return whole.partition(framing.END)[0]
                at += size
        except Problem:
            return None
        return b""

    pieces, whole = collect(cuts), collect([])
    assert pieces == whole or b"\n" in noise


def code(data: bytes, settings: Settings) -> str:
    """What is said of this head when it comes whole, and when it comes byte by byte: the same."""

    def check(whole: bytes) -> str:
        try:
            method, target, tail = framing.split_head(whole.partition(framing.END)[0], settings)
            framing.parse_target(method, target, framing.parse_tail(tail, settings))
        except Problem as problem:
            return problem.code
        return "good"

    partial = Partial(settings)
    try:
        for at in range(len(data)):
            collected = partial.feed(data[at : at + 1])
        assert collected == data
        pieces = check(collected)
    except Problem as problem:
        pieces = problem.code
    assert pieces == check(data)
    return pieces


@pytest.mark.parametrize(("over", "expected"), ((0, "good"), (1, "uri-too-long"), (5000, "uri-too-long")))
def test_line_limit(over: int, expected: str) -> None:
    """A request line may have as many bytes as the setting says, and not one more."""
    settings = Settings(request_line=100)
    target = b"/" + b"a" * (100 - len(b"GET / HTTP/1.1") + over)
    assert code(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n", settings) == expected


@pytest.mark.parametrize(("over", "expected"), ((0, "good"), (1, "header-too-large"), (9000, "header-too-large")))
def test_field_limit(over: int, expected: str) -> None:
    """A header field may have as many bytes as the setting says, and not one more, wherever it stands."""
    settings = Settings(header_field=100)
    field = b"A: " + b"a" * (97 + over)
    assert code(b"GET / HTTP/1.1\r\nHost: x\r\n" + field + b"\r\nB: c\r\n\r\n", settings) == expected
    assert code(b"GET / HTTP/1.1\r\nHost: x\r\n" + field + b"\r\n\r\n", settings) == expected


@pytest.mark.parametrize(("count", "expected"), ((10, "good"), (11, "header-too-large"), (1000, "header-too-large")))
def test_fields_limit(count: int, expected: str) -> None:
    """There may be as many fields as the setting says, and not one more."""
    fields = b"".join(b"A: b\r\n" for _ in range(count - 1))
    assert code(b"GET / HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n", Settings(header_fields=10)) == expected


def test_head_limit() -> None:
    """A head in pieces may have a request line and eight longest fields; a larger one is refused half-way."""
    settings = Settings(header_field=100)
    partial = Partial(settings)
    partial.feed(b"GET / HTTP/1.1\r\n")
    with pytest.raises(Problem, match="header is longer"):
        for _ in range(99):
            partial.feed(b"A: " + b"a" * 97 + b"\r\n")
    assert len(partial.buffer) <= settings.request_line + 9 * settings.header_field


@pytest.mark.parametrize("step", (1, 2, 3, 7, 1000))
def test_chunks_in_pieces(step: int) -> None:
    """A chunked body is the same in pieces of any size, and ends exactly where it ends."""
    data = b"5;x=y\r\nabcde\r\n10\r\n" + b"z" * 16 + b"\r\n0\r\nTrailer: gone\r\n\r\n"
    chunks, body, rest = Chunks(SETTINGS), b"", None
    for at in range(0, len(data), step):
        piece, rest = chunks.feed(data[at : at + step])
        body += piece
    assert (body, rest) == (b"abcde" + b"z" * 16, b"")


@pytest.mark.parametrize(
    ("reader", "data"),
    (
        (Partial(SETTINGS), b"GET / HTTP/1.1\r\n" + (b"A: " + b"a" * 8000 + b"\r\n") * 8),
        (Chunks(SETTINGS), b"1\r\na\r\n" * 10_900),
    ),
    ids=("head", "chunks"),
)
def test_cost_is_bounded(reader: Partial | Chunks, data: bytes) -> None:
    """64 KiB byte by byte cost less than the 250 ms of the cost rule, in a head as in a body of tiny chunks."""
    began = time.process_time()
    for at in range(len(data)):
        reader.feed(data[at : at + 1])
    assert time.process_time() - began < 0.25


def test_names_are_not_remembered_without_end() -> None:
    """The table of field names stops growing, and what it does not hold is checked all the same."""
    names = framing.Names()
    for number in range(5000):
        assert names[b"X-%d" % number] == b"x-%d" % number
    assert names[b"Y" * 100] == b"y" * 100
    assert len(names) == framing.NAMES_MOST
    with pytest.raises(Problem):
        names[b"a b"]


def test_tail_says_what_matters() -> None:
    """Version, fields in lower case and order, length, persistence and expectation come out of one reading."""
    tail = framing.parse_tail(b"HTTP/1.1\r\nHost: x\r\nX-A:  b \r\nContent-Length: 7\r\nExpect: 100-Continue", SETTINGS)
    assert tail.headers[1] == (b"x-a", b"b")
    assert (tail.length, tail.keep, tail.expect) == (7, True, True)
    old = framing.parse_tail(b"HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 7", SETTINGS)
    assert (old.keep, old.expect, old.host) == (False, False, b"")
