"""What a picture says of a definition: a node for each task, with its kind, a few short lines, and what is inside."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from apimgmt.control.diagram import (
    DEEPEST,
    LONGEST_LINE,
    LONGEST_NAME,
    MOST_COLUMNS,
    MOST_LINES,
    MOST_LINES_ALTOGETHER,
    MOST_TASKS,
    Line,
    Node,
    Part,
)
from apimgmt.control.diagram.lettering import plain
from apimgmt.processes.flows.definition import COMMON, Definition, named, seconds
from apimgmt.reading import pointer

Members = Mapping[str, Any]
MOST_SET = 4


class Outline:
    """Nodes for a definition that compiles; ``functions`` are those of its own that it calls, each a part."""

    def __init__(self, definition: Definition, most: int = MOST_TASKS, deepest: int = DEEPEST) -> None:
        self._use = definition.use
        self._left = most
        self._lines_left = MOST_LINES_ALTOGETHER
        self._deepest = deepest
        self._called: dict[str, None] = {}
        self.main = Part("/do", self._sequence(definition.do, "/do", 0))
        self.functions = tuple(self._functions())

    def _functions(self) -> Iterator[Part]:
        drawn = 0
        while drawn < len(self._called) and self._left > 0:
            name = list(self._called)[drawn]
            drawn += 1
            place = f"/use/functions/{name}"
            yield Part("/use/functions", (self._task(name, self._use.functions[name], place, 0),))

    def _sequence(self, items: list[Any], place: str, depth: int) -> tuple[Node, ...]:
        nodes = []
        for at, item in enumerate(items):
            if self._left <= 0:
                rest = sum(1 + _count(members) for item in items[at:] for members in item.values())
                nodes.append(_more(f"{rest:,} more {'task' if rest == 1 else 'tasks'}", place, at))
                break
            where = f"{place}/{at}"
            name, members = named(item, where)
            nodes.append(self._task(name, members, where + pointer(name), depth))
        return tuple(nodes)

    def _task(self, name: str, members: Members, place: str, depth: int) -> Node:
        self._left -= 1
        kind = next((kind for kind in _TASKS if kind in members), "")
        lines = [*_before(members)]
        parts: tuple[Part, ...] = ()
        if kind in _PARTS:
            own = _INSIDE[kind](members) if kind in _INSIDE else []
            if depth < self._deepest:
                parts = _PARTS[kind](self, members, place, depth + 1)
            else:
                own.append(Line("", f"{_count(members):,} tasks inside"))
        else:
            own = self._own(kind, members)
        goes_on, leads = _onwards(kind, members)
        label = f"call {members['call']}" if kind == "call" and members["call"] not in self._use.functions else kind
        shown = min(len(own), MOST_LINES, max(self._lines_left, 1))
        lines += own[:shown]
        if shown < len(own):
            lines.append(Line("", f"{len(own) - shown:,} more"))
        self._lines_left -= len(lines)
        return Node(name, label, place, tuple(map(_short, _led(lines, leads))), parts, goes_on, kind == "fork")

    def _own(self, kind: str, members: Members) -> list[Line]:
        if kind == "call":
            return self._call(members)
        if kind == "raise":
            error = members["raise"]["error"]
            error = self._use.errors[error] if isinstance(error, str) else error
            return [Line(_text(error["status"]), _text(error.get("title") or error["type"]))]
        return _LEAVES[kind](members) if kind in _LEAVES else []

    def _call(self, members: Members) -> list[Line]:
        name = members["call"]
        if name in self._use.functions:
            self._called[name] = None
            return [Line("function", name)]
        return _CALLS.get(name, _other_call)(members.get("with") or {})

    # ---- what is inside ------------------------------------------------------------------------------------------

    def _do(self, members: Members, place: str, depth: int) -> tuple[Part, ...]:
        return (Part(f"{place}/do", self._sequence(members["do"], f"{place}/do", depth)),)

    def _fork(self, members: Members, place: str, depth: int) -> tuple[Part, ...]:
        parts = []
        branches = members["fork"]["branches"]
        shown = branches if len(branches) <= MOST_COLUMNS else branches[: MOST_COLUMNS - 1]
        for at, branch in enumerate(shown):
            where = f"{place}/fork/branches/{at}"
            parts.append(Part(where, self._sequence([branch], where, depth)))
        if len(shown) < len(branches):
            where = f"{place}/fork/branches"
            rest = _more(f"{len(branches) - len(shown)} more branches", where, len(shown))
            parts.append(Part(where, (rest,)))
        return tuple(parts)

    def _try(self, members: Members, place: str, depth: int) -> tuple[Part, ...]:
        catch = members["catch"]
        tried = Part(f"{place}/try", self._sequence(members["try"], f"{place}/try", depth))
        where = f"{place}/catch/do"
        handler = self._sequence(catch["do"], where, depth) if catch.get("do") else ()
        return tried, Part(where, handler, tuple(map(_short, self._catch(catch))))

    def _catch(self, catch: Members) -> Iterator[Line]:
        wanted = (catch.get("errors") or {}).get("with") or {}
        yield Line("catch", ", ".join(f"{name} {_text(value)}" for name, value in wanted.items()) or "every error")
        for label, name in (("when", "when"), ("unless", "exceptWhen")):
            if catch.get(name):
                yield Line(label, catch[name])
        retry = catch.get("retry")
        if isinstance(retry, str):
            retry = self._use.retries[retry]
        if retry is not None:
            yield Line("retry", _again(retry))


def _more(name: str, place: str, first: int) -> Node:
    return Node(name, "more", place, first=first)


def _count(members: Members) -> int:
    """How many tasks there are inside a task, however deep."""
    count, pending = 0, [members]
    while pending:
        inside = [task for items in _lists(pending.pop()) for item in items for task in item.values()]
        count += len(inside)
        pending += inside
    return count


def _lists(members: Members) -> Iterator[list[Any]]:
    for value in (
        members.get("do"),
        members.get("try"),
        (members.get("fork") or {}).get("branches"),
        (members.get("catch") or {}).get("do"),
    ):
        yield value or []


def _short(line: Line) -> Line:
    return Line(plain(line.label, LONGEST_NAME), plain(line.text, LONGEST_LINE), line.then)


def _led(lines: list[Line], leads: Line | None) -> list[Line]:
    """The lines with the way that a task leads, beside its last one if there is room for it."""
    if leads is None:
        return lines
    if leads.label or not lines or lines[-1].then:
        return [*lines, leads]
    return [*lines[:-1], lines[-1]._replace(then=leads.then)]


def _before(members: Members) -> Iterator[Line]:
    if members.get("if"):
        yield Line("if", members["if"])
    for name, member in (("input", "from"), ("output", "as"), ("export", "as")):
        value = (members.get(name) or {}).get(member)
        if value is not None:
            yield Line(name, _text(value))
    timeout = members.get("timeout")
    if timeout is not None:
        yield Line("at most", timeout if isinstance(timeout, str) else _duration(timeout.get("after")))


def _onwards(kind: str, members: Members) -> tuple[bool, Line | None]:
    """Whether the next task can follow, and the line that says where it goes on otherwise."""
    then = members.get("then", "continue")
    if kind == "switch":
        cases = [case for item in members["switch"] for case in item.values()]
        leads = [case["then"] for case in cases]
        if all(case.get("when") is not None for case in cases):
            leads.append(then)
            return "continue" in leads, Line("otherwise", "", then)
        return "continue" in leads, None
    if kind == "raise":
        return False, None
    return (True, None) if then == "continue" else (False, Line("", "", then))


# ---- lines -----------------------------------------------------------------------------------------------------------


def _set(members: Members) -> list[Line]:
    value = members["set"]
    if isinstance(value, str):
        return [Line("", _text(value))]
    lines = [Line(name, _text(one)) for name, one in list(value.items())[:MOST_SET]]
    return [*lines, Line("", f"{len(value) - MOST_SET} more")] if len(value) > MOST_SET else lines


def _switch(members: Members) -> list[Line]:
    cases = [case for item in members["switch"] for case in item.items()]
    return [Line(name, _text(case["when"]) if case.get("when") else "otherwise", case["then"]) for name, case in cases]


def _for(members: Members) -> list[Line]:
    each = members["for"]
    lines = [Line("each", f"{each.get('each', 'item')} in {each['in']}")]
    return [*lines, Line("while", members["while"])] if members.get("while") else lines


def _branches(members: Members) -> list[Line]:
    fork = members["fork"]
    count = len(fork["branches"])
    return [Line("", f"the first of {count} counts" if fork.get("compete") else f"all of {count}, side by side")]


def _wait(members: Members) -> list[Line]:
    return [Line("", _duration(members["wait"]))]


def _run(members: Members) -> list[Line]:
    workflow = members["run"].get("workflow") or {}
    which = f"{workflow.get('namespace')}/{workflow.get('name')} {workflow.get('version', 'latest')}"
    goes_on = members["run"].get("await") is False
    return [Line("flow", which), *([Line("", "without waiting for it")] if goes_on else [])]


def _http(arguments: Members) -> list[Line]:
    endpoint = arguments.get("endpoint")
    uri = endpoint.get("uri") if isinstance(endpoint, Mapping) else endpoint
    return [Line(_text(arguments.get("method", "GET")).upper(), _text(uri))]


def _connection(arguments: Members) -> list[Line]:
    method, path = arguments.get("method", "GET"), _text(arguments.get("path", ""))
    return [Line(_text(method).upper(), path), Line("of", _text(arguments.get("connection")))]


def _entity(arguments: Members) -> list[Line]:
    action = _text(arguments.get("action", "list"))
    return [Line(action, _text(arguments.get("entity"))), Line("of", _text(arguments.get("connection")))]


def _python(arguments: Members) -> list[Line]:
    return [Line("", _text(arguments.get("function")))]


def _openapi(arguments: Members) -> list[Line]:
    return [Line("operation", _text(arguments.get("operationId")))]


def _respond(arguments: Members) -> list[Line]:
    status = _text(arguments.get("status", 200))
    return [Line(status, "and the flow ends as failed" if arguments.get("throw") else "to the caller, and goes on")]


def _other_call(arguments: Members) -> list[Line]:
    return [Line(name, _text(value)) for name, value in list(arguments.items())[:2]]


def _again(retry: Members) -> str:
    limit = retry.get("limit") or {}
    count = (limit.get("attempt") or {}).get("count")
    said = ["again" if count is None else f"{count} times"]
    if retry.get("delay") is not None:
        said.append(f"after {_duration(retry['delay'])}")
    said += [name for name in retry.get("backoff") or {} if name != "constant"]
    if limit.get("duration") is not None:
        said.append(f"for {_duration(limit['duration'])}")
    return ", ".join(said)


def _duration(duration: Any) -> str:
    total = seconds(duration, "")
    if total < 1:
        return f"{1000 * total:g} ms"
    if total < 60:
        return f"{total:g} s"
    whole = round(total)
    units = ((whole // 86_400, "d"), (whole % 86_400 // 3_600, "h"), (whole % 3_600 // 60, "min"), (whole % 60, "s"))
    return " ".join(f"{amount} {unit}" for amount, unit in units if amount)


def _text(value: Any) -> str:
    """A short text for any value; what is much too long is cut before it is worked on."""
    if isinstance(value, str):
        return value[: 4 * LONGEST_LINE]
    return json.dumps(value, ensure_ascii=False, default=str)[: 4 * LONGEST_LINE]


_CALLS: dict[str, Callable[[Members], list[Line]]] = {
    "http": _http,
    "connection": _connection,
    "entity": _entity,
    "python": _python,
    "openapi": _openapi,
    "respond": _respond,
}
_LEAVES: dict[str, Callable[[Members], list[Line]]] = {"set": _set, "switch": _switch, "wait": _wait, "run": _run}
_INSIDE: dict[str, Callable[[Members], list[Line]]] = {"for": _for, "fork": _branches}
_PARTS: dict[str, Callable[[Outline, Members, str, int], tuple[Part, ...]]] = {
    "for": Outline._do,
    "fork": Outline._fork,
    "try": Outline._try,
    "do": Outline._do,
}
# ``for`` has a ``do``, so it is looked for first
_TASKS = ("for", "fork", "try", "do", *_LEAVES, "call", "raise")
assert not COMMON & set(_TASKS)
