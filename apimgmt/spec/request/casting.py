"""Text to JSON values, without Python's leniency: no ``1_000``, ``nan``, spaces, ``+5``, ``05`` or Arabic digits.

A cast never fails: a text that is not of the type stays the text, so that the validator says what is wrong with it,
with its pointer, and an operation without validation gets the text (F-094). See ``docs/casting.md`` for the rules.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from apimgmt.spec.request.outline import Kinds

Text = Callable[[str], Any]

LONGEST_NUMBER = 4300
"""Python refuses to read a longer integer, whatever the setting says."""

_NEGATIVE = re.compile(r"-(?:0|[1-9][0-9]*)").fullmatch
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?").fullmatch
_ORDER = ("integer", "number", "boolean", "null")


def same(text: str) -> str:
    """The text itself: the cast of a string."""
    return text


def boolean(text: str) -> bool | str:
    """``true`` and ``false``, in lower case as JSON writes them."""
    if text == "true":
        return True
    return False if text == "false" else text


def null(text: str) -> str | None:
    """``null`` and the empty text."""
    return None if text in ("", "null") else text


def written_null(text: str) -> str | None:
    """``null`` only: where strings are allowed too, an empty text is the empty string."""
    return None if text == "null" else text


def integer(digits: int) -> Text:
    """A cast to an exact integer of at most ``digits`` characters."""
    longest = min(digits, LONGEST_NUMBER)

    def cast(text: str) -> int | str:
        if len(text) <= longest:
            if text.isdigit() and text.isascii() and (text[0] != "0" or text == "0"):
                return int(text)
            if _NEGATIVE(text):
                return int(text)
        return text

    return cast


def number(digits: int) -> Text:
    """A cast to a finite floating number from the number grammar of JSON, of at most ``digits`` characters."""

    def cast(text: str) -> float | str:
        if len(text) <= digits and _NUMBER(text):
            value = float(text)
            return value if math.isfinite(value) else text
        return text

    return cast


def scalar(kinds: Kinds, accepts: Callable[[Any], bool], digits: int) -> Text:
    """The cast to the scalar types among ``kinds``; of several, the first whose value ``accepts``, strings last."""
    casts = {"integer": integer(digits), "number": number(digits), "boolean": boolean, "null": null}
    if "string" in kinds:
        casts["null"] = written_null
    wanted = [casts[kind] for kind in _ORDER if kind in kinds]
    if not wanted:
        return same
    if len(wanted) == 1 and "string" not in kinds:
        return wanted[0]
    return first(wanted, accepts)


def first(casts: Sequence[Text], accepts: Callable[[Any], bool]) -> Text:
    """The first cast that applies and gives a value that ``accepts``; otherwise the text."""

    def cast(text: str) -> Any:
        for attempt in casts:
            value = attempt(text)
            if value is not text and accepts(value):
                return value
        return text

    return cast
