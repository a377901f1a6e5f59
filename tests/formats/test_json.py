"""JSON: what orjson writes, and what it refuses and we write all the same."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimgmt.formats.json import Json, dumps
from apimgmt.processes import Body, Members


@dataclasses.dataclass
class Point:
    """A value that describes itself by its fields."""

    x: int


class Pair(msgspec.Struct):
    """A struct."""

    left: int


class Color(enum.Enum):
    """An enumeration."""

    RED = "red"


class Model:
    """A class as code generators write them."""

    def to_dict(self) -> dict[str, int]:
        """The members."""
        return {"m": 1}


@pytest.mark.rows("F-110")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Members(a=Body(b=1)), '{"a":{"b":1}}'),
        (Point(1), '{"x":1}'),
        (Pair(1), '{"left":1}'),
        (Model(), '{"m":1}'),
        (Color.RED, '"red"'),
        ({1}, "[1]"),
        (decimal.Decimal("1.50"), "1.50"),
        (decimal.Decimal("NaN"), "null"),
        (float("inf"), "null"),
        (b"ab", '"YWI="'),
        (datetime.datetime(2024, 1, 2, 3, 4, 5), '"2024-01-02T03:04:05Z"'),
        (datetime.date(2024, 1, 2), '"2024-01-02"'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (2**63, "9223372036854775808"),
        (2**64, "18446744073709551616"),
        ({1: {None: 2}}, '{"1":{"null":2}}'),
    ],
)
def test_values(value: Any, text: str) -> None:
    """Every kind of value that functions return has one JSON form, also beside an integer over 64 bits."""
    assert dumps(value) == text.encode()
    assert dumps([value, 2**70]) == f"[{text},{2**70}]".encode()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    ).filter(lambda value: "\\ud" not in json.dumps(value).replace("\\\\", ""))
)
def test_round_trip(value: Any) -> None:
    """What JSON can say comes back as it was."""
    assert json.loads(dumps(value)) == value


@pytest.mark.parametrize("value", [object(), "\ud800", lambda: 1, {"a": {object()}}])
def test_without_json(value: Any) -> None:
    """A value without a JSON form is a TypeError or ValueError, never half an answer."""
    with pytest.raises((TypeError, ValueError)):
        dumps(value)


def test_media_types() -> None:
    """JSON is application/json and what ends in +json."""
    assert [Json.writes(name) for name in ("application/json", "application/hal+json", "application/xml")] == [
        True,
        True,
        False,
    ]
    assert Json.dump({"a": 1}, True, {}) == b'{"a":1}'
