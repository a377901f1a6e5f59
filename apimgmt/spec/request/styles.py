"""How OpenAPI styles write arrays and objects in one text: split first, decode afterwards.

A comma that is part of an item is sent as ``%2C``; so no text is decoded before it has been split. But form encoders
(browsers, ``URLSearchParams``, ``requests``) encode every comma: in a query or form a text with ``%2C`` and no plain
comma is split at ``%2C``. ``|``, space and tab are not allowed in a URL, so their encoded forms are separators too.
Source: OpenAPI 3.2, "Style Examples"; Swagger 2 ``collectionFormat``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from apimgmt.errors import ApimgmtError

Split = Callable[[str], list[str]]
Pairs = Callable[[str], list[tuple[str, str]]]

_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})").search


class Unreadable(ApimgmtError):
    """A text is not written as its parameter demands; ``code`` and ``detail`` become a violation."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def percent_decoded(text: str) -> str:
    """``text`` (ASCII) without percent-encoding; raises Unreadable for a broken triplet or what is not UTF-8."""
    if "%" not in text:
        return text
    if _BROKEN(text):
        raise Unreadable("encoding", "has a % that is not followed by two hexadecimal digits")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise Unreadable("encoding", "is not UTF-8") from None


def form_decoded(text: str) -> str:
    """The same for queries and forms, where ``+`` is a space."""
    if "+" in text:
        text = text.replace("+", " ")
    return percent_decoded(text) if "%" in text else text


def undecoded(text: str) -> str:
    """The text itself: headers are not percent-encoded."""
    return text


def splitter(style: str, explode: bool, name: str, form: bool = False) -> Split:
    """The items of an array written in one text; ``form``: by a form encoder, as in a query."""
    separator = _separator(style, explode, form)

    def split(text: str) -> list[str]:
        body = _unprefixed(text, style, name, explode)
        if not body:
            return []
        if style == "matrix" and explode:
            return [_named(piece, name) for piece in body.split(";")]
        return separator(body)

    if style in ("form", "cookie", "deepObject"):
        return separator
    return split


def pairs(style: str, explode: bool, name: str, form: bool = False) -> Pairs:
    """The properties of an object written in one text, as name and value."""
    separator = _separator(style, explode, form)

    def split(text: str) -> list[tuple[str, str]]:
        if style == "matrix" and explode:
            if not text.startswith(";"):
                raise Unreadable("style", "must begin with ;")
            return _assigned(text[1:].split(";"))
        body = _unprefixed(text, style, name, explode)
        pieces = separator(body) if body else []
        return _assigned(pieces) if explode else _alternating(pieces)

    return split


def scalar(style: str, name: str) -> Callable[[str], str]:
    """The text of a scalar, without the prefix of ``label`` and ``matrix``."""
    if style not in ("label", "matrix"):
        return undecoded
    return lambda text: _unprefixed(text, style, name, False)


def _commas(text: str) -> list[str]:
    return text.split(",") if text else []


def _form_commas(text: str) -> list[str]:
    if "%2" in text and "," not in text:
        return text.replace("%2C", ",").replace("%2c", ",").split(",")
    return _commas(text)


def _separator(style: str, explode: bool, form: bool) -> Split:
    if style == "spaceDelimited":
        return lambda text: (text.replace("+", " ") if form else text).replace("%20", " ").split(" ")
    if style == "tabDelimited":
        return lambda text: text.replace("%09", "\t").split("\t")
    if style == "pipeDelimited":
        return lambda text: text.replace("%7C", "|").replace("%7c", "|").split("|")
    if style == "label":
        # Up to OpenAPI 3.0.2 the table showed `.a.b`, since then `.a,b` as in RFC 6570.
        return lambda text: text.split("," if not explode and "," in text else ".")
    return _form_commas if form else _commas


def _unprefixed(text: str, style: str, name: str, explode: bool) -> str:
    if style == "label":
        if not text.startswith("."):
            raise Unreadable("style", "must begin with .")
        return text[1:]
    if style == "matrix":
        if not text.startswith(";"):
            raise Unreadable("style", "must begin with ;")
        return text[1:] if explode else _named(text[1:], name)
    return text


def _named(piece: str, name: str) -> str:
    written, _, value = piece.partition("=")
    if percent_decoded(written) != name:
        raise Unreadable("style", "must be written as ;name=value")
    return value


def _assigned(pieces: list[str]) -> list[tuple[str, str]]:
    split = [piece.partition("=") for piece in pieces]
    if not all(equals for _, equals, _ in split):
        raise Unreadable("style", "must be written as name=value pairs")
    return [(name, value) for name, _, value in split]


def _alternating(pieces: list[str]) -> list[tuple[str, str]]:
    if len(pieces) % 2:
        raise Unreadable("style", "must alternate names and values")
    return list(zip(pieces[::2], pieces[1::2], strict=True))
