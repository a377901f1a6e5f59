"""JSON (RFC 8259), as fast as it gets: orjson, and msgspec for the few values that orjson refuses.

What JSON has no word for: a date or time is RFC 3339 text (a time without a zone is taken as UTC), bytes are Base64,
a Decimal is a number with all its digits, a set is an array, NaN and the infinities are null.
"""

from __future__ import annotations

import base64
import decimal
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, ClassVar

import msgspec
import orjson

from apimgmt.model import Schema
from apimgmt.registry import register

_OPTIONS = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z


def dumps(value: Any) -> bytes:
    """``value`` as JSON; raises TypeError or ValueError (UnicodeError is one) where there is no JSON for it."""
    try:
        return orjson.dumps(value, _default, _OPTIONS)
    except TypeError:
        # integers over 64 bits, keys that are not strings, a function that failed inside: msgspec knows most of them
        return _second.encode(_reduced(value))


@register("format", "json")
class Json:
    """application/json and everything that ends in +json."""

    media_types: ClassVar[tuple[str, ...]] = ("application/json",)

    @staticmethod
    def writes(media_type: str) -> bool:
        """Whether this format writes the media type."""
        return media_type == "application/json" or media_type.endswith("+json") or media_type == "text/json"

    @staticmethod
    def dump(value: Any, schema: Schema, schemas: Mapping[str, Schema]) -> bytes:
        """``value`` as JSON; the schema has no say in it."""
        return dumps(value)


def _default(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, decimal.Decimal):
        return orjson.Fragment(str(value)) if value.is_finite() else None
    return _described(value)


def _described(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Set | Sequence) and not isinstance(value, str):
        return list(value)
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    to_dict: Callable[[], Any] | None = getattr(value, "to_dict", None)
    if to_dict is None:
        raise TypeError(f"there is no JSON for {type(value).__name__}")
    # models of generated code (openapi-generator, swagger-codegen) describe themselves this way
    return to_dict()


def _reduced(value: Any) -> Any:
    """``value`` with only what both encoders write alike: text, numbers, objects with text as keys, arrays."""
    if isinstance(value, Mapping):
        return {_key(key): _reduced(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_reduced(item) for item in value]
    if isinstance(value, int | str | decimal.Decimal):
        return None if isinstance(value, decimal.Decimal) and not value.is_finite() else value
    # everything else is never at fault, and orjson knows how it looks
    return msgspec.Raw(orjson.dumps(value, _default, _OPTIONS))


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    return str(orjson.loads(orjson.dumps({key: 0}, option=orjson.OPT_NON_STR_KEYS | _OPTIONS)).popitem()[0])


_second = msgspec.json.Encoder(decimal_format="number")
