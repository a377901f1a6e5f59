"""XML as the ``xml`` objects of a schema say (OpenAPI 3.2 section XML Object, and 2.0 to 3.1 before it).

    name, namespace, prefix      of the element or attribute
    nodeType                     element, attribute, text, cdata or none; left out it is ``none`` for an array or a
                                 schema with ``$ref``, otherwise ``element``
    attribute, wrapped           the older way to say ``attribute`` and, on an array, ``element``

Whatever the names and texts are, the bytes are well-formed and their prefixes are declared: characters that XML does
not have become U+FFFD in texts and ``_`` in names. null is ``xsi:nil`` on an element and nothing on an attribute.
"""

from __future__ import annotations

import base64
import datetime
import enum
import math
import re
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

from apimgmt.formats.json import dumps
from apimgmt.model import Schema
from apimgmt.registry import register

ROOT = "response"
ITEM = "item"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
XSI = "http://www.w3.org/2001/XMLSchema-instance"

# letters that every edition of XML 1.0 has in names (parsers go by the fourth or the fifth): Latin, Greek, Cyrillic,
# Kana, Han, Hangul
_START = r"A-Za-z_\xC0-\xD6\xD8-\xF6\xF8-\u0131\u0134-\u013E\u0141-\u0148\u014A-\u017E\u038E-\u03A1\u03A3-\u03CE"
_START += r"\u0401-\u040C\u040E-\u044F\u0451-\u045C\u045E-\u0481\u3041-\u3094\u30A1-\u30FA\u4E00-\u9FA5\uAC00-\uD7A3"
_NOT_NAME = re.compile(rf"[^{_START}0-9.\-\xB7]")
_NOT_START = re.compile(rf"[^{_START}]")
_NOT_TEXT = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")
_TEXT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_ATTRIBUTE_ESCAPES = _TEXT_ESCAPES | str.maketrans({'"': "&quot;", "\t": "&#9;", "\n": "&#10;"})


class Node(NamedTuple):
    """What the schema says about how a value is written; ``items`` is None unless it describes an array."""

    kind: str
    name: str | None
    namespace: str | None
    prefix: str | None
    schema: Schema
    items: Schema | None
    places: tuple[Schema, ...]


@register("format", "xml")
class Xml:
    """application/xml, text/xml and everything that ends in +xml."""

    media_types: ClassVar[tuple[str, ...]] = ("application/xml", "text/xml")

    @staticmethod
    def writes(media_type: str) -> bool:
        """Whether this format writes the media type."""
        return media_type in Xml.media_types or media_type.endswith("+xml")

    @staticmethod
    def dump(value: Any, schema: Schema, schemas: Mapping[str, Schema]) -> bytes:
        """``value`` as one XML document in UTF-8; its root is named by the schema, its component, or ``response``."""
        writer = _Writer(schemas)
        writer.root(value, schema)
        return (DECLARATION + "".join(writer.parts)).encode("utf-8")


class _Writer:
    """Collects the parts of one document. A ``scope`` maps the prefixes in force to their namespaces."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self.parts: list[str] = []
        self._schemas = schemas
        self._nodes: dict[int, Node] = {}

    def root(self, value: Any, schema: Schema) -> None:
        node = self._node(schema)
        component = schema.get("$ref", "") if isinstance(schema, dict) else ""
        name = node.name or component.removeprefix("#/$defs/") or ROOT
        if isinstance(value, list | tuple):
            items = True if node.items is None else node.items
            target = items.get("$ref", "") if isinstance(items, dict) else ""
            node = node._replace(items=items)
            self._element(
                name, node, value, {}, target.removeprefix("#/$defs/") or ITEM if node.kind == "none" else name
            )
        else:
            self._element(name, node, value, {}, name)

    def _write(self, value: Any, node: Node, inferred: str, scope: Mapping[str, str]) -> None:
        """One value where its parent's content is; ``inferred`` is the name if the schema gives none."""
        if node.kind in ("text", "cdata"):
            self.parts.append(_cdata(_text(value)) if node.kind == "cdata" else _escaped(_text(value)))
        elif isinstance(value, list | tuple) and node.items is None:
            for item in value:
                self._write(_wrapped(item), node, inferred, scope)
        elif node.kind == "none":
            self._content(value, node, inferred, scope)
        else:
            self._element(node.name or inferred, node, value, scope, node.name or inferred)

    def _element(self, name: str, node: Node, value: Any, scope: Mapping[str, str], item: str) -> None:
        opening = _Opening(name, node, scope)
        for member in self._attributes(value, node):
            opening.attribute(*member)
        if value is None:
            opening.nil()
            self.parts.append(f"{opening.tag()[:-1]}/>")
            return
        self.parts.append(opening.tag())
        self._content(value, node, item, opening.scope)
        self.parts.append(f"</{opening.name}>")

    def _content(self, value: Any, node: Node, inferred: str, scope: Mapping[str, str]) -> None:
        if isinstance(value, Mapping):
            for key, member in value.items():
                child = self._node(self._member(node, key))
                if child.kind != "attribute":
                    self._write(member, child, str(key), scope)
        elif isinstance(value, list | tuple):
            for place, member in enumerate(value):
                schema = node.places[place] if place < len(node.places) else node.items
                self._write(_wrapped(member), self._node(True if schema is None else schema), inferred, scope)
        else:
            self.parts.append(_escaped(_text(value)))

    def _attributes(self, value: Any, node: Node) -> Iterator[tuple[str, Node, str]]:
        """The members that are attributes, also those of objects that make no element of their own."""
        if not isinstance(value, Mapping):
            return
        for key, member in value.items():
            child = self._node(self._member(node, key))
            if child.kind == "attribute" and member is not None:
                yield child.name or str(key), child, _text(member)
            elif child.kind == "none":
                yield from self._attributes(member, child)

    def _node(self, schema: Schema) -> Node:
        node = self._nodes.get(id(schema))
        if node is None:
            node = self._nodes[id(schema)] = _node(schema, self._schemas)
        return node

    def _member(self, node: Node, key: Any) -> Schema:
        found = _property(node.schema, key, self._schemas, set())
        return True if found is None else found


class _Opening:
    """An opening tag in the making: its name, its attributes and the namespaces that it has to declare."""

    def __init__(self, name: str, node: Node, scope: Mapping[str, str]) -> None:
        self.scope = dict(scope)
        self._declared: dict[str, str] = {}
        self._attributes: dict[tuple[str, str], tuple[str, str]] = {}
        prefix = self._prefix(node)
        if prefix is None and node.namespace is not None and self.scope.get("", "") != node.namespace:
            self._declare("", node.namespace)
        self.name = _qualified(prefix, name)

    def attribute(self, name: str, node: Node, text: str) -> None:
        """Add an attribute; one in a namespace gets a prefix even if the document names none."""
        prefix = self._prefix(node)
        if prefix is None and node.namespace:
            prefix = self._free("ns", node.namespace)
            self._declare(prefix, node.namespace)
        namespace = self.scope[prefix] if prefix else ""
        local = _name(name)
        while (namespace, local) in self._attributes:
            local += "_"
        self._attributes[namespace, local] = (_qualified(prefix, local), text)

    def nil(self) -> None:
        """Mark the element as null (XML Schema part 1, 2.6.2)."""
        prefix = self._free("xsi", XSI)
        self._declare(prefix, XSI)
        self._attributes[XSI, "nil"] = (f"{prefix}:nil", "true")

    def tag(self) -> str:
        """The text of the tag."""
        names = {f"xmlns:{prefix}" if prefix else "xmlns": uri for prefix, uri in self._declared.items()}
        pairs = (*names.items(), *self._attributes.values())
        written = "".join(f' {name}="{_attribute(text)}"' for name, text in pairs)
        return f"<{self.name}{written}>"

    def _prefix(self, node: Node) -> str | None:
        prefix = _name(node.prefix) if node.prefix else None
        if prefix is None or prefix.lower().startswith("xml"):
            return None
        if not node.namespace:
            return prefix if prefix in self.scope else None
        if self._declared.get(prefix, node.namespace) != node.namespace:
            prefix = self._free(prefix, node.namespace)
        self._declare(prefix, node.namespace)
        return prefix

    def _free(self, wish: str, namespace: str) -> str:
        number, prefix = 0, wish
        while self.scope.get(prefix, namespace) != namespace:
            number, prefix = number + 1, f"{wish}{number + 1}"
        return prefix

    def _declare(self, prefix: str, namespace: str) -> None:
        if self.scope.get(prefix) != namespace:
            self.scope[prefix] = self._declared[prefix] = namespace


def _node(schema: Schema, schemas: Mapping[str, Schema]) -> Node:
    chain = list(_chain(schema, schemas))
    xml: dict[str, Any] = {}
    for part in reversed(chain):
        own = part.get("xml")
        xml |= own if isinstance(own, dict) else {}
    array = next((part for part in chain if _is_array(part)), None)
    items = None if array is None else array.get("items", True)
    places = tuple(array.get("prefixItems", ())) if array else ()
    return Node(_kind(xml, array), xml.get("name"), xml.get("namespace"), xml.get("prefix"), schema, items, places)


def _kind(xml: Mapping[str, Any], array: Mapping[str, Any] | None) -> str:
    if "nodeType" in xml:
        return str(xml["nodeType"])
    if xml.get("attribute") is True:
        return "attribute"
    return "element" if array is None or xml.get("wrapped") is True else "none"


def _chain(schema: Schema, schemas: Mapping[str, Schema]) -> Iterator[dict[str, Any]]:
    """A schema and what holds with it, the nearest first: references, ``allOf``, the one branch that is not null."""
    seen: set[int] = set()
    waiting = deque([schema])
    while waiting:
        part = waiting.popleft()
        if not isinstance(part, dict) or id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        if "$ref" in part:
            waiting.append(schemas.get(part["$ref"].removeprefix("#/$defs/"), True))
        waiting.extend(part.get("allOf", ()))
        branches = [branch for word in ("anyOf", "oneOf") for branch in part.get(word, ())]
        branches = [branch for branch in branches if not (isinstance(branch, dict) and branch.get("type") == "null")]
        waiting.extend(branches if len(branches) == 1 else ())


def _property(schema: Schema, key: Any, schemas: Mapping[str, Schema], seen: set[int]) -> Schema | None:
    if not isinstance(schema, dict) or id(schema) in seen:
        return None
    seen.add(id(schema))
    own: Schema | None = schema.get("properties", {}).get(key)
    if own is not None:
        return own
    parts = [part for word in ("allOf", "anyOf", "oneOf") for part in schema.get(word, ())]
    if "$ref" in schema:
        parts.append(schemas.get(schema["$ref"].removeprefix("#/$defs/"), True))
    found = (_property(part, key, schemas, seen) for part in parts)
    return next((part for part in found if part is not None), schema.get("additionalProperties"))


def _is_array(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    return (
        kind == "array" or (isinstance(kind, list) and "array" in kind) or "items" in schema or "prefixItems" in schema
    )


def _wrapped(item: Any) -> Any:
    """An array inside an array as an object, so that the inner borders stay visible."""
    return {ITEM: item} if isinstance(item, list | tuple) else item


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("INF" if value > 0 else "-INF")
    if isinstance(value, list | tuple):
        return " ".join(_text(item) for item in value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    written = dumps(value).decode("utf-8")
    return written[1:-1] if isinstance(value, datetime.date | datetime.time | uuid.UUID | enum.Enum) else written


def _qualified(prefix: str | None, name: str) -> str:
    return f"{prefix}:{_name(name)}" if prefix else _name(name)


def _name(text: str) -> str:
    name = _NOT_NAME.sub("_", text)
    return f"_{name}" if not name or _NOT_START.match(name) else name


def _escaped(text: str) -> str:
    return _NOT_TEXT.sub("\ufffd", text).translate(_TEXT_ESCAPES)


def _attribute(text: str) -> str:
    return _NOT_TEXT.sub("\ufffd", text).translate(_ATTRIBUTE_ESCAPES)


def _cdata(text: str) -> str:
    clean = _NOT_TEXT.sub("\ufffd", text).replace("]]>", "]]]]><![CDATA[>")
    return f"<![CDATA[{clean}]]>"
