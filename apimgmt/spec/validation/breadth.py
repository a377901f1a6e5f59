"""How many alternatives a schema has: what is wrong with a value is worked out for each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apimgmt.model import Schema

REF = "#/$defs/"


def breadth(schema: Schema, schemas: Mapping[str, Schema]) -> int:
    """The length of the longest ``anyOf`` or ``oneOf`` in a schema and in all that it refers to; 1 if there is none."""
    widest, pending, seen = 1, [schema], set()
    while pending:
        part: Any = pending.pop()
        if isinstance(part, list):
            pending.extend(part)
        elif isinstance(part, dict):
            pending.extend(part.values())
            for keyword in ("anyOf", "oneOf"):
                if isinstance(branches := part.get(keyword), list):
                    widest = max(widest, len(branches))
            name = str(part.get("$ref", "")).removeprefix(REF)
            if name in schemas and name not in seen:
                seen.add(name)
                pending.append(schemas[name])
    return widest
