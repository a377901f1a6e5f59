"""Nodes become boxes: measured from the inside out, then placed from the outside in. All lengths are whole pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from apimgmt.control.diagram import LONGEST_NAME, Line, Node, Part
from apimgmt.control.diagram.lettering import LABEL_SIZE, NAME_SIZE, STRONG_SIZE, code_width, width

# a box is made wider up to this, so that those below each other are aligned
NARROWEST, WIDEST = 260, 420
GAP, COLUMN_GAP, PART_GAP = 24, 16, 14
INSET, LOOP_INSET = 16, 30
TOP, LINE_HEIGHT, BOTTOM = 30, 18, 10
LANE, MOST_LANES = 12, 8
# how much room the label of a node needs, beside its name
Room = Callable[[Node], int]
DIRECTIVES = {"continue": "next", "end": "end", "exit": "leave"}


class Jump(NamedTuple):
    """A way between tasks that are not neighbours: from lines of boxes to a box, down or up in a lane beside them."""

    sources: tuple[tuple[int, int], ...]
    target: int
    lane: int


class Box:
    """A task with its place; ``stacks`` are the parts inside it."""

    __slots__ = ("head", "height", "node", "stacks", "width", "x", "y")

    def __init__(self, node: Node, room: Room) -> None:
        self.node = node
        self.stacks = [Stack(part, room) for part in node.parts]
        self.head = TOP + LINE_HEIGHT * len(node.lines) + (BOTTOM if node.lines else 6)
        self.x = self.y = 0
        natural = _natural(node, room(node))
        self.height = self.head
        if not self.stacks:
            self.width = natural
            return
        widths, heights = [stack.width for stack in self.stacks], [stack.height for stack in self.stacks]
        if node.is_columns:
            inside = sum(widths) + COLUMN_GAP * (len(widths) - 1)
            self.height += max(heights) + INSET
        else:
            inside = max(widths)
            self.height += sum(heights) + PART_GAP * (len(heights) - 1) + INSET
        self.width = max(natural, inside + self.inset + INSET)

    @property
    def inset(self) -> int:
        """From the left edge to what is inside; a loop has room for the way back."""
        return LOOP_INSET if self.node.kind == "for" else INSET

    def line_y(self, at: int) -> int:
        """The middle of a line."""
        return self.y + TOP + LINE_HEIGHT * at + LINE_HEIGHT // 2

    def place(self, x: int, y: int, wide: int) -> None:
        """Put it there, and what is inside into it."""
        self.x, self.y, self.width = x, y, wide
        inside, top = wide - self.inset - INSET, y + self.head
        left = x + self.inset
        if not self.node.is_columns:
            for stack in self.stacks:
                stack.place(left, top, inside)
                top += stack.height + PART_GAP
            return
        spare = inside - sum(stack.width for stack in self.stacks) - COLUMN_GAP * (len(self.stacks) - 1)
        for at, stack in enumerate(self.stacks):
            # what is over goes to the columns evenly, to the first ones what cannot be divided
            more = spare // len(self.stacks) + (at < spare % len(self.stacks))
            stack.place(left, top, stack.width + more)
            left += stack.width + COLUMN_GAP


class Stack:
    """Boxes one below the other, equally wide, with the ways between them on their right."""

    __slots__ = ("boxes", "gutter", "head", "height", "jumps", "part", "width", "x", "y")

    def __init__(self, part: Part, room: Room) -> None:
        self.part = part
        self.boxes = [Box(node, room) for node in part.nodes]
        self.jumps = _jumps(part.nodes)
        lanes = 1 + max((jump.lane for jump in self.jumps), default=-1)
        self.gutter = lanes * LANE + 6 if lanes else 0
        self.head = (LINE_HEIGHT * len(part.heading) + 14) if part.heading else 0
        self.x = self.y = 0
        inner = max((box.width for box in self.boxes), default=NARROWEST) + self.gutter
        # a part with a heading has an edge of its own
        self.width = inner + 2 * INSET if part.heading else inner
        boxes = sum(box.height for box in self.boxes) + GAP * (len(self.boxes) - 1) if self.boxes else 0
        self.height = self.head + boxes + (INSET if part.heading and self.boxes else 0)

    @property
    def right(self) -> int:
        """The right edge of the room for boxes, where the lanes begin."""
        return self.x + self.width - self.gutter - (INSET if self.part.heading else 0)

    def place(self, x: int, y: int, wide: int) -> None:
        """Put it there."""
        self.x, self.y, self.width = x, y, wide
        inset = INSET if self.part.heading else 0
        top = y + self.head
        inside = wide - 2 * inset - self.gutter
        for box in self.boxes:
            most = min(inside, max(WIDEST, box.width))
            box.place(x + inset + (inside - most) // 2, top, most)
            top += box.height + GAP


def follows(node: Node, after: Node) -> bool:
    """Whether ``after``, which stands below it, can be the next task."""
    return node.goes_on or any(line.then == after.name for line in node.lines)


def _natural(node: Node, label: int) -> int:
    """The width that the texts of a node would like to have, within limits."""
    name = width(node.name[:LONGEST_NAME], NAME_SIZE) + width(node.kind[:LONGEST_NAME], LABEL_SIZE) + 46 + label
    lines = max((_line_width(line) for line in node.lines), default=0.0)
    return int(min(max(name, lines, NARROWEST), WIDEST))


def _line_width(line: Line) -> float:
    then = width("→ " + DIRECTIVES.get(line.then, line.then[:LONGEST_NAME]), LABEL_SIZE) + 16 if line.then else 0.0
    return width(line.label, STRONG_SIZE) + code_width(line.text) + then + 36


def _jumps(nodes: Sequence[Node]) -> tuple[Jump, ...]:
    """The ways of a list of tasks, all to one task together, short ones inside; those without a lane are not drawn."""
    indexes = {node.name: at for at, node in enumerate(nodes) if node.kind != "more"}
    sources: dict[int, list[tuple[int, int]]] = {}
    for at, node in enumerate(nodes):
        for number, line in enumerate(node.lines):
            target = indexes.get(line.then) if line.then and line.then not in DIRECTIVES else None
            if target is not None and target != at + 1:
                sources.setdefault(target, []).append((at, number))
    spans = sorted((_span(target, found), target) for target, found in sources.items())
    lanes = [0] * MOST_LANES
    jumps = []
    for (_, first, last), target in spans:
        # the boxes along a lane as the bits of a number
        along = ((1 << (last - first + 1)) - 1) << first
        lane = next((lane for lane in range(MOST_LANES) if not lanes[lane] & along), None)
        if lane is not None:
            lanes[lane] |= along
            jumps.append(Jump(tuple(sources[target]), target, lane))
    return tuple(jumps)


def _span(target: int, sources: list[tuple[int, int]]) -> tuple[int, int, int]:
    places = [target, *(at for at, _ in sources)]
    return max(places) - min(places), min(places), max(places)
