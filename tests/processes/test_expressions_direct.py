"""Expressions that are compiled into functions give what jq itself gives."""

from __future__ import annotations

import json
from typing import Any

import jq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apimgmt.processes.expressions import ExpressionFailed
from apimgmt.processes.expressions.direct import DEEPEST, compiled
from apimgmt.processes.expressions.operators import Undecided
from apimgmt.processes.expressions.tokens import Unknown

VARIABLES = {"context": {"a": 1, "b": ["x", None]}, "item": "text"}
FAILED = object()

scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.sampled_from([0, 1, 2, -1, 0.5, -2.5, 1e10])
texts = st.sampled_from(["", "a", "b", "text", "ü☃", "10", "a b"])
values = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def _wrapped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(inner, inner)
    operator = st.sampled_from(["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "and", "or", "//", "|"])
    return st.one_of(
        st.tuples(inner, operator, inner).map(" ".join),
        inner.map(lambda one: f"({one})"),
        pairs.map(lambda two: f"[{two[0]}, {two[1]}]"),
        pairs.map(lambda two: f'{{a: ({two[0]}), "b": ({two[1]})}}'),
        inner.map(lambda one: f'"<\\({one})>"'),
        inner.map(lambda one: f"map({one})"),
        inner.map(lambda one: f"map(select({one}) | .a)"),
        st.tuples(inner, inner, inner).map(lambda three: "if {} then {} else {} end".format(*three)),
        inner.map(lambda one: f"({one}).a"),
        inner.map(lambda one: f"({one})[0]"),
        inner.map(lambda one: f"({one}) | length"),
        inner.map(lambda one: f"({one}) | type"),
        inner.map(lambda one: f"({one}) | keys"),
        inner.map(lambda one: f"({one}) | not"),
    )


LEAVES = """. .a .b.c .a[0] .["b"] ."b" .[-1] $context.a $item $context.b 1 2.5 "a" null true false [] {} {a,$item} 0
"b" length"""
leaves = st.sampled_from(LEAVES.split())
sources = st.recursive(leaves, _wrapped, max_leaves=6)
BINDING = "".join(f". as {{v: {{{name}: ${name}}}}} | " for name in VARIABLES) + ".i | "


def by_jq(source: str, value: Any) -> Any:
    """The one result of jq, or FAILED."""
    program = jq.compile(f"{BINDING}({source})")
    try:
        [result] = program.input_value({"i": value, "v": VARIABLES}).all()
    except ValueError:
        return FAILED
    return result


def ours(source: str, value: Any) -> Any:
    """Our result, or FAILED; raises Unknown or Undecided where jq has to be asked."""
    run = compiled(source, VARIABLES)
    try:
        return run(value, VARIABLES)
    except ExpressionFailed:
        return FAILED


@given(sources, values)
@settings(max_examples=1500, deadline=None)
def test_a_direct_expression_gives_what_jq_gives(source: str, value: Any) -> None:
    """The same value or an error in both, for expressions and values of every kind."""
    try:
        found = ours(source, value)
    except (Unknown, Undecided):
        return
    expected = by_jq(source, value)
    if FAILED in (found, expected):
        assert found is expected, (found, expected)
    else:
        assert json.dumps(found, sort_keys=True) == json.dumps(expected, sort_keys=True) or found == expected


USUAL = [
    ('.colors + ["red"]', {"colors": []}, ["red"]),
    (".temperature > 38", {"temperature": 38.5}, True),
    (".bpm < 60 or .bpm > 100", {"bpm": 101}, True),
    ('"Hello \\(.user.first) \\(.user.last)!"', {"user": {"first": "A", "last": "B"}}, "Hello A B!"),
    ('"https://petstore.example/\\(.petId)"', {"petId": 7}, "https://petstore.example/7"),
    ("{ colors: (.colors + [ $item ]), n: ($context.b | length) }", {"colors": []}, {"colors": ["text"], "n": 2}),
    ('map(select(.status == "open" and .total >= 10) | .id)', [{"status": "open", "total": 10, "id": 1}], [1]),
    ('.a // .b // "none"', {"a": None, "b": False}, "none"),
    ("if .a then 1 elif .b then 2 else 3 end", {"b": 1}, 2),
    ("[.a | .b]", {"a": {"b": 1}}, [1]),
    (".items | map(.price * .count) | length", {"items": [{"price": 2, "count": 3}]}, 1),
    ("{id, name: .customer.name}", {"id": 1, "customer": {"name": "x"}}, {"id": 1, "name": "x"}),
    ('."with space"["and more"][0]', {"with space": {"and more": [5]}}, 5),
    ("-1 + 2", None, Unknown),
    ('"\\u00e4\\ud83d\\ude00\\n"', None, "ä😀\n"),
]


@pytest.mark.parametrize(("source", "value", "expected"), USUAL, ids=[source for source, _, _ in USUAL])
def test_what_people_write_is_direct(source: str, value: Any, expected: Any) -> None:
    """No jq is needed for these, and jq agrees."""
    if expected is Unknown:
        with pytest.raises(Unknown):
            compiled(source, VARIABLES)
        return
    assert ours(source, value) == expected == by_jq(source, value)


BEYOND = """env|$ENV|$ENV.PATH|input|inputs|debug|halt|$__loc__|$other|..|.[]|.a?|.[1:2]|try error|def f: 1; f|@base64
"\\(env)"|[.[]]|import "a" as a; .|{(.a): }|.a = 1|.a += 1|1 == 1 == 1|map(|"open|{a: 1 + 2}|limit(1; .)|error
map(.x, .y)|keys(1)|reduce .[] as $x (0; . + $x)|.a as $x|1, 2|$__prog_args|modulemeta|get_search_list"""
BEYOND_EACH = [source for line in BEYOND.splitlines() for source in line.split("|")]


@pytest.mark.parametrize("source", BEYOND_EACH)
def test_everything_else_is_for_jq(source: str) -> None:
    """Whatever may have no result or several, reads from outside, or is not well-formed."""
    with pytest.raises(Unknown):
        compiled(source, VARIABLES)


@pytest.mark.parametrize(("levels", "direct"), [(DEEPEST - 1, True), (DEEPEST, False), (100_000, False)])
def test_nesting_is_bounded(levels: int, direct: bool) -> None:
    """As many parentheses as the limit, one more, and very many: no recursion of ours gets deep."""
    source = "(" * levels + "." + ")" * levels
    if direct:
        assert compiled(source, ())(1, {}) == 1
    else:
        with pytest.raises(Unknown):
            compiled(source, ())
