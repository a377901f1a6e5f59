"""HTTP/1.1 messages from bytes, by a grammar of what is allowed: everything else is refused (RFC 9110, RFC 9112).

The discipline of this file: no I/O, no clock, and no second reading. A message that two parsers could cut in two ways
(both lengths, a bare line feed, a folded field, ...) is a Problem here, never a guess, so that nothing can be smuggled
past or into a proxy. What is accepted here is read the same way by llhttp; the tests compare the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from apimgmt.errors import Problem
from apimgmt.settings import Settings

CHUNKED = -1
CRLF = b"\r\n"
END = b"\r\n\r\n"
TEXT = bytes([9, *range(32, 127), *range(128, 256)])
TARGET = bytes(code for code in range(33, 127) if code != ord("#"))
VERSIONS = {b"HTTP/1.1": "1.1", b"HTTP/1.0": "1.0"}
NAMES_MOST = 1000
NAME_LONGEST = 64
EXTENSIONS_MOST = 1024

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~\-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_ABSOLUTE = re.compile(rb"https?://([^/?]+)(/[^?]*)?(?:\?(.*))?", re.IGNORECASE)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})((?:[ \t]*;[\t -~]*)?)")
_ONCE = (b"host", b"content-length", b"transfer-encoding", b"expect")


class Names(dict[bytes, bytes]):
    """Field names that were found to be tokens, in lower case; remembers the short ones, a limited number of them."""

    def __missing__(self, name: bytes) -> bytes:
        if not _TOKEN.fullmatch(name):
            raise Problem("bad-request", "A field name is not a token.")
        lower = name.lower()
        if len(self) < NAMES_MOST and len(name) <= NAME_LONGEST:
            self[name] = lower
        return lower


class Methods(dict[bytes, str]):
    """Methods that were found to be tokens; any token is one, the application decides what it means."""

    def __missing__(self, method: bytes) -> str:
        if not _TOKEN.fullmatch(method):
            raise Problem("bad-request", "The method is not a token.")
        if method == b"CONNECT":
            raise Problem("not-implemented", "This server is not a tunnel.")
        return method.decode()


NAMES = Names()
METHODS = Methods({name: name.decode() for name in (b"GET", b"PUT", b"POST", b"DELETE", b"HEAD", b"OPTIONS", b"PATCH")})


class Tail(NamedTuple):
    """What follows the target in a request head: version and header fields, and what they say together.

    ``length`` is that of the body in bytes, or CHUNKED.
    """

    version: str
    headers: list[tuple[bytes, bytes]]
    length: int
    host: bytes
    keep: bool
    expect: bool


def split_head(head: bytes, settings: Settings) -> tuple[str, bytes, bytes]:
    """Method, target and tail of a head without its empty line (RFC 9112, 3); raises Problem 400, 414 or 501."""
    method, _, rest = head.partition(b" ")
    target, _, tail = rest.partition(b" ")
    if len(head) > settings.request_line and len(head.partition(CRLF)[0]) > settings.request_line:
        raise line_too_long(settings)
    return METHODS[method], target, tail


def parse_target(method: str, target: bytes, tail: Tail) -> tuple[bytes, bytes]:
    """Path and query, both still percent-encoded (RFC 9112, 3.2); raises Problem 400."""
    if target.translate(None, TARGET):
        raise Problem("bad-request", "The request target has a character that must be percent-encoded.")
    if target.startswith(b"/"):
        path, _, query = target.partition(b"?")
        return path, query
    if target == b"*" and method == "OPTIONS":
        return b"*", b""
    absolute = _ABSOLUTE.fullmatch(target)
    if not absolute:
        raise Problem("bad-request", "The request target is not a path.")
    if absolute[1].lower() != tail.host.lower():
        raise Problem("bad-request", "The request target and the Host field name different hosts.")
    return absolute[2] or b"/", absolute[3] or b""


def parse_tail(tail: bytes, settings: Settings) -> Tail:
    """Read version and header fields, without the empty line; raises Problem 400, 417 or 431."""
    version, *lines = tail.split(CRLF)
    if version not in VERSIONS:
        raise Problem("bad-request", "The request line is not `method target HTTP/1.1`.")
    headers = parse_fields(lines, len(tail), settings)
    found = dict(headers)
    if len(found) != len(headers):
        _refuse_repeated([name for name, _ in headers])
    return _interpret(VERSIONS[version], headers, found)


def parse_fields(lines: list[bytes], size: int, settings: Settings) -> list[tuple[bytes, bytes]]:
    """Names in lower case and values of lines without CRLF, ``size`` bytes at most; raises Problem 400 or 431."""
    if len(lines) > settings.header_fields:
        raise Problem("header-too-large", f"The request has more than {settings.header_fields} header fields.")
    if size > settings.header_field and max(map(len, lines), default=0) > settings.header_field:
        raise Problem("header-too-large", f"A header field is longer than {settings.header_field} bytes.")
    if b"".join(lines).translate(None, TEXT):
        raise Problem("bad-request", "A header field has a control character.")
    parts = [line.partition(b":") for line in lines]
    headers = [(NAMES[name], value.strip(b" \t")) for name, colon, value in parts if colon]
    if len(headers) != len(lines):
        raise Problem("bad-request", "A header line has no colon.")
    return headers


def _refuse_repeated(names: list[bytes]) -> None:
    for name in _ONCE:
        if names.count(name) > 1:
            raise Problem("bad-request", f"The field {name.decode()} is there more than once.")


def _interpret(version: str, headers: list[tuple[bytes, bytes]], found: dict[bytes, bytes]) -> Tail:
    new = version == "1.1"
    host = found.get(b"host")
    if host is None:
        if new:
            raise Problem("bad-request", "HTTP/1.1 needs a Host field.")
    elif not _HOST.fullmatch(host):
        raise Problem("bad-request", "The Host field is not a host with an optional port.")
    expect = found.get(b"expect")
    if expect is not None and expect.lower() != b"100-continue":
        raise Problem("bad-request", "The only expectation that can be met is 100-continue.", status=417)
    length = _length(found)
    if length == CHUNKED and not new:
        raise Problem("bad-request", "HTTP/1.0 has no chunked bodies.")
    keep = new and not (b"connection" in found and _says_close(headers))
    return Tail(version, headers, length, host or b"", keep, expect is not None and new and length != 0)


def _length(found: dict[bytes, bytes]) -> int:
    """How the body is framed (RFC 9112, 6.3), where nothing is open to a second reading."""
    coding, length = found.get(b"transfer-encoding"), found.get(b"content-length")
    if coding is not None:
        if length is not None:
            raise Problem("bad-request", "Content-Length and Transfer-Encoding exclude each other.")
        if coding.lower() != b"chunked":
            raise Problem("bad-request", "The only transfer coding is chunked.")
        return CHUNKED
    if length is None:
        return 0
    if not length.isdigit() or len(length) > 15:
        raise Problem("bad-request", "Content-Length is not a decimal number of bytes.")
    return int(length)


def _says_close(headers: list[tuple[bytes, bytes]]) -> bool:
    options = b",".join([value for name, value in headers if name == b"connection"]).lower()
    return b"close" in options and b"close" in [option.strip(b" \t") for option in options.split(b",")]


def line_too_long(settings: Settings) -> Problem:
    """What is said of a request line over the limit."""
    return Problem("uri-too-long", f"The request line is longer than {settings.request_line} bytes.")


class Partial:
    """A request head that comes in pieces; costs time in proportion to the bytes, however small the pieces are.

    The whole head may have as many bytes as a request line and eight header fields at their limits.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.most = settings.request_line + 8 * settings.header_field
        self.buffer = bytearray()
        self.line_start = 0
        self.lines = 0

    def feed(self, data: bytes) -> bytes | None:
        """Everything so far once the head is complete, else None; raises Problem 400, 414 or 431."""
        before = len(self.buffer)
        self.buffer += data
        if not before and not _TOKEN.match(self.buffer):
            raise Problem("bad-request", "The request does not begin with a method.")
        end = self.buffer.find(END, max(before - 3, 0))
        stop = len(self.buffer) if end < 0 else end + 2
        self._check(before, stop)
        return None if end < 0 else bytes(self.buffer)

    def _check(self, before: int, stop: int) -> None:
        """Bound the memory; the exact limits are those of the parsing, once the head is complete."""
        feeds = self.buffer.count(b"\n", before, stop)
        if feeds:
            if feeds != self.buffer.count(CRLF, max(before - 1, 0), stop):
                raise Problem("bad-request", "A line ends in a bare line feed.")
            self.lines += feeds
            self.line_start = self.buffer.rfind(b"\n", before, stop) + 1
        under_way = stop - self.line_start
        if not self.lines and under_way > self.settings.request_line + 1:
            raise line_too_long(self.settings)
        if self.lines and under_way > self.settings.header_field + 1:
            raise Problem("header-too-large", f"A header field is longer than {self.settings.header_field} bytes.")
        if self.lines > self.settings.header_fields + 1:
            raise Problem("header-too-large", f"The request has more than {self.settings.header_fields} header fields.")
        if stop > self.most:
            raise Problem("header-too-large", f"The request header is longer than {self.most} bytes.")


class Chunks:
    """Decodes a chunked body (RFC 9112, 7.1): extensions are skipped and limited in sum, trailers are dropped."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.buffer = b""
        self.left = 0
        self.extensions = 0
        self.step: Callable[[int, list[bytes]], int] = self._size

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """The decoded bytes, and what follows the body once it is complete (else None); raises Problem 400 or 431."""
        self.buffer = self.buffer + data if self.buffer else data
        pieces: list[bytes] = []
        at = 0
        while at >= 0:
            done, at = at, self.step(at, pieces)
            if self.step == self._finished:
                return b"".join(pieces), self.buffer[at:]
        self.buffer = self.buffer[done:]
        return b"".join(pieces), None

    def _size(self, at: int, _: list[bytes]) -> int:
        """Read a line ``size[;extension]``; every step returns where it got to, or -1 if it needs more bytes."""
        end = self.buffer.find(CRLF, at, at + EXTENSIONS_MOST)
        text = self.buffer[at : end if end >= 0 else at + EXTENSIONS_MOST]
        if end < 0 and len(text) < EXTENSIONS_MOST and b"\n" not in text:
            return -1
        match = _CHUNK.fullmatch(text)
        if end < 0 or not match:
            raise Problem("bad-request", "A chunk size is not a hexadecimal number on a line of its own.")
        self.extensions += len(match[2])
        if self.extensions > EXTENSIONS_MOST:
            raise Problem("bad-request", f"The chunk extensions are longer than {EXTENSIONS_MOST} bytes.")
        self.left = int(match[1], 16)
        self.step = self._data if self.left else self._trailer
        return end + 2

    def _data(self, at: int, pieces: list[bytes]) -> int:
        piece = self.buffer[at : at + self.left]
        if not piece:
            return -1
        pieces.append(piece)
        self.left -= len(piece)
        if not self.left:
            self.step = self._data_end
        return at + len(piece)

    def _data_end(self, at: int, _: list[bytes]) -> int:
        text = self.buffer[at : at + 2]
        if not CRLF.startswith(text):
            raise Problem("bad-request", "A chunk is longer than its size.")
        if len(text) < 2:
            return -1
        self.step = self._size
        return at + 2

    def _trailer(self, at: int, _: list[bytes]) -> int:
        """Read the trailer section in one go; one header field's worth of bytes is what it may have."""
        if self.buffer.startswith(CRLF, at):
            self.step = self._finished
            return at + 2
        end = self.buffer.find(END, at, at + self.settings.header_field + 4)
        text = self.buffer[at : end + 2 if end >= 0 else None]
        if text.count(b"\n") != text.count(CRLF):
            raise Problem("bad-request", "A line ends in a bare line feed.")
        if end < 0 and len(text) >= self.settings.header_field + 4:
            raise Problem("header-too-large", f"The trailer is longer than {self.settings.header_field} bytes.")
        if end < 0:
            return -1
        for name, _value in parse_fields(text[:-2].split(CRLF), len(text), self.settings):
            if name in _ONCE:
                raise Problem("bad-request", f"The field {name.decode()} cannot be in a trailer.")
        self.step = self._finished
        return end + 4

    def _finished(self, at: int, _: list[bytes]) -> int:
        return at
