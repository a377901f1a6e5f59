"""How much work one value is against one schema: ``allOf`` of ``allOf`` of ... can be a billion checks in a few lines.

The cost of a schema is 1 plus the costs of the schemas that it holds the same value against, references followed.
Schemas of properties and items do not count: they are held against other values, and a value ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apimgmt.spec.document import Document, Severity
from apimgmt.spec.grammar import walk
from apimgmt.spec.references import References

COST_MOST = 100_000

_LISTS = ("allOf", "anyOf", "oneOf")
_ONES = ("not", "if", "then", "else")


def check(document: Document) -> Iterator[tuple[Severity, str, str, str]]:
    """An error at the first schema that costs more than ``COST_MOST``."""
    costs = _Costs(document)
    for node in walk(document.root):
        if node.kind == "schema" and costs.of(node.value) > COST_MOST:
            message = f"One value would be checked more than {COST_MOST} times by `allOf`, `anyOf`, `oneOf` and `$ref`."
            yield "error", "schema-cost", message, node.pointer
            return


class _Costs:
    """Costs by the identity of the schema, each worked out once; a way back to a schema on the way costs 1."""

    def __init__(self, document: Document) -> None:
        self._references = References(document.root, document.specification)
        self._known: dict[int, int] = {}

    def of(self, schema: Any) -> int:
        """The cost of ``schema``; without recursion, because references make chains of any length."""
        stack = [schema]
        while stack:
            top = stack[-1]
            if id(top) in self._known and self._known[id(top)] != 0:
                stack.pop()
                continue
            parts = self._parts(top)
            waiting = [part for part in parts if id(part) not in self._known]
            self._known.setdefault(id(top), 0)
            if waiting:
                stack.extend(waiting)
            else:
                self._known[id(top)] = min(COST_MOST + 1, 1 + sum(self._known[id(part)] or 1 for part in parts))
                stack.pop()
        return self._known[id(schema)]

    def _parts(self, schema: Any) -> list[Any]:
        """The schemas that the same value is held against."""
        if type(schema) is not dict:
            return []
        parts = [part for keyword in _LISTS if isinstance(schema.get(keyword), list) for part in schema[keyword]]
        parts += [schema[keyword] for keyword in _ONES if isinstance(schema.get(keyword), dict)]
        reference = schema.get("$ref")
        if isinstance(reference, str):
            target = self._references.find(reference)
            parts += [target.value] if target else []
        return [part for part in parts if isinstance(part, dict)]
