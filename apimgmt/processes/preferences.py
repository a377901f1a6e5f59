"""The Prefer field (RFC 7240): what a caller of a mock would like to get."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PREFERENCE = re.compile(
    r'([!#$%&\'*+\-.^_`|~\w]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*)))?[^,"]*(?:,|$)', re.ASCII
)
_ESCAPE = re.compile(r"\\(.)")


def preferences(fields: Iterable[bytes]) -> dict[str, str]:
    """Names in lower case and values of the Prefer fields of a request; the first of two equal names counts."""
    found: dict[str, str] = {}
    for field in fields:
        for name, quoted, bare in _PREFERENCE.findall(field.decode("latin-1")):
            found.setdefault(name.lower(), _ESCAPE.sub(r"\1", quoted) if quoted else bare)
    return found


def applied(preferences: Iterable[tuple[str, str]]) -> str:
    """The value of Preference-Applied: what was honoured of it (section 3)."""
    return ", ".join(f"{name}={_quoted(value)}" for name, value in preferences)


def _quoted(value: str) -> str:
    if re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
