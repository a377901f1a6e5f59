"""Two schemas as one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimgmt.processes.sampling.fitting import Fitting
from apimgmt.processes.sampling.intersection import intersect, same, types_of
from apimgmt.processes.sampling.scalars import Unsatisfiable

FITTING = Fitting({}, "response")
VALUES = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=3) | st.lists(st.integers(0, 2), max_size=3)
)
SCHEMAS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["integer", "number", "string", ["string", "null"], "array", ["integer", "array"]]),
        "minimum": st.integers(-3, 3),
        "maximum": st.integers(-3, 3),
        "minLength": st.integers(0, 3),
        "maxItems": st.integers(0, 3),
        "uniqueItems": st.booleans(),
        "multipleOf": st.integers(1, 3),
        "enum": st.lists(VALUES, min_size=1, max_size=4),
        "items": st.booleans() | st.fixed_dictionaries({"minimum": st.integers(0, 2)}),
        "not": st.fixed_dictionaries({"enum": st.lists(VALUES, min_size=1, max_size=2)}),
    },
)


@given(SCHEMAS, SCHEMAS, VALUES)
def test_means_both(one: dict[str, Any], other: dict[str, Any], value: Any) -> None:
    """A value fits the intersection exactly if it fits both; where there is none, no value fits both."""
    both = FITTING.fits(value, one) and FITTING.fits(value, other)
    try:
        merged = intersect(one, other)
    except Unsatisfiable:
        assert not both
        return
    assert FITTING.fits(value, merged) == both


def test_objects() -> None:
    """Properties and required are put together, equal names hold both schemas, a closed side stays closed."""
    one = {"properties": {"a": {"type": "string"}, "b": True}, "required": ["a"], "description": "first"}
    other = {"properties": {"a": {"maxLength": 1}, "c": False}, "required": ["b", "a"], "description": "second"}
    merged = intersect(one, other)
    assert merged["properties"] == {"a": {"allOf": [{"type": "string"}, {"maxLength": 1}]}, "b": True, "c": False}
    assert (merged["required"], merged["description"]) == (["a", "b"], "first")
    closed = intersect(one, {"properties": {"a": True}, "additionalProperties": False})
    assert list(closed["properties"]) == ["a"]


@pytest.mark.parametrize(
    ("one", "other"),
    [({"type": "string"}, {"type": "integer"}), ({"enum": [1]}, {"enum": [True]}), ({"const": 1}, {"const": 2})],
)
def test_nothing_in_common(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Types, enumerations and constants that exclude each other are found at once; true is not 1."""
    with pytest.raises(Unsatisfiable):
        intersect(one, other)


def test_words() -> None:
    """Types are a list however they are written, and 1 equals 1.0."""
    assert (types_of({"type": "a"}), types_of({"type": ["a", "b"]}), types_of({})) == (["a"], ["a", "b"], [])
    assert same(1, 1.0)
    assert not same(1, True)


@pytest.mark.parametrize("word", ["readOnly", "writeOnly"])
def test_a_property_hidden_on_one_side_is_hidden(word: str) -> None:
    """``allOf`` of a shared object and of what may not be changed in it hides the property."""
    one, other = {"properties": {"a": {"type": "string"}}}, {"properties": {"a": {word: True}}}
    assert intersect(one, other)["properties"]["a"][word] is True
    assert intersect(other, one)["properties"]["a"][word] is True
