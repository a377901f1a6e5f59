"""Strings and numbers within bounds."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimgmt.processes.sampling.fitting import Fitting
from apimgmt.processes.sampling.scalars import _FORMATS, LONGEST, Unsatisfiable, integer, number, text

FITTING = Fitting({}, "response")
BOUND = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
NUMBERS = st.fixed_dictionaries(
    {},
    optional={
        "minimum": BOUND,
        "maximum": BOUND,
        "exclusiveMinimum": BOUND,
        "exclusiveMaximum": BOUND,
        "multipleOf": st.sampled_from([1, 2, 7, 100, 0.5, 0.01, 1.5]),
        "format": st.sampled_from(["int32", "int64", "float", "x"]),
    },
)


@given(NUMBERS, st.integers(0, 5))
def test_numbers_fit(schema: dict[str, Any], seed: int) -> None:
    """A number that is made fits all bounds; where none is made, none lies between them."""
    try:
        made = number(schema, Random(seed))
    except Unsatisfiable:
        low = max(schema.get("minimum", -1e7), schema.get("exclusiveMinimum", -1e7))
        high = min(schema.get("maximum", 1e7), schema.get("exclusiveMaximum", 1e7))
        assert high - low <= schema.get("multipleOf", 0)
        return
    assert FITTING.fits(made, schema)


@given(NUMBERS, st.integers(0, 5))
def test_integers_fit(schema: dict[str, Any], seed: int) -> None:
    """A whole number that is made is whole and fits all bounds."""
    try:
        made = integer(schema, Random(seed))
    except Unsatisfiable:
        return
    assert isinstance(made, int)
    assert FITTING.fits(made, schema)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"minimum": 5, "maximum": 5}, 5),
        ({"exclusiveMinimum": 5, "maximum": 6}, 6),
        ({"minimum": 5.2, "maximum": 6.8}, 6),
        ({"minimum": 10, "maximum": 20, "multipleOf": 15}, 15),
        ({"minimum": 2**31 - 1, "format": "int32"}, 2**31 - 1),
        ({"maximum": -7, "minimum": -7}, -7),
    ],
)
def test_the_only_integer(schema: dict[str, Any], expected: int) -> None:
    """Where one whole number fits it is found."""
    assert integer(schema, Random(1)) == expected


@pytest.mark.parametrize(
    "schema",
    [
        {"minimum": 6, "maximum": 5},
        {"exclusiveMinimum": 5, "exclusiveMaximum": 6},
        {"minimum": 2**31, "format": "int32"},
    ],
)
def test_no_integer(schema: dict[str, Any]) -> None:
    """Where none fits that is said."""
    with pytest.raises(Unsatisfiable):
        integer(schema, Random(1))


@pytest.mark.parametrize("name", sorted(_FORMATS))
def test_formats(name: str) -> None:
    """A text of a format is of that format, as far as jsonschema can tell."""
    for seed in range(5):
        made = text({"format": name}, Random(seed))
        # jsonschema wants times without an offset, RFC 3339 wants one
        if name != "time":
            jsonschema.validate(made, {"format": name}, format_checker=jsonschema.FormatChecker())
        assert FITTING.fits(made, {"type": "string", "format": name})


@pytest.mark.parametrize(
    "schema",
    [
        {"minLength": 30},
        {"maxLength": 3},
        {"minLength": 5, "maxLength": 5},
        {"maxLength": 0},
        {"pattern": "^[0-9]{3}$", "format": "email"},
        {"pattern": "^[a-z]+$", "minLength": 20, "maxLength": 21},
        {"format": "date", "maxLength": 4},
        {"minLength": LONGEST},
    ],
)
def test_texts(schema: dict[str, Any]) -> None:
    """Lengths and patterns come before formats."""
    made = text(schema, Random(1))
    assert FITTING.fits(made, {name: value for name, value in schema.items() if name != "format"})


@pytest.mark.parametrize(
    "schema", [{"minLength": LONGEST + 1}, {"minLength": 3, "maxLength": 2}, {"pattern": "^[a-z]$", "minLength": 2}]
)
def test_no_text(schema: dict[str, Any]) -> None:
    """A length that is too much or impossible, and a pattern that does not allow the length."""
    with pytest.raises(Unsatisfiable):
        text(schema, Random(1))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [(r"^(arn:aws:)[\s\S]{0,1024}$", r"arn:aws:"), (r"arn:[a-z0-9-\.]{1,63}:x", r"arn:[a-z0-9.-]:x")],
)
def test_a_pattern_that_the_engine_refuses_is_made_all_the_same(pattern: str, expected: str) -> None:
    """A long repeat or an odd range keeps the judge from judging, not the text from being made."""
    assert re.fullmatch(expected, text({"pattern": pattern}, Random(1)))


@pytest.mark.parametrize("length", [20, 21, 22, 30])
def test_a_time_is_stretched_by_its_fraction(length: int) -> None:
    """A time that has to be longer gets more digits, since anything else behind it would make it no time."""
    made = text({"format": "date-time", "minLength": length}, Random(1))
    assert len(made) >= length
    assert FITTING.fits(made, {"type": "string", "format": "date-time"})


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"pattern": "^[a-z._-]*$", "maxLength": 64}, r"[a-z]"),
        ({"pattern": "^$"}, ""),
        ({"pattern": "^arn:aws:", "minLength": 10, "maxLength": 12}, r"arn:aws:xx"),
        ({"format": "uuid", "pattern": "^[0-9A-F]{8}-?([0-9A-F]{4}-?){3}[0-9A-F]{12}$"}, r"[0-9A-F]{8}-.*"),
    ],
)
def test_a_pattern_beside_other_demands(schema: dict[str, Any], expected: str) -> None:
    """Not empty where that is allowed, filled up where a part may be anything, in the case that a pattern asks for."""
    assert re.fullmatch(expected, text(schema, Random(1)))
