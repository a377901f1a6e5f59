"""A reply: what goes to the wire. Everything in it was checked on the way in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from apimgmt.errors import Problem

Field = tuple[bytes, bytes]

# these belong to the connection and to the framing of the message, which are the server's business (RFC 9110 7.6.1)
FRAMING = frozenset(
    (
        *(b"connection", b"content-length", b"keep-alive", b"proxy-connection"),
        *(b"te", b"trailer", b"transfer-encoding", b"upgrade"),
    )
)
# more than any client reads; what is larger is a defect of the process
FIELDS_BYTES_MOST = 65_536
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class Reply(msgspec.Struct, frozen=True):
    """Status, header fields (names in lower case) and body of a response; fields and body are ready to be sent."""

    status: int
    headers: list[Field]
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header field."""
        return next((value for key, value in self.headers if key == name), None)


def checked_status(status: Any) -> int:
    """A final status from 200 to 599; raises Problem ``bad-result`` for anything else."""
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise Problem("bad-result", "The status is not a whole number from 200 to 599.")
    return int(status)


def checked_fields(pairs: Iterable[tuple[Any, Any]]) -> list[Field]:
    """Header fields as they may be sent (RFC 9110 5.5): names are tokens, values have no line breaks, 64 KiB in all.

    Fields of the connection and the framing are left out. Raises Problem ``bad-result`` for what could split the
    response or cannot be written in latin-1.
    """
    try:
        fields = [field for field in (_field(name, value) for name, value in pairs) if field[0] not in FRAMING]
    except Problem:
        raise
    except Exception as error:  # the text of a value is made by the process, which may raise anything
        raise Problem("bad-result", "The headers are not pairs of a name and a value.") from error
    if sum(len(name) + len(value) for name, value in fields) > FIELDS_BYTES_MOST:
        raise Problem("bad-result", f"The headers are longer than {FIELDS_BYTES_MOST} bytes.")
    return fields


def _field(name: Any, value: Any) -> Field:
    key = name.decode("latin-1") if isinstance(name, bytes) else str(name)
    text = (value.decode("latin-1") if isinstance(value, bytes) else str(value)).strip(" \t")
    if not _TOKEN.fullmatch(key) or not _VALUE.fullmatch(text):
        raise Problem("bad-result", "A header field has a name or a value that HTTP does not allow.")
    return key.lower().encode("ascii"), text.encode("latin-1")
