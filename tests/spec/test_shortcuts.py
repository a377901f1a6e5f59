"""Shortcuts against the whole way: they agree about every value, or leave it alone."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apimgmt.model import Operation, Parameter, Schema
from apimgmt.settings import Settings
from apimgmt.spec.request.parameters import compile_parameters
from apimgmt.spec.request.shortcuts import of_text, of_texts
from apimgmt.spec.validation.validator import Validators

SCHEMAS: dict[str, Schema] = {"Count": {"type": "integer", "minimum": 1, "description": "from 1"}}
SETTINGS = Settings()
VALIDATORS = Validators(SCHEMAS)
DIGITS = SETTINGS.json_digits
Where = Literal["path", "query"]

NUMBERS = st.integers(-12, 12) | st.floats(-12, 12) | st.sampled_from([10**17, 10**18, 10**19, -(10**18), 0.5, 2**31])
INTEGERS = st.fixed_dictionaries(
    {"type": st.just("integer")},
    optional={
        "minimum": NUMBERS,
        "maximum": NUMBERS,
        "exclusiveMinimum": NUMBERS,
        "exclusiveMaximum": NUMBERS,
        "format": st.sampled_from(["int8", "int32", "int64", "uint8", "uint64", "float", "double"]),
        "default": st.just(3),
    },
)
STRINGS = st.fixed_dictionaries(
    {"type": st.just("string")},
    optional={
        "minLength": st.integers(0, 3),
        "maxLength": st.integers(0, 4),
        "enum": st.lists(st.sampled_from(["a", "ab", "7", "", "true", 7]), min_size=1),
        "format": st.sampled_from(["password", "int32"]),
    },
)
SCALARS = INTEGERS | STRINGS | st.just({"type": "boolean"})
ARRAYS = st.fixed_dictionaries(
    {"type": st.just("array"), "items": SCALARS | st.just({"$ref": "#/$defs/Count"})},
    optional={"minItems": st.integers(0, 3), "maxItems": st.integers(0, 3)},
)
# what Python's int takes and JSON does not, what is at the edges, what has to be decoded, what is split
ODD = ["", "-0", "+5", "05", "-05", " 5", "5_0", "٣", "²", "1.0", "1e1", "True", "true", "false", "a%20b", "a+b", "%zz"]
ODD += ["1,2", "1%2C2", "a,,b", ",", "%41", str(10**18 - 1), str(10**18), str(-(10**18)), "9" * 309, "9" * 310]
ODD += ["1" * 4300, "1" * 5000]
TEXTS = st.integers(-15, 15).map(str) | st.sampled_from(ODD) | st.text("abé7-,%+ ", max_size=5)


def read(schema: Schema, where: Where, texts: list[str], explode: bool) -> tuple[str, bool]:
    """The value of one parameter, written so that 1 is not True, and whether it is refused."""
    style: Any = "form" if where == "query" else "simple"
    one = Parameter(name="p", location=where, schema=schema, required=True, style=style, explode=explode)
    operation = Operation(key="get /", method="get", path="/", parameters=(one,))
    reader, violations = compile_parameters(operation, VALIDATORS, SETTINGS), []
    query = "&".join(f"p={text}" for text in texts) if where == "query" else ""
    path, members, _, _ = reader({"p": texts[0]} if where == "path" else {}, query.encode(), [], violations)
    return repr((path if where == "path" else members)["p"]), bool(violations)


@given(SCALARS | ARRAYS, st.sampled_from(["path", "query"]), st.lists(TEXTS, min_size=1, max_size=4), st.booleans())
def test_a_shortcut_sees_what_the_whole_way_sees(
    schema: dict[str, Any], where: Where, texts: list[str], explode: bool
) -> None:
    """A keyword that no value breaks leads the same request the whole way: value and verdict are the same."""
    assert read(schema, where, texts, explode) == read({**schema, "not": False}, where, texts, explode)


@given(
    st.dictionaries(st.sampled_from(["a", "b", "c+", "d%41", "é"]), st.tuples(SCALARS | ARRAYS, st.booleans())),
    st.lists(st.tuples(st.sampled_from(["a", "b", "c+", "c%2B", "d%41", "", "e"]), TEXTS, st.just("=") | st.just(""))),
)
@example({"a": ({"type": "array", "items": {"type": "string"}}, False)}, [("a", "", "=")])
def test_a_whole_query_is_seen_as_the_whole_way_sees_it(
    declared: dict[str, tuple[dict[str, Any], bool]], sent: list[tuple[str, str, str]]
) -> None:
    """Several parameters, required or not, sent once, twice, not at all or undeclared: members, their order and the
    verdict are the same when every schema has a keyword that leads the whole way."""
    query = "&".join(name + equals + text for name, text, equals in sent)

    def seen(**more: Any) -> tuple[str, int]:
        parameters = tuple(
            parameter({**schema, **more}, name=name, required=required) for name, (schema, required) in declared.items()
        )
        operation = Operation(key="get /", method="get", path="/", parameters=parameters)
        violations: list[dict[str, Any]] = []
        members = compile_parameters(operation, VALIDATORS, SETTINGS)({}, query.encode(), [], violations)[1]
        return repr(members), len(violations)

    assert seen() == seen(**{"not": False})


def parameter(schema: Schema, **fields: Any) -> Parameter:
    """A query parameter."""
    return Parameter(**{"name": "p", "location": "query", "schema": schema, "explode": True, **fields})


@pytest.mark.parametrize(
    ("schema", "texts", "value"),
    [
        ({"type": "integer"}, ["42"], 42),
        ({"type": "integer", "minimum": 1}, ["-3"], None),
        ({"$ref": "#/$defs/Count"}, ["3"], 3),
        ({"type": "boolean"}, ["false"], False),
        ({"type": "string", "maxLength": 3}, ["abc"], "abc"),
        ({"type": "string", "enum": ["a"]}, ["b"], None),
        ({"type": "array", "items": {"type": "integer"}}, ["1", "2"], [1, 2]),
        ({"type": "array", "items": {"type": "integer"}}, [""], None),
        ({"type": "integer"}, ["1", "2"], None),
    ],
)
def test_what_is_usual_takes_the_shortcut(schema: Schema, texts: list[str], value: Any) -> None:
    """Valid values of the common schemas are found; everything else is left to the whole way."""
    shortcut = of_texts(parameter(schema), SCHEMAS, DIGITS)
    assert shortcut is not None
    assert repr(shortcut(texts)) == repr(value)


@pytest.mark.parametrize(
    "fields",
    [
        {"schema": {"type": "integer", "multipleOf": 2}},
        {"schema": {"type": "string", "pattern": "a"}},
        {"schema": {"type": "string", "format": "uuid"}},
        {"schema": {"type": ["integer", "null"]}},
        {"schema": {"type": "number"}},
        {"schema": {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}},
        {"schema": {"type": "array", "items": {"type": "array"}}},
        {"schema": {"type": "integer"}, "media_type": "application/json"},
        {"schema": {"type": "integer"}, "style": "label"},
        {"schema": True},
    ],
)
def test_what_a_shortcut_could_not_judge_has_none(fields: dict[str, Any]) -> None:
    """A keyword, style or type beyond the simple ones is never guessed at."""
    one = parameter(fields.pop("schema"), **fields)
    assert of_text(one, SCHEMAS, DIGITS) is None
    assert of_texts(one, SCHEMAS, DIGITS) is None


def test_the_naive_cast_is_sure_of_too_much() -> None:
    """``int`` alone reads texts that are refused: the comparison above fails for a shortcut that trusts it."""
    refused = ["+5", "05", " 5", "5_0", "٣"]
    assert all(isinstance(int(text), int) for text in refused)
    shortcut = of_text(parameter({"type": "integer"}), SCHEMAS, DIGITS)
    assert shortcut is not None
    assert [shortcut(text) for text in refused] == [None] * 5
