"""Functions for rows and lists that jq does not have: as definitions for jq, and as functions of ours (``direct.py``).

Rows are an array of objects. What jq itself has (``map``, ``select``, ``sort_by``, ``group_by``, ``length`` ...) goes
together with them. For values whose order is in doubt ours raise Undecided, and jq decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

from apimgmt.processes.expressions import ExpressionFailed
from apimgmt.processes.expressions.operators import EXACT, Undecided, add, divide, field, kind, truthy

Variables = Mapping[str, Any]
Run = Callable[[Any, Variables], Any]
PAGE_SIZE = 20


def known(run: Run, constant: Any) -> Run:
    """A function that always gives the same, marked as such."""
    run.constant = constant  # type: ignore[attr-defined]
    return run


def is_constant(run: Run) -> bool:
    """Whether it is marked as one that always gives the same."""
    return hasattr(run, "constant")


def constant_of(run: Run) -> Any:
    """What it always gives."""
    return run.constant  # type: ignore[attr-defined]


DEFINITIONS = f"""
def __rows: if type == "array" then . else error("rows are needed, an array, not \\(type)") end;
def __present(f): [__rows[] | f | values];
def where(f): __rows | map(select(f));
def distinct_by(f): __rows | to_entries | group_by(.value | f) | map(.[0]) | sort_by(.key) | map(.value);
def distinct: distinct_by(.);
def sort_by_desc(f): __rows | group_by(f) | reverse | add // [];
def pick_fields($names): if $names == null or $names == "" then .
  elif ($names | type) == "string" then pick_fields($names | split(","))
  elif type == "array" then map(pick_fields($names))
  else . as $row | reduce $names[] as $name ({{}}; .[$name] = $row[$name]) end;
def omit_fields($names): if type == "array" then map(omit_fields($names)) else delpaths($names | map([.])) end;
def sum_of(f): __present(f) | add // 0;
def avg_of(f): __present(f) | if length == 0 then null else add / length end;
def min_of(f): __present(f) | min;
def max_of(f): __present(f) | max;
def group_rows(f): __rows | group_by(f) | map({{key: (.[0] | f), count: length, rows: .}});
def aggregate(f; g): group_rows(f) | map({{key, count, sum: (.rows | sum_of(g)), avg: (.rows | avg_of(g)),
  min: (.rows | min_of(g)), max: (.rows | max_of(g))}});
def __count($name): if type == "number" and . >= 1 and . == floor then .
  else error("\\($name) is a whole number from 1") end;
def page($page; $size): __rows | ($page // 1 | __count("page")) as $page
  | ($size // {PAGE_SIZE} | __count("pageSize")) as $size
  | {{items: .[($page - 1) * $size:$page * $size], total: length, page: $page, pageSize: $size}};
def member($path): try getpath($path) catch null;
def header_member($name): (.data.header // {{}} | to_entries
  | map(select(.key | ascii_downcase == $name)))[0].value;
def has_claim($name): .claimsprincipal.Claims | type == "object" and has($name);
def is_in_role($role): .claimsprincipal.Roles | type == "array" and any(.[]; . == $role);
"""


def where(condition: Run) -> Run:
    """``where(f)``: the rows for which f holds."""
    return lambda value, variables: [row for row in _rows(value) if truthy(condition(row, variables))]


def distinct_by(key: Run) -> Run:
    """``distinct_by(f)``: the first row of each f, in their order."""

    def run(value: Any, variables: Variables) -> Any:
        found: dict[Any, Any] = {}
        for row in _rows(value):
            found.setdefault(_hashed(key(row, variables)), row)
        return list(found.values())

    return run


def sort_by(key: Run) -> Run:
    """``sort_by(f)``."""
    return lambda value, variables: _sorted(value, key, variables, False)


def sort_by_desc(key: Run) -> Run:
    """``sort_by_desc(f)``: rows with the same f stay in their order."""
    return lambda value, variables: _sorted(value, key, variables, True)


def pick_fields(names: Run) -> Run:
    """``pick_fields(["a", "b"])`` or ``pick_fields("a,b")``: these members, null where there is none, of one row or of
    every one; all of them if nothing is asked for (H-104)."""

    def run(value: Any, variables: Variables) -> Any:
        asked = names(value, variables)
        if asked is None or asked == "":
            return value
        wanted = asked.split(",") if isinstance(asked, str) else _names(asked)
        if isinstance(value, list):
            return [{name: field(row, name) for name in wanted} for row in map(_object, value)]
        return {name: field(value, name) for name in wanted} if _object(value) is value else None

    return run


def omit_fields(names: Run) -> Run:
    """``omit_fields(["a"])``: all members but these."""

    def run(value: Any, variables: Variables) -> Any:
        unwanted = frozenset(_names(names(value, variables)))
        rows = [
            {name: one for name, one in _object(row).items() if name not in unwanted}
            for row in (value if isinstance(value, list) else [value])
        ]
        return rows if isinstance(value, list) else rows[0]

    return run


def sum_of(of: Run) -> Run:
    """``sum_of(f)``: 0 of nothing; null does not count, here and below."""

    def run(value: Any, variables: Variables) -> Any:
        total = reduce(add, _present(value, of, variables), None)
        return total if truthy(total) else 0

    return run


def avg_of(of: Run) -> Run:
    """``avg_of(f)``: null of nothing."""

    def run(value: Any, variables: Variables) -> Any:
        found = _present(value, of, variables)
        return divide(reduce(add, found), len(found)) if found else None

    return run


def min_of(of: Run) -> Run:
    """``min_of(f)``: null of nothing."""
    return lambda value, variables: min(_ordered(_present(value, of, variables)), default=None)


def max_of(of: Run) -> Run:
    """``max_of(f)``: null of nothing."""
    return lambda value, variables: max(_ordered(_present(value, of, variables)), default=None)


def page(number: Run, size: Run) -> Run:
    """``page(number; size)``: ``{items, total, page, pageSize}``; null is the first page, of 20 (H-071)."""

    def run(value: Any, variables: Variables) -> Any:
        rows = _rows(value)
        at = _count(number(value, variables), 1, "page")
        most = _count(size(value, variables), PAGE_SIZE, "pageSize")
        return {"items": rows[(at - 1) * most : at * most], "total": len(rows), "page": at, "pageSize": most}

    return run


def member(path: Run) -> Run:
    """``member(["a", "b"])``: what is there, null if nothing is, whatever is in the way (F-088)."""
    steps = constant_of(path) if is_constant(path) else None
    if not isinstance(steps, list) or not all(isinstance(step, str) for step in steps):
        return _reached(path)

    def run(value: Any, variables: Variables) -> Any:
        for step in steps:
            if not isinstance(value, dict):
                return None
            value = value.get(step)
        return value

    return run


def header_member(name: Run) -> Run:
    """``$trigger | header_member("x-id")``: a header parameter, whatever the case of its name (F-087)."""

    def run(value: Any, variables: Variables) -> Any:
        wanted = name(value, variables)
        found = field(field(value, "data"), "header") or {}
        return next((one for key, one in found.items() if key.lower() == wanted), None)

    return run


def has_claim(name: Run) -> Run:
    """``$trigger | has_claim("foo")``: whether the caller's token has it (F-073)."""

    def run(value: Any, variables: Variables) -> Any:
        claims = field(field(value, "claimsprincipal"), "Claims")
        return isinstance(claims, dict) and name(value, variables) in claims

    return run


def is_in_role(role: Run) -> Run:
    """``$trigger | is_in_role("editor")``: whether the caller has it (F-074)."""

    def run(value: Any, variables: Variables) -> Any:
        roles = field(field(value, "claimsprincipal"), "Roles")
        return isinstance(roles, list) and role(value, variables) in roles

    return run


# by name and number of arguments
CALLS: dict[tuple[str, int], Callable[..., Run]] = {
    ("where", 1): where,
    ("distinct_by", 1): distinct_by,
    ("sort_by", 1): sort_by,
    ("sort_by_desc", 1): sort_by_desc,
    ("pick_fields", 1): pick_fields,
    ("omit_fields", 1): omit_fields,
    ("sum_of", 1): sum_of,
    ("avg_of", 1): avg_of,
    ("min_of", 1): min_of,
    ("max_of", 1): max_of,
    ("page", 2): page,
    ("member", 1): member,
    ("header_member", 1): header_member,
    ("has_claim", 1): has_claim,
    ("is_in_role", 1): is_in_role,
}


def distinct(value: Any) -> Any:
    """``distinct``: every value once, in their order."""
    return distinct_by(lambda row, variables: row)(value, {})


def _rows(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ExpressionFailed(f"rows are needed, an array, not {kind(value)}")
    return value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Undecided
    return value


def _names(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise Undecided
    return value


def _present(value: Any, of: Run, variables: Variables) -> list[Any]:
    found = (of(row, variables) for row in _rows(value))
    return [one for one in found if one is not None]


def _hashed(value: Any) -> Any:
    """A key that is equal for equal values: true is not 1."""
    if isinstance(value, list | dict) or (isinstance(value, int) and abs(value) > EXACT):
        raise Undecided
    return (kind(value), value)


def _ordered(values: list[Any]) -> list[Any]:
    """The values, if their order is beyond doubt: numbers or texts."""
    kinds = {kind(value) for value in values}
    if kinds - {"number"} and kinds - {"string"}:
        raise Undecided
    if any(isinstance(value, int) and abs(value) > EXACT for value in values):
        raise Undecided
    return values


def _sorted(value: Any, key: Run, variables: Variables, descending: bool) -> list[Any]:
    rows = _rows(value)
    keys = _ordered([key(row, variables) for row in rows])
    order = sorted(range(len(rows)), key=keys.__getitem__, reverse=descending)
    return [rows[at] for at in order]


def _count(value: Any, usual: int, name: str) -> int:
    if not truthy(value):
        return usual
    if kind(value) != "number" or value < 1 or value != int(value):
        raise ExpressionFailed(f"{name} is a whole number from 1")
    return int(value)


def _reached(path: Run) -> Run:
    """The same with places in arrays."""

    def run(value: Any, variables: Variables) -> Any:
        for step in path(value, variables):
            if isinstance(step, str) and isinstance(value, dict):
                value = value.get(step)
            elif isinstance(step, int) and isinstance(value, list) and -len(value) <= step < len(value):
                value = value[step]
            else:
                return None
        return value

    return run
