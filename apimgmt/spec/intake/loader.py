"""Uploaded bytes to a Document: JSON, YAML 1.2, or a zip of several files; every limit is checked before it can hurt.

The bytes are only ever data: no template is rendered, nothing named in them is imported, fetched or opened
(reliability.md T1 to T5, T7).
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any, NoReturn

from apimgmt.errors import DocumentRefused
from apimgmt.model import Finding
from apimgmt.settings import Settings
from apimgmt.spec.document import DOUBLES_MOST, Document, Source, Specification, pointer_of, twice
from apimgmt.spec.intake import upload, yaml12
from apimgmt.spec.intake.bundle import bundle
from apimgmt.spec.intake.places import JsonPlaces

_DIGITS_MOST = 400
_LONG_NUMBER = re.compile(r"[0-9]{19}")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_MINOR: dict[str, Specification] = {"0": "3.0", "1": "3.1", "2": "3.2"}
_VERSION = re.compile(r"3\.([012])(\.\d+)?([-+].*)?")


def load(content: bytes, media_type: str, settings: Settings) -> Document:
    """The document in ``content``; raises DocumentRefused if it cannot be read at all.

    What can be reported together with everything else (references that lead nowhere) is in ``Document.findings``.
    """
    if len(content) > settings.document_bytes:
        _limit("bytes", f"more than {settings.document_bytes} bytes")
    if upload.is_zip(content, media_type):
        files = upload.unpack(content, settings)
        reader = _Files(files, settings)
        source = reader.root()
        document = bundle(source, _specification(source), reader.read)
        document.findings += reader.findings()
    else:
        source = read(content, media_type, settings)
        document = bundle(source, _specification(source), None)
        document.findings += source.findings
    _measure(document, settings)
    return document


def read(content: bytes, media_type: str, settings: Settings, name: str = "") -> Source:
    """One file as a source; raises DocumentRefused with the place of what is wrong."""
    text = upload.decode(content, name)
    essence = media_type.partition(";")[0].strip().lower()
    if text.lstrip()[:1] in ("{", "[") or essence == "application/json":
        try:
            return _read_json(text, settings, name)
        except json.JSONDecodeError as error:
            if essence == "application/json" or name.endswith(".json"):
                _refuse("syntax", f"This is not JSON: {error.msg}.", error.lineno, error.colno, name)
    return yaml12.read(text, settings, name)


class _Files:
    """The files of a zip by name, each parsed once, when it is first referred to."""

    def __init__(self, files: dict[str, bytes], settings: Settings) -> None:
        self._files = files
        self._settings = settings
        self._sources: dict[str, Source] = {}

    def read(self, name: str) -> Source | None:
        """The file of that name, or None if the upload has none."""
        if name not in self._files:
            return None
        if name not in self._sources:
            self._sources[name] = read(self._files[name], "", self._settings, name)
        return self._sources[name]

    def findings(self) -> list[Finding]:
        """What reading the files found, of those that were read."""
        return [finding for source in self._sources.values() for finding in source.findings]

    def root(self) -> Source:
        """The file that is the OpenAPI document itself."""
        source = self.read(upload.find_root(self._files))
        assert source is not None
        return source


def _read_json(text: str, settings: Settings, name: str) -> Source:
    doubles: set[str] = set()

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs):
            doubles.update(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        return value

    def constant(literal: str) -> NoReturn:
        _refuse("number", f"{literal} is not a JSON number.", *_position(text, text.find(literal)), name)

    convert = {"parse_int": _integer} if _LONG_NUMBER.search(text) else {}
    try:
        value = json.loads(text, object_pairs_hook=members, parse_constant=constant, **convert)  # type: ignore[arg-type]
    except RecursionError:
        place = _position(text, _too_deep(text, settings.document_depth))
        _limit("depth", f"a nesting of more than {settings.document_depth}", *place, name)
    half = _SURROGATE.search(text)
    if half and not _is_writable(value):
        _refuse(
            "text",
            "There is half a surrogate pair in a string; it is no character.",
            *_position(text, half.start()),
            name,
        )
    found = islice(_doubles(text, doubles), DOUBLES_MOST) if doubles else ()
    findings = [twice(double, *_position(text, offset), name) for double, offset in found]
    return Source(name, value, JsonPlaces(text), findings)


def _is_writable(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _integer(digits: str) -> Any:
    return yaml12.within_json(int(digits)) if len(digits) <= _DIGITS_MOST else math.inf


def _doubles(text: str, names: set[str]) -> Iterator[tuple[str, int]]:
    """The members of these names that their object already has, with their offsets."""
    levels: list[set[str]] = [set()]
    for match in re.finditer(r'("(?:[^"\\]|\\.)*")(\s*:)?|[{}]', text):
        if match[0] == "{":
            levels.append(set())
        elif match[0] == "}":
            levels.pop()
        elif match[2]:
            name = json.loads(match[1])
            if name in names and name in levels[-1]:
                yield name, match.start()
            levels[-1].add(name)


def _too_deep(text: str, limit: int) -> int:
    """The offset of the bracket that goes one level too deep."""
    depth = 0
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[{\]}]', text):
        if match[0] in "[{":
            depth += 1
            if depth > limit:
                return match.start()
        elif match[0] in "]}":
            depth -= 1
    return 0


def _position(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _specification(source: Source) -> Specification:
    """The version of the specification; writes a version given as a number back as a string."""
    root = source.root
    if not isinstance(root, dict):
        _refuse("not-openapi", "The document is not an object; it has to start with `openapi:` or `swagger:`.")
    if "swagger" in root and "openapi" not in root:
        if str(root["swagger"]) in ("2.0", "2"):
            root["swagger"] = "2.0"
            return "2.0"
        _unknown_version(source, "swagger")
    if "openapi" not in root:
        _refuse("not-openapi", "There is no `openapi` and no `swagger` at the top; say which version this is.")
    version = str(root["openapi"])
    match = _VERSION.fullmatch(version)
    if not match:
        _unknown_version(source, "openapi")
    root["openapi"] = version if match[2] else f"3.{match[1]}.0{match[3] or ''}"
    return _MINOR[match[1]]


def _unknown_version(source: Source, field: str) -> NoReturn:
    place = source.places.find([field])
    version = str(source.root[field])[:40]
    _refuse("version", f"{field} {version!r} is not supported; there are 2.0, 3.0, 3.1 and 3.2.", *place, source.name)


def _measure(document: Document, settings: Settings) -> None:
    """Refuse what is too deep, too many, too long, or cannot be written as JSON again."""
    longest = settings.document_text
    stack: list[tuple[Any, int, Any]] = [(document.root, 1, ())]
    nodes = 1
    while stack:
        value, depth, trail = stack.pop()
        nodes += len(value)
        if nodes > settings.document_nodes:
            _limit("nodes", f"more than {settings.document_nodes} values, aliases expanded")
        if depth > settings.document_depth:
            _limit_at(document, trail, "depth", f"a nesting of more than {settings.document_depth}")
        for key, item in value.items() if type(value) is dict else enumerate(value):
            kind = type(item)
            if kind is dict or kind is list:
                stack.append((item, depth + 1, (trail, key)))
            elif kind is str:
                if len(item) * 4 > longest and _size(item) > longest:
                    _limit_at(document, (trail, key), "text", f"a string of more than {longest} bytes")
            elif kind is float and not math.isfinite(item):
                _refuse_at(document, (trail, key), "number", "This number is larger than JSON readers can hold.")


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _limit_at(document: Document, trail: Any, name: str, what: str) -> NoReturn:
    _refuse_at(document, trail, f"too-much-{name}", f"The document has {what} (setting document_{name}).")


def _refuse_at(document: Document, trail: Any, code: str, message: str) -> NoReturn:
    tokens: list[str] = []
    while trail:
        trail, token = trail
        tokens.append(str(token))
    raise DocumentRefused([document.finding("error", code, message, pointer_of(tokens[::-1]))])


def _limit(name: str, what: str, line: int = 0, column: int = 0, file: str = "") -> NoReturn:
    _refuse(f"too-much-{name}", f"The document has {what} (setting document_{name}).", line, column, file)


def _refuse(code: str, message: str, line: int = 0, column: int = 0, file: str = "") -> NoReturn:
    raise DocumentRefused([Finding(severity="error", code=code, message=message, line=line, column=column, file=file)])
