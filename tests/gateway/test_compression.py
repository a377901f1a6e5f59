"""gzip (H-103)."""

from __future__ import annotations

import gzip as reference

import pytest

from apimgmt.gateway.messages.compression import SMALLEST, compress, gzip
from apimgmt.gateway.messages.reply import Field, Reply


def _reply(*more: Field, size: int = SMALLEST, media_type: bytes = b"application/json", status: int = 200) -> Reply:
    fields = [(b"content-type", media_type), *more, (b"content-length", b"%d" % size)]
    return Reply(status, fields, b"a" * size)


@pytest.mark.rows("H-103")
def test_compressed() -> None:
    """A caller who takes gzip gets it, with its length and its mark; the body is the same after unpacking."""
    reply = compress(_reply((b"vary", b"Accept"), (b"etag", b'"1"')), b"br, gzip")
    assert reference.decompress(reply.body) == b"a" * SMALLEST
    assert reply.header(b"content-encoding") == b"gzip"
    assert reply.header(b"content-length") == b"%d" % len(reply.body)
    assert [value for name, value in reply.headers if name == b"vary"] == [b"Accept, Accept-Encoding"]
    assert reply.header(b"etag") == b'W/"1"'
    assert gzip(b"x") == gzip(b"x")


@pytest.mark.rows("H-103")
@pytest.mark.parametrize("accepted", [None, b"gzip;q=0", b"identity"])
def test_not_wanted(accepted: bytes | None) -> None:
    """A caller who does not take gzip gets the body as it is, and caches learn that it depends on that."""
    reply = compress(_reply(), accepted)
    assert (reply.body, reply.header(b"vary")) == (b"a" * SMALLEST, b"Accept-Encoding")
    assert reply.header(b"content-encoding") is None


@pytest.mark.parametrize(
    "reply",
    [
        _reply(size=SMALLEST - 1),
        _reply(media_type=b"image/png"),
        _reply((b"content-encoding", b"br")),
        _reply((b"cache-control", b"private, no-transform")),
        _reply(status=206),
        Reply(200, [], b"a" * SMALLEST),
    ],
)
def test_left_alone(reply: Reply) -> None:
    """One byte under the limit, packed types, other codings, parts and no-transform stay as they are."""
    assert compress(reply, b"gzip") == reply


@pytest.mark.parametrize("media_type", [b"text/html; charset=utf-8", b"application/hal+json", b"image/svg+xml"])
def test_texts_of_all_kinds(media_type: bytes) -> None:
    """Everything that is text gains from it."""
    assert compress(_reply(media_type=media_type), b"gzip").header(b"content-encoding") == b"gzip"
