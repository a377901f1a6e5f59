"""A flow as a picture: its definition becomes a tree of nodes (``outline.py``), the nodes boxes with places
(``boxes.py``), the boxes SVG (``svg.py``). Pure functions and no layout library: the DSL is structured, so boxes nest.

This file holds what is passed on: what there is to say of each task.
"""

from __future__ import annotations

from typing import NamedTuple

# what is beyond is summarised in a box of its own, so that the size of a picture is bounded
MOST_TASKS = 1_000
DEEPEST = 12
MOST_COLUMNS = 12
MOST_LINES = 20
MOST_LINES_ALTOGETHER = 4_000
LONGEST_NAME, LONGEST_LINE = 100, 160


class Line(NamedTuple):
    """One line of a box: a word, a text, and where the flow goes on from it (a task beside it, ``end`` ...)."""

    label: str
    text: str
    then: str = ""


class Part(NamedTuple):
    """Tasks inside a task: a body, a branch, what catches errors. ``place`` is the pointer of their list."""

    place: str
    nodes: tuple[Node, ...]
    heading: tuple[Line, ...] = ()


class Node(NamedTuple):
    """A task. ``place`` is its pointer in the definition; ``goes_on`` if the one after it can be the next.

    A node of the kind ``more`` stands for all tasks of its list from ``first`` on.
    """

    name: str
    kind: str
    place: str
    lines: tuple[Line, ...] = ()
    parts: tuple[Part, ...] = ()
    goes_on: bool = True
    is_columns: bool = False
    first: int = 0
