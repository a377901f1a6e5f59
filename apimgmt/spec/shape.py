"""Values of a document in the shape they should have: a value of another shape reads as an absent one.

Real documents are sloppy; what the lint lets through must compile.
"""

from __future__ import annotations

from typing import Any


def text(value: Any) -> str:
    """A string; numbers as they are written, because ``version: 1.0`` is common."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""


def mapping(value: Any) -> dict[str, Any]:
    """An object without its ``x-`` members."""
    if not isinstance(value, dict):
        return {}
    return {name: item for name, item in value.items() if not name.startswith("x-")}


def members(value: Any) -> dict[str, Any]:
    """An object whose names are free, so that ``x-`` ones are as good as others (headers, properties)."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """An array."""
    return value if isinstance(value, list) else []


def texts(value: Any) -> list[str]:
    """The strings of an array."""
    return [item for item in items(value) if isinstance(item, str)]
