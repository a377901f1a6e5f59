"""Schemas as the validating engine takes them: everything that a request (or a response) is held to, nothing else.

Annotations are left out. Numeric formats become bounds, patterns their linear-time form, a discriminator with named
branches a choice among them, and what the other side owns (readOnly in a request, writeOnly in a response) is neither
required nor allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from apimgmt.model import Schema
from apimgmt.spec.patterns import linear_pattern
from apimgmt.spec.schema import REF

Direction = Literal["request", "response"]

FOREIGN: dict[str, Any] = {"not": {}}
"""What a property of the other side is held to; a document's own ``not: {}`` is written ``false`` instead."""

RANGES: dict[str, tuple[float, float]] = {
    **{f"int{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (0, (1 << bits) - 1) for bits in (8, 16, 32, 64)},
    "float": (-3.4028234663852886e38, 3.4028234663852886e38),
    "double": (-1.7976931348623157e308, 1.7976931348623157e308),
}
"""Least and greatest number of the numeric formats (OpenAPI format registry)."""

CHECKED = frozenset(
    (
        *("date", "date-time", "time", "duration", "uuid", "email", "idn-email", "hostname", "idn-hostname"),
        *("ipv4", "ipv6", "uri", "uri-reference", "uri-template", "iri", "iri-reference", "regex"),
        *("json-pointer", "relative-json-pointer", "byte", "base64url"),
    )
)
"""The formats of strings that are checked; any other is an annotation."""

_DROPPED = frozenset(
    (
        *("title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly"),
        *("xml", "discriminator", "collectionFormat", "contentEncoding", "contentMediaType", "contentSchema"),
    )
)
_ONE = frozenset(
    (
        *("items", "contains", "additionalProperties", "propertyNames", "not", "if", "then", "else"),
        *("unevaluatedItems", "unevaluatedProperties"),
    )
)
_LISTS = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_MAPS = frozenset(("properties", "dependentSchemas"))
_SAME_VALUE = frozenset(("allOf", "anyOf", "oneOf", "if", "then", "else"))
_MOST_LOOKS = 20
_Hidden = frozenset[str]
_NONE: _Hidden = frozenset()


class Enforcement:
    """Rewrites the schemas of one API for one direction; references become ``uri#/$defs/NAME``.

    ``patterns`` tells how the document writes each pattern that was translated.
    """

    def __init__(self, schemas: Mapping[str, Schema], direction: Direction, uri: str) -> None:
        self._schemas = schemas
        self._foreign = "readOnly" if direction == "request" else "writeOnly"
        self._prefix = uri + REF
        self._hidden_by_name: dict[str, _Hidden] = {}
        self.patterns: dict[str, str] = {}

    def definitions(self) -> dict[str, Schema]:
        """All the schemas of the API, rewritten."""
        return {name: self.rewrite(schema) for name, schema in self._schemas.items()}

    def rewrite(self, schema: Schema, hidden: _Hidden = _NONE) -> Schema:
        """One schema; ``hidden`` names the foreign properties that schemas for the same object have."""
        if isinstance(schema, bool):
            return schema
        if schema == FOREIGN:
            return False
        hidden = hidden | self._hidden(schema, 0)
        result: dict[str, Any] = {}
        for keyword, value in schema.items():
            if keyword in _LISTS:
                inner = hidden if keyword in _SAME_VALUE else _NONE
                result[keyword] = [self.rewrite(item, inner) for item in value]
            elif keyword in _MAPS:
                result[keyword] = self._members(keyword, value)
            elif keyword in _ONE:
                result[keyword] = self.rewrite(value, hidden if keyword in _SAME_VALUE else _NONE)
            elif keyword not in _DROPPED:
                self._assertion(result, keyword, value, hidden)
        if "discriminator" in schema:
            self._choose(result, schema)
        return result

    # ---- keywords --------------------------------------------------------------------------------------------------

    def _assertion(self, result: dict[str, Any], keyword: str, value: Any, hidden: _Hidden) -> None:
        match keyword:
            case "$ref":
                result["$ref"] = self._prefix + value.removeprefix(REF)
            case "required":
                result["required"] = [name for name in value if name not in hidden]
            case "pattern":
                pattern = linear_pattern(value)
                if pattern is not None:
                    result["pattern"] = pattern
                    self.patterns.setdefault(pattern, value)
            case "format":
                _format(result, value)
            case "minimum" | "maximum":
                _bound(result, keyword, value)
            case "patternProperties":
                self._pattern_properties(result, value)
            case _:
                result[keyword] = value

    def _members(self, keyword: str, value: dict[str, Schema]) -> dict[str, Schema]:
        if keyword != "properties":
            return {name: self.rewrite(item) for name, item in value.items()}
        return {name: FOREIGN if self._is_foreign(item) else self.rewrite(item) for name, item in value.items()}

    def _pattern_properties(self, result: dict[str, Any], value: dict[str, Schema]) -> None:
        """A name pattern without linear-time form is left open, and then so is everything that nothing else names."""
        translated: dict[str, Schema] = {}
        for written, item in value.items():
            pattern = linear_pattern(written)
            if pattern is None:
                translated.setdefault("", True)
            else:
                translated[pattern] = self.rewrite(item)
        result["patternProperties"] = translated

    # ---- properties of the other side --------------------------------------------------------------------------------

    def _is_foreign(self, schema: Schema) -> bool:
        for _ in range(_MOST_LOOKS):
            if isinstance(schema, bool):
                return False
            if schema.get(self._foreign) is True:
                return True
            if "$ref" not in schema:
                return False
            schema = self._schemas[schema["$ref"].removeprefix(REF)]
        return False

    def _hidden(self, schema: Schema, looks: int) -> _Hidden:
        """The foreign properties of a schema, with those that it takes over by ``allOf`` and references."""
        if isinstance(schema, bool) or looks > _MOST_LOOKS:
            return _NONE
        hidden = _NONE
        if "properties" in schema:
            hidden = frozenset(name for name, item in schema["properties"].items() if self._is_foreign(item))
        for part in schema.get("allOf", ()):
            hidden |= self._hidden(part, looks + 1)
        if "$ref" in schema:
            hidden |= self._hidden_by(schema["$ref"].removeprefix(REF), looks)
        return hidden

    def _hidden_by(self, name: str, looks: int) -> _Hidden:
        if name not in self._hidden_by_name:
            self._hidden_by_name[name] = _NONE
            self._hidden_by_name[name] = self._hidden(self._schemas[name], looks + 1)
        return self._hidden_by_name[name]

    # ---- discriminator -----------------------------------------------------------------------------------------------

    def _choose(self, result: dict[str, Any], schema: dict[str, Any]) -> None:
        """Where every branch has values of its own, an object is held to the branch that its value names.

        Without this two branches that differ only in their name would both fit, and ``oneOf`` would refuse the object.
        """
        name, mapping = schema["discriminator"]["propertyName"], schema["discriminator"].get("mapping")
        keyword = "oneOf" if "oneOf" in result else "anyOf"
        values = self._values(name, mapping) if mapping and keyword in result else {}
        if not values:
            return
        every = [value for ours in values.values() for value in ours]
        choice: dict[str, Any] = {"required": [name], "properties": {name: {"enum": every}}}
        choice["allOf"] = [
            {"if": {"properties": {name: {"enum": ours}}}, "then": {"$ref": self._prefix + branch}}
            for branch, ours in values.items()
        ]
        rest = {keyword: result.pop(keyword)}
        result["allOf"] = [*result.get("allOf", ()), {"if": {"type": "object"}, "then": choice, "else": rest}]

    def _values(self, name: str, mapping: dict[str, str]) -> dict[str, list[Any]]:
        """Branch to the values that name it; {} if that is not certain for every branch.

        What the branches themselves demand of the property counts, where that tells them apart; otherwise what they
        are mapped to, as far as they take it.
        """
        mapped: dict[str, list[Any]] = {}
        for value, reference in mapping.items():
            mapped.setdefault(reference.removeprefix(REF), []).append(value)
        demanded = {branch: self._demanded(self._schemas[branch], name, 0) for branch in mapped}
        own = {branch: demanded[branch] or values for branch, values in mapped.items()}
        if _tells_apart(own):
            return own
        taken = {branch: [v for v in values if v in (demanded[branch] or values)] for branch, values in mapped.items()}
        return taken if _tells_apart(taken) else {}

    def _demanded(self, schema: Schema, name: str, looks: int) -> list[Any]:
        """The values of ``const`` or ``enum`` that a schema demands of property ``name``; [] if it does not."""
        if isinstance(schema, bool) or looks > _MOST_LOOKS:
            return []
        own = schema.get("properties", {}).get(name)
        if isinstance(own, dict):
            own = self._schemas[own["$ref"].removeprefix(REF)] if "$ref" in own else own
            if isinstance(own, dict) and ("const" in own or "enum" in own):
                return [own["const"]] if "const" in own else list(own["enum"])
        parts = [self._schemas[schema["$ref"].removeprefix(REF)]] if "$ref" in schema else []
        for part in [*parts, *schema.get("allOf", ())]:
            demanded = self._demanded(part, name, looks + 1)
            if demanded:
                return demanded
        return []


def _tells_apart(values: dict[str, list[Any]]) -> bool:
    """Whether every branch has a value, and no two have the same."""
    every = [repr(value) for ours in values.values() for value in ours]
    return all(values.values()) and len(set(every)) == len(every)


def _format(result: dict[str, Any], name: str) -> None:
    if name in RANGES:
        low, high = RANGES[name]
        _bound(result, "minimum", low)
        _bound(result, "maximum", high)
    elif name in CHECKED:
        result["format"] = name


def _bound(result: dict[str, Any], keyword: str, value: Any) -> None:
    """Add a bound to one that may be there: the tighter one counts."""
    tighter = max if keyword == "minimum" else min
    result[keyword] = tighter(result[keyword], value) if keyword in result else value
