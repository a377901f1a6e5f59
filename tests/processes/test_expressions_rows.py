"""Functions for rows and lists: what they give, and that ours and jq's agree on it."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import jq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apimgmt.processes.expressions import ExpressionFailed
from apimgmt.processes.expressions.children import PRELUDE, Children
from apimgmt.processes.expressions.direct import compiled
from apimgmt.processes.expressions.expression import Expression
from apimgmt.processes.expressions.operators import Undecided
from apimgmt.processes.expressions.rows import DEFINITIONS
from apimgmt.processes.expressions.tokens import Unknown

ORDERS = [
    {"id": 1, "customer": "Ann", "state": "open", "total": 10},
    {"id": 2, "customer": "Bob", "state": "closed", "total": 30},
    {"id": 3, "customer": "Ann", "state": "open", "total": 20},
    {"id": 4, "customer": "Cid", "state": "new", "total": None},
]
FAILED = object()


@functools.lru_cache(100)
def program(source: str) -> Any:
    """An expression, compiled by jq."""
    return jq.compile(f"{DEFINITIONS}{PRELUDE} {source}")


def by_jq(source: str, value: Any) -> Any:
    """What jq gives."""
    try:
        found = program(source).input_value(value).all()
    except ValueError:
        return FAILED
    return found[0]


def by_ours(source: str, value: Any) -> Any:
    """What our functions give; jq's result where they leave it to jq."""
    try:
        return compiled(source, ())(value, {})
    except ExpressionFailed:
        return FAILED
    except (Undecided, Unknown):
        return by_jq(source, value)


# each with what it gives for the orders above
EXAMPLES: dict[str, Any] = {
    'where(.state == "open") | map(.id)': [1, 3],
    "distinct_by(.customer) | map(.id)": [1, 2, 4],
    "map(.customer) | distinct": ["Ann", "Bob", "Cid"],
    "sort_by(.customer) | map(.id)": [1, 3, 2, 4],
    "sort_by_desc(.customer) | map(.id)": [4, 2, 1, 3],
    'pick_fields(["id", "note"]) | .[0]': {"id": 1, "note": None},
    '.[0] | pick_fields(["id", "state"])': {"id": 1, "state": "open"},
    'pick_fields("id,note") | .[1]': {"id": 2, "note": None},
    '.[0] | pick_fields("state")': {"state": "open"},
    "pick_fields(null) | map(.id)": [1, 2, 3, 4],
    'pick_fields("") | .[1].total': 30,
    'omit_fields(["total", "state"]) | .[1]': {"id": 2, "customer": "Bob"},
    "sum_of(.total)": 60,
    "avg_of(.total)": 20,
    "min_of(.total)": 10,
    "max_of(.total)": 30,
    "length": 4,
    "group_rows(.state) | map({key, count})": [
        {"key": "closed", "count": 1},
        {"key": "new", "count": 1},
        {"key": "open", "count": 2},
    ],
    "aggregate(.customer; .total) | .[0]": {"key": "Ann", "count": 2, "sum": 30, "avg": 15, "min": 10, "max": 20},
    "aggregate(.customer; .total) | .[2]": {"key": "Cid", "count": 1, "sum": 0, "avg": None, "min": None, "max": None},
    "map(.id) | page(2; 3)": {"items": [4], "total": 4, "page": 2, "pageSize": 3},
    "where(.total > 10) | sort_by_desc(.total) | distinct_by(.customer) | map(.id) | page(1; 1)": {
        "items": [2],
        "total": 2,
        "page": 1,
        "pageSize": 1,
    },
    "where(.total > 10)[0].id": 2,
    "[] | sum_of(.x)": 0,
    "[] | avg_of(.x)": None,
    "[] | aggregate(.x; .y)": [],
    "[] | sort_by_desc(.x)": [],
    "[] | page(null; null)": {"items": [], "total": 0, "page": 1, "pageSize": 20},
}


@pytest.mark.rows("H-069", "H-071")
@pytest.mark.parametrize("source", EXAMPLES)
async def test_an_example(source: str) -> None:
    """The same by jq and by ours, where ours know the function."""
    children = Children(seconds=10.0)
    try:
        expression = Expression(source, ())
        await expression.check(children)
        assert await expression.evaluate(ORDERS, {}, children) == EXAMPLES[source]
    finally:
        await children.close()
    assert by_jq(source, ORDERS) == EXAMPLES[source]


DOCUMENTATION = Path(__file__).parents[2] / "docs" / "flows.md"


def test_the_examples_of_the_documentation_hold() -> None:
    """Each row of its table, for the rows that stand above it."""
    text = DOCUMENTATION.read_text("utf-8").partition("<!-- rows -->")[2]
    shown = json.loads(text.partition("```json")[2].partition("```")[0])
    table = text.partition("| expression | gives |")[2].partition("\n\n")[0]
    examples = re.findall(r"^\| `(.+)` \| `(.+)` \|$", table, re.MULTILINE)
    assert len(examples) >= 6
    for source, expected in examples:
        assert by_ours(source.replace("\\|", "|"), shown) == json.loads(expected)


DIRECT = [source for source in EXAMPLES if "aggregate" not in source and "group_rows" not in source]


@pytest.mark.parametrize("source", DIRECT)
def test_what_is_simple_needs_no_jq(source: str) -> None:
    """It is compiled; only groups are jq's."""
    assert Expression(source, ()).is_direct


@pytest.mark.rows("H-071")
@pytest.mark.parametrize("total", [0, 1, 9, 10, 11, 25])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_pages_hold_every_row_once(total: int, number: int) -> None:
    """Ten to a page: the numbers are right on the last page and beyond it."""
    rows = list(range(total))
    for give in (by_jq, by_ours):
        assert give(f"page({number}; 10)", rows) == {
            "items": rows[10 * (number - 1) : 10 * number],
            "total": total,
            "page": number,
            "pageSize": 10,
        }


@pytest.mark.parametrize("numbers", ["0; 10", "-1; 10", "1; 0", "1.5; 10", '"1"; 10', "1; []", "{}; 1"])
def test_a_page_that_is_none_is_an_error(numbers: str) -> None:
    """Below 1, in parts, or no number."""
    for give in (by_jq, by_ours):
        assert give(f"page({numbers})", [1, 2]) is FAILED


@pytest.mark.parametrize("value", [None, 1, "x", {"a": 1}, True])
@pytest.mark.parametrize("source", ["where(.a)", "distinct", "page(1; 1)", "sum_of(.a)", "sort_by_desc(.a)"])
def test_rows_are_an_array(source: str, value: Any) -> None:
    """Everything else is an error."""
    for give in (by_jq, by_ours):
        assert give(source, value) is FAILED


keys = st.sampled_from(["a", "b", "c"])
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.5, 2.0, 2**53, "", "x", "y", "ü☃", "\U0001f600", "\uffff"])
)
rows = st.lists(
    st.dictionaries(keys, scalars | st.lists(scalars, max_size=2) | st.dictionaries(keys, scalars, max_size=2)),
    max_size=6,
)
FUNCTIONS = ["where", "distinct_by", "sort_by", "sort_by_desc", "sum_of", "avg_of", "min_of", "max_of"]


def same(ours: Any, theirs: Any) -> bool:
    """Whether two values are equal, by jq itself: it knows what becomes of integers that no double has."""
    return bool(program(".[0] == .[1]").input_value([ours, theirs]).first())


@settings(max_examples=300, deadline=None)
@given(rows, st.sampled_from(FUNCTIONS), keys)
def test_ours_and_jq_agree_on_rows(given_rows: list[Any], name: str, key: str) -> None:
    """Whatever the rows hold: mixed types, equal keys, nothing."""
    source = f"{name}(.{key})"
    ours, theirs = by_ours(source, given_rows), by_jq(source, given_rows)
    assert (ours is FAILED) == (theirs is FAILED)
    if ours is not FAILED:
        assert same(ours, theirs)


@settings(max_examples=200, deadline=None)
@given(rows, st.lists(keys, max_size=3), st.booleans())
def test_ours_and_jq_agree_on_fields(given_rows: list[Any], names: list[str], one: bool) -> None:
    """Of rows and of one row."""
    value = given_rows[0] if one and given_rows else given_rows
    for name in ("pick_fields", "omit_fields"):
        source = f"{name}({json.dumps(names)})"
        ours, theirs = by_ours(source, value), by_jq(source, value)
        assert (ours is FAILED) == (theirs is FAILED)
        assert ours is FAILED or same(ours, theirs)


@settings(max_examples=200, deadline=None)
@given(st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=2)))
def test_ours_and_jq_agree_on_members(value: Any) -> None:
    """What is at a path, null where nothing is, whatever is in the way."""
    for path in (["a"], ["a", "b"], ["a", 0], [0, "a"], [-1], [5, "c"]):
        source = f"member({json.dumps(path)})"
        assert same(by_ours(source, value), by_jq(source, value))
