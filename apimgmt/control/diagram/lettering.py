"""Texts of a picture: how wide they are, about, and what is left of those that are too long or harmful."""

from __future__ import annotations

import re
import unicodedata

# The font is the viewer's, so widths are guessed, rather too wide than too narrow: shares of the font size.
_NARROW, _WIDE = frozenset("iljtfrI.,:;'|!()[]{}/ "), frozenset("mwMWQ@%")
# what is strong is set in the same size as other letters and a good tenth wider
NAME_SIZE, STRONG_SIZE, LINE_SIZE, LABEL_SIZE = 14.6, 12.4, 11.0, 11.0
MONOSPACED = 0.61
# what XML cannot hold (XML 1.0 section 2.2), and what turns the direction of the text around it
_HARMFUL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


def plain(text: str, most: int) -> str:
    """The text on one line, of at most so many characters."""
    text = " ".join(text[: 4 * most].split())
    return text if len(text) <= most else text[: most - 1] + "…"


def escaped(text: str) -> str:
    """The text as it may stand in an element or an attribute of XML; what is harmful becomes U+FFFD."""
    return _HARMFUL.sub("\ufffd", text).translate(_ENTITIES)


def width(text: str, size: float) -> float:
    """The width of a text in the font of names."""
    return size * sum(map(_share, text))


def code_width(text: str) -> float:
    """The width of a text in the font of lines, in which all letters are equally wide."""
    return LINE_SIZE * sum(map(_code_share, text))


def fitted(text: str, most: float, size: float = NAME_SIZE) -> str:
    """A text in the font of names cut to a width."""
    return _cut(text, [size * _share(letter) for letter in text], most)


def code_fitted(text: str, most: float) -> str:
    """A line cut to a width."""
    return _cut(text, [LINE_SIZE * _code_share(letter) for letter in text], most)


def _cut(text: str, widths: list[float], most: float) -> str:
    if sum(widths) <= most:
        return text
    left, kept = most - LINE_SIZE, 0
    while kept < len(text) and widths[kept] <= left:
        left -= widths[kept]
        kept += 1
    return text[:kept].rstrip() + "…"


def _share(letter: str) -> float:
    if letter in _NARROW:
        return 0.38
    if letter in _WIDE or letter.isupper():
        return 1.0 if letter in _WIDE else 0.72
    return _of_script(letter, 0.6)


def _code_share(letter: str) -> float:
    return _of_script(letter, MONOSPACED)


def _of_script(letter: str, usual: float) -> float:
    if letter < "\u0300":
        return usual
    if unicodedata.combining(letter):
        return 0.0
    return 1.05 if unicodedata.east_asian_width(letter) in "WF" else max(usual, 0.65)
