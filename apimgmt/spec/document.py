"""The loaded document: JSON values, where each of them stands in the uploaded files, and what loading found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from apimgmt.model import Finding

Specification = Literal["2.0", "3.0", "3.1", "3.2"]
Severity = Literal["error", "warning", "info"]

DOUBLES_MOST = 100
"""So many names that are there twice are looked for in a file."""

# Names whose second appearance in an object changes no request and no access, only what is told: the last one counts.
DESCRIPTIVE = frozenset(
    ("responses", "description", "summary", "title", "example", "examples", "externalDocs", "operationId", "tags")
)


class Places(Protocol):
    """Where the values of one file stand."""

    def find(self, tokens: Sequence[str]) -> tuple[int, int]:
        """Line and column, from 1, of the value that ``tokens`` lead to, or of its nearest ancestor."""
        ...


class Source:
    """One uploaded file: its name ("" if there is only one), its value, the places in it, what reading it found."""

    __slots__ = ("findings", "name", "places", "root")

    def __init__(self, name: str, root: Any, places: Places, findings: Sequence[Finding] = ()) -> None:
        self.name = name
        self.root = root
        self.places = places
        self.findings = findings


class Document:
    """A document whose references all start with ``#/``.

    ``root`` is never changed after loading. ``findings`` is what loading found. ``origins`` says which parts came from
    which other file: a JSON pointer into ``root`` and, for it, the source and the JSON pointer there.
    """

    __slots__ = ("findings", "origins", "root", "source", "specification")

    def __init__(
        self,
        root: dict[str, Any],
        specification: Specification,
        source: Source,
    ) -> None:
        self.root = root
        self.specification = specification
        self.source = source
        self.findings: list[Finding] = []
        self.origins: dict[str, tuple[Source, str]] = {}

    def locate(self, pointer: str) -> tuple[int, int, str]:
        """Line, column (both from 1) and file of the value at ``pointer``; a pointer to nothing gives the nearest."""
        source, inner = self._origin(pointer)
        line, column = source.places.find(tokens_of(inner))
        return line, column, source.name

    def finding(self, severity: Severity, code: str, message: str, pointer: str = "") -> Finding:
        """A finding with its place."""
        source, inner = self._origin(pointer)
        line, column = source.places.find(tokens_of(inner))
        return Finding(
            severity=severity,
            code=code,
            message=message,
            pointer=inner,
            line=line,
            column=column,
            file=source.name,
        )

    def _origin(self, pointer: str) -> tuple[Source, str]:
        prefix = pointer
        while self.origins and prefix:
            if prefix in self.origins:
                source, inner = self.origins[prefix]
                return source, inner + pointer[len(prefix) :]
            prefix = prefix.rpartition("/")[0]
        return self.source, pointer


def escape(token: str) -> str:
    """One reference token of a JSON pointer (RFC 6901 section 3)."""
    return token.replace("~", "~0").replace("/", "~1") if "~" in token or "/" in token else token


def tokens_of(pointer: str) -> list[str]:
    """The unescaped reference tokens of a JSON pointer."""
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def pointer_of(tokens: Sequence[str]) -> str:
    """The JSON pointer of these unescaped tokens."""
    return "".join("/" + escape(token) for token in tokens)


def twice(name: str, line: int, column: int, file: str) -> Finding:
    """The finding for a name that an object has twice: an error, unless the name only describes."""
    place = {"line": line, "column": column, "file": file}
    if name in DESCRIPTIVE:
        message = f"The name {name!r} is there twice; the last one counts. Remove the other."
        return Finding(severity="warning", code="duplicate-name", message=message, **place)  # type: ignore[arg-type]
    message = f"The name {name[:80]!r} is there twice in one object, so that readers may differ; keep one."
    return Finding(severity="error", code="duplicate-name", message=message, **place)  # type: ignore[arg-type]
