"""Line and column of values, worked out only for what a finding or an operation asks for.

JSON keeps its text; the members of a container are found by skipping over their values with the C scanner of ``json``,
so each level that is asked for costs one pass over that container, once. YAML keeps, per container, the places of its
members in one packed array, because its parser has them at hand anyway.
"""

from __future__ import annotations

import json
import re
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

_space = re.compile(r"[ \t\n\r]*").match
_scan = json.JSONDecoder(parse_int=len, parse_float=len).scan_once  # type: ignore[attr-defined]
_COLUMN_BITS = 24
_COLUMN_MOST = (1 << _COLUMN_BITS) - 1


class JsonPlaces:
    """Places in a JSON text that was parsed without error."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._members: dict[int, dict[str, tuple[int, int]]] = {}
        self._lines: list[int] | None = None

    def find(self, tokens: Sequence[str]) -> tuple[int, int]:
        """Line and column of the member's name, or of the item, that ``tokens`` lead to."""
        value = place = _after(self._text, 0)
        for token in tokens:
            members = self._members.get(value)
            if members is None:
                members = self._members[value] = self._scan(value)
            if token not in members:
                break
            place, value = members[token]
        return self._line_and_column(place)

    def _scan(self, start: int) -> dict[str, tuple[int, int]]:
        """Name (or index) to the offsets of the member and of its value, for the container at ``start``."""
        opening = self._text[start]
        if opening == "{":
            return self._scan_object(start)
        return self._scan_array(start) if opening == "[" else {}

    def _scan_object(self, start: int) -> dict[str, tuple[int, int]]:
        text = self._text
        members: dict[str, tuple[int, int]] = {}
        here = _after(text, start + 1)
        while text[here] == '"':
            name, end = scanstring(text, here + 1)
            value = _after(text, _after(text, end) + 1)
            members[name] = (here, value)
            here = _after(text, _scan(text, value)[1])
            if text[here] == ",":
                here = _after(text, here + 1)
        return members

    def _scan_array(self, start: int) -> dict[str, tuple[int, int]]:
        text = self._text
        members: dict[str, tuple[int, int]] = {}
        here = _after(text, start + 1)
        while text[here] != "]":
            members[str(len(members))] = (here, here)
            here = _after(text, _scan(text, here)[1])
            if text[here] == ",":
                here = _after(text, here + 1)
        return members

    def _line_and_column(self, offset: int) -> tuple[int, int]:
        if self._lines is None:
            self._lines = [0, *accumulate(len(line) for line in self._text.split("\n"))]
            self._lines = [length + count for count, length in enumerate(self._lines)]
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1


class YamlPlaces:
    """Places in a YAML text, recorded while it was parsed."""

    def __init__(self, root: Any, places: dict[int, array[int]], start: tuple[int, int]) -> None:
        self._root = root
        self._places = places
        self._start = start

    def find(self, tokens: Sequence[str]) -> tuple[int, int]:
        """Line and column of the key, or of the item, that ``tokens`` lead to."""
        value, place = self._root, pack(*self._start)
        for token in tokens:
            index = _index(value, token)
            places = self._places.get(id(value))
            if index is None or places is None:
                break
            place = places[index]
            value = value[token] if isinstance(value, dict) else value[index]
        return place >> _COLUMN_BITS, place & _COLUMN_MOST


def pack(line: int, column: int) -> int:
    """Line and column as one integer."""
    return line << _COLUMN_BITS | min(column, _COLUMN_MOST)


def _index(value: Any, token: str) -> int | None:
    if isinstance(value, dict):
        return list(value).index(token) if token in value else None
    if isinstance(value, list) and token.isdecimal() and int(token) < len(value):
        return int(token)
    return None


def _after(text: str, offset: int) -> int:
    match = _space(text, offset)
    return match.end() if match else offset
