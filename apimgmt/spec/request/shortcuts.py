"""Shortcuts: what callers usually send, cast and judged in one step.

A shortcut gives the value of a text that it is sure of, otherwise None; then the whole way is taken (``styles``,
``casting``, ``Caster``), which knows every case and says what is wrong. So there is one way for a shortcut to be at
fault: being sure of what the whole way sees differently. The tests compare the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from apimgmt.members import Members
from apimgmt.model import Parameter, Schema
from apimgmt.spec.request.outline import referenced
from apimgmt.spec.validation.enforcement import CHECKED, RANGES

Shortcut = Callable[[str], Any]
Shortcuts = Callable[[list[str]], Any]
Query = Callable[[str], Members | None]
Schemas = Mapping[str, Schema]

ANNOTATIONS = frozenset(
    ("type", "title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly", "xml")
)
"""Keywords that no value can break, once it is of the type."""

EXACT_DIGITS = 18
"""Integers of so many digits are exact everywhere, also in the validating engine."""

_BOUNDS = frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format"))
_LENGTHS = frozenset(("minLength", "maxLength", "enum", "format"))
_COUNTS = frozenset(("items", "minItems", "maxItems"))
_ENCODED = frozenset("%+&=")
_UNSENT = object()
_BOOLEANS = {"true": True, "false": False}

# most numbers are of pages, pieces and years, and looking one up takes a third of the time of reading it
_SMALL = {str(number): number for number in range(2100)}


def of_text(parameter: Parameter, schemas: Schemas, digits: int) -> Shortcut | None:
    """The shortcut of a parameter that is written in one text; None if it has none. ``digits``: see ``casting``."""
    if parameter.media_type is not None or parameter.style not in ("form", "simple"):
        return None
    schema = _plain(parameter.schema, schemas)
    if schema.get("type") != "array":
        return _scalar(schema, digits)
    several = _array(schema, schemas, digits)
    if several is None:
        return None
    take = _taking(several)
    # an encoded comma may be a separator, and an empty text is an empty array
    return lambda text: take(text.split(",")) if text and "%" not in text else None


def of_texts(parameter: Parameter, schemas: Schemas, digits: int) -> Shortcuts | None:
    """The same for a query parameter, which may be sent several times."""
    series = _series(parameter, schemas, digits)
    if series is not None:
        return _taking(series)
    one = of_text(parameter, schemas, digits) if parameter.location == "query" else None
    if one is None:
        return None
    take = one
    return lambda texts: take(texts[0]) if len(texts) == 1 else None


def of_query(parameters: Iterable[Parameter], absent: Mapping[str, Any], schemas: Schemas, digits: int) -> Query:
    """The same for a whole query: the members that it makes, ``absent`` being what they are if they are not sent."""
    slots: dict[str, tuple[Shortcut, bool]] = {}
    counts: list[tuple[str, float, float]] = []
    unless_sent = dict(absent)
    for parameter in parameters:
        name, series = parameter.name, _series(parameter, schemas, digits)
        one = series.item if series is not None else of_text(parameter, schemas, digits)
        # a name with one of these is never written as it is, and under an empty one nothing is declared
        if one is not None and name and not _ENCODED & set(name):
            slots[name] = (one, series is not None)
        if series is not None:
            counts.append((name, series.least, series.most))
        if parameter.required:
            unless_sent[name] = _UNSENT
    return _reading(slots, counts, unless_sent)


def _reading(
    slots: dict[str, tuple[Shortcut, bool]], counts: list[tuple[str, float, float]], unless_sent: dict[str, Any]
) -> Query:
    """``slots`` have the shortcut of each name, and whether it may come several times."""
    unsent = dict.fromkeys(unless_sent, _UNSENT)
    defaults = list(unless_sent.items())

    def read(query: str) -> Members | None:
        found: dict[str, Any] = unsent.copy()
        for pair in query.split("&"):
            name, _, text = pair.partition("=")
            if name not in slots:
                return None
            take, several = slots[name]
            value = take(text)
            if value is None:
                return None
            before = found[name]
            if before is _UNSENT:
                found[name] = [value] if several else value
            elif several:
                before.append(value)
            else:
                return None
        for name, default in defaults:
            if found[name] is _UNSENT:
                if default is _UNSENT:
                    return None
                found[name] = default
        for name, least, most in counts:
            values = found[name]
            if type(values) is list and (values == [""] or not least <= len(values) <= most):
                return None
        return Members(found)

    return read


def _plain(schema: Schema, schemas: Schemas) -> dict[str, Any]:
    """The schema itself or what it only refers to; ``{}`` if it is a boolean."""
    if isinstance(schema, dict) and schema.keys() == {"$ref"}:
        schema = referenced(schema, schemas)
    return schema if isinstance(schema, dict) else {}


def _scalar(schema: dict[str, Any], digits: int) -> Shortcut | None:
    others = schema.keys() - ANNOTATIONS
    match schema.get("type"):
        case "boolean" if not others:
            return _BOOLEANS.get
        case "integer" if others <= _BOUNDS and schema.get("format", "int64") in RANGES:
            return _integer(schema, digits)
        case "string" if others <= _LENGTHS and schema.get("format") not in CHECKED:
            return _string(schema)
    return None


def _integer(schema: dict[str, Any], digits: int) -> Shortcut:
    largest = 10 ** min(EXACT_DIGITS, digits - 1) - 1
    least, most = RANGES[schema.get("format", "int64")]
    low = max(-largest, math.ceil(least), math.ceil(schema.get("minimum", -largest)))
    high = min(largest, math.floor(most), math.floor(schema.get("maximum", largest)))
    low = max(low, math.floor(schema.get("exclusiveMinimum", low - 1)) + 1)
    high = min(high, math.ceil(schema.get("exclusiveMaximum", high + 1)) - 1)

    def take(text: str) -> int | None:
        value = _SMALL.get(text)
        if value is None:
            try:
                value = int(text)
            except ValueError:
                return None
            # Python reads more than JSON's grammar: what is not in it is written in another way
            if str(value) != text:
                return None
        return value if low <= value <= high else None

    return take


def _string(schema: dict[str, Any]) -> Shortcut:
    least, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    choices = frozenset(choice for choice in schema["enum"] if isinstance(choice, str)) if "enum" in schema else None

    def take(text: str) -> str | None:
        if "%" in text or "+" in text or not least <= len(text) <= most:
            return None
        return text if choices is None or text in choices else None

    return take


class _Series(NamedTuple):
    """An array: the shortcut of an item, and how many of them there may be."""

    item: Shortcut
    least: float
    most: float


def _series(parameter: Parameter, schemas: Schemas, digits: int) -> _Series | None:
    """An array that is sent as several fields of one name; None for everything else."""
    if parameter.location != "query" or not parameter.explode or parameter.style != "form":
        return None
    schema = _plain(parameter.schema, schemas)
    if schema.get("type") != "array" or parameter.media_type is not None:
        return None
    return _array(schema, schemas, digits)


def _array(schema: dict[str, Any], schemas: Schemas, digits: int) -> _Series | None:
    item = _scalar(_plain(schema.get("items", True), schemas), digits)
    if item is None or not schema.keys() - ANNOTATIONS <= _COUNTS:
        return None
    return _Series(item, schema.get("minItems", 0), schema.get("maxItems", math.inf))


def _taking(series: _Series) -> Shortcuts:
    take, least, most = series

    def take_all(texts: list[str]) -> list[Any] | None:
        if not least <= len(texts) <= most or texts == [""]:
            return None
        values = []
        for text in texts:
            value = take(text)
            if value is None:
                return None
            values.append(value)
        return values

    return take_all
