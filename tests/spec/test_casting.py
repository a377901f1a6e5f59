"""Scalars: the grammars, one past each edge, and several types in one schema."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from apimgmt.spec.request import casting


@pytest.mark.rows("F-012", "F-090", "F-091")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("7", 7),
        ("-5", -5),
        ("-0", 0),
        ("2147483648", 2**31),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", 2**63),
        ("-9223372036854775809", -(2**63) - 1),
        ("9" * 309, int("9" * 309)),
    ],
)
def test_integers_are_exact(text: str, value: int) -> None:
    """An integer keeps its value whatever its size, up to the limit of characters."""
    cast = casting.integer(309)(text)
    assert cast == value and type(cast) is int


NOT_INTEGERS = ["", "-", "5.0", "0x10", "1e3", "5 ", " 5", "+5", "05", "-05", "00", "1_000", "٣", "５", "²", "--1"]


@pytest.mark.rows("F-012", "F-090")
@pytest.mark.parametrize("text", NOT_INTEGERS)
def test_what_python_would_read_is_no_integer(text: str) -> None:
    """What is outside `-?(0|[1-9][0-9]*)` stays the text."""
    assert casting.integer(309)(text) is text


def test_python_alone_would_read_some_of_them() -> None:
    """The naive cast accepts what the grammar refuses: the test above fails for it."""
    readable = []
    for text in NOT_INTEGERS:
        try:
            readable.append(int(text))
        except ValueError:
            continue
    assert len(readable) >= 7


@pytest.mark.rows("F-092")
@pytest.mark.parametrize(
    ("text", "value"), [("1.5", 1.5), ("-2", -2.0), ("1e3", 1000.0), ("0", 0.0), ("1E-2", 0.01), ("-0.0", -0.0)]
)
def test_numbers_are_floating(text: str, value: float) -> None:
    """A number of JSON's grammar becomes a float, also when it is whole."""
    cast = casting.number(309)(text)
    assert cast == value and type(cast) is float


@pytest.mark.rows("F-092")
@pytest.mark.parametrize(
    "text", ["nan", "NaN", "inf", "-Infinity", "1_0.5", ".5", "5.", "1e", "01.5", "+1.5", " 1", "1e400", "0x1p3", ""]
)
def test_what_is_no_json_number_stays_a_text(text: str) -> None:
    """Not-a-number, infinities, and everything that only Python reads stay the text."""
    assert casting.number(309)(text) is text


@pytest.mark.rows("F-093", "H-020")
def test_booleans_are_true_and_false_in_lower_case() -> None:
    """Only the two spellings of JSON are booleans."""
    assert [casting.boolean(text) for text in ("true", "false", "True", "1", "yes", "")] == [
        True,
        False,
        "True",
        "1",
        "yes",
        "",
    ]


@pytest.mark.parametrize("kind", [casting.integer, casting.number])
def test_the_limit_of_characters(kind: Any) -> None:
    """A number of exactly the limit is cast, one character more is not."""
    cast = kind(5)
    assert cast("12345") == 12345
    assert cast("123456") == "123456"


def test_an_integer_that_python_refuses_to_read_stays_a_text() -> None:
    """A limit above Python's own does not make a request raise."""
    assert sys.get_int_max_str_digits() == casting.LONGEST_NUMBER
    text = "9" * (casting.LONGEST_NUMBER + 1)
    assert casting.integer(10_000)(text) is text


@pytest.mark.parametrize(
    ("kinds", "text", "value"),
    [
        ({"integer", "number"}, "5", 5),
        ({"integer", "number"}, "5.5", 5.5),
        ({"integer", "boolean"}, "true", True),
        ({"string", "integer"}, "5", 5),
        ({"string", "integer"}, "x", "x"),
        ({"integer", "null"}, "", None),
        ({"integer", "null"}, "null", None),
        ({"string", "null"}, "null", None),
        ({"string", "null"}, "", ""),
        (set(), "5", "5"),
        ({"string"}, "5", "5"),
    ],
)
def test_of_several_types_the_narrowest_comes_first(kinds: set[str], text: str, value: Any) -> None:
    """The order is integer, number, boolean, null, string; without any type a text stays a text."""
    cast = casting.scalar(frozenset(kinds), lambda _: True, 309)(text)
    assert cast == value and type(cast) is type(value)


def test_a_cast_counts_only_if_its_value_is_valid() -> None:
    """With `oneOf` an integer that no branch allows stays the text that another one allows."""
    cast = casting.scalar(frozenset(("integer", "string")), lambda value: value != 5, 309)
    assert (cast("5"), cast("6")) == ("5", 6)
