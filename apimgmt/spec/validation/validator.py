"""Compiled validators of one API: each distinct schema once, on its first use, all over one registry.

An API may have 11,000 operations over thousands of mutually recursive schemas, of which a worker meets a few: nothing
is compiled before a value comes. A first use costs from 0.05 to 20 ms, each later one about a microsecond.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from threading import Lock
from typing import Any

import jsonschema_rs
import msgspec

from apimgmt.model import Schema
from apimgmt.registry import register
from apimgmt.spec.patterns import ENGINE
from apimgmt.spec.validation.breadth import breadth
from apimgmt.spec.validation.enforcement import Direction, Enforcement
from apimgmt.spec.validation.violations import Wording

MOST_EXAMINED = 1_000
"""A value with more values in it than this gets its first violation only; fewer (down to a tenth) where the schema has
alternatives. The engine makes all errors before we see the first: 10,000 values in 20 alternatives take 180 MB and a
second.
"""


class Validator:
    """One schema in one direction. Values are JSON values: anything else in them (bytes, dates) is not valid."""

    __slots__ = ("_engine", "_most_examined", "_schema", "_side")

    def __init__(self, side: _Side, schema: Schema) -> None:
        self._side = side
        self._schema = schema
        self._most_examined: int | None = None
        self._engine: jsonschema_rs.Draft202012Validator | None = None

    def is_valid(self, value: Any) -> bool:
        """Whether ``value`` fits; the fast question, to be asked first."""
        engine = self._engine or self.prepare()
        try:
            return engine.is_valid(value)
        except ValueError:
            return False

    def violations(self, value: Any, place: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Everything that is wrong with ``value``: ``place`` plus pointer, code and detail each; [] if it fits."""
        engine = self._engine or self.prepare()
        try:
            if self._is_large(value):
                return self._first(engine, value, place)
            return self._side.wording.violations(engine.iter_errors(value), value, place)
        except ValueError:
            return [{**place, "pointer": "", "code": "type", "detail": "has parts that are not JSON values"}]

    def _is_large(self, value: Any) -> bool:
        """Whether listing everything that is wrong with ``value`` could cost too much."""
        if not _has_more_values(value, MOST_EXAMINED // 10):
            return False
        if self._most_examined is None:
            self._most_examined = self._side.most_examined(self._schema)
        return _has_more_values(value, self._most_examined)

    def prepare(self) -> jsonschema_rs.Draft202012Validator:
        """Compile now, if that was not done yet."""
        if self._engine is None:
            self._engine = self._side.engine(self._schema)
        return self._engine

    def _first(
        self, engine: jsonschema_rs.Draft202012Validator, value: Any, place: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        try:
            engine.validate(value)
        except jsonschema_rs.ValidationError as error:
            return self._side.wording.violations([error], value, place)
        return []


@register("validation", "schemas")
class Validators:
    """The validators of one API, over the ``schemas`` that its operations refer to as ``#/$defs/NAME``."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self.schemas = schemas
        self._sides = {direction: _Side(schemas, direction) for direction in ("request", "response")}

    def compile(self, schema: Schema, direction: Direction = "request") -> Validator:
        """The validator of ``schema``; the same one for the same schema. Costs nothing before its first use."""
        return self._sides[direction].validator(schema)


class _Side:
    """One direction: its rewritten schemas in one registry, made when the first validator is used."""

    def __init__(self, schemas: Mapping[str, Schema], direction: Direction) -> None:
        self._schemas = schemas
        self._uri = f"urn:apimgmt:{direction}"
        self._enforcement = Enforcement(schemas, direction, self._uri)
        self._validators: dict[bytes, Validator] = {}
        self._registry: jsonschema_rs.Registry | None = None
        self._lock = Lock()
        self.wording = Wording(direction, self._enforcement.patterns)

    def most_examined(self, schema: Schema) -> int:
        """The largest value in which all violations of this schema are listed."""
        return max(MOST_EXAMINED // 10, MOST_EXAMINED // max(1, breadth(schema, self._schemas) // 4))

    def validator(self, schema: Schema) -> Validator:
        key = msgspec.json.encode(schema)
        found = self._validators.get(key)
        return found or self._validators.setdefault(key, Validator(self, schema))

    def engine(self, schema: Schema) -> jsonschema_rs.Draft202012Validator:
        with self._lock:
            if self._registry is None:
                definitions = {"$defs": self._enforcement.definitions()}
                self._registry = jsonschema_rs.Registry([(self._uri, definitions)], draft=jsonschema_rs.Draft202012)
            return jsonschema_rs.Draft202012Validator(
                self._enforcement.rewrite(schema),
                registry=self._registry,
                formats=_FORMATS,
                validate_formats=True,
                pattern_options=ENGINE,
                offline=True,
            )


def _has_more_values(value: Any, most: int) -> bool:
    """Whether there are more than ``most`` values in ``value``, itself included; costs at most ``most`` steps."""
    stack, count = [value], 0
    while stack:
        value = stack.pop()
        count += 1
        if isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
        if count + len(stack) > most:
            return True
    return False


def _is_base64(text: str) -> bool:
    try:
        binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except ValueError:
        return False
    return True


def _is_base64url(text: str) -> bool:
    """With or without padding (RFC 4648 section 5)."""
    try:
        base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return False
    return not set(text) & set("+/")


def _is_time(text: str) -> bool:
    """A time of day with an offset (RFC 3339 full-time, which JSON Schema means) or without (partial-time).

    Documents mean both: Microsoft Graph and .NET write ``08:00:00``, with a pattern that no offset fits.
    """
    return _FULL_TIME.is_valid(text) or _FULL_TIME.is_valid(f"{text}Z")


_FULL_TIME = jsonschema_rs.Draft202012Validator({"format": "time"}, validate_formats=True)
_FORMATS = {"byte": _is_base64, "base64url": _is_base64url, "time": _is_time}
