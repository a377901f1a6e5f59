"""Data paths: rows are found where the path leads, and a path that leads nowhere says what is there instead."""

from __future__ import annotations

from typing import Any

import jsonpath_rfc9535
import pytest
import responses
from endpoints import BASE, endpoint
from hypothesis import given, settings
from hypothesis import strategies as st

from apimgmt.connections.entities.datapath import ABSENT, DataPath
from apimgmt.errors import ConnectionFailed, SettingInvalid

DOCUMENT = {"data": {"customers": [{"id": 1}, {"id": 2}], "none": None, "no": []}, "meta": {"total": 156}, "a b": [3]}


@pytest.mark.rows("C-042")
@responses.activate
def test_rows_are_at_the_data_path() -> None:
    """``$.data.customers`` of an answer with other things around it."""
    responses.get(f"{BASE}/customers", json=DOCUMENT)
    assert list(endpoint(dataPath="$.data.customers").list()) == [{"id": 1}, {"id": 2}]


@pytest.mark.rows("C-043")
@responses.activate
def test_a_direct_array_is_the_rows() -> None:
    """``$`` is the whole answer, and is what a path is that nobody gave."""
    responses.get(f"{BASE}/customers", json=[{"id": 1}, {"id": 2}])
    assert list(endpoint(dataPath="$").list()) == list(endpoint().list()) == [{"id": 1}, {"id": 2}]


@pytest.mark.rows("C-044")
@responses.activate
def test_a_path_that_finds_nothing_names_itself_and_the_top_level_keys() -> None:
    """So that whoever set it sees what to set."""
    responses.get(f"{BASE}/customers", json=DOCUMENT)
    with pytest.raises(ConnectionFailed) as caught:
        list(endpoint(dataPath="$.data.clients").list())
    assert caught.value.cause == "data-path"
    assert str(caught.value) == (
        "customers: the data path $.data.clients leads nowhere; "
        "the answer is an object with the members: 'data', 'meta', 'a b'"
    )


@pytest.mark.parametrize(
    ("path", "rows"),
    [
        ("$.data.customers", [{"id": 1}, {"id": 2}]),
        ("$['data']['customers'][*]", [{"id": 1}, {"id": 2}]),
        ("$.data.customers[-1]", [{"id": 2}]),
        ("$.data.customers[?@.id > 1]", [{"id": 2}]),
        ("$.data.customers[?@.id > 5]", []),
        ("$.data.customers[5:]", []),
        ("$.data.no", []),
        ("$.data.no[*]", []),
        ("$.data.none", []),
        ("$..id", [1, 2]),
        ("$['a b']", [3]),
        ("$.meta", [{"total": 156}]),
        ("$", [DOCUMENT]),
    ],
    ids=str,
)
def test_what_counts_as_rows(path: str, rows: list[Any]) -> None:
    """An array's members, an object as one row, nothing for null; a filter may let nothing pass."""
    assert DataPath(path).rows(DOCUMENT) == rows


@pytest.mark.parametrize(
    "path",
    ["$.x", "$.x[*]", "$.data.customers[2]", "$..x", "$.x[?@.a]", "$.data[0]", "$.data.customers.id", "$.x.y[0]"],
)
def test_a_path_into_nothing_is_an_error(path: str) -> None:
    """Also where a wildcard or a filter would have something to choose from, had it been there."""
    with pytest.raises(ConnectionFailed) as caught:
        DataPath(path).rows(DOCUMENT)
    assert caught.value.cause == "data-path" and path in str(caught.value)


@pytest.mark.parametrize(
    ("document", "there"),
    [([1, 2], "an array of 2"), ({}, "an empty object"), ("x" * 90, "the text"), (None, "null"), (5, "the number 5")],
    ids=["array", "empty", "text", "null", "number"],
)
def test_what_is_there_instead_is_said_shortly(document: Any, there: str) -> None:
    """Whatever the answer is; never all of it."""
    with pytest.raises(ConnectionFailed, match=there) as caught:
        DataPath("$.rows").rows(document)
    assert len(str(caught.value)) < 150


def test_many_and_long_keys_are_cut() -> None:
    """An answer cannot fill the log: 20 keys of 60 characters."""
    with pytest.raises(ConnectionFailed) as caught:
        DataPath("$.x").rows({f"{number:03}" + "k" * 1_000: 1 for number in range(1_000)})
    assert str(caught.value).count("'") == 40 and len(str(caught.value)) < 1_500


def test_a_single_value_is_no_rows() -> None:
    """A text or a number where rows should be is a mismatch, not a row."""
    with pytest.raises(ConnectionFailed, match="there are no rows but the number 156") as caught:
        DataPath("$.meta.total").rows(DOCUMENT)
    assert caught.value.cause == "schema"


@pytest.mark.parametrize(
    "text", ["", "a", "$.", "$.a b", "$[?match(@.a, 'x')]", "$[?search(@.a, 'x')]", "$[", "$" * 1_001]
)
def test_what_is_no_path_is_refused(text: str) -> None:
    """Also functions that would run patterns over foreign texts without a limit in time."""
    with pytest.raises(SettingInvalid):
        DataPath(text)


def test_an_answer_that_is_too_deep_is_an_error() -> None:
    """Looking through it does not run the process out of stack."""
    deep: Any = {}
    for _ in range(5_000):
        deep = {"a": deep}
    with pytest.raises(ConnectionFailed, match="too deep") as caught:
        DataPath("$..x").rows(deep)
    assert caught.value.cause == "data-path"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab'", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab'\n", max_size=2), inner, max_size=3),
    max_leaves=20,
)
steps = st.lists(st.integers(-3, 3) | st.text("ab'\n", max_size=2), max_size=4)


@settings(deadline=None)
@given(json_values, steps)
def test_direct_access_finds_what_the_library_finds(document: Any, taken: list[int | str]) -> None:
    """A differential test: the short way and the long way agree on every path to one place."""
    names = [str(step) if isinstance(step, int) else _quoted(step) for step in taken]
    text = "$" + "".join(f"[{name}]" for name in names)
    expected = [node.value for node in jsonpath_rfc9535.find(text, document)]
    found = DataPath(text).first(document)
    assert ([] if found is ABSENT else [found]) == expected


def _quoted(name: str) -> str:
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"
