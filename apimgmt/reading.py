"""What a person wrote, read strictly into a struct: whatever is wrong is refused with its place."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from apimgmt.errors import SettingInvalid

Value = TypeVar("Value")

_PLACE = re.compile(r" - at `\$([^`]*)`$")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")
_MEMBER = re.compile(r"(?:unknown|missing required) field `(.*)`$")


def read(value: Any, kind: type[Value]) -> Value:
    """``value`` as ``kind``; raises SettingInvalid with the pointer of what is wrong.

    >>> read({"timeout": "long"}, Trigger)
    SettingInvalid("Expected `float`, got `str`", pointer="/timeout")
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        message = str(error)
    found = _PLACE.search(message)
    text = message[: found.start()] if found else message
    # msgspec writes [...] for a key of an object with any keys: the place ends at that object
    steps = [name or index for name, index in _STEP.findall(found[1].partition("[...]")[0])] if found else []
    member = _MEMBER.search(text)
    raise SettingInvalid(text, pointer(*steps, *(member.groups() if member else ())))


def pointer(*steps: str) -> str:
    """The JSON pointer of these steps (RFC 6901)."""
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
