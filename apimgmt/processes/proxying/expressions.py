"""Expressions of a mapping: ``{path.id}``, ``{query.limit}``, ``{header.X-Tenant}``, ``{cookie.lang}``,
``{body.customer.id}`` and ``{caller}``, alone or within a text. They give values as the document casts them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from apimgmt.errors import SettingInvalid
from apimgmt.model import Operation
from apimgmt.processes import Data

Value = Callable[[Data], Any]

LOCATIONS = ("path", "query", "header", "cookie")
_EXPRESSION = re.compile(r"\{([^{}]*)\}")


class Text:
    """A text with expressions in it, read once. ``parts`` are literals and, between them, functions of the request."""

    def __init__(self, text: str, operation: Operation) -> None:
        pieces = _EXPRESSION.split(text)
        if any("{" in piece or "}" in piece for piece in pieces[::2]):
            raise SettingInvalid(f"{text[:200]!r}: a brace belongs to an expression such as {{path.id}}")
        self.parts: list[str | Value] = [
            expression(piece, operation) if index % 2 else piece for index, piece in enumerate(pieces)
        ]

    @property
    def alone(self) -> Value | None:
        """The expression, if there is nothing beside it."""
        first, value, *rest = (*self.parts, "", "")
        return value if not first and callable(value) and not any(rest) else None

    def value(self, data: Data) -> Any:
        """The value of an expression that stands alone as it is, otherwise the text; None if a value is missing."""
        if (alone := self.alone) is not None:
            return alone(data)
        texts: list[str] = []
        for part in self.parts:
            value = part if isinstance(part, str) else part(data)
            if value is None:
                return None
            texts.append(text_of(value))
        return "".join(texts)


def expression(text: str, operation: Operation) -> Value:
    """The function for what stands between the braces; raises SettingInvalid, with what there is."""
    location, _, name = text.partition(".")
    if text == "caller":
        return lambda data: data.username
    if location == "body" and name:
        return _body(tuple(name.split(".")))
    if location not in LOCATIONS:
        raise SettingInvalid(
            f"there is no {{{text[:100]}}}; an expression is {{path.NAME}}, {{query.NAME}}, {{header.NAME}}, "
            "{cookie.NAME}, {body.NAME} or {caller}"
        )
    known = [one.name for one in operation.parameters if one.location == location]
    if location == "header":
        name = next((one for one in known if one.lower() == name.lower()), name)
    if name not in known:
        raise SettingInvalid(
            f"{{{text[:100]}}}: the operation has no {location} parameter {name[:100]!r}; "
            f"it has: {', '.join(known) or 'none'}"
        )
    return _parameter(location, name)


def _parameter(location: str, name: str) -> Value:
    def value(data: Data) -> Any:
        members: Mapping[str, Any] = getattr(data, location)
        return members.get(name)

    return value


def _body(names: tuple[str, ...]) -> Value:
    def value(data: Data) -> Any:
        found = data.parsed
        for name in names:
            if not isinstance(found, Mapping):
                return None
            found = found.get(name)
        return found

    return value


def text_of(value: Any) -> str:
    """A value as a URL or a header field has it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "replace")
    if isinstance(value, int | float):
        return str(value)
    text = msgspec.json.encode(value).decode()
    return text[1:-1] if text.startswith('"') else text


class Template:
    """JSON with expressions in its texts: one that stands alone keeps its type, and is null if it is missing."""

    def __init__(self, value: Any, operation: Operation) -> None:
        self._make = _made(value, operation)

    def content(self, data: Data) -> bytes:
        """The body for a request."""
        return msgspec.json.encode(self._make(data))


def _made(value: Any, operation: Operation) -> Value:
    if isinstance(value, str):
        return Text(value, operation).value
    if isinstance(value, dict):
        members = {name: _made(member, operation) for name, member in value.items()}
        return lambda data: {name: make(data) for name, make in members.items()}
    if isinstance(value, list):
        items = [_made(item, operation) for item in value]
        return lambda data: [make(data) for make in items]
    return lambda data: value
