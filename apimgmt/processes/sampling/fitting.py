"""Whether a value fits a schema, as far as a sample has to know: the judge of examples and of chosen branches.

Requests are judged by ``spec/validator.py``. This one is small, needs no compilation and looks at one value only, and
it forgives what it does not know: most formats, ``unevaluated*`` and patterns that RE2 does not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Literal

from apimgmt.model import Schema
from apimgmt.processes.sampling.intersection import same, types_of
from apimgmt.processes.sampling.pattern import matches

DEEPEST = 100


class Fitting:
    """Judges values of one direction; ``schemas`` are what references lead to."""

    def __init__(self, schemas: Mapping[str, Schema], direction: Literal["request", "response"]) -> None:
        self._schemas = schemas
        self._hiding = "writeOnly" if direction == "response" else "readOnly"

    def hidden(self, schema: Schema) -> bool:
        """Whether a property is neither wanted nor allowed in this direction."""
        for _ in range(DEEPEST):
            if not isinstance(schema, dict):
                return False
            if schema.get(self._hiding) is True:
                return True
            schema = self.target(schema) if "$ref" in schema else True
        return False

    def target(self, schema: Mapping[str, Any]) -> Schema:
        """What the ``$ref`` of a schema leads to."""
        return self._schemas.get(schema["$ref"].removeprefix("#/$defs/"), True)

    def fits(self, value: Any, schema: Schema, depth: int = 0) -> bool:
        """Whether ``value`` fits ``schema``."""
        if not isinstance(schema, dict) or depth > DEEPEST:
            return schema is not False
        if "$ref" in schema and not self.fits(value, self.target(schema), depth + 1):
            return False
        if not _is_of_type(value, schema) or not self._combined(value, schema, depth + 1):
            return False
        if isinstance(value, Mapping):
            return self._object(value, schema, depth + 1)
        if isinstance(value, list):
            return self._array(value, schema, depth + 1)
        return _text(value, schema) if isinstance(value, str) else isinstance(value, bool) or _number(value, schema)

    def visible(self, value: Any, schema: Schema) -> Any:
        """``value`` without the properties that this direction hides."""
        if isinstance(value, list) and isinstance(schema, dict) and "$ref" not in schema:
            return [self.visible(item, schema.get("items", True)) for item in value]
        if not isinstance(value, Mapping) or not isinstance(schema, dict):
            return value
        if "$ref" in schema:
            value = self.visible(value, self.target(schema))
        for part in schema.get("allOf", ()):
            value = self.visible(value, part)
        known = schema.get("properties", {})
        shown = {name: member for name, member in value.items() if name not in known or not self.hidden(known[name])}
        return {name: self.visible(member, known.get(name, True)) for name, member in shown.items()}

    def _combined(self, value: Any, schema: Mapping[str, Any], depth: int) -> bool:
        if not all(self.fits(value, part, depth) for part in schema.get("allOf", ())):
            return False
        if "anyOf" in schema and not any(self.fits(value, part, depth) for part in schema["anyOf"]):
            return False
        if "oneOf" in schema and sum(self.fits(value, part, depth) for part in schema["oneOf"]) != 1:
            return False
        if "not" in schema and self.fits(value, schema["not"], depth):
            return False
        if "if" not in schema:
            return True
        return self.fits(value, schema.get("then" if self.fits(value, schema["if"], depth) else "else", True), depth)

    def _object(self, value: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> bool:
        known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        missing = [name for name in schema.get("required", ()) if name not in value]
        if any(name not in known or not self.hidden(known[name]) for name in missing):
            return False
        if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value)):
            return False
        for name, member in value.items():
            rules = [known[name]] if name in known else []
            rules += [rule for pattern, rule in patterns.items() if matches(pattern, name)]
            if not all(self.fits(member, rule, depth) for rule in rules or [schema.get("additionalProperties", True)]):
                return False
        names = schema.get("propertyNames", True)
        depends = schema.get("dependentRequired", {})
        return all(self.fits(name, names, depth) and value.keys() >= set(depends.get(name, ())) for name in value)

    def _array(self, value: list[Any], schema: Mapping[str, Any], depth: int) -> bool:
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            return False
        if schema.get("uniqueItems") is True and any(same(item, other) for item, other in _pairs(value)):
            return False
        places = schema.get("prefixItems", [])
        rules = [*places, *[schema.get("items", True)] * max(len(value) - len(places), 0)]
        return all(self.fits(item, rule, depth) for item, rule in zip(value, rules, strict=False))


def _is_of_type(value: Any, schema: Mapping[str, Any]) -> bool:
    types = types_of(schema)
    if types and not any(_TYPES[name](value) for name in types):
        return False
    if "const" in schema and not same(value, schema["const"]):
        return False
    return "enum" not in schema or any(same(value, member) for member in schema["enum"])


def _text(value: str, schema: Mapping[str, Any]) -> bool:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        return False
    form = _FORMS.get(schema.get("format", ""))
    if form is not None and not form.fullmatch(value):
        return False
    return "pattern" not in schema or matches(schema["pattern"], value)


def _number(value: Any, schema: Mapping[str, Any]) -> bool:
    if not isinstance(value, int | float):
        return True
    low, high = schema.get("minimum", value), schema.get("maximum", value)
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if not low <= value <= high or (above is not None and value <= above) or (below is not None and value >= below):
        return False
    step = schema.get("multipleOf")
    return not step or (Fraction(str(value)) / Fraction(str(step))).denominator == 1


def _pairs(value: list[Any]) -> list[tuple[Any, Any]]:
    return [(item, other) for place, item in enumerate(value) for other in value[:place]]


# the formats in which documents have wrong examples most often
_DAY = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_FORMS = {
    "date": re.compile(_DAY),
    "date-time": re.compile(_DAY + r"[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})"),
    "uuid": re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"),
}

_TYPES = {
    "object": lambda value: isinstance(value, Mapping),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
    ),
}
