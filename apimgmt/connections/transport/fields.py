"""What a request is made of, looked at before it is sent: nothing in it can become a second field or request."""

from __future__ import annotations

import re

from apimgmt.connections import Call
from apimgmt.errors import ConnectionFailed

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def check_fields(call: Call) -> None:
    """Raises ConnectionFailed with the cause ``request`` for a method, name or value that HTTP does not have.

    Names and values: RFC 9110 section 5. The framing is the driver's own matter: a length has to be the true one.
    """
    if not _TOKEN.fullmatch(call.method):
        raise ConnectionFailed("request", "the method is no HTTP method")
    for name, value in call.headers:
        if not _TOKEN.fullmatch(name):
            raise ConnectionFailed("request", f"{name[:80]!r} is no name of a header field")
        if not _VALUE.fullmatch(value):
            raise ConnectionFailed(
                "request", f"the value of {name[:80]} has characters that a header field cannot have"
            )
        lower = name.lower()
        if lower == "transfer-encoding" or (lower == "content-length" and value.strip() != str(len(call.content))):
            raise ConnectionFailed("request", f"{name} cannot be set; it follows from the body")
