"""The body of an answer, decoded and counted: what is counted is what comes out, not what was sent (T45).

Both drivers leave decoding to this, so that a bomb, a cut-off stream and a coding that nobody asked for end alike.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from apimgmt.errors import ConnectionFailed

ACCEPTED = "gzip, deflate"
PIECE_BYTES = 65_536
MOST_RATIO = 100
# so much may come out whatever the ratio: small answers are sometimes very repetitive
FREE_BYTES = 1_048_576


class Decoding:
    """Decodes one body, given piece by piece; ``most`` are the bytes that may come out of it.

    ``coding`` is the answer's Content-Encoding. Everything raises ConnectionFailed: ``too-large`` for what is longer or
    expands more than a hundredfold, ``protocol`` for what cannot be decoded.
    """

    def __init__(self, coding: str, most: int) -> None:
        self._most = most
        self._taken = self._given = 0
        names = [name for name in (one.strip().lower() for one in coding.split(",")) if name not in ("", "identity")]
        if len(names) > 1 or not {"gzip", "x-gzip", "deflate"}.issuperset(names):
            raise ConnectionFailed("protocol", f"the answer is encoded as {coding[:40]!r}, which was not asked for")
        self._coding = names[0] if names else ""
        # zlib's own format or gzip's, whichever it is
        self._inflater = zlib.decompressobj(32 + zlib.MAX_WBITS)

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """What comes out after this piece, in pieces of at most 64 KiB."""
        self._taken += len(piece)
        if not self._coding:
            yield self._counted(piece)
            return
        if piece and self._taken == len(piece) and self._coding == "deflate" and piece[0] & 15 != 8:
            # some servers send the bare stream without zlib's two bytes before it (RFC 9110 section 8.4.1.2)
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        while piece:
            try:
                given = self._inflater.decompress(piece, PIECE_BYTES)
            except zlib.error:
                raise ConnectionFailed("protocol", f"the answer is not {self._coding}, as it says it is") from None
            if given:
                yield self._counted(given)
            piece = self._inflater.unconsumed_tail
            if self._inflater.eof:
                piece = self._inflater.unused_data
                if piece.strip(b"\0") == b"":
                    return
                # several members of gzip, one behind the other (RFC 1952 section 2.2)
                self._inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def end(self) -> None:
        """There is no more; raises ConnectionFailed if there should be."""
        if self._coding and self._taken and not self._inflater.eof:
            raise ConnectionFailed("reset", "the encoded answer ends before its end")

    def _counted(self, given: bytes) -> bytes:
        self._given += len(given)
        if self._given > self._most:
            raise ConnectionFailed("too-large", f"the answer is longer than {self._most} bytes")
        if self._coding and self._given > FREE_BYTES and self._given > self._taken * MOST_RATIO:
            raise ConnectionFailed("too-large", f"the answer expands to more than {MOST_RATIO} times what was sent")
        return given
