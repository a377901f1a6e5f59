"""Paths: the one canonical form of a request's path, and the templates that a document declares.

Router, authentication and process all work on what :func:`canonical` returns, so that there is only one view of a
request (reliability.md C1, T21). A segment of a template has a kind; kinds have a rank, and the most specific template
wins, compared from left to right: literal, boolean, integer, number, uuid, mixed, string, and last a greedy path.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes

import re2

from apimgmt.errors import Problem
from apimgmt.model import Operation, Schema
from apimgmt.spec.patterns import needs_slash

# Anything that the slow look is for. Of RFC 3986 section 3.3 these characters are the ones that nearly all paths have.
_UNUSUAL = re.compile(rb"[^A-Za-z0-9/_\-]|//").search
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
    if raw[:1] == b"/" and _UNUSUAL(raw) is None:
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


# ---- the tree --------------------------------------------------------------------------------------------------------


class Node:
    """One level of the tree of templates; ``leaf`` maps a method to what was added for it."""

    __slots__ = ("greedy", "leaf", "literals", "typed")

    def __init__(self) -> None:
        self.literals: dict[str, Node] = {}
        self.typed: list[Child] = []
        self.greedy: list[Greedy] = []
        self.leaf: dict[str, Any] = {}

    def child(self, segment: Segment) -> Node:
        """The node below for this segment, made if it is missing."""
        if segment.kind == LITERAL:
            return self.literals.setdefault(segment.text, Node())
        if segment.kind == GREEDY:
            return self._greedy_child(*segment.around)
        for kind, text, _, node, _ in self.typed:
            if (kind, text) == (segment.kind, segment.text):
                return node
        # a string takes any segment that is not empty: no regular expression is needed for that
        pattern = None if segment.kind == STRING else _compile(segment)
        entry = (segment.kind, segment.text, pattern, Node(), segment.rank)
        self.typed.append(entry)
        self.typed.sort(key=lambda item: (item[0], item[4]))
        return entry[3]

    def _greedy_child(self, before: str, after: str) -> Node:
        for other_before, other_after, node in self.greedy:
            if (before, after) == (other_before, other_after):
                return node
        made = Node()
        self.greedy.append((before, after, made))
        self.greedy.sort(key=lambda item: (-len(item[0]), -len(item[1])))
        return made


def _compile(segment: Segment) -> Any:
    """RE2 for what a document made up: its time is linear in the path, whatever the template (T6)."""
    return (re2 if segment.kind == MIXED else re).compile(segment.text)


# kind, text, what matches a segment (None: anything that is not empty), the node below, and the rank
Child = tuple[int, str, Any, Node, tuple[int, ...]]

# the literals before and after a parameter that takes several segments, and the node below
Greedy = tuple[str, str, Node]


class Tree:
    """Templates of one API, compiled: the cost of a look-up does not grow with the number of templates."""

    def __init__(self) -> None:
        self.root = Node()

    def add(self, template: Template, method: str, value: Any) -> Any:
        """Put ``value`` under a template and a method; returns what was there already (and stays)."""
        node = self.root
        for segment in template.segments:
            node = node.child(segment)
        return node.leaf.setdefault(method, value)

    def find(self, path: str, method: str) -> tuple[Any, list[str]] | None:
        """The value of the most specific template that has the method, and the raw texts of its parameters."""
        return self.find_from(path.split("/"), 1, method)

    def find_from(self, segments: list[str], start: int, method: str) -> tuple[Any, list[str]] | None:
        """The same for a path that is split already, from the segment ``start`` on."""
        texts: list[str] = []
        value = _find(self.root, segments, start, len(segments), method, texts)
        return None if value is None else (value, texts)

    def leaves(self, path: str) -> Iterator[dict[str, Any]]:
        """Everything that matches the path, most specific first."""
        return self.leaves_from(path.split("/"), 1)

    def leaves_from(self, segments: list[str], start: int) -> Iterator[dict[str, Any]]:
        """The same for a path that is split already."""
        return _leaves(self.root, segments, start)


def _find(node: Node, segments: list[str], index: int, count: int, method: str, texts: list[str]) -> Any:
    while index < count:
        text = segments[index]
        below = node.literals.get(text)
        typed = node.typed
        if node.greedy or (typed and (below is not None or len(typed) > 1)):
            return _choose(node, segments, index, count, method, texts)
        # one way on at the most: nothing to come back to
        if typed:
            below = typed[0][3] if _takes(typed[0], text, texts) else None
        if below is None:
            return None
        node = below
        index += 1
    return node.leaf.get(method)


def _takes(child: Child, text: str, texts: list[str]) -> bool:
    """Whether a typed child takes the segment; then ``texts`` has what its parameters are."""
    pattern = child[2]
    if pattern is None:
        texts.append(text)
        return bool(text)
    match = pattern.fullmatch(text)
    if match is None:
        return False
    if child[0] == MIXED:
        texts.extend(match.groups())
    else:
        texts.append(text)
    return True


def _choose(node: Node, segments: list[str], index: int, count: int, method: str, texts: list[str]) -> Any:
    """Every way on from a node that has several, the most specific first."""
    text = segments[index]
    mark = len(texts)
    below = node.literals.get(text)
    if below is not None:
        value = _find(below, segments, index + 1, count, method, texts)
        if value is not None:
            return value
        del texts[mark:]
    for child in node.typed:
        if _takes(child, text, texts):
            value = _find(child[3], segments, index + 1, count, method, texts)
            if value is not None:
                return value
        del texts[mark:]
    for before, after, below in node.greedy:
        for end, part in _greedy_parts(before, after, segments, index):
            texts.append(part)
            value = _find(below, segments, end, count, method, texts)
            if value is not None:
                return value
            del texts[mark:]
    return None


def _greedy_parts(before: str, after: str, segments: Sequence[str], index: int) -> Iterator[tuple[int, str]]:
    """Where a greedy parameter can end, and its text: as much as leaves the rest of its template a match.

    One that has a rest comes first.
    """
    if not segments[index] or not segments[index].startswith(before):
        return
    for end in (*range(len(segments) - 1, index, -1), len(segments)):
        if segments[end - 1].endswith(after):
            text = "/".join(segments[index:end])
            part = text[len(before) : len(text) - len(after)]
            if part:
                yield end, part


def _leaves(node: Node, segments: Sequence[str], index: int) -> Iterator[dict[str, Any]]:
    if index == len(segments):
        if node.leaf:
            yield node.leaf
        return
    text = segments[index]
    if text in node.literals:
        yield from _leaves(node.literals[text], segments, index + 1)
    if text:
        for _, _, pattern, below, _ in node.typed:
            if pattern is None or pattern.fullmatch(text):
                yield from _leaves(below, segments, index + 1)
        for before, after, node_below in node.greedy:
            for end, _ in _greedy_parts(before, after, segments, index):
                yield from _leaves(node_below, segments, end)


# ---- collisions ------------------------------------------------------------------------------------------------------


class Collision(NamedTuple):
    """Two operations that a request can mean both, and a path that shows it.

    ``certain``: nothing tells the templates apart. Otherwise ``first`` has a literal where ``second`` has a string:
    OpenAPI says that the literal wins, Frends refuses it (F-017).
    """

    first: Operation
    second: Operation
    witness: str
    certain: bool


def collisions(operations: Iterable[Operation], schemas: Mapping[str, Schema]) -> list[Collision]:
    """Every pair of operations of one method that collide (F-017 to F-020)."""
    tree = Tree()
    found: list[Collision] = []
    templates: list[tuple[Operation, Template]] = []
    for operation in operations:
        try:
            template = parse(operation, schemas)
        except PathInvalid:
            continue
        first = tree.add(template, operation.method, (operation, template))
        if first[0] is operation:
            templates.append((operation, template))
        else:
            found.append(Collision(first[0], operation, template.witness(), certain=True))
    for operation, template in templates:
        found.extend(_shadowed(tree, operation, template))
    return found


def _shadowed(tree: Tree, operation: Operation, template: Template) -> Iterator[Collision]:
    witness = template.witness()
    for leaf in tree.leaves(witness):
        other, other_template = leaf.get(operation.method, (operation, template))
        if other is not operation and _literal_beside_string(template, other_template):
            yield Collision(operation, other, witness, certain=False)


def _literal_beside_string(first: Template, second: Template) -> bool:
    """Whether the first place where the two differ has a literal on the one side and a string on the other."""
    for one, other in zip(first.segments, second.segments, strict=False):
        if (one.kind, one.text) != (other.kind, other.text):
            if one.kind == MIXED == other.kind:
                return one.rank[:2] < other.rank[:2]
            return one.kind == LITERAL and other.kind in (STRING, GREEDY, MIXED)
    return False
