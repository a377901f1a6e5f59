"""Strict JSON: what orjson alone would let through, and every limit at the limit and one past it."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimgmt.errors import Problem
from apimgmt.settings import Settings
from apimgmt.spec.request.strictjson import parse_json

SETTINGS = Settings()


def refused(content: bytes, settings: Settings = SETTINGS) -> str:
    """Why a text is refused."""
    with pytest.raises(Problem) as caught:
        parse_json(content, settings)
    assert caught.value.code == "malformed-body"
    return caught.value.detail


TWICE = [
    b'{"a":1,"a":2}',
    b'{"a" : 1, "a"\n: 2}',
    b'{"x":{"b":1,"b":2},"c":"x:y"}',
    b'[{"a":1,"a":2,"k":"\\u003a"}]',
    b'{"a":1,"\\u0061":2}',
    b'{"a":":","a":""}',
    b'{"a":12345678901234567890123,"a":2}',
    b'{"a":' + b"[" * 40 + b'{"b":1,"b":2}' + b"]" * 40 + b"}",
]


@pytest.mark.parametrize("content", TWICE)
def test_a_name_twice_in_one_object_is_refused(content: bytes) -> None:
    """Parsers disagree about which of two equal names counts; so neither does."""
    assert "twice" in refused(content)


def test_the_naive_parsers_let_them_pass() -> None:
    """orjson and json keep one of the two: the test above fails for them."""
    assert all(orjson.loads(content) and json.loads(content) for content in TWICE)


@pytest.mark.parametrize("content", [b'{"a:b":1,"c":":"}', b'{"a\\u003ab":1}', b'{"a": {"a": 1}}', b'{"a" :1}', b'":"'])
def test_colons_in_texts_do_not_mislead(content: bytes) -> None:
    """What looks like a member but is not is no reason to refuse."""
    assert parse_json(content, SETTINGS) == json.loads(content)


@pytest.mark.parametrize("number", [2**53 + 1, 2**63, 2**64, 2**64 + 1, -(2**63) - 1, 10**300 + 1])
def test_integers_are_exact(number: int) -> None:
    """Integers beyond 64 bits keep their value, wherever they stand."""
    assert parse_json(str(number).encode(), SETTINGS) == number
    assert parse_json(b'{"a":[{"b":%d}]}' % number, SETTINGS) == {"a": [{"b": number}]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e400",
        b"12345678901234567890e300",
        b"01",
        b"+1",
        b"1.",
        b"[1,]",
        b"{'a':1}",
        b'{"a":1}x',
        b'"\xff"',
        b'"\\ud800"',
        b'["\\ud800", 12345678901234567890]',
        b'"\x01"',
        b"\xef\xbb\xbf1",
        '"é"'.encode("utf-16"),
        '"é"'.encode("latin-1"),
        b"[12345678901234567890",
        b"// a\n1",
    ],
)
def test_what_is_not_json_is_refused(content: bytes) -> None:
    """Not-a-number, comments, other encodings, half characters and byte order marks included."""
    assert refused(content)


def test_the_limit_of_digits() -> None:
    """A number of 309 characters is read, one of 310 is not; neither in a text nor elsewhere is it counted."""
    assert parse_json(b"1" * 309, SETTINGS) == int("1" * 309)
    assert "309" in refused(b"1" * 310)
    assert "309" in refused(b"1." + b"1" * 308)
    assert parse_json(b'"' + b"1" * 400 + b'"', SETTINGS) == "1" * 400
    assert parse_json(b'"\\u0041' + b"1" * 400 + b'"', SETTINGS) == "A" + "1" * 400
    small = Settings(json_digits=5)
    assert parse_json(b"[12345,1.234]", small) == [12345, 1.234]
    assert refused(b"123456", small) and refused(b"1.2345", small) and refused(b"-12345", small)


def test_the_limit_of_depth() -> None:
    """Nested as deep as allowed is read, one deeper is not; very deep texts cost nothing."""
    assert parse_json(b"[" * 64 + b"]" * 64, SETTINGS)
    assert "64" in refused(b"[" * 65 + b"]" * 65)
    assert "64" in refused(b'{"a":' * 65 + b"1" + b"}" * 65)
    assert refused(b"[" * 1_000_000)
    assert refused(b"[12345678901234567890," * 100_000)
    wide = b"[" + b"[]," * 100 + b"[]]"
    assert len(parse_json(wide, SETTINGS)) == 101


def test_depth_beyond_what_is_written_again() -> None:
    """Where the limit is set higher than orjson can write, equal names are still found."""
    deep = Settings(json_depth=900)
    assert parse_json(b"[" * 800 + b'{"a":1,"b":2}' + b"]" * 800, deep)
    assert "twice" in refused(b"[" * 800 + b'{"a":1,"a":2}' + b"]" * 800, deep)


def test_the_limit_of_values() -> None:
    """As many values as allowed are read, one more is not; commas in texts are not counted."""
    settings = Settings(json_nodes=5)
    assert parse_json(b"[1,2,3,4]", settings) == [1, 2, 3, 4]
    assert "5" in refused(b"[1,2,3,4,5]", settings)
    assert refused(b'{"a":1,"b":2,"c":3,"d":4,"e":5}', settings)
    assert parse_json(b'{"a":1,"b":2,"c":3,"d":4}', settings)
    assert parse_json(b'[",,,,,,,,"]', settings) == [",,,,,,,,"]


def test_a_refusal_says_where() -> None:
    """The detail has line and column and none of the text."""
    detail = refused(b'{"secret": oops}')
    assert "line 1 column" in detail and "oops" not in detail


VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.sampled_from([None, 1]), st.booleans())
def test_every_value_is_read_back(value: Any, indent: int | None, ascii_only: bool) -> None:
    """What any writer of JSON writes is read as it was, whatever is in the names and texts."""
    try:
        content = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return
    assert parse_json(content, SETTINGS) == value


@given(st.binary(max_size=40))
def test_nothing_raises_anything_else(content: bytes) -> None:
    """Whatever bytes come: a value that json reads too, or a malformed body."""
    try:
        value = parse_json(content, SETTINGS)
    except Problem as problem:
        assert problem.code == "malformed-body"
    else:
        assert json.loads(content) == value


def test_the_limit_of_digits_holds_for_what_orjson_writes_itself() -> None:
    """The longest number that orjson writes has 24 characters: one fewer allowed, and the quick look is not enough."""
    longest = b"-1.2345678901234567e-308"
    assert len(longest) == 24 and orjson.dumps(orjson.loads(longest)) == longest
    assert parse_json(longest, Settings(json_digits=24)) == float(longest)
    assert "23 characters" in refused(longest, Settings(json_digits=23))
    assert "5 characters" in refused(b'{"a":123456}', Settings(json_digits=5))
