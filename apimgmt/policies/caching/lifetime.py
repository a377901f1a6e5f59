"""Whether an answer may be kept, and for how long (RFC 9111 sections 3 and 4.2, and stricter)."""

from __future__ import annotations

import time
from collections.abc import Sequence

from werkzeug.datastructures import ResponseCacheControl
from werkzeug.http import parse_cache_control_header, parse_date

from apimgmt.policies.caching import Field

UNKEPT = frozenset(("no-store", "no-cache", "private"))
FORBIDDEN = frozenset((b"set-cookie", b"www-authenticate"))


def lifetime(status: int, fields: Sequence[Field], seconds: float) -> float:
    """The seconds that an answer may be kept, at most ``seconds``; 0 if not at all.

    Only a 200 without cookies is kept, unless its process says no-store, no-cache or private, or that it depends on
    more than the request says (``Vary: *``). What the process says of its age shortens it.
    """
    if status != 200 or any(name in FORBIDDEN for name, _ in fields):
        return 0
    if b"*" in varying(fields):
        return 0
    text = b", ".join(_values(fields, b"cache-control")).decode("latin-1").lower()
    control = parse_cache_control_header(text, cls=ResponseCacheControl)
    if control.keys() & UNKEPT:
        return 0
    for directive in ("s-maxage", "max-age"):
        if directive in control:
            said = control[directive] or ""
            return min(seconds, int(said)) if said.isdecimal() else 0
    return max(0.0, min([seconds, *map(_until, _values(fields, b"expires"))]))


def varying(fields: Sequence[Field]) -> set[bytes]:
    """The header fields of a request on which an answer says that it depends (``Vary``), in lower case."""
    named = {name.strip().lower() for value in _values(fields, b"vary") for name in value.split(b",")}
    return named - {b""}


def _values(fields: Sequence[Field], wanted: bytes) -> list[bytes]:
    return [value for name, value in fields if name == wanted]


def _until(value: bytes) -> float:
    """Seconds from now to an ``Expires``; one that is no date is over (RFC 9111 section 5.3)."""
    date = parse_date(value.decode("latin-1"))
    return date.timestamp() - time.time() if date is not None else 0.0
