"""YAML 1.2 to JSON values, by libyaml's events: no object is made that JSON does not have, nothing recurses.

Plain scalars follow the core schema of YAML 1.2 (section 10.3.2): ``on``, ``no`` and dates are strings. Mapping keys
are always strings, as they are written: ``200:`` is "200". Merge keys (``<<``) are understood, because many documents
have them. Depth, aliases and expanded values are counted while reading, so that a bomb is refused before it grows
(reliability.md F9, T4).
"""

from __future__ import annotations

import re
from array import array
from typing import Any, NoReturn

import yaml
from yaml import events

from apimgmt.errors import DocumentRefused
from apimgmt.model import Finding
from apimgmt.settings import Settings
from apimgmt.spec.document import DOUBLES_MOST, Source, twice
from apimgmt.spec.intake.places import YamlPlaces, pack

_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_FIRST = frozenset("-+.0123456789")
_DIGITS_MOST = 400
_MERGE = "".join(("<", "<"))  # an object of its own, compared by identity: "<<" in quotes is a name like any other
_TAG = "tag:yaml.org,2002:"
_COLLECTION_TAGS = {"!", _TAG + "map", _TAG + "seq"}
_SCALAR_TAGS = {_TAG + "null", _TAG + "bool", _TAG + "int", _TAG + "float"}
_STRING_TAGS = {_TAG + "str", "!"}


def read(text: str, settings: Settings, file: str = "") -> Source:
    """The one document in ``text``; raises DocumentRefused with a place if it is no such thing."""
    reader = _Reader(settings, file)
    try:
        for event in yaml.parse(text, Loader=yaml.CLoader):
            reader.take(event)
    except yaml.YAMLError as error:
        reader.refuse("syntax", f"This is not YAML: {_explain(error)}.", getattr(error, "problem_mark", None))
    return Source(file, reader.root, YamlPlaces(reader.root, reader.places, reader.start), reader.findings)


class _Open:
    """A container that is being read."""

    __slots__ = ("anchor", "height", "key", "merges", "nodes", "places", "value")

    def __init__(self, value: dict[str, Any] | list[Any], anchor: str | None) -> None:
        self.value = value
        self.anchor = anchor
        self.places = array("Q")
        self.key: str | None = None
        self.merges: list[Any] = []
        self.nodes = 1
        self.height = 1


class _Reader:
    """Builds the value event by event; ``anchors`` keeps value, expanded size and height of each anchor."""

    def __init__(self, settings: Settings, file: str) -> None:
        self.settings = settings
        self.file = file
        self.root: Any = None
        self.start = (1, 1)
        self.places: dict[int, array[int]] = {}
        self.anchors: dict[str, tuple[Any, int, int] | None] = {}
        self.stack: list[_Open] = []
        self.findings: list[Finding] = []
        self.documents = 0
        self.aliases = 0
        self.nodes = 0

    def take(self, event: events.Event) -> None:
        """One event of the parser."""
        if isinstance(event, events.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, events.CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, events.CollectionEndEvent):
            self._end(event)
        elif isinstance(event, events.AliasEvent):
            self._alias(event)
        elif isinstance(event, events.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self.refuse("several-documents", "Upload one YAML document; this stream has several.", event.start_mark)

    def _scalar(self, event: events.ScalarEvent) -> None:
        if self._expects_key():
            self._key(event)
            return
        if len(event.value) > self.settings.document_text:
            self._limit("text", f"a string of more than {self.settings.document_text} bytes", event.start_mark)
        value = self._value(event)
        if event.anchor:
            self.anchors[event.anchor] = (value, 1, 0)
        self._add(value, 1, 0, event.start_mark)

    def _key(self, event: events.ScalarEvent) -> None:
        top = self.stack[-1]
        name = event.value
        if len(name) > self.settings.document_text:
            self._limit("text", f"a name of more than {self.settings.document_text} bytes", event.start_mark)
        if event.anchor:
            self.anchors[event.anchor] = (name, 1, 0)
        merge = name == "<<" and event.implicit[0]
        if not merge:
            self._claim(name, event.start_mark)
        top.key = _MERGE if merge else name

    def _claim(self, name: str, mark: Any) -> None:
        """A name of the mapping that is being read; it is in order of appearance, like the places."""
        top = self.stack[-1]
        assert isinstance(top.value, dict)
        if name not in top.value:
            top.places.append(pack(*_place(mark)))
            top.value[name] = None
            return
        self.findings.append(twice(name, *_place(mark), self.file))
        if len(self.findings) >= DOUBLES_MOST:
            raise DocumentRefused(self.findings)
        top.places[list(top.value).index(name)] = pack(*_place(mark))

    def _value(self, event: events.ScalarEvent) -> Any:
        tag, text = event.tag, event.value
        if tag in _STRING_TAGS or (tag is None and not event.implicit[0]):
            return text
        if tag is not None and tag not in _SCALAR_TAGS:
            self._refuse_tag(tag, event.start_mark)
        return self._plain(text, event.start_mark)

    def _plain(self, text: str, mark: Any) -> Any:
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if text[0] not in _FIRST:
            return text
        if len(text) <= _DIGITS_MOST:
            if _INTEGER.fullmatch(text):
                return within_json(int(text))
            if _FLOAT.fullmatch(text):
                return self._finite(float(text), mark)
            if _OCTAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
                return within_json(int(text, 0))
        return text

    def _finite(self, value: float, mark: Any) -> float:
        if value in (float("inf"), float("-inf")):
            self.refuse("number", "This number is larger than JSON readers can hold.", mark)
        return value

    def _begin(self, event: events.CollectionStartEvent) -> None:
        if self._expects_key():
            self.refuse("key", "A name must be a plain text, not a mapping or a list.", event.start_mark)
        if event.tag is not None and event.tag not in _COLLECTION_TAGS:
            self._refuse_tag(event.tag, event.start_mark)
        if len(self.stack) >= self.settings.document_depth:
            self._limit("depth", f"a nesting of more than {self.settings.document_depth}", event.start_mark)
        value: dict[str, Any] | list[Any] = {} if isinstance(event, events.MappingStartEvent) else []
        if event.anchor:
            self.anchors[event.anchor] = None
        if not self.stack:
            self.start = _place(event.start_mark)
        elif isinstance(self.stack[-1].value, list):
            self.stack[-1].places.append(pack(*_place(event.start_mark)))
        self.stack.append(_Open(value, event.anchor))

    def _end(self, event: events.CollectionEndEvent) -> None:
        closed = self.stack.pop()
        value = closed.value
        for merged in closed.merges:
            self._merge(closed, merged, event.start_mark)
        self.places[id(value)] = closed.places
        if closed.anchor:
            self.anchors[closed.anchor] = (value, closed.nodes, closed.height)
        self.nodes -= closed.nodes - 1
        self._add(value, closed.nodes, closed.height, event.start_mark, placed=True)

    def _merge(self, target: _Open, merged: Any, mark: Any) -> None:
        for source in merged if isinstance(merged, list) else [merged]:
            if not isinstance(source, dict) or not isinstance(target.value, dict):
                self.refuse("merge", "`<<` takes a mapping or a list of mappings.", mark)
            places = self.places[id(source)]
            for index, (name, value) in enumerate(source.items()):
                if name not in target.value:
                    target.value[name] = value
                    target.places.append(places[index])

    def _alias(self, event: events.AliasEvent) -> None:
        self.aliases += 1
        if self.aliases > self.settings.document_aliases:
            self._limit("aliases", f"more than {self.settings.document_aliases} uses of aliases", event.start_mark)
        name = event.anchor or ""
        if name not in self.anchors:
            self.refuse("alias", f"There is no anchor &{name[:80]} before this alias.", event.start_mark)
        anchored = self.anchors[name]
        if anchored is None:
            self.refuse("alias", f"The alias *{name[:80]} stands inside its own anchor.", event.start_mark)
        value, nodes, height = anchored
        if self._expects_key():
            if not isinstance(value, str):
                self.refuse("key", "A name must be a plain text, not a mapping or a list.", event.start_mark)
            self._claim(value, event.start_mark)
            self.stack[-1].key = value
            return
        if len(self.stack) + height > self.settings.document_depth:
            self._limit("depth", f"a nesting of more than {self.settings.document_depth}", event.start_mark)
        self._add(value, nodes, height, event.start_mark)

    def _add(self, value: Any, nodes: int, height: int, mark: Any, placed: bool = False) -> None:
        """Put a finished value where it belongs; ``nodes`` and ``height`` are those of the expanded value."""
        self.nodes += nodes
        if self.nodes > self.settings.document_nodes:
            self._limit("nodes", f"more than {self.settings.document_nodes} values, aliases expanded", mark)
        if not self.stack:
            self.root = value
            return
        top = self.stack[-1]
        top.nodes += nodes
        top.height = max(top.height, height + 1)
        if isinstance(top.value, list):
            top.value.append(value)
            if not placed:
                top.places.append(pack(*_place(mark)))
        elif top.key is _MERGE:
            top.merges.append(value)
            top.key = None
        else:
            top.value[top.key or ""] = value
            top.key = None

    def _expects_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is None

    def _refuse_tag(self, tag: str, mark: Any) -> NoReturn:
        self.refuse("tag", f"The YAML tag {tag[:80]!r} is not data; remove it.", mark)

    def _limit(self, name: str, what: str, mark: Any) -> NoReturn:
        self.refuse(f"too-much-{name}", f"The document has {what} (setting document_{name}).", mark)

    def refuse(self, code: str, message: str, mark: Any) -> NoReturn:
        """Stop here: DocumentRefused with one finding at ``mark``."""
        line, column = _place(mark)
        raise DocumentRefused(
            [Finding(severity="error", code=code, message=message, line=line, column=column, file=self.file)]
        )


def _place(mark: Any) -> tuple[int, int]:
    """Line and column from 1; (0, 0) if libyaml does not know."""
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


def within_json(value: int) -> Any:
    """``value``, or the nearest float if it needs more than 64 bits and could not be written again as it is."""
    return value if -(2**63) <= value < 2**64 else float(value)


def _explain(error: yaml.YAMLError) -> str:
    context, problem = getattr(error, "context", None), getattr(error, "problem", None)
    text = ", ".join(part for part in (context, problem) if part) or "it has characters that YAML does not allow"
    return text[:200]
