"""The templates of one API as a tree of segments: where a path leads, in time that does not grow with their number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import re2

from apimgmt.spec.paths import GREEDY, LITERAL, MIXED, STRING, Segment, Template


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
    for (before, after, below), end in _greedy_ends(node, segments, index):
        texts.append("")
        value = _find(below, segments, end, count, method, texts)
        if value is not None:
            # joined here and not for every end that is tried: a long path would be copied once for each segment
            rest = "/".join(segments[index:end])
            texts[mark] = rest[len(before) : len(rest) - len(after)]
            return value
        del texts[mark:]
    return None


def _greedy_ends(node: Node, segments: Sequence[str], index: int) -> Iterator[tuple[Greedy, int]]:
    """The greedy parameters of a node, each with where it can end; none of them is empty.

    A parameter takes as much as leaves the rest of its template a match; one that has a rest comes first.
    """
    children = [child for child in node.greedy if segments[index] and segments[index].startswith(child[0])]
    for end in (*range(len(segments) - 1, index, -1), len(segments)) if children else ():
        for child in children:
            before, after, _ = child
            fits = end - index > 1 or len(segments[index]) > len(before) + len(after)
            if fits and segments[end - 1].endswith(after):
                yield child, end


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
        for (_, _, below), end in _greedy_ends(node, segments, index):
            yield from _leaves(below, segments, end)
