"""Operations that one request could mean: which they are, and a path that shows it (F-017 to F-020)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from apimgmt.model import Operation, Schema
from apimgmt.spec.paths import GREEDY, LITERAL, MIXED, STRING, PathInvalid, Template, parse
from apimgmt.spec.tree import Tree


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
