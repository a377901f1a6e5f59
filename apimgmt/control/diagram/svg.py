"""Boxes become SVG (2, W3C): one text without scripts, links, references or ids, the same for the same flow and run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from apimgmt.control.diagram import DEEPEST, LONGEST_LINE, LONGEST_NAME, MOST_TASKS, Line, Node, Part
from apimgmt.control.diagram.boxes import DIRECTIVES, LANE, LINE_HEIGHT, Box, Stack, follows
from apimgmt.control.diagram.lettering import (
    LABEL_SIZE,
    NAME_SIZE,
    STRONG_SIZE,
    code_fitted,
    escaped,
    fitted,
    plain,
    width,
)
from apimgmt.control.diagram.outline import Outline
from apimgmt.control.diagram.palette import CATEGORIES, HEAT, style
from apimgmt.control.diagram.timing import Run, Timing
from apimgmt.processes import Envelope
from apimgmt.processes.flows.definition import Definition

MARGIN, TITLE_HEIGHT, MARK_HEIGHT, LEGEND_HEIGHT = 28, 64, 34, 44
LEGEND_WIDTH = 600
MOST_TOLD = 100
# served like this, a picture can do nothing, whatever it holds
HEADERS = (
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
)
MEDIA_TYPE = "image/svg+xml"


def diagram(
    definition: Definition,
    steps: Iterable[Mapping[str, Any]] | None = None,
    most: int = MOST_TASKS,
    deepest: int = DEEPEST,
) -> str:
    """The picture of a definition that compiles, with the times of a run if ``steps`` are given.

    ``steps`` are those of a dry run: ``{"task": JSON pointer, "seconds": 0.1, "failed": false}``. Of more than ``most``
    tasks, and of those nested deeper than ``deepest``, a summary is drawn.
    """
    outline = Outline(definition, most, deepest)
    run = Run(steps) if steps is not None else None
    return Picture(definition, outline, run).text()


def answer(picture: str) -> Envelope:
    """The response for a picture."""
    return Envelope(200, picture, MEDIA_TYPE, "utf-8", HEADERS)


class Picture:
    """One picture in the making; ``text`` gives it."""

    def __init__(self, definition: Definition, outline: Outline, run: Run | None) -> None:
        self._run = run
        self._out: list[str] = []
        document = definition.document
        self._title = plain(document.title or document.name, LONGEST_NAME)
        about = plain(f"{document.namespace}/{document.name} {document.version}", LONGEST_NAME)
        self._about = about + (f" · {run.summary()}" if run else "")
        self._main = Stack(outline.main, self._room)
        self._functions = [Stack(part, self._room) for part in outline.functions]

    def text(self) -> str:
        """The whole document."""
        stacks = [self._main, *self._functions]
        inner = max(LEGEND_WIDTH if self._run is not None else 0, *(stack.width for stack in stacks))
        wide = inner + 2 * MARGIN
        bottom = self._drawn_stacks(MARGIN + (inner - self._main.width) // 2)
        if self._run is not None:
            self._legend(bottom + 20)
            bottom += LEGEND_HEIGHT
        high = bottom + MARGIN
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="f" role="img" width="{wide}" height="{high}" '
            f'viewBox="0 0 {wide} {high}"><title>Flow {escaped(self._title)}</title>'
            f"<desc>{escaped(' '.join(self._told()))}</desc><style>{style()}</style>"
            f'<rect class="page" width="{wide}" height="{high}"/>'
            f'<text class="title" x="{MARGIN}" y="36">{escaped(fitted(self._title, inner / 1.4))}</text>'
            f'<text class="about muted" x="{MARGIN}" y="55">{escaped(fitted(self._about, inner))}</text>'
        )
        return head + "".join(self._out) + "</svg>\n"

    def _drawn_stacks(self, left: int) -> int:
        """Draw everything, the main tasks from ``left`` on; the lower end."""
        main, top = self._main, TITLE_HEIGHT + MARK_HEIGHT
        main.place(left, top, main.width)
        middle = self._middle(main)
        self._mark(middle, TITLE_HEIGHT + 10, "start")
        self._way(f"M{middle} {TITLE_HEIGHT + 15}V{top - 5}", middle, top)
        self._stack(main, 0)
        bottom = top + main.height
        if main.boxes[-1].node.goes_on:
            self._way(f"M{middle} {bottom}V{bottom + 14}", middle, bottom + 19)
            self._mark(middle, bottom + 24, "end")
            bottom += MARK_HEIGHT
        for stack in self._functions:
            if stack is self._functions[0]:
                bottom += 34
                self._out.append(f'<text class="strong muted" x="{MARGIN}" y="{bottom}">functions</text>')
                bottom -= 4
            stack.place(MARGIN, bottom + 16, stack.width)
            self._stack(stack, 0)
            bottom += 16 + stack.height
        return bottom

    # ---- boxes ---------------------------------------------------------------------------------------------------

    def _stack(self, stack: Stack, depth: int) -> None:
        if stack.part.heading:
            self._heading(stack)
        for at, box in enumerate(stack.boxes):
            self._box(box, depth)
            if at and follows(stack.boxes[at - 1].node, box.node):
                before, middle = stack.boxes[at - 1], self._middle(stack)
                self._way(f"M{middle} {before.y + before.height}V{box.y - 5}", middle, box.y)
        for jump in stack.jumps:
            self._jump(stack, jump.sources, jump.target, jump.lane)

    def _heading(self, stack: Stack) -> None:
        """The edge of a part, and what it says."""
        shape = f'x="{stack.x}" y="{stack.y}" width="{stack.width}" height="{stack.height}"'
        self._out.append(f'<rect class="shape catch" {shape} rx="6"/>')
        for at, line in enumerate(stack.part.heading):
            y = stack.y + 6 + LINE_HEIGHT * at + LINE_HEIGHT // 2
            self._line(line, stack.x + 12, y, stack.width - 24, "error")

    def _box(self, box: Box, depth: int) -> None:
        node, timing = box.node, self._run.of(box.node) if self._run else None
        category = CATEGORIES.get(node.kind.partition(" ")[0], "")
        classes = ["more"] if node.kind == "more" else []
        if self._run is not None:
            classes += ["idle"] if timing is None else ["wrong"] if timing.failed else []
        self._out.append(f'<g class="{" ".join(classes)}">' if classes else "<g>")
        self._out.append(f"<title>{escaped(_told_node(node))}</title>")
        shape = f'x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="8"'
        self._out.append(f'<rect class="shape {self._surface(box, timing, depth)}" {shape}/>')
        if category and not box.stacks:
            self._out.append(
                f'<rect class="{category}" x="{box.x + 5}" y="{box.y + 8}" width="3" height="14" rx="1.5"/>'
            )
        self._name(box, category, self._label(node))
        for at, line in enumerate(node.lines):
            self._line(line, box.x + 15, box.line_y(at), box.width - 27, "")
        self._out.append("</g>")
        for stack in box.stacks:
            self._stack(stack, depth + 1)
        if node.kind == "for":
            self._loop(box)

    def _label(self, node: Node) -> str:
        timing = self._run.of(node) if self._run is not None else None
        return self._run.label(timing) if self._run is not None and timing is not None else ""

    def _room(self, node: Node) -> int:
        return int(width(self._label(node), STRONG_SIZE))

    def _surface(self, box: Box, timing: Timing | None, depth: int) -> str:
        if box.stacks:
            return "deeper" if depth % 2 else "inside"
        if timing is None or self._run is None:
            return "card"
        level = sum(self._run.share(timing) >= share for share in HEAT)
        return f"heat{level}" if level else "card"

    def _name(self, box: Box, category: str, label: str) -> None:
        node, x, y = box.node, box.x + 15, box.y + 20
        kind = "" if node.kind == "more" else fitted(plain(node.kind, LONGEST_NAME), 130, LABEL_SIZE)
        left = box.width - 40 - width(kind, LABEL_SIZE)
        name = plain(node.name, LONGEST_NAME)
        # a long name leaves room for the label, a long label for the beginning of the name
        label = fitted(label, left - min(width(name, NAME_SIZE), 60), STRONG_SIZE)
        name = escaped(fitted(name, left - width(label, STRONG_SIZE)))
        tail = f'<tspan class="{category}" dx="8">{escaped(kind)}</tspan>' if kind else ""
        self._out.append(f'<text x="{x}" y="{y}"><tspan class="name">{name}</tspan>{tail}</text>')
        if label:
            colour = " failed" if label.startswith("failed") else ""
            right = box.x + box.width - 12
            self._out.append(f'<text class="right strong{colour}" x="{right}" y="{y}">{escaped(label)}</text>')

    def _line(self, line: Line, x: int, middle: int, wide: int, colour: str) -> None:
        """A word, a text, and on the right where it leads."""
        y = middle + 4
        then = ""
        if line.then:
            directive = DIRECTIVES.get(line.then)
            then = fitted("→ " + (directive or plain(line.then, LONGEST_NAME)), wide / 2, LABEL_SIZE)
            self._out.append(f'<text class="right control" x="{x + wide}" y="{y}">{escaped(then)}</text>')
            wide -= int(width(then, LABEL_SIZE)) + 10
        label = fitted(line.label, wide / 2, STRONG_SIZE)
        if label:
            wide -= int(width(label, STRONG_SIZE)) + 7
        shown = code_fitted(line.text, wide)
        spans = [f'<tspan class="{colour or "muted"} strong">{escaped(label)}</tspan>'] if label else []
        if shown:
            spans.append(
                f'<tspan class="code"{" dx=" + chr(34) + "7" + chr(34) if label else ""}>{escaped(shown)}</tspan>'
            )
        if spans:
            self._out.append(f'<text x="{x}" y="{y}">{"".join(spans)}</text>')

    # ---- ways ----------------------------------------------------------------------------------------------------

    def _middle(self, stack: Stack) -> int:
        first = stack.boxes[0]
        return first.x + first.width // 2

    def _way(self, path: str, x: int, y: int) -> None:
        """A line with a tip that points down to a place."""
        self._out.append(f'<path class="way" d="{path}"/><path class="tip" d="M{x} {y}l-4 -7h8z"/>')

    def _jump(self, stack: Stack, sources: tuple[tuple[int, int], ...], target: int, lane: int) -> None:
        """From lines to a task that is not the next: along a lane on the right, all to the same task together."""
        x, end = stack.right + 8 + LANE * lane, stack.boxes[target]
        to, tip = end.y + 15, end.x + end.width
        for at, number in sources:
            y = stack.boxes[at].line_y(number)
            turn = 5 if to > y else -5
            begin = stack.boxes[at].x + stack.boxes[at].width
            path = f"M{begin} {y}H{x - 5}Q{x} {y} {x} {y + turn}V{to - turn}Q{x} {to} {x - 5} {to}H{tip + 5}"
            self._out.append(f'<path class="way" d="{path}"/>')
        self._out.append(f'<path class="tip" d="M{tip} {to}l7 -4v8z"/>')

    def _loop(self, box: Box) -> None:
        """The way back from the last task of a loop to its first, on the left."""
        if not box.stacks or not box.stacks[0].boxes:
            return
        first, last = box.stacks[0].boxes[0], box.stacks[0].boxes[-1]
        x, low, high = box.x + 14, last.y + last.height - 12, first.y + 15
        path = f"M{last.x} {low}H{x + 5}Q{x} {low} {x} {low - 5}V{high + 5}Q{x} {high} {x + 5} {high}H{first.x - 5}"
        self._out.append(f'<path class="way" d="{path}"/><path class="tip" d="M{first.x} {high}l-7 -4v8z"/>')

    def _mark(self, x: int, y: int, word: str) -> None:
        inner = f'<circle class="tip" cx="{x}" cy="{y}" r="{5 if word == "start" else 3}"/>'
        outer = f'<circle class="way" cx="{x}" cy="{y}" r="5.5"/>' if word == "end" else ""
        self._out.append(f'{outer}{inner}<text class="muted" x="{x + 11}" y="{y + 4}">{word}</text>')

    def _legend(self, y: int) -> None:
        """What the colours of a run say."""
        x = MARGIN
        ends = [f"{100 * share:.0f} %" for share in HEAT]
        words = [f"< {ends[0]}", *(f"≥ {end}" for end in ends)]
        self._out.append(f'<text class="muted" x="{x}" y="{y + 10}">share of the time</text>')
        x += 104
        for level, word in enumerate(words):
            surface = f"heat{level}" if level else "card"
            self._out.append(
                f'<rect class="shape {surface}" x="{x}" y="{y}" width="14" height="12" rx="3"/>'
                f'<text class="muted" x="{x + 19}" y="{y + 10}">{escaped(word)}</text>'
            )
            x += 30 + int(width(word, LABEL_SIZE))
        for group, word in (("idle", "not performed"), ("wrong", "failed")):
            self._out.append(
                f'<g class="{group}"><rect class="shape card" x="{x}" y="{y}" width="14" height="12" rx="3"/></g>'
                f'<text class="muted" x="{x + 19}" y="{y + 10}">{escaped(word)}</text>'
            )
            x += 30 + int(width(word, LABEL_SIZE))

    # ---- words ---------------------------------------------------------------------------------------------------

    def _told(self) -> Iterator[str]:
        """The picture in words, for who does not see it."""
        yield f"{self._about}."
        nodes = [node for part in (self._main.part, *(one.part for one in self._functions)) for node in _every(part)]
        for node in nodes[:MOST_TOLD]:
            timing = self._run.of(node) if self._run else None
            took = f" ({self._run.label(timing) if timing else 'not performed'})" if self._run else ""
            yield f"{plain(node.name, LONGEST_NAME)}: {plain(node.kind, LONGEST_NAME)}{took}{_leads(node)}."
        if len(nodes) > MOST_TOLD:
            yield f"And {len(nodes) - MOST_TOLD:,} more."


def _every(part: Part) -> Iterator[Node]:
    for node in part.nodes:
        yield node
        for inner in node.parts:
            yield from _every(inner)


def _leads(node: Node) -> str:
    leads = [DIRECTIVES.get(line.then) or plain(line.then, LONGEST_NAME) for line in node.lines if line.then]
    return f", then {' or '.join(leads)}" if leads else ""


def _told_node(node: Node) -> str:
    lines = [f"{line.label} {line.text}".strip() for line in node.lines[:6]]
    return "\n".join([plain(f"{node.name} ({node.kind})", LONGEST_LINE), *lines, plain(node.place, LONGEST_LINE)])
