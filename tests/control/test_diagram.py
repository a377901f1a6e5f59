"""Flows as pictures: what is drawn and where, what a run adds, what a hostile flow cannot do, how big they get."""

from __future__ import annotations

import itertools
import re
import runpy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from processes.flows.flowing import definition

from apimgmt.control.diagram import MOST_COLUMNS, Node
from apimgmt.control.diagram.boxes import Box, Stack
from apimgmt.control.diagram.lettering import code_width, escaped, plain
from apimgmt.control.diagram.outline import Outline
from apimgmt.control.diagram.palette import CATEGORIES, COLOURS, HEAT, style
from apimgmt.control.diagram.svg import diagram
from apimgmt.control.diagram.timing import duration
from apimgmt.control.flows import dry_run
from apimgmt.processes.flows.compiling import Flow
from apimgmt.processes.flows.definition import read_definition

SVG = "{http://www.w3.org/2000/svg}"
ERROR = {"type": "https://example.com/taken", "status": 409, "title": "Taken"}
EVERYTHING = definition(
    {"switch": [{"few": {"when": ".n < 3", "then": "c"}}, {"many": {"then": "h"}}]},
    {"set": {"left": "out"}, "then": "end"},
    {"for": {"each": "one", "in": ".rows"}, "while": ". != 5", "do": [{"turn": {"wait": "PT1.5S"}}]},
    {
        "fork": {
            "compete": True,
            "branches": [{"slow": {"set": {"x": 1}}}, {"fast": {"do": [{"in": {"set": {"y": 2}}}]}}],
        }
    },
    {
        "try": [{"risky": {"raise": {"error": ERROR}}}],
        "catch": {
            "errors": {"with": {"status": 503}},
            "retry": {"delay": {"minutes": 2}, "backoff": {"linear": {}}, "limit": {"attempt": {"count": 4}}},
            "do": [{"instead": {"set": {"z": 3}}}],
        },
    },
    {
        "call": "http",
        "with": {"method": "post", "endpoint": "https://example.com/a"},
        "if": ".ok",
        "timeout": {"after": "PT9S"},
    },
    {"run": {"workflow": {"namespace": "shop", "name": "ship", "version": "2.0.0"}}},
    {"call": "priced", "with": {"net": 5}},
    use={"functions": {"priced": {"set": {"gross": "${ .net * 1.2 }"}}, "unused": {"set": {"never": 1}}}},
)
HOSTILE = [
    "</text><script>alert(1)</script>",
    "\"><image href='https://evil.example/x' onload='alert(1)'/>",
    "]]><!--<foreignObject/>&xxe;&#x3c;",
    "\u202etxet derorrim\u2066\x00\x1b\ud800\ufffe",
    "}</style><style>*{background:url(https://evil.example)}",
    "漢字" * 40,
]


def drawn(given: Mapping[str, Any], steps: Iterable[Mapping[str, Any]] | None = None, **limits: int) -> str:
    """The picture of a definition that compiles."""
    read = read_definition(given)
    Flow(read)
    return diagram(read, steps, **limits)


def step(task: str, seconds: float = 0.01, failed: bool = False) -> dict[str, Any]:
    """One task of a run."""
    return {"task": task, "seconds": seconds, "failed": failed}


def groups(picture: str) -> dict[str, tuple[str, str]]:
    """The pointer of each box to its classes and the texts in it."""
    found = {}
    for group in ElementTree.fromstring(picture).iter(f"{SVG}g"):
        title = group.findtext(f"{SVG}title")
        if title:
            texts = [" ".join(text.itertext()) for text in group.iter(f"{SVG}text")]
            surface = next(group.iter(f"{SVG}rect")).get("class", "")
            found[title.splitlines()[-1]] = (f"{group.get('class', '')} {surface}", " | ".join(texts))
    return found


def test_every_kind_of_task_says_what_it_does() -> None:
    """Name, kind, a short text and where it leads, for each task, nested ones included."""
    texts = {place: text for place, (_, text) in groups(drawn(EVERYTHING)).items()}
    inner = (
        "c/do/0/turn",
        "d/fork/branches/0/0/slow",
        "d/fork/branches/1/0/fast/do/0/in",
        "e/try/0/risky",
        "e/catch/do/0/instead",
    )
    told = [
        ("/do/0/a", ["a", "switch", "few", ".n < 3", "→ c", "many", "otherwise", "→ h"]),
        ("/do/1/b", ["set", "left", "out", "→ end"]),
        ("/do/2/c", ["for", "each", "one in .rows", "while", ". != 5"]),
        (f"/do/2/{inner[0]}", ["wait", "1.5 s"]),
        ("/do/3/d", ["fork", "the first of 2 counts"]),
        (f"/do/3/{inner[1]}", ["slow"]),
        (f"/do/3/{inner[2]}", ["set", "y", "2"]),
        (f"/do/4/{inner[3]}", ["raise", "409", "Taken"]),
        (f"/do/4/{inner[4]}", ["instead"]),
        ("/do/5/f", ["call http", "POST", "https://example.com/a", "if", ".ok", "at most", "9 s"]),
        ("/do/6/g", ["run", "shop/ship 2.0.0"]),
        ("/do/7/h", ["call", "function", "priced"]),
        ("/use/functions/priced", ["priced", "gross"]),
    ]
    for place, words in told:
        assert all(word in texts[place] for word in words), texts[place]
    everything = drawn(EVERYTHING)
    assert all(word in everything for word in ("status 503", "4 times, after 2 min, linear"))
    assert "unused" not in everything


def unlabelled(node: Node) -> int:
    """No room for labels: a flow without a run."""
    return 0


def boxes(stack: Stack) -> list[Box]:
    """All boxes of a stack, however deep."""
    return [inside for box in stack.boxes for inside in (box, *itertools.chain(*map(boxes, box.stacks)))]


def apart(one: Box, other: Box) -> bool:
    """Whether two boxes do not touch."""
    return (
        one.x + one.width < other.x
        or other.x + other.width < one.x
        or one.y + one.height < other.y
        or other.y + other.height < one.y
    )


def within(inner: Box, outer: Box) -> bool:
    """Whether a box is inside another one."""
    return (
        outer.x < inner.x
        and outer.y < inner.y
        and inner.x + inner.width < outer.x + outer.width
        and inner.y + inner.height < outer.y + outer.height
    )


def test_boxes_lie_inside_the_one_they_belong_to_and_beside_all_others() -> None:
    """Nothing overlaps, at any depth."""
    outline = Outline(read_definition(EVERYTHING))
    stack = Stack(outline.main, unlabelled)
    stack.place(0, 0, stack.width)
    found = boxes(stack)
    assert len(found) == 14
    for one, other in itertools.combinations(found, 2):
        belongs = other.node.place.startswith(one.node.place + "/")
        assert within(other, one) if belongs else apart(one, other), (one.node.place, other.node.place)


def test_ways_lead_where_then_says() -> None:
    """From the line of the case to the task, in lanes of their own; a neighbour gets a straight arrow, an end none."""
    to_c = {"set": {"n": 1}, "then": "c"}
    given = definition(
        {"switch": [{"x": {"when": ".x", "then": "d"}}, {"y": {"then": "b"}}]}, to_c, to_c, {"set": {"n": 2}}
    )
    stack = Stack(Outline(read_definition(given)).main, unlabelled)
    assert [(jump.sources, jump.target, jump.lane) for jump in stack.jumps] == [(((2, 0),), 2, 0), (((0, 0),), 3, 1)]
    tips = re.findall(r'<path class="tip" d="M\d+ \d+l(\S+) ', drawn(given))
    # start, a to b (the case y), b to c (its then), to the end; then the two ways
    assert sorted(tips) == ["-4", "-4", "-4", "-4", "7", "7"]


def test_more_ways_than_lanes_are_told_but_not_drawn() -> None:
    """A flow full of jumps stays as wide as it is: eight lanes at most."""
    tasks = [{"set": {"n": 1}, "then": chr(ord("a") + 25 - place)} for place in range(26)]
    stack = Stack(Outline(read_definition(definition(*tasks))).main, unlabelled)
    assert len({jump.lane for jump in stack.jumps}) == 8
    assert "→ z" in drawn(definition(*tasks))


def test_a_run_shows_what_each_task_took_and_what_failed() -> None:
    """Time, share and how often as text, the share as heat; what was not performed looks so."""
    given = definition(
        {"set": {"x": 1}}, {"for": {"in": ".r"}, "do": [{"in": {"set": {"y": 1}}}]}, {"set": {"z": 1}}, {"set": {}}
    )
    given["do"][3]["d"]["set"] = {"never": 1}
    turns = [step("/do/1/b/do/0/in", 0.1), step("/do/1/b/do/0/in", 0.5, failed=True)]
    found = groups(
        drawn(given, [step("/do/0/a", 0.001), *turns, step("/do/1/b", 0.6, failed=True), step("/do/2/c", 0.399)])
    )
    assert found["/do/0/a"] == (" shape card", "a set | 1.00 ms | x 1")
    assert found["/do/1/b/do/0/in"][0] == "wrong shape heat4"
    assert "failed · 600 ms · 2 times · 60 %" in found["/do/1/b/do/0/in"][1]
    assert found["/do/1/b"][0] == "wrong shape inside"
    assert found["/do/2/c"][0] == " shape heat3"
    assert found["/do/3/d"][0] == "idle shape card"
    picture = drawn(given, [step("/do/0/a", 0.001)])
    assert "1.00 ms, 1 task performed" in picture and "not performed" in picture
    assert "not performed" not in drawn(given)


def test_every_task_of_a_dry_run_is_found_in_the_picture() -> None:
    """The pointers of the steps are those of the boxes, in loops, branches, functions and handlers of errors, too."""
    given = definition(
        {"set": {"rows": [1, 2]}},
        {"for": {"in": ".rows"}, "do": [{"a/b": {"do": [{"in~ner": {"set": {"x": 1}}}]}}]},
        {"fork": {"branches": [{"one": {"call": "own"}}, {"two": {"wait": {"milliseconds": 1}}}]}},
        {"try": [{"bad": {"raise": {"error": ERROR}}}], "catch": {"do": [{"good": {"set": {"y": 2}}}]}},
        use={"functions": {"own": {"set": {"z": 3}}}},
    )
    steps = dry_run(given, {})["steps"]
    found = groups(drawn(given, steps))
    assert {one["task"] for one in steps} == {place for place, (classes, _) in found.items() if "idle" not in classes}
    assert "wrong" in found["/do/3/d/try/0/bad"][0] and "wrong" not in found["/do/3/d"][0]
    assert "1 failed" in drawn(given, steps)


ELEMENTS = {"svg", "title", "desc", "style", "rect", "text", "tspan", "g", "path", "circle"}
ATTRIBUTES = {"class", "role", "width", "height", "viewBox", "x", "y", "dx", "d", "r", "cx", "cy", "rx"}


def strange(picture: str) -> list[str]:
    """What is in a picture besides the elements, attributes and styles that every picture has."""
    root = ElementTree.fromstring(picture)
    found = [element.tag for element in root.iter() if element.tag.removeprefix(SVG) not in ELEMENTS]
    for element in root.iter():
        found += [name for name in element.attrib if name not in ATTRIBUTES]
        found += [value for value in element.attrib.values() if not re.fullmatch(r"[\w .,-]*", value)]
    styles = [element.text for element in root.iter(f"{SVG}style")]
    return found if styles == [style()] else [*found, *map(str, styles)]


@pytest.mark.parametrize("text", HOSTILE, ids=["script", "attribute", "entity", "controls", "style", "wide"])
def test_a_hostile_flow_puts_nothing_into_its_picture_but_text(text: str) -> None:
    """In every place that a person can write: the elements and attributes are those of a harmless flow."""
    given = definition(
        {"set": {text: text}, "if": text},
        {"switch": [{text: {"then": text}}]},
        {"call": "http", "with": {"method": text, "endpoint": {"uri": text}}},
        {"raise": {"error": {**ERROR, "title": text, "status": text}}},
        {"call": text},
        {
            "for": {"in": text, "each": text},
            "while": text,
            "do": [{text: {"call": "python", "with": {"function": text}}}],
        },
        {"try": [{text: {"set": text}}], "catch": {"errors": {"with": {text: text}}, "when": text}},
        {"run": {"workflow": {"namespace": text, "name": text, "version": text}}},
        use={"functions": {text: {"set": {"x": text}}}},
    )
    given["do"].append({text: {"set": {"x": 1}}})
    read = read_definition(given)
    document = msgspec.structs.replace(read.document, name=text, namespace=text, version=text, title=text)
    picture = diagram(
        msgspec.structs.replace(read, document=document), [step(f"/do/{place}/{text}") for place in range(9)]
    )
    assert picture.encode("utf-8").decode("utf-8") == picture
    assert strange(picture) == []
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e\u2066\ufffe]", picture)


@pytest.mark.parametrize(
    "text",
    ["<script>alert(1)</script>", "<style>*{background:url(x)}</style>", "<a href='https://evil.example/'/>"],
    ids=["script", "style", "link"],
)
def test_a_picture_without_escaping_would_be_noticed(text: str) -> None:
    """The same check on one whose texts are written as they are."""
    harmless = drawn(definition({"set": {"x": "here"}}))
    assert strange(harmless) == []
    assert strange(harmless.replace(">here<", f">{text}<", 1))


def test_letters_that_turn_or_break_a_text_are_replaced() -> None:
    """Control characters, surrogates and what reverses the reading direction; markup becomes entities."""
    assert escaped(plain(HOSTILE[3], 100)) == "\ufffdtxet derorrim\ufffd\ufffd\ufffd\ufffd\ufffd"
    assert escaped(HOSTILE[0]) == "&lt;/text&gt;&lt;script&gt;alert(1)&lt;/script&gt;"


@pytest.mark.parametrize(("count", "rest"), [(1_000, 0), (1_001, 1), (3_000, 2_000)], ids=["limit", "one more", "many"])
def test_a_flow_of_very_many_tasks_is_summarised(count: int, rest: int) -> None:
    """A thousand are drawn, the others are one box, which is marked if one of them failed; the text stays small."""
    given = definition()
    given["do"] = [{f"task{place}": {"set": {"x": "y" * 5_000}}} for place in range(count)]
    picture = diagram(read_definition(given), [step(f"/do/{count - 1}/task{count - 1}", failed=True)])
    found = groups(picture)
    assert sum(place.startswith("/do/") for place in found) == 1_000
    assert ("/do" in found) == bool(rest)
    if rest:
        assert found["/do"][0].startswith("more wrong")
        assert f"{rest:,} more task" in found["/do"][1]
    assert len(picture) < 2_000_000


def test_what_is_nested_too_deep_is_summarised() -> None:
    """Twelve levels are drawn; at the thirteenth it says how many tasks are inside."""
    for levels, told in ((12, 0), (13, 1)):
        task: dict[str, Any] = {"set": {"x": 1}}
        for _ in range(levels):
            task = {"do": [{"a": task}, {"b": {"wait": {"seconds": 1}}}]}
        picture = drawn(definition(task))
        assert picture.count("2 tasks inside") == 2 * told


def test_a_fork_of_very_many_branches_is_summarised() -> None:
    """Twelve columns at most; the last stands for all the others, with what they took."""
    for count, told in ((MOST_COLUMNS, False), (MOST_COLUMNS + 1, True)):
        given = definition({"fork": {"branches": [{f"b{place}": {"set": {"x": 1}}} for place in range(count)]}})
        last = step(f"/do/0/a/fork/branches/{count - 1}/0/b{count - 1}", failed=True)
        found = groups(drawn(given, [last]))
        assert ("/do/0/a/fork/branches" in found) == told
        if told:
            assert "wrong" in found["/do/0/a/fork/branches"][0]
            assert "2 more branches" in found["/do/0/a/fork/branches"][1]


def test_very_many_cases_are_summarised() -> None:
    """Twenty cases are lines, the others are counted."""
    cases = [{f"c{place}": {"when": f".n == {place}", "then": "end"}} for place in range(25)]
    (_, text) = groups(drawn(definition({"switch": cases})))["/do/0/a"]
    assert "c19" in text and "c20" not in text and "5 more" in text


def test_a_flow_of_very_many_lines_is_summarised() -> None:
    """When there are more than 4,000 lines, the tasks that follow show one each and say how many more they have."""
    cases = [{f"c{place}": {"when": ".n", "then": "end"}} for place in range(20)]
    given = definition()
    given["do"] = [{f"task{place}": {"switch": [*cases, {"d": {"then": "end"}}][-20:]}} for place in range(202)]
    nodes = Outline(read_definition(given)).main.nodes
    assert [len(node.lines) for node in nodes] == [20] * 200 + [2] * 2
    assert nodes[200].lines[1].text == "19 more"


def test_long_texts_are_cut_where_the_box_ends() -> None:
    """No line is wider than its box, whatever its letters."""
    for letter in ("w", "漢", "i", "Ж"):
        (_, text) = groups(drawn(definition({"set": {"x": letter * 300}})))["/do/0/a"]
        line = text.rpartition(" | x ")[2]
        assert line.endswith("…") and code_width(line) <= 420


def test_the_picture_of_a_flow_is_always_the_same() -> None:
    """The same bytes for the same definition and the same run."""
    steps = [step("/do/0/a"), step("/do/2/c", failed=True)]
    assert drawn(EVERYTHING, steps) == drawn(EVERYTHING, list(steps))


def test_who_does_not_see_the_picture_is_told() -> None:
    """It is one image with a title and a description: the tasks in their order, where they lead, what they took."""
    root = ElementTree.fromstring(drawn(EVERYTHING, [step("/do/0/a", 0.5)]))
    assert root.get("role") == "img"
    assert root[0].tag == f"{SVG}title" and root[0].text == "Flow test"
    told = root.findtext(f"{SVG}desc") or ""
    assert "a: switch (500 ms · 100 %), then c or h." in told and "b: set (not performed), then end." in told


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.000_012, "12 µs"),
        (0.0012, "1.20 ms"),
        (0.25, "250 ms"),
        (2.5, "2.50 s"),
        (150.0, "2.5 min"),
        (9_000.0, "2.5 h"),
    ],
    ids=str,
)
def test_a_time_is_shown_short(seconds: float, shown: str) -> None:
    """With the unit that suits it."""
    assert duration(seconds) == shown


def test_the_picture_in_the_documentation_is_fresh() -> None:
    """It is what ``python docs/picture.py`` writes."""
    docs = Path(__file__).resolve().parents[2] / "docs"
    fresh = runpy.run_path(str(docs / "picture.py"))["picture"]()
    assert (docs / "pictures" / "flow.svg").read_text("utf-8") == fresh, "run: python docs/picture.py"
    assert strange(fresh) == []


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [0, 1], ids=["light", "dark"])
def test_all_letters_can_be_read(dark: int) -> None:
    """Every colour of texts on every surface has a contrast of 4.5 (WCAG 2.2, 1.4.3), in light and in dark."""
    surfaces = ["page", "inside", "deeper", "card", *(f"heat{level}" for level in range(1, len(HEAT) + 1))]
    letters = ["text", "muted", "failed", *set(CATEGORIES.values())]
    pale = [
        (text, surface, round(contrast, 2))
        for text, surface in itertools.product(letters, surfaces)
        if (contrast := _contrast(COLOURS[text][dark], COLOURS[surface][dark])) < 4.5
    ]
    assert pale == []
