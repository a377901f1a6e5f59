"""The value of one parameter from its text: scalars, arrays and objects, composed once when an API is loaded.

A cast takes undecoded text and gives a JSON value; it raises Unreadable only for what no schema could judge (broken
encoding, wrong style). Whether the value is valid is the business of :meth:`Caster.check`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apimgmt.errors import Problem
from apimgmt.model import Parameter, Schema
from apimgmt.settings import Settings
from apimgmt.spec.media import category
from apimgmt.spec.request import casting, outline, styles
from apimgmt.spec.request.casting import Text
from apimgmt.spec.request.cleaning import Cleaning, cleaned
from apimgmt.spec.request.shortcuts import ANNOTATIONS
from apimgmt.spec.request.strictjson import parse_json
from apimgmt.spec.request.styles import Unreadable
from apimgmt.spec.validation.validator import Validators

Texts = Callable[[list[str]], Any]
Violations = list[dict[str, Any]]
Check = Callable[[Any, Violations], None]
Object = Callable[[list[tuple[str, str]]], dict[str, Any]]

COMPOSITE = frozenset(("array", "object"))
_PLAIN: dict[str, tuple[type, str]] = {
    "integer": (int, "is not an integer"),
    "number": (float, "is not a number"),
    "boolean": (bool, "is neither true nor false"),
}
_RANGES = {"int32": 2**31, "int64": 2**63}


class Caster:
    """Makes casts and checks for the texts of one location, which ``decode`` decodes (see ``styles``).

    ``value_text`` decodes what is a value or part of one, and cleans it; ``clean`` is for what is decoded already.
    """

    def __init__(
        self, validators: Validators, settings: Settings, decode: Callable[[str], str], cleaning: Cleaning | None = None
    ) -> None:
        self.validators = validators
        self.schemas: Mapping[str, Schema] = validators.schemas
        self.settings = settings
        self.decode = decode
        self.form = decode is styles.form_decoded
        self.cleaning = cleaning
        self.clean = cleaned(casting.same, cleaning)
        self.value_text: Callable[[str], str] = cleaned(decode, cleaning)
        self._parse_json = cleaned(parse_json, cleaning)

    def scalar(self, schema: Schema) -> Text:
        """The cast of one undecoded text to a scalar of the schema; an object inside an array is written as JSON."""
        kinds = outline.kinds(schema, self.schemas)
        if kinds and kinds <= COMPOSITE:
            return self._json
        kinds -= COMPOSITE
        plain = casting.scalar(kinds, lambda value: self.accepts(schema)(value), self.settings.json_digits)
        decode = self.value_text
        if plain is casting.same:
            return decode

        def cast(text: str) -> Any:
            value = plain(text)
            if value is not text:
                return value
            decoded = decode(text)
            return text if decoded is text else plain(decoded)

        return cast

    def _json(self, text: str) -> Any:
        """No style says how an object or array inside another is written, so that JSON is what is sent."""
        decoded = self.decode(text)
        if decoded[:1] not in ("{", "["):
            return self.clean(decoded)
        try:
            return self._parse_json(decoded.encode(), self.settings)
        except Problem:
            return self.clean(decoded)

    def listed(self, schema: Schema, split: styles.Split) -> Text:
        """The cast of an array that is written in one text; of arrays or objects that may be JSON."""
        inner = outline.items(schema, self.schemas)
        item = self.scalar(inner)
        kinds = outline.kinds(inner, self.schemas)
        if not kinds or not kinds <= COMPOSITE:
            return lambda text: [item(piece) for piece in split(text)]

        def cast(text: str) -> list[Any]:
            whole = self._json(text)
            if isinstance(whole, str):
                return [item(piece) for piece in split(text)]
            is_item = isinstance(whole, dict) or ("array" in kinds and not any(isinstance(one, list) for one in whole))
            return [whole] if is_item else whole

        return cast

    def accepts(self, schema: Schema) -> Callable[[Any], bool]:
        """Whether a value is valid, to choose between several casts."""
        return self.validators.compile(schema).is_valid

    def text(self, parameter: Parameter) -> Text:
        """The cast of a parameter that is written in one text."""
        if parameter.media_type is not None:
            return self.content(parameter.media_type)
        kinds = outline.kinds(parameter.schema, self.schemas)
        scalar = self._one_scalar(parameter)
        if not kinds & COMPOSITE:
            return scalar
        composites = [
            make(parameter) for kind, make in (("array", self._array), ("object", self._object)) if kind in kinds
        ]
        if len(kinds) == 1:
            return composites[0]
        if "object" in kinds:
            composites.insert(0, self._json)
        split = styles.splitter(parameter.style, parameter.explode, parameter.name, self.form)
        return self._attempts(parameter.schema, scalar, composites, split)

    def texts(self, parameter: Parameter) -> Texts | None:
        """The cast of an exploded array, which has one text per item; None for what is one text (see ``text``)."""
        kinds = outline.kinds(parameter.schema, self.schemas)
        repeatable = parameter.location in ("query", "cookie") and parameter.media_type is None and parameter.explode
        if not repeatable or "array" not in kinds:
            return None
        if parameter.location == "cookie":
            return self._cookies(parameter)
        item = self.scalar(outline.items(parameter.schema, self.schemas))
        alone = self.listed(parameter.schema, lambda text: [text])

        def array(texts: list[str]) -> list[Any]:
            if len(texts) == 1:
                return alone(texts[0]) if texts[0] else []
            return [item(text) for text in texts]

        if len(kinds - {"object"}) == 1:
            return array
        single = self._attempts(parameter.schema, self.scalar(parameter.schema), [lambda text: array([text])], None)
        return lambda texts: single(texts[0]) if len(texts) == 1 else array(texts)

    def _cookies(self, parameter: Parameter) -> Texts:
        """Repeated cookies, or one with commas: a comma cannot be part of a cookie's value (RFC 6265, 4.1.1)."""
        single = self.text(parameter)
        item = self.scalar(outline.items(parameter.schema, self.schemas))
        return lambda texts: single(texts[0]) if len(texts) == 1 else [item(text) for text in texts]

    def object(self, schema: Schema) -> Object:
        """The cast of name and value pairs (undecoded) to an object."""
        declared = {name: self.scalar(part) for name, part in outline.properties(schema, self.schemas).items()}
        extra = self.scalar(outline.additional(schema, self.schemas) or True)
        decode = self.decode

        def cast(pairs: list[tuple[str, str]]) -> dict[str, Any]:
            result: dict[str, Any] = {}
            for written, text in pairs:
                name = decode(written)
                if name in result:
                    raise Unreadable("repeated", f"names the property {name[:60]!r} twice")
                result[name] = declared.get(name, extra)(text)
            return result

        return cast

    def content(self, media_type: str) -> Text:
        """The cast of a parameter with ``content``: JSON, otherwise the text."""
        decode, parse, settings = self.decode, self._parse_json, self.settings
        if category(media_type) != "json":
            return self.value_text

        def cast(text: str) -> Any:
            try:
                return parse(decode(text).encode(), settings)
            except Problem as problem:
                raise Unreadable("json", problem.detail) from None

        return cast

    def check(self, schema: Schema, place: Mapping[str, Any]) -> Check | None:
        """What adds the violations of a cast value to a list; None where casting leaves nothing to check."""
        if self._silent(schema, "string") or self._silent(schema, "array", "items"):
            return None
        for kind, (expected, detail) in _PLAIN.items():
            if self._silent(schema, kind):
                return _typed(expected, {**place, "pointer": "", "code": "type", "detail": detail})
        if isinstance(schema, dict) and schema.get("format") in _RANGES and self._silent(schema, "integer", "format"):
            return _ranged(schema["format"], place)
        return self._validated(schema, place)

    def _validated(self, schema: Schema, place: Mapping[str, Any]) -> Check:
        validator = self.validators.compile(schema)
        is_valid = validator.is_valid

        def check(value: Any, violations: Violations) -> None:
            if not is_valid(value):
                violations.extend(validator.violations(value, place))

        return check

    def _silent(self, schema: Schema, kind: str, beside: str = "") -> bool:
        """Whether a value that casting made of this ``kind`` is valid, whatever it is (``items`` being texts)."""
        if not isinstance(schema, dict):
            return schema
        if schema.get("type") != kind or not schema.keys() <= {*ANNOTATIONS, beside}:
            return False
        return kind != "array" or self._silent(schema.get("items", True), "string")

    def _one_scalar(self, parameter: Parameter) -> Text:
        cast = self.scalar(parameter.schema)
        if parameter.style not in ("label", "matrix"):
            return cast
        body = styles.scalar(parameter.style, parameter.name)
        return lambda text: cast(body(text))

    def _array(self, parameter: Parameter) -> Text:
        split = styles.splitter(parameter.style, parameter.explode, parameter.name, self.form)
        if parameter.location == "header":
            return self.listed(parameter.schema, lambda text: [piece.strip(" \t") for piece in split(text)])
        return self.listed(parameter.schema, split)

    def _object(self, parameter: Parameter) -> Text:
        split = styles.pairs(parameter.style, parameter.explode, parameter.name, self.form)
        build = self.object(parameter.schema)
        if parameter.location == "header":
            return lambda text: build([(name.strip(" \t"), value.strip(" \t")) for name, value in split(text)])
        return lambda text: build(split(text))

    def _attempts(self, schema: Schema, scalar: Text, composites: list[Text], split: styles.Split | None) -> Text:
        """A text that may be a scalar or not: what has several parts is first tried as an array or object."""

        def cast(text: str) -> Any:
            accepts = self.accepts(schema)
            several = split is not None and len(split(text)) > 1
            for attempt in (*composites, scalar) if several else (scalar, *composites):
                try:
                    value = attempt(text)
                except Unreadable:
                    continue
                if accepts(value):
                    return value
            return scalar(text)

        return cast


def _typed(expected: type, violation: dict[str, Any]) -> Check:
    def check(value: Any, violations: Violations) -> None:
        if value.__class__ is not expected:
            violations.append(dict(violation))

    return check


def _ranged(format: str, place: Mapping[str, Any]) -> Check:
    bound = _RANGES[format]
    wrong_type = {**place, "pointer": "", "code": "type", "detail": _PLAIN["integer"][1]}
    out_of_range = {**place, "pointer": "", "code": "format", "detail": f"is outside the range of {format}"}

    def check(value: Any, violations: Violations) -> None:
        if value.__class__ is not int:
            violations.append(dict(wrong_type))
        elif not -bound <= value < bound:
            violations.append(dict(out_of_range))

    return check
