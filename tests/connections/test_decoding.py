"""Bodies of answers: decoded, counted, and neither a bomb nor cut off."""

from __future__ import annotations

import gzip
import random
import zlib

import pytest

from apimgmt.connections.transport.decoding import FREE_BYTES, MOST_RATIO, PIECE_BYTES, Decoding
from apimgmt.errors import ConnectionFailed

TEXT = b'{"ok": true}'
NOISE = random.Random(1).randbytes(300_000)


def bare(content: bytes) -> bytes:
    """A deflate stream without zlib's frame."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def decoded(coding: str, content: bytes, most: int = 1 << 30, step: int = 65_536) -> bytes:
    """Everything that comes out, fed in steps."""
    decoding = Decoding(coding, most)
    given = b"".join(one for at in range(0, len(content), step) for one in decoding.feed(content[at : at + step]))
    decoding.end()
    return given


def cause(coding: str, content: bytes, most: int = 1 << 30) -> str:
    """Why it cannot be decoded."""
    with pytest.raises(ConnectionFailed) as caught:
        decoded(coding, content, most)
    return caught.value.cause


CODINGS = [
    ("", TEXT),
    ("identity", TEXT),
    ("gzip", gzip.compress(TEXT)),
    ("GZIP ", gzip.compress(TEXT)),
    ("x-gzip", gzip.compress(TEXT)),
    ("gzip, identity", gzip.compress(TEXT)),
    ("deflate", zlib.compress(TEXT)),
    ("deflate", bare(TEXT)),
    ("gzip", gzip.compress(TEXT[:5]) + gzip.compress(TEXT[5:])),
    ("gzip", gzip.compress(TEXT) + bytes(7)),
]


@pytest.mark.parametrize(("coding", "content"), CODINGS, ids=[f"{n}-{one[0]}" for n, one in enumerate(CODINGS)])
@pytest.mark.parametrize("step", [1, 7, 65_536])
def test_every_coding_that_is_asked_for_is_decoded(coding: str, content: bytes, step: int) -> None:
    """Whole, byte by byte, in several members, padded with zeros, and deflate without its frame."""
    assert decoded(coding, content, step=step) == TEXT


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_large_bodies_come_in_pieces(coding: str) -> None:
    """No piece is longer than 64 KiB, nothing is lost."""
    packed = gzip.compress(NOISE) if coding == "gzip" else zlib.compress(NOISE)
    pieces = list(Decoding(coding, 1 << 30).feed(packed))
    assert b"".join(pieces) == NOISE and max(map(len, pieces)) == PIECE_BYTES


@pytest.mark.parametrize("coding", ["", "gzip", "deflate"])
def test_what_comes_out_is_counted(coding: str) -> None:
    """At the limit it is an answer, one byte past it is not."""
    packed = {"": NOISE, "gzip": gzip.compress(NOISE), "deflate": zlib.compress(NOISE)}[coding]
    assert decoded(coding, packed, len(NOISE)) == NOISE
    assert cause(coding, packed, len(NOISE) - 1) == "too-large"


def test_what_expands_more_than_a_hundredfold_is_a_bomb() -> None:
    """Beyond a free part, whatever the limit of bytes is; what expands less is not."""
    bomb = gzip.compress(bytes(FREE_BYTES + 1))
    assert len(bomb) * MOST_RATIO < FREE_BYTES
    assert cause("gzip", bomb) == "too-large"
    assert decoded("gzip", gzip.compress(bytes(FREE_BYTES))) == bytes(FREE_BYTES)
    mixed = NOISE[:30_000] + bytes(2_000_000)
    assert decoded("gzip", gzip.compress(mixed)) == mixed


def test_a_bomb_is_not_unpacked_before_it_is_found() -> None:
    """No more is decoded than the limit and one piece."""
    decoding, given = Decoding("gzip", 100_000), 0
    with pytest.raises(ConnectionFailed):
        for piece in decoding.feed(gzip.compress(bytes(50_000_000))):
            given += len(piece)
    assert given <= 100_000


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "deflate, gzip", "x" * 500])
def test_a_coding_that_was_not_asked_for_is_refused(coding: str) -> None:
    """The message has it, shortened."""
    with pytest.raises(ConnectionFailed, match="was not asked for") as caught:
        Decoding(coding, 1)
    assert caught.value.cause == "protocol" and len(str(caught.value)) < 120


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_body_that_is_not_as_it_says_is_refused(coding: str) -> None:
    """Garbage is ``protocol``; a stream that ends too soon is ``reset``; a body that is empty was left out."""
    packed = gzip.compress(TEXT) if coding == "gzip" else zlib.compress(TEXT)
    assert cause(coding, b"\xff\xff\xff\xffgarbage") == "protocol"
    assert cause(coding, packed[:-1]) == "reset"
    assert cause(coding, packed[:5]) == "reset"
    assert decoded(coding, b"") == b""
