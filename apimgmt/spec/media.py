"""Media types: read in any spelling, compared in one, and what kind of content they announce (RFC 9110, 8.3)."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Category = Literal["json", "form", "multipart", "xml", "text", "other"]

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TYPE = re.compile(rf"[ \t]*({_TOKEN})/({_TOKEN})[ \t]*(?=;|$)")
_PARAMETER = re.compile(rf';[ \t]*(?:({_TOKEN})=({_TOKEN}|"(?:[^"\\]|\\.)*")[ \t]*)?')


class MediaRange(NamedTuple):
    """A media type or range in lower case (``application/json``, ``image/*``) and its parameters."""

    name: str
    parameters: dict[str, str]

    def matches(self, name: str) -> bool:
        """Whether this range covers the media type ``name``."""
        if self.name in (name, "*/*"):
            return True
        major, _, minor = self.name.partition("/")
        other_major, _, other_minor = name.partition("/")
        if major != other_major or not minor.startswith("*"):
            return False
        return minor == "*" or other_minor.endswith(minor[1:])

    @property
    def precision(self) -> int:
        """0 for ``*/*``, 1 for ``type/*``, 2 for ``type/*+suffix``, 3 and more for one type (with parameters)."""
        if self.name == "*/*":
            return 0
        if "*" in self.name:
            return 1 if self.name.endswith("/*") else 2
        return 3 + len(self.parameters.keys() - {"charset"})


def read(text: str) -> MediaRange | None:
    """A media type as written in a header or a document; None if it is not one."""
    found = _TYPE.match(text)
    if found is None:
        return None
    parameters: dict[str, str] = {}
    position = found.end()
    while position < len(text):
        parameter = _PARAMETER.match(text, position)
        if parameter is None:
            return None
        if parameter[1] is not None:
            name = parameter[1].lower()
            if name in parameters:
                # two charsets are two readings of the body
                return None
            parameters[name] = _unquoted(parameter[2])
        position = parameter.end()
    return MediaRange(f"{found[1]}/{found[2]}".lower(), parameters)


def category(name: str) -> Category:
    """What kind of content a media type announces, by its name or suffix; parameters are ignored."""
    name = name.partition(";")[0].strip().lower()
    if name in ("application/json", "text/json") or name.endswith("+json"):
        return "json"
    if name == "application/x-www-form-urlencoded":
        return "form"
    if name == "multipart/form-data":
        return "multipart"
    if name in ("application/xml", "text/xml") or name.endswith("+xml"):
        return "xml"
    return "text" if name.startswith("text/") else "other"


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
