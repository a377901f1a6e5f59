"""What a ``$ref`` of a document stands for: pointers, percent-encoded or not, ``$id``, ``$anchor``, dynamic anchors.

A reference never leaves the document here; the loader has brought in everything that an upload may refer to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote, urljoin

from apimgmt.spec.document import Specification, escape, tokens_of

MOST_HOPS = 100
_NAME_MAPS = frozenset(
    ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies", "schemas", "paths")
)
_DATA = frozenset(("const", "enum", "example", "examples", "default"))


class Target(NamedTuple):
    """Where a reference leads: the value, its canonical JSON pointer in the document, and the base URI inside it."""

    value: Any
    pointer: str
    base: str


class References:
    """Finds the targets of references in ``root``; the base URI of the document itself is ""."""

    def __init__(self, root: dict[str, Any], specification: Specification) -> None:
        self._identified = specification not in ("2.0", "3.0")
        self._resources: dict[str, Target] = {"": Target(root, "", "")}
        self._anchors: dict[tuple[str, str], Target] = {}
        self._dynamic: dict[str, dict[str, str]] = {}
        self._known: dict[tuple[str, str], Target | None] = {}
        if self._identified:
            self._index(root)

    def find(self, reference: str, base: str = "") -> Target | None:
        """The target of ``reference`` as read where the base URI is ``base``; None if there is nothing."""
        key = (reference, base)
        if key not in self._known:
            self._known[key] = self._find(reference, base, MOST_HOPS)
        return self._known[key]

    def follow(self, value: Any) -> dict[str, Any]:
        """An object that may be a Reference Object, followed to its end; anything that is no object gives {}."""
        found: dict[str, Any] = self.followed(value, "").value
        return found

    def followed(self, value: Any, pointer: str) -> Target:
        """Like :meth:`follow`, with the pointer of what was found; ``pointer`` is where ``value`` stands."""
        for _ in range(MOST_HOPS):
            if not isinstance(value, dict):
                break
            reference = value.get("$ref")
            if not isinstance(reference, str):
                return Target(value, pointer, "")
            target = self.find(reference)
            if target is None:
                break
            value, pointer = target.value, target.pointer
        return Target({}, pointer, "")

    def base_of(self, schema: dict[str, Any], base: str) -> str:
        """The base URI inside ``schema``, which stands where it is ``base``."""
        identifier = schema.get("$id") if self._identified else None
        return _join(base, identifier).partition("#")[0] if isinstance(identifier, str) else base

    def dynamic_anchors(self, base: str) -> dict[str, str]:
        """Name to canonical pointer of the dynamic anchors in the schema resource ``base``."""
        return self._dynamic.get(base, {})

    # ---- resolution ----------------------------------------------------------------------------------------------

    def _find(self, reference: str, base: str, hops: int) -> Target | None:
        place, _, fragment = (reference if reference.startswith("#") else _join(base, reference)).partition("#")
        resource = self._resources.get(base if reference.startswith("#") else place)
        if resource is None:
            return None
        fragment = unquote(fragment)
        if fragment and not fragment.startswith("/"):
            return self._anchors.get((resource.base, fragment))
        return self._walk(resource, tokens_of(fragment), hops)

    def _walk(self, start: Target, tokens: list[str], hops: int) -> Target | None:
        """Go down along ``tokens``, through references where a step is not in the object itself."""
        value, pointer, base = start
        for token in tokens:
            if isinstance(value, dict) and token not in value and isinstance(value.get("$ref"), str) and hops > 0:
                through = self._find(value["$ref"], base, hops - 1)
                if through is None:
                    return None
                value, pointer, base = through
            if isinstance(value, dict) and token in value:
                value = value[token]
            elif isinstance(value, list) and token.isascii() and token.isdigit() and int(token) < len(value):
                value = value[int(token)]
            else:
                return None
            pointer += "/" + escape(token)
            if isinstance(value, dict):
                base = self.base_of(value, base)
        return Target(value, pointer, base)

    # ---- identifiers (JSON Schema 2020-12 section 8.2) -------------------------------------------------------------

    def _index(self, root: dict[str, Any]) -> None:
        if isinstance(root.get("$self"), str):
            self._resources[root["$self"].partition("#")[0]] = self._resources[""]
        stack: list[tuple[Any, str, str, bool]] = [(root, "", "", False)]
        while stack:
            value, pointer, base, names = stack.pop()
            if isinstance(value, dict):
                if not names:
                    base = self._note(value, pointer, base)
                stack.extend(_members(value, pointer, base, names))
            elif isinstance(value, list):
                stack.extend((item, f"{pointer}/{index}", base, False) for index, item in enumerate(value))

    def _note(self, schema: dict[str, Any], pointer: str, base: str) -> str:
        """Remember what identifies ``schema``; returns the base URI inside it."""
        inner = self.base_of(schema, base)
        target = Target(schema, pointer, inner)
        if inner != base:
            self._resources.setdefault(inner, target)
        for keyword in ("$anchor", "$dynamicAnchor"):
            name = schema.get(keyword)
            if isinstance(name, str):
                self._anchors.setdefault((inner, name), target)
                if keyword == "$dynamicAnchor":
                    self._dynamic.setdefault(inner, {}).setdefault(name, pointer)
        return inner


def _members(value: dict[str, Any], pointer: str, base: str, names: bool) -> Iterator[tuple[Any, str, str, bool]]:
    for key, member in value.items():
        if isinstance(member, (dict, list)) and (names or key not in _DATA):
            yield member, f"{pointer}/{escape(key)}", base, not names and key in _NAME_MAPS


def _join(base: str, reference: str) -> str:
    """``reference`` against ``base`` (RFC 3986 section 5); one without hierarchy (``urn:``) takes fragments only."""
    if reference.startswith("#"):
        return base.partition("#")[0] + reference
    try:
        return urljoin(base, reference)
    except ValueError:
        return reference
