"""JSON as RFC 8259 means it: UTF-8, no NaN, no name twice in an object, exact integers, bounded.

Reads at the speed of orjson. What orjson does not tell (integers beyond 64 bits become floats, the last of two equal
names wins) has not happened where it writes the value as it came. Otherwise it can only have happened if the bytes show
it: a long run of digits, or a colon too many. Only then a third, slower look is taken.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import orjson

from apimgmt.errors import Problem
from apimgmt.settings import Settings
from apimgmt.spec.request.casting import LONGEST_NUMBER

_DIGITS_AS_ZERO = bytes(ord("0") if chr(code).isdigit() else code for code in range(128)) + bytes(range(128, 256))
_EXACT_DIGITS = 18
_UNREAD = object()
_LONGEST_WRITTEN = 24
"""Characters of the longest number that orjson writes, -1.2345678901234567e-308."""

_COLON_ESCAPE = b"\\u003"
_LONG_RUN = re.compile(rb"([0-9]{18})[0-9]+")


def parse_json(content: bytes, settings: Settings) -> Any:
    """The value of a JSON text; raises Problem malformed-body, which says what is wrong and where."""
    try:
        value = orjson.loads(content)
        written = orjson.dumps(value)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        # not JSON, or a number out of range, or deeper than orjson writes
        return _looked_through(content, settings)
    if written != content or settings.json_digits < _LONGEST_WRITTEN:
        return _looked_through(content, settings, value, written)
    _bound(value, content, settings)
    return value


def _looked_through(content: bytes, settings: Settings, value: Any = _UNREAD, written: bytes = b"") -> Any:
    """The same for any text; ``value`` is what orjson reads, if it does, and ``written`` how it writes that."""
    run = min(_EXACT_DIGITS + 1, max(1, (settings.json_digits - 1) // 3))
    long = b"0" * run in content.translate(_DIGITS_AS_ZERO)
    if long:
        value = _exactly(content, settings)
    elif value is _UNREAD:
        value = _loads(content)
    _bound(value, content, settings)
    # a name that came twice is gone from the value, and its colon with it
    colons = content.count(b":")
    if not long and colons and (written.count(b":") != colons or _COLON_ESCAPE in content):
        json.loads(content, object_pairs_hook=_unique, parse_int=len, parse_float=len)
    return value


def _loads(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise _malformed(f"The body is not JSON: {error}.") from None


def _bound(value: Any, content: bytes, settings: Settings) -> None:
    """Refuse what is too deep or too much; the bytes show whether it could be."""
    opened = content.count(b"[") + content.count(b"{")
    if opened > settings.json_depth or content.count(b",") + opened >= settings.json_nodes:
        _measure(value, settings)


def _measure(value: Any, settings: Settings) -> None:
    """Walk level by level (no recursion), counting depth and values."""
    depth = nodes = 0
    level = [value]
    while level:
        nodes += len(level)
        if nodes > settings.json_nodes:
            raise _malformed(f"The body has more than {settings.json_nodes} values.")
        containers = [item for item in level if type(item) is dict or type(item) is list]
        depth += bool(containers)
        if depth > settings.json_depth:
            raise _malformed(f"The body is nested more than {settings.json_depth} deep.")
        level = []
        for item in containers:
            level.extend(item.values() if type(item) is dict else item)


def _exactly(content: bytes, settings: Settings) -> Any:
    """The same with the integers exact; the grammar is checked by orjson on a copy with its long numbers cut."""
    _loads(_LONG_RUN.sub(rb"\1", content))
    longest = min(settings.json_digits, LONGEST_NUMBER)

    def integer(text: str) -> int:
        if len(text) > longest:
            raise _malformed(f"The body has a number of more than {longest} characters.")
        return int(text)

    def number(text: str) -> float:
        if len(text) > longest or not math.isfinite(float(text)):
            raise _malformed(f"The body has a number of more than {longest} characters or out of range.")
        return float(text)

    try:
        return json.loads(content, object_pairs_hook=_unique, parse_int=integer, parse_float=number)
    except RecursionError:
        raise _malformed(f"The body is nested more than {settings.json_depth} deep.") from None
    except ValueError as error:
        raise _malformed(f"The body is not JSON: {error}.") from None


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(members)
    if len(result) < len(members):
        names = [name for name, _ in members]
        twice = next(name for index, name in enumerate(names) if name in names[:index])
        raise _malformed(f"The body has the name {twice[:60]!r} twice in one object.")
    return result


def _malformed(detail: str) -> Problem:
    return Problem("malformed-body", detail[0].upper() + detail[1:])
