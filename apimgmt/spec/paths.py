"""Paths: the one canonical form of a request's path, and the templates that a document declares.

Router, authentication and process all work on what :func:`canonical` returns, so that there is only one view of a
request (reliability.md C1, T21). A segment of a template has a kind; kinds have a rank, and the most specific template
wins, compared from left to right: literal, boolean, integer, number, uuid, mixed, string, and last a greedy path.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from apimgmt.errors import Problem
from apimgmt.model import Operation, Schema
from apimgmt.spec.patterns import needs_slash

# The rest takes the slow look. Of RFC 3986 section 3.3 these characters are the ones that nearly all paths have.
_USUAL = re.compile(rb"(?:/[A-Za-z0-9_\-]++)++/?").fullmatch
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_STRAY = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_SAFE_IN_SEGMENT = "!$&'()*+,;=:@~"
_SEPARATORS = frozenset(b"/\\\x00")

LITERAL, BOOLEAN, INTEGER, NUMBER, UUID, MIXED, STRING, GREEDY = range(8)

_PATTERNS = {
    BOOLEAN: r"(?:true|false)",
    INTEGER: r"-?(?:0|[1-9][0-9]{0,308})",
    NUMBER: r"-?(?:0|[1-9][0-9]{0,308})(?:\.[0-9]{1,309})?(?:[eE][+-]?[0-9]{1,4})?",
    UUID: r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    STRING: r"[^/]+",
    GREEDY: r".+",
}
_SAMPLES = {
    BOOLEAN: "true",
    INTEGER: "7",
    NUMBER: "7.5",
    UUID: "00000000-0000-4000-8000-000000000000",
    STRING: "text",
    GREEDY: "some/text",
}
_FIELD = re.compile(r"\{([^{}]*)\}")
_MORE = ("+", "*")
_CHOICES_MOST = 100


class PathInvalid(ValueError):
    """A template that no request can reach; the message says why."""


def canonical(raw: bytes) -> str:
    """The one form of a request path: escapes of unreserved characters decoded, the others in upper case.

    Raises Problem("ambiguous-path") for everything that two readers could take for two things: empty and dot
    segments, encoded slashes, backslashes and control characters, escapes that are not UTF-8.
    """
    if _USUAL(raw):
        return raw.decode()
    try:
        text = normalised(raw.decode("ascii"))
    except (UnicodeDecodeError, PathInvalid) as error:
        raise Problem("ambiguous-path", str(error) if isinstance(error, PathInvalid) else "not ASCII") from None
    return text


def normalised(path: str) -> str:
    """``path`` with escapes in canonical form; raises PathInvalid where it is ambiguous."""
    if not path.startswith("/"):
        raise PathInvalid("the path does not start with /")
    segments = path[1:].split("/")
    return "/" + "/".join(_segment(segment, last=index == len(segments) - 1) for index, segment in enumerate(segments))


def _segment(segment: str, last: bool) -> str:
    if not segment and not last:
        raise PathInvalid("the path has an empty segment")
    text = _text(segment)
    if text.split(";", 1)[0] in (".", ".."):
        raise PathInvalid("the path has a dot segment")
    return text


def _text(segment: str) -> str:
    """A segment or a part of one in canonical form."""
    stray = _ESCAPE.sub("", segment)
    if "%" in stray:
        raise PathInvalid("the path has a % that does not start an escape")
    if "\\" in stray or any(ord(character) < 0x21 or ord(character) == 0x7F for character in stray):
        raise PathInvalid("the path has a backslash or a control character")
    octets = unquote_to_bytes(segment)
    if any(octet in _SEPARATORS or octet < 0x20 or octet == 0x7F for octet in octets):
        raise PathInvalid("the path has an encoded slash, backslash or control character")
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        raise PathInvalid("the path has escapes that are not UTF-8") from None
    decoded = _ESCAPE.sub(_decode_unreserved, segment)
    return quote(decoded, safe=_SAFE_IN_SEGMENT + "%")


def _decode_unreserved(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()


class Segment(NamedTuple):
    """One segment of a template: ``text`` is the canonical literal, or the regular expression of anything else.

    Of several mixed segments that with the least ``rank`` is the most specific: it begins with the longest literal, or
    has the most literal characters. ``sample`` is a text that a mixed segment matches. A greedy parameter may have
    literals beside it too (``{arn}#tags``): ``around`` are those before and after it.
    """

    kind: int
    text: str
    names: tuple[str, ...] = ()
    rank: tuple[int, ...] = ()
    sample: str = ""
    around: tuple[str, str] = ("", "")


class Template(NamedTuple):
    """A path template, taken apart; equal ``shape`` means that no request can tell two templates apart."""

    path: str
    segments: tuple[Segment, ...]

    @property
    def shape(self) -> tuple[tuple[int, str], ...]:
        """The template without the names of its parameters."""
        return tuple((segment.kind, segment.text) for segment in self.segments)

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters in order."""
        return tuple(name for segment in self.segments for name in segment.names)

    def witness(self) -> str:
        """A canonical path that the template matches."""
        return "/" + "/".join(_sample(segment) for segment in self.segments)


def parse(operation: Operation, schemas: Mapping[str, Schema]) -> Template:
    """The template of an operation, its parameters typed by their schemas; raises PathInvalid."""
    parameters = [one for one in operation.parameters if one.location == "path"]
    kinds = {one.name: STRING for one in parameters}
    choices: dict[str, tuple[str, ...]] = {}
    for one in parameters:
        if one.media_type is None and one.style == "simple":
            kinds[one.name] = kind_of(one.schema, schemas)
            choices[one.name] = _choices(one.schema, schemas)
    _keep_one_greedy(operation.path, kinds)
    return parse_path(operation.path, kinds, choices)


def parse_path(
    path: str, kinds: Mapping[str, int], choices: Mapping[str, tuple[str, ...]] = MappingProxyType({})
) -> Template:
    """A template from its text, the kind of each parameter (STRING if not given) and the texts of enumerated ones."""
    if not path.startswith("/"):
        raise PathInvalid("a path starts with /")
    parts = _split(path[1:])
    last = len(parts) - 1
    segments = tuple(_parse_segment(part, kinds, choices, index == last) for index, part in enumerate(parts))
    if sum(segment.kind == GREEDY for segment in segments) > 1:
        raise PathInvalid("a path has at most one parameter that takes several segments")
    return Template(path, segments)


def parameter_name(field: str, declared: Container[str]) -> str:
    """The parameter that stands in a template as ``{field}``: ``{path+}`` is also the place of a ``path``."""
    bare = field.rstrip("+*")
    return bare if field not in declared and bare in declared else field


def _keep_one_greedy(path: str, kinds: dict[str, int]) -> None:
    """Of several parameters that could take several segments only one does: that with a ``+``, else the first."""
    fields = _FIELD.findall(path)
    greedy = [field for field in fields if kinds.get(parameter_name(field, kinds)) == GREEDY]
    explicit = [field for field in fields if field.endswith(_MORE)]
    for field in greedy if explicit else greedy[1:]:
        kinds[parameter_name(field, kinds)] = STRING


def kind_of(schema: Schema, schemas: Mapping[str, Schema]) -> int:
    """Which texts a parameter of this schema lets into a path; one that has to have a slash takes several segments."""
    schema = _followed(schema, schemas)
    if not isinstance(schema, dict):
        return STRING
    types = schema.get("type", "string")
    if isinstance(types, list):
        real = [name for name in types if name != "null"]
        types = real[0] if len(real) == 1 else "string"
    if types == "string":
        kind = {"uuid": UUID, "path": GREEDY}.get(str(schema.get("format")), STRING)
        return GREEDY if kind == STRING and _holds_slash(schema) else kind
    return {"boolean": BOOLEAN, "integer": INTEGER, "number": NUMBER}.get(types, STRING)


def _holds_slash(schema: Mapping[str, Any]) -> bool:
    """Whether a value of a string could only be sent in several segments: by its pattern or its enumeration."""
    listed = schema.get("enum", ())
    return needs_slash(str(schema.get("pattern", ""))) or any(isinstance(one, str) and "/" in one for one in listed)


def _followed(schema: Schema, schemas: Mapping[str, Schema]) -> Schema:
    for _ in range(50):
        if not isinstance(schema, dict) or "$ref" not in schema:
            break
        schema = schemas.get(str(schema["$ref"]).removeprefix("#/$defs/"), True)
    return schema


def _choices(schema: Schema, schemas: Mapping[str, Schema]) -> tuple[str, ...]:
    """The texts of an enumerated string as they stand in a path, the longest first; none if one of them cannot."""
    schema = _followed(schema, schemas)
    values = schema.get("enum", ()) if isinstance(schema, dict) else ()
    if not values or len(values) > _CHOICES_MOST or not all(isinstance(value, str) and value for value in values):
        return ()
    try:
        return tuple(sorted((_text(quote(value, safe=_SAFE_IN_SEGMENT)) for value in values), key=len, reverse=True))
    except PathInvalid:
        return ()


def _split(path: str) -> list[str]:
    """Split at the slashes that are not inside braces."""
    parts, depth, start = [], 0, 0
    for index, character in enumerate(path):
        if character in "{}":
            depth = max(0, depth + (1 if character == "{" else -1))
        elif character == "/" and depth == 0:
            parts.append(path[start:index])
            start = index + 1
    return [*parts, path[start:]]


def _parse_segment(text: str, kinds: Mapping[str, int], choices: Mapping[str, tuple[str, ...]], last: bool) -> Segment:
    fields = _FIELD.findall(text)
    if not fields:
        return Segment(LITERAL, _segment(_escape(text), last))
    names = tuple(parameter_name(field, kinds) for field in fields)
    if text == f"{{{fields[0]}}}":
        kind = kinds.get(names[0], STRING)
        kind = GREEDY if kind == STRING and fields[0].endswith(_MORE) else kind
        return Segment(kind, _PATTERNS[kind], names)
    literals = [_text(_escape(literal)) for literal in _FIELD.sub("{}", text).split("{}")]
    if len(names) == 1 and kinds.get(names[0]) == GREEDY:
        before, after = literals
        pattern = re.escape(before) + _PATTERNS[GREEDY] + re.escape(after)
        return Segment(GREEDY, pattern, names, sample=before + _SAMPLES[GREEDY] + after, around=(before, after))
    pattern, sample = re.escape(literals[0]), literals[0]
    for name, literal in zip(names, literals[1:], strict=True):
        part, example = _part(kinds.get(name, STRING), choices.get(name, ()))
        pattern += part + re.escape(literal)
        sample += example + literal
    rank = (-len(literals[0]), -sum(map(len, literals)), len(names), -len(pattern))
    return Segment(MIXED, pattern, names, rank, sample)


def _part(kind: int, choices: tuple[str, ...]) -> tuple[str, str]:
    """The regular expression of a parameter that is not alone in its segment, and a text that it matches."""
    if choices:
        return f"({'|'.join(map(re.escape, choices))})", choices[0]
    if kind in (STRING, GREEDY):
        return f"({_PATTERNS[STRING]}?)", _SAMPLES[STRING]
    return f"({_PATTERNS[kind]})", _SAMPLES[kind]


def _escape(text: str) -> str:
    """Percent-encode what a request path cannot hold: ``#`` of a template is reached as %23."""
    return quote(_STRAY.sub("%25", text), safe=_SAFE_IN_SEGMENT + "%/")


def _sample(segment: Segment) -> str:
    if segment.kind == LITERAL:
        return segment.text
    return segment.sample or _SAMPLES[segment.kind]
