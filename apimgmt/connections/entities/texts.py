"""Values as texts: how a value is written into a path, a query, a header field or a form."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID

from apimgmt.errors import ConnectionFailed

_KINDS = {dict: "an object", list: "an array", tuple: "an array", type(None): "null", bytes: "bytes"}
_NAMES = {str: "a text", bool: "a boolean", int: "a number", float: "a number", **_KINDS}


def text_of(value: Any, place: str) -> str:
    """The text of a single value; raises ConnectionFailed("request") with the place for what has none.

    >>> text_of(True, "query")
    'true'
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        text = value.isoformat()
        return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, int | UUID):
        return str(value)
    if isinstance(value, float | Decimal) and math.isfinite(value):
        return str(value)
    raise ConnectionFailed("request", f"{place}: {kind_of(value)} cannot be written as a text")


def kind_of(value: Any) -> str:
    """What a value is, in words: ``a text``, ``an object``."""
    return _NAMES.get(type(value), f"a {type(value).__name__}")


def segment(pieces: Iterable[tuple[str, bool]], place: str) -> str:
    """A segment of a path, made of pieces and whether each is a value; no value leaves it (RFC 3986 section 3.3).

    Values are percent-encoded. Dots are refused where they are a step up or down, also behind an encoded slash: some
    servers decode before they look.
    """
    plain, written = "", ""
    for text, is_value in pieces:
        plain += text if is_value else unquote(text)
        if not is_value:
            written += text
            continue
        if any(sign < " " or sign == "\x7f" for sign in text):
            raise ConnectionFailed("request", f"{place}: there are control characters in a value")
        try:
            written += quote(text, safe="")
        except UnicodeEncodeError:
            raise ConnectionFailed("request", f"{place}: a value is no valid Unicode") from None
    if not plain:
        raise ConnectionFailed("request", f"{place}: an empty value would make an empty segment")
    if is_dots(plain):
        raise ConnectionFailed("request", f"{place}: a value with a step of dots would lead to another path")
    return written


def is_dots(segment: str) -> bool:
    """Whether a segment is, or has behind a slash of either kind, a step of one or two dots."""
    return any(part in (".", "..") for part in segment.replace("\\", "/").split("/"))


def header_text(text: str, place: str) -> str:
    """A field value (RFC 9110 section 5.5): no line breaks and no other control characters, Latin-1 at most."""
    stripped = text.strip(" \t")
    if any((sign < " " and sign != "\t") or sign == "\x7f" for sign in stripped):
        raise ConnectionFailed("request", f"{place}: there are line breaks or control characters in the value")
    try:
        stripped.encode("latin-1")
    except UnicodeEncodeError:
        raise ConnectionFailed("request", f"{place}: a header field cannot hold these characters") from None
    return stripped
