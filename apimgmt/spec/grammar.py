"""What stands where in an OpenAPI document, as one table, and the walk over a document that follows it.

The table says for every kind of object which of its fields hold objects of which kind. Only what the table reaches is
an OpenAPI object: an ``$ref`` inside an example, a default, an ``enum``, an extension, or as the *name* of a property
is data and no reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from apimgmt.spec.document import escape

ONE, LIST, MAP, EITHER = "one", "list", "map", "either"
OPERATION_FIELDS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")

_SCHEMA_MAPS = ("properties", "patternProperties", "$defs", "dependentSchemas", "dependencies")
_SCHEMA_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SCHEMA_ONES = (
    "additionalProperties",
    "additionalItems",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "unevaluatedProperties",
    "unevaluatedItems",
    "contentSchema",
)

TABLE: dict[str, dict[str, tuple[str, str]]] = {
    "document": {
        "paths": (MAP, "path"),
        "webhooks": (MAP, "path"),
        "components": (ONE, "components"),
        "definitions": (MAP, "schema"),
        "parameters": (MAP, "parameter"),
        "responses": (MAP, "response"),
        "securityDefinitions": (MAP, "securityScheme"),
    },
    "components": {
        "schemas": (MAP, "schema"),
        "responses": (MAP, "response"),
        "parameters": (MAP, "parameter"),
        "examples": (MAP, "example"),
        "requestBodies": (MAP, "requestBody"),
        "headers": (MAP, "header"),
        "securitySchemes": (MAP, "securityScheme"),
        "links": (MAP, "link"),
        "callbacks": (MAP, "callback"),
        "pathItems": (MAP, "path"),
        "mediaTypes": (MAP, "mediaType"),
    },
    "path": {
        **{name: (ONE, "operation") for name in OPERATION_FIELDS},
        "additionalOperations": (MAP, "operation"),
        "parameters": (LIST, "parameter"),
    },
    "operation": {
        "parameters": (LIST, "parameter"),
        "requestBody": (ONE, "requestBody"),
        "responses": (MAP, "response"),
        "callbacks": (MAP, "callback"),
    },
    "parameter": {
        "schema": (ONE, "schema"),
        "items": (ONE, "schema"),
        "content": (MAP, "mediaType"),
        "examples": (MAP, "example"),
    },
    "header": {
        "schema": (ONE, "schema"),
        "items": (ONE, "schema"),
        "content": (MAP, "mediaType"),
        "examples": (MAP, "example"),
    },
    "requestBody": {"content": (MAP, "mediaType")},
    "response": {
        "schema": (ONE, "schema"),
        "headers": (MAP, "header"),
        "content": (MAP, "mediaType"),
        "links": (MAP, "link"),
    },
    "mediaType": {
        "schema": (ONE, "schema"),
        "itemSchema": (ONE, "schema"),
        "examples": (MAP, "example"),
        "encoding": (MAP, "encoding"),
        "prefixEncoding": (LIST, "encoding"),
        "itemEncoding": (ONE, "encoding"),
    },
    "encoding": {
        "headers": (MAP, "header"),
        "encoding": (MAP, "encoding"),
        "prefixEncoding": (LIST, "encoding"),
        "itemEncoding": (ONE, "encoding"),
    },
    "schema": {
        **dict.fromkeys(_SCHEMA_MAPS, (MAP, "schema")),
        **dict.fromkeys(_SCHEMA_LISTS, (LIST, "schema")),
        **dict.fromkeys(_SCHEMA_ONES, (ONE, "schema")),
        "items": (EITHER, "schema"),
    },
    "example": {},
    "link": {},
    "securityScheme": {},
    "callback": {},
}

# Where a part of this kind is kept in OpenAPI 3 and in Swagger 2; None: there is no such place, it is put in line.
CONTAINERS = {
    "schema": ("/components/schemas", "/definitions"),
    "response": ("/components/responses", "/responses"),
    "parameter": ("/components/parameters", "/parameters"),
    "example": ("/components/examples", None),
    "requestBody": ("/components/requestBodies", None),
    "header": ("/components/headers", None),
    "securityScheme": ("/components/securitySchemes", None),
    "link": ("/components/links", None),
    "callback": ("/components/callbacks", None),
    "mediaType": ("/components/mediaTypes", None),
    "path": (None, None),
}


class Node(NamedTuple):
    """One object of the document: its kind, its value, and the way to it (``trail`` is (trail of parent, token))."""

    kind: str
    value: Any
    trail: tuple[Any, ...]

    @property
    def pointer(self) -> str:
        """The JSON pointer of this object."""
        return trail_pointer(self.trail)

    @property
    def reference(self) -> str | None:
        """The text of ``$ref`` if this object is a reference."""
        if type(self.value) is dict and self.kind in CONTAINERS:
            reference = self.value.get("$ref")
            return reference if isinstance(reference, str) else None
        return None


def trail_pointer(trail: tuple[Any, ...]) -> str:
    """The JSON pointer of a trail."""
    tokens: list[str] = []
    while trail:
        trail, token = trail
        tokens.append("/" + escape(str(token)))
    return "".join(reversed(tokens))


def trail_of(tokens: Sequence[str]) -> tuple[Any, ...]:
    """The trail of these unescaped tokens."""
    trail: tuple[Any, ...] = ()
    for token in tokens:
        trail = (trail, token)
    return trail


def walk(value: Any, kind: str = "document", trail: tuple[Any, ...] = ()) -> Iterator[Node]:
    """Every OpenAPI object from ``value`` down, in the order of the document; references are not followed."""
    stack = [Node(kind, value, trail)]
    while stack:
        node = stack.pop()
        yield node
        if type(node.value) is dict:
            found = list(children(node))
            found.reverse()
            stack.extend(found)


def children(node: Node) -> Iterator[Node]:
    """The objects directly in this one."""
    kind, value, trail = node
    if kind == "callback":
        yield from (Node("path", item, (trail, name)) for name, item in value.items() if not _is_extension(name))
        return
    table = TABLE[kind]
    for name, inner in value.items():
        entry = table.get(name)
        if entry is None:
            continue
        shape, kind_of_inner = entry
        if type(inner) is list and shape in (LIST, EITHER):
            step = (trail, name)
            yield from (Node(kind_of_inner, item, (step, index)) for index, item in enumerate(inner))
        elif type(inner) is dict and shape == MAP:
            step = (trail, name)
            extensible = kind_of_inner == "path" or (name == "responses" and kind == "operation")
            for key, item in inner.items():
                if not (extensible and _is_extension(key)):
                    yield Node(kind_of_inner, item, (step, key))
        elif shape in (ONE, EITHER):
            yield Node(kind_of_inner, inner, (trail, name))


def kind_at(tokens: Sequence[str]) -> str | None:
    """The kind of object that stands at these tokens of a document, or None if the table does not reach there."""
    kind: str | None = "document"
    within: str | None = None
    for token in tokens:
        if within is not None:
            kind, within = within, None
        elif kind == "callback":
            kind = "path"
        elif kind is not None:
            shape, inner = TABLE[kind].get(token, (ONE, None))
            kind, within = (None, inner) if shape in (LIST, MAP) else (inner, None)
            if shape == EITHER:
                kind, within = "schema", None
        else:
            return None
    return kind


def _is_extension(name: str) -> bool:
    return name.startswith("x-")
