"""Texts with placeholders: ``{name}`` stands for a value, ``{{`` and ``}}`` for braces (C-036 to C-041).

    Template("{id}", "path").value({"id": 5})          # 5: a text that is nothing but a placeholder is the value
    Template("no. {id}", "path").value({"id": 5})      # 'no. 5'

A value takes the place of its placeholder in what was already taken apart, never in text that is read again: that is
why it cannot become a part of a path, a query, a header or a JSON document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from apimgmt.connections.entities.texts import text_of
from apimgmt.errors import ConnectionFailed, SettingInvalid

_TOKEN = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_.-]*)\}|[{}]")
Values = Mapping[str, Any]


class Hole(NamedTuple):
    """A placeholder: the name as it is written."""

    name: str


class Template:
    """A text, taken apart once. Raises SettingInvalid for a brace that is neither placeholder nor doubled.

    ``place`` is said in errors: ``header X-Region``. ``mapped`` are placeholders that stand for templates (C-036).
    """

    __slots__ = ("_mapped", "_parts", "place")

    def __init__(self, text: str, place: str, mapped: Mapping[str, Template] | None = None) -> None:
        self.place = place
        self._mapped = {} if mapped is None else mapped
        self._parts = tuple(_parts(text))

    @property
    def names(self) -> frozenset[str]:
        """The values that it needs."""
        found: set[str] = set()
        for part in self._parts:
            if isinstance(part, Hole):
                mapped = self._mapped.get(part.name)
                found |= {part.name} if mapped is None else mapped.names
        return frozenset(found)

    @property
    def holes(self) -> frozenset[str]:
        """The placeholders as they are written."""
        return frozenset(part.name for part in self._parts if isinstance(part, Hole))

    def value(self, values: Values) -> Any:
        """The value if the text is one placeholder, otherwise the text; raises ConnectionFailed for a missing value."""
        if len(self._parts) == 1 and isinstance(self._parts[0], Hole):
            return self._filled(self._parts[0], values)
        return self.text(values)

    def text(self, values: Values) -> str:
        """The text with the texts of its values."""
        return "".join(text for text, _ in self.pieces(values))

    def pieces(self, values: Values) -> Iterator[tuple[str, bool]]:
        """The text piece by piece, and whether each is a value."""
        for part in self._parts:
            if isinstance(part, Hole):
                yield text_of(self._filled(part, values), f"{self.place}: {{{part.name}}}"), True
            else:
                yield part, False

    def _filled(self, hole: Hole, values: Values) -> Any:
        mapped = self._mapped.get(hole.name)
        if mapped is not None:
            return mapped.value(values)
        try:
            return values[hole.name]
        except KeyError:
            raise ConnectionFailed("request", f"{self.place}: there is no value for {{{hole.name}}}") from None


class Structure:
    """A JSON value whose texts are templates; values are put in with their types, so that JSON stays JSON (C-039)."""

    def __init__(self, value: Any, place: str, mapped: Mapping[str, Template] | None = None) -> None:
        self._value = self._compiled(value, place, mapped)

    @property
    def names(self) -> frozenset[str]:
        """The values that it needs."""
        return frozenset(name for template in self.templates() for name in template.names)

    def templates(self) -> Iterator[Template]:
        """Every template in it."""
        pending = [self._value]
        while pending:
            value = pending.pop()
            if isinstance(value, Template):
                yield value
            elif isinstance(value, dict | list):
                pending += value.values() if isinstance(value, dict) else value

    def value(self, values: Values) -> Any:
        """The JSON value with its placeholders filled."""
        return self._with(self._value, values)

    def _compiled(self, value: Any, place: str, mapped: Mapping[str, Template] | None) -> Any:
        if isinstance(value, dict):
            return {name: self._compiled(one, f"{place}.{name}", mapped) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [self._compiled(one, f"{place}[{index}]", mapped) for index, one in enumerate(value)]
        return Template(value, place, mapped) if isinstance(value, str) else value

    def _with(self, value: Any, values: Values) -> Any:
        if isinstance(value, Template):
            return value.value(values)
        if isinstance(value, dict):
            return {name: self._with(one, values) for name, one in value.items()}
        return [self._with(one, values) for one in value] if isinstance(value, list) else value


def _parts(text: str) -> Iterator[str | Hole]:
    """Texts and placeholders in turn; no text is empty, and an empty template is one empty text."""
    literal, end = "", 0
    count = 0
    for token in _TOKEN.finditer(text):
        literal += text[end : token.start()]
        end = token.end()
        if token[1] is None:
            if len(token[0]) == 1:
                shown = text[token.start() : token.start() + 30]
                raise SettingInvalid(f"at {shown!r}: a placeholder is written {{name}}, a brace {{{{ or }}}}")
            literal += token[0][0]
            continue
        if literal:
            count += 1
            yield literal
            literal = ""
        count += 1
        yield Hole(token[1])
    literal += text[end:]
    if literal or not count:
        yield literal
