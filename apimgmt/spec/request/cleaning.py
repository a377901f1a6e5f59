"""Cleaning: what an operation takes out of the texts of a request before anything casts or judges them (H-100).

    control     removes what nobody sees: control characters, and format characters that hide text or turn it round
    normalise   makes one of the several ways to write a character the only one (Unicode normalisation form C)
    trim        removes white space at both ends

The steps are taken in this order, however they are written: what a step removes may have stood at the end of a text or
between a letter and its accent. So a clean text stays as it is. Names of members, bytes and files are left alone.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Collection
from functools import cache
from typing import Any, ParamSpec

Clean = Callable[[str], str]
Given = ParamSpec("Given")

LONGEST_RUN = 30
"""Combining marks in a row, after UAX #15 section 13 (Stream-Safe Text Format): sorting longer ones takes quadratic
time, for a megabyte minutes.
"""

JOINER = "\u034f"
"""COMBINING GRAPHEME JOINER: invisible, no mark itself, meant to end a run."""

# C0 and C1 but tab, line feed and carriage return; soft hyphen, zero-width space and word joiner, invisible operators,
# byte order mark; embeddings, overrides and isolates, and their deprecated relatives (UTR #36, "Bidirectional Text
# Spoofing"); annotation and tags, in which whole texts can be hidden. Not the joiners (UTS #39 section 3.1.1) and the
# marks of direction, U+200C to U+200F and U+061C: Persian, Hindi, emoji and mixed Hebrew are not written without them.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u180e\u200b\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]+"
)


class Cleaning:
    """The steps of one operation, composed once; ``text`` cleans a text."""

    __slots__ = ("text",)

    def __init__(self, steps: Collection[str]) -> None:
        self.text = _composed([step for name, step in _STEPS.items() if name in steps], "trim" in steps)

    def value(self, value: Any) -> Any:
        """``value``, a JSON value of one's own, with every text in it cleaned in place, at any depth."""
        clean = self.text
        if type(value) is str:
            return clean(value)
        pending = [value]
        while pending:
            holder = pending.pop()
            if type(holder) is dict:
                members: Any = holder.items()
            elif type(holder) is list:
                members = enumerate(holder)
            else:
                continue
            for key, member in members:
                if type(member) is str:
                    # no key is added, so that the members can be walked meanwhile
                    holder[key] = clean(member)
                elif type(member) is dict or type(member) is list:
                    pending.append(member)
        return value


def compile_cleaning(steps: Collection[str]) -> Cleaning | None:
    """The cleaning of an operation; None without steps, so that nothing is done for it."""
    return Cleaning(steps) if steps else None


def cleaned(read: Callable[Given, Any], cleaning: Cleaning | None) -> Callable[Given, Any]:
    """``read``, and what it gives cleaned; ``read`` itself if there is nothing to clean."""
    if cleaning is None:
        return read
    value = cleaning.value
    return lambda *given, **named: value(read(*given, **named))


def _composed(steps: list[Clean], trims: bool) -> Clean:
    def clean(text: str) -> str:
        if text.isascii() and text.isprintable():
            return text.strip(" ") if trims else text
        for step in steps:
            text = step(text)
        return text

    if _normalised in steps:
        # made now and not at the first request
        _long_run()
    return clean


def _without_hidden(text: str) -> str:
    return _HIDDEN.sub("", text)


def _normalised(text: str) -> str:
    if unicodedata.is_normalized("NFC", text):
        return text
    return unicodedata.normalize("NFC", _long_run().sub(rf"\g<0>{JOINER}", text))


@cache
def _long_run() -> re.Pattern[str]:
    """As many combining marks as may stand in a row, before another one."""
    ranges: list[list[str]] = []
    for code in range(sys.maxunicode + 1):
        if unicodedata.combining(chr(code)):
            if ranges and ord(ranges[-1][1]) == code - 1:
                ranges[-1][1] = chr(code)
            else:
                ranges.append([chr(code), chr(code)])
    mark = f"[{''.join(f'{first}-{last}' for first, last in ranges)}]"
    return re.compile(f"{mark}{{{LONGEST_RUN}}}(?={mark})")


_STEPS: dict[str, Clean] = {"control": _without_hidden, "normalise": _normalised, "trim": str.strip}
