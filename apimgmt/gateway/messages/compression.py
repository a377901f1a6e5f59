"""gzip for replies (H-103): when the caller takes it and the body is long enough to gain from it."""

from __future__ import annotations

import re
import zlib

from apimgmt.gateway.messages.negotiation import accepts_coding
from apimgmt.gateway.messages.reply import Field, Reply

SMALLEST = 500
LEVEL = 6

_COMPRESSIBLE = re.compile(
    rb"text/|application/(json|xml|javascript|x-ndjson|yaml|[^;]*\+(json|xml|yaml))|image/svg\+xml"
)


def compress(reply: Reply, accept_encoding: bytes | None) -> Reply:
    """The reply in gzip if ``accept_encoding`` allows it; otherwise as it is, marked as one that depends on it.

    Left alone: bodies under 500 bytes, media types that are compressed in themselves, replies that have a coding
    already, parts (206) and ``Cache-Control: no-transform``.
    """
    if len(reply.body) < SMALLEST or not _may_change(reply):
        return reply
    if accept_encoding is None or not accepts_coding(accept_encoding, "gzip"):
        return Reply(reply.status, _with_vary(reply.headers), reply.body)
    body = gzip(reply.body)
    fields = [_weakened(field) for field in _with_vary(reply.headers) if field[0] != b"content-length"]
    return Reply(reply.status, [*fields, (b"content-encoding", b"gzip"), (b"content-length", b"%d" % len(body))], body)


def gzip(content: bytes) -> bytes:
    """``content`` in gzip format (RFC 1952), without a time in it, so that equal bodies stay equal."""
    deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return deflate.compress(content) + deflate.flush()


def _may_change(reply: Reply) -> bool:
    media_type = reply.header(b"content-type")
    if media_type is None or reply.status == 206 or not _COMPRESSIBLE.match(media_type.lower()):
        return False
    return reply.header(b"content-encoding") is None and b"no-transform" not in (reply.header(b"cache-control") or b"")


def _with_vary(fields: list[Field]) -> list[Field]:
    names = [value for name, value in fields if name == b"vary"]
    return [*(field for field in fields if field[0] != b"vary"), (b"vary", b", ".join([*names, b"Accept-Encoding"]))]


def _weakened(field: Field) -> Field:
    # the bytes differ now, the meaning does not (RFC 9110 8.8.3.3)
    name, value = field
    return (name, b"W/" + value) if name == b"etag" and value.startswith(b'"') else field
