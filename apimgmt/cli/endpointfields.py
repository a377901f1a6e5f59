"""Parameters and fields as they are said on the command line: ``limit:integer:100``, ``items[].productId!:string``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click

TYPES = ("string", "integer", "number", "boolean", "object", "array")


def parameter_of(text: str) -> dict[str, Any]:
    """``NAME[!][:TYPE[:DEFAULT]]`` as a query parameter; a default of the type string is taken as it is."""
    name, _, rest = text.partition(":")
    kind, colon, default = rest.partition(":")
    parameter: dict[str, Any] = {"name": name.removesuffix("!"), "type": kind or "string"}
    if name.endswith("!"):
        parameter["required"] = True
    if colon:
        parameter["default"] = default if parameter["type"] == "string" else _value(text, default)
    return parameter


def fields_of(texts: Iterable[str]) -> list[dict[str, Any]]:
    """Fields with dots and ``[]`` as fields within fields; ``!`` after a step says that it is required there.

    ``items![].productId`` is a required array ``items`` of objects with ``productId``.
    """
    top: list[dict[str, Any]] = []
    for text in texts:
        place, colon, kind = text.rpartition(":")
        if not colon:
            place, kind = kind, "string"
        if kind not in TYPES or not place:
            raise click.UsageError(f"--field takes NAME[!][:TYPE] with a type of {', '.join(TYPES)}, not {text!r}")
        _add(top, place.split("."), kind, text)
    return top


def _add(fields: list[dict[str, Any]], steps: list[str], kind: str, text: str) -> None:
    """Put the field at the end of these steps in its place, making what stands around it."""
    step, *rest = steps
    bare = step.replace("!", "").replace("[]", "")
    depth = step.count("[]")
    if not bare:
        raise click.UsageError(f"--field {text!r}: every step has a name")
    field = next((one for one in fields if one["name"] == bare), None)
    if field is None:
        field = {"name": bare, "type": ""}
        fields.append(field)
    if "!" in step:
        field["required"] = True
    inner = field
    for _ in range(depth):
        _be(inner, "array", text)
        inner = inner.setdefault("items", {"type": ""})
    if rest:
        _be(inner, "object", text)
        _add(inner.setdefault("fields", []), rest, kind, text)
    else:
        _be(inner, kind, text)


def _be(field: dict[str, Any], kind: str, text: str) -> None:
    if field["type"] not in ("", kind):
        raise click.UsageError(f"--field {text!r}: another --field says that this is {field['type']}, not {kind}")
    field["type"] = kind


def _value(text: str, default: str) -> Any:
    try:
        return json.loads(default)
    except ValueError:
        raise click.UsageError(f"--query {text!r}: {default!r} is no default of that type") from None
