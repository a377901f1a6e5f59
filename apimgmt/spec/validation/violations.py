"""What the validating engine says about a value, as short English sentences with the place of each.

A violation is ``{"pointer": "/items/3/id", "code": "type", "detail": "must be an integer"}`` plus where the value was
sent. A sentence shows what is wanted and never the value itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from jsonschema_rs import ValidationError, ValidationErrorKind

from apimgmt.spec.document import pointer_of
from apimgmt.spec.validation.enforcement import FOREIGN, RANGES, Direction

MOST = 100
"""Most violations that one value can have; the rest would not help anybody."""

_MOST_SHOWN = 100
_MOST_DEPTH = 4
_NOUNS = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "an array",
    "object": "an object",
    "null": "null",
}
_FORMATS = {
    "date": "a date such as 2024-12-31",
    "date-time": "a date and time such as 2024-12-31T23:59:59Z",
    "time": "a time such as 23:59:59 or 23:59:59Z",
    "duration": "a duration such as P1DT12H",
    "uuid": "a UUID",
    "email": "an email address",
    "hostname": "a host name",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
    "uri": "a URI",
    "byte": "Base64",
    "base64url": "Base64 in the URL alphabet",
}
_RANGE_NAMES: dict[Any, tuple[str, float, float]] = {
    bound: (name, low, high) for name, (low, high) in reversed(RANGES.items()) for bound in (low, high) if bound
}

Place = Mapping[str, Any]
Violation = dict[str, Any]
Errors = Iterable[ValidationError]


class Wording:
    """Turns the errors of one validation into violations."""

    def __init__(self, direction: Direction, patterns: Mapping[str, str]) -> None:
        self._foreign = "readOnly" if direction == "request" else "writeOnly"
        self._patterns = patterns

    def violations(self, errors: Errors, value: Any, place: Place) -> list[Violation]:
        """Each violation once, at most :data:`MOST`."""
        found: dict[tuple[str, str, str], Violation] = {}
        for pointer, code, detail in self._all(errors, value, 0):
            found.setdefault((pointer, code, detail), {**place, "pointer": pointer, "code": code, "detail": detail})
            if len(found) == MOST:
                break
        return list(found.values())

    def _all(self, errors: Errors, value: Any, depth: int) -> Iterator[tuple[str, str, str]]:
        for error in errors:
            kind = type(error.kind)
            if kind in _BRANCHING:
                yield from self._branches(error, value, depth)
            elif kind in _NAMING:
                yield from self._names(error, value)
            else:
                yield pointer_of(_texts(error.instance_path)), *self._sentence(error)

    # ---- one error ---------------------------------------------------------------------------------------------------

    def _sentence(self, error: ValidationError) -> tuple[str, str]:
        """Code and detail of an error about one value."""
        kind = error.kind
        match kind:
            case ValidationErrorKind.Not() if kind.schema == FOREIGN["not"]:
                owner = "set by the server and must not be sent" if self._foreign == "readOnly" else "never sent back"
                return self._foreign, f"is {owner}"
            case ValidationErrorKind.Pattern():
                return "pattern", f"must match the pattern {_cut(self._patterns.get(kind.pattern, kind.pattern))}"
            case ValidationErrorKind.Minimum() | ValidationErrorKind.Maximum() if kind.limit in _RANGE_NAMES:
                name, low, high = _RANGE_NAMES[kind.limit]
                return "format", f"must be in the range of {name}, from {low} to {high}"
        say = _SENTENCES.get(type(kind))
        return kind.name, say(kind) if say else "is not valid"

    def _names(self, error: ValidationError, value: Any) -> Iterator[tuple[str, str, str]]:
        """An error about members: each gets a violation of its own, with the pointer of the member."""
        kind, path = error.kind, _texts(error.instance_path)
        code = str(error.schema_path[-1]) if error.schema_path else kind.name
        match kind:
            case ValidationErrorKind.Required():
                yield pointer_of([*path, kind.property]), code, f"{_quoted(kind.property)} is required"
            case ValidationErrorKind.AdditionalProperties() | ValidationErrorKind.UnevaluatedProperties():
                for name in kind.unexpected:
                    yield pointer_of([*path, name]), code, f"{_quoted(name)} is not allowed here"
            case ValidationErrorKind.FalseSchema() if _closes_object(error):
                members = _at(value, error.instance_path)
                for name in members if isinstance(members, dict) else ():
                    yield pointer_of([*path, name]), code, f"{_quoted(name)} is not allowed here"
            case ValidationErrorKind.PropertyNames():
                detail = f"is a name that {self._sentence(kind.error)[1]}"
                yield pointer_of([*path, str(kind.error.instance)]), "propertyNames", detail
            case _:
                yield pointer_of(path), "not", "is not allowed here"

    # ---- anyOf, oneOf ----------------------------------------------------------------------------------------------

    def _branches(self, error: ValidationError, value: Any, depth: int) -> Iterator[tuple[str, str, str]]:
        """One summary; and if only one branch can have been meant, what is wrong with the value as that."""
        kind: Any = error.kind
        path = error.instance_path
        pointer = pointer_of(_texts(path))
        if isinstance(kind, ValidationErrorKind.OneOfMultipleValid):
            yield pointer, "oneOf", "must fit exactly one of the alternatives, but fits more than one"
            return
        branches = [branch for branch in kind.context if not _is_null_only(branch, path)]
        plausible = _plausible(branches, len(path))
        if len(branches) == 1:
            plausible = branches
        else:
            yield pointer, kind.name, _alternatives(branches, len(path))
        if len(plausible) == 1 and depth < _MOST_DEPTH:
            yield from self._all(plausible[0], value, depth + 1)


def _closes_object(error: ValidationError) -> bool:
    """Whether this is ``additionalProperties: false`` of a schema without properties: one error for all members."""
    path = error.schema_path
    return path[-1:] == ["additionalProperties"] and path[-2:-1] != ["properties"]


def _plausible(branches: Sequence[list[ValidationError]], depth: int) -> list[list[ValidationError]]:
    """The branches that take values of this type; of several, those that no constant of a member speaks against."""
    typed = [errors for errors in branches if not any(_speaks_against(error, depth) for error in errors)]
    if len(typed) < 2:
        return typed
    return [errors for errors in typed if not any(_speaks_against(error, depth + 1) for error in errors)] or typed


def _speaks_against(error: ValidationError, depth: int) -> bool:
    if len(error.instance_path) != depth:
        return False
    kinds = (ValidationErrorKind.Constant, ValidationErrorKind.Enum)
    return isinstance(error.kind, kinds) or (
        isinstance(error.kind, (ValidationErrorKind.Type, ValidationErrorKind.FalseSchema))
        and len(error.schema_path) > 0
        and not _in_member(error)
    )


def _in_member(error: ValidationError) -> bool:
    """Whether the type that is wrong is that of a member, which says little about the branch."""
    return "properties" in error.evaluation_path[-3:-1]


def _is_null_only(errors: list[ValidationError], path: Sequence[str | int]) -> bool:
    """Whether the branch is the ``null`` of a nullable schema."""
    return (
        len(errors) == 1
        and isinstance(errors[0].kind, ValidationErrorKind.Type)
        and errors[0].kind.types == ["null"]
        and len(errors[0].instance_path) == len(path)
    )


def _alternatives(branches: Sequence[list[ValidationError]], depth: int) -> str:
    """The types that are wanted, if only the type is wrong in every branch."""
    types: list[str] = []
    for errors in branches:
        wrong = [e.kind.types for e in errors if isinstance(e.kind, ValidationErrorKind.Type)]
        if len(wrong) != 1 or len(errors) != 1 or len(errors[0].instance_path) != depth:
            return "must fit one of the alternatives, but fits none"
        types += wrong[0]
    return _types(list(dict.fromkeys(types)))


def _types(types: Sequence[str]) -> str:
    nouns = [_NOUNS[name] for name in types if name != "null"] + [_NOUNS["null"]] * ("null" in types)
    return "must be " + " or ".join(nouns)


def _values(values: Sequence[Any]) -> str:
    shown = [_json(value) for value in values]
    if len(shown) == 1:
        return f"must be {_cut(shown[0])}"
    return f"must be one of: {_cut(', '.join(shown))}"


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _quoted(name: str) -> str:
    return f"“{_cut(name)}”"


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun[:-1]}ies" if noun[-1] == "y" else f"{number} {noun}s"


def _texts(path: Sequence[str | int]) -> list[str]:
    return [str(step) for step in path]


def _at(value: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        value = value[step]
    return value


_K = ValidationErrorKind
_BRANCHING = frozenset((_K.AnyOf, _K.OneOfNotValid, _K.OneOfMultipleValid))
_NAMING = frozenset((_K.Required, _K.AdditionalProperties, _K.UnevaluatedProperties, _K.FalseSchema, _K.PropertyNames))
_SENTENCES: dict[type[ValidationErrorKind], Callable[[Any], str]] = {
    _K.Type: lambda kind: _types(kind.types),
    _K.Enum: lambda kind: _values(kind.options),
    _K.Constant: lambda kind: _values([kind.expected_value]),
    _K.Minimum: lambda kind: f"must be at least {kind.limit}",
    _K.Maximum: lambda kind: f"must be at most {kind.limit}",
    _K.ExclusiveMinimum: lambda kind: f"must be greater than {kind.limit}",
    _K.ExclusiveMaximum: lambda kind: f"must be less than {kind.limit}",
    _K.MultipleOf: lambda kind: f"must be a multiple of {kind.multiple_of}",
    _K.MinLength: lambda kind: f"must have at least {_count(kind.limit, 'character')}",
    _K.MaxLength: lambda kind: f"must have at most {_count(kind.limit, 'character')}",
    _K.MinItems: lambda kind: f"must have at least {_count(kind.limit, 'item')}",
    _K.MaxItems: lambda kind: f"must have at most {_count(kind.limit, 'item')}",
    _K.MinProperties: lambda kind: f"must have at least {_count(kind.limit, 'property')}",
    _K.MaxProperties: lambda kind: f"must have at most {_count(kind.limit, 'property')}",
    _K.AdditionalItems: lambda kind: f"must have at most {_count(kind.limit, 'item')}",
    _K.UnevaluatedItems: lambda _: "has items that are not allowed",
    _K.UniqueItems: lambda _: "must not have the same item twice",
    _K.Contains: lambda _: "does not have the items that it must contain",
    _K.Format: lambda kind: f"must be {_FORMATS.get(kind.format, 'of the format ' + kind.format)}",
    _K.Not: lambda _: "is not allowed here",
}
