"""Reference data: fetched once, kept for a while, within bounds, by one at a time, and looked up by a field."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import responses
from endpoints import BASE, connected, endpoint

from apimgmt.connections.entities.caching import Caching, Lookup
from apimgmt.errors import ConnectionFailed, SettingInvalid


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def counted(rows: list[Any]) -> tuple[Callable[[], list[Any]], list[int]]:
    """A fetch of these rows, and a list that grows with each."""
    times: list[int] = []

    def fetch() -> list[Any]:
        times.append(1)
        return rows

    return fetch, times


@pytest.mark.rows("C-072")
@responses.activate
def test_stable_data_is_cached_on_the_connection() -> None:
    """One request for the same question, whoever asks; another question is another request."""
    responses.get(f"{BASE}/customers", json=[{"code": "DE", "names": ["Germany"]}])
    connection = connected({"countries": {"path": "/customers", "cache": 60}})
    first = list(connection.entity("countries").list())
    first[0]["names"].append("changed")
    assert list(connection.entity("countries").list()) == [{"code": "DE", "names": ["Germany"]}]
    assert len(responses.calls) == 1
    list(connection.entity("countries").list(region="eu"))
    assert len(responses.calls) == 2
    connection.entity("countries").forget()
    list(connection.entity("countries").list())
    assert len(responses.calls) == 3


@responses.activate
def test_nothing_is_cached_unless_it_is_said() -> None:
    """Nor is an error."""
    responses.get(f"{BASE}/customers", json=[])
    plain = endpoint()
    assert list(plain.list()) == list(plain.list()) == []
    assert len(responses.calls) == 2
    responses.replace("GET", f"{BASE}/customers", status=500)
    cached = endpoint(cache=60)
    for _ in range(2):
        with pytest.raises(ConnectionFailed):
            list(cached.list())
    assert len(responses.calls) == 4


@pytest.mark.rows("C-072")
def test_what_is_cached_is_fresh_for_its_seconds() -> None:
    """Up to the last moment, and not after it."""
    clock = Clock()
    caching = Caching(60, clock=clock)
    fetch, times = counted([1])
    caching.rows("k", fetch)
    clock.now = 59.9
    assert caching.rows("k", fetch) == (1,) and len(times) == 1
    clock.now = 60.0
    assert caching.rows("k", fetch) == (1,) and len(times) == 2


def test_what_is_kept_is_bounded() -> None:
    """By rows of one list, by rows of all, and by lists; what was not used for longest goes first."""
    caching = Caching(60, most_rows=10, most_entries=3)
    assert len(caching.rows("ten", lambda: range(10))) == 10
    with pytest.raises(ConnectionFailed) as caught:
        caching.rows("eleven", lambda: range(11))
    assert caught.value.cause == "too-large"
    fetch, times = counted([1, 2])
    for key in ("a", "b", "c", "a", "d", "a"):
        caching.rows(key, fetch)
    assert len(times) == 4
    caching.rows("b", fetch)
    assert len(times) == 5


def test_a_list_without_end_is_not_read_to_its_end() -> None:
    """Only one row more than is kept."""
    seen: list[int] = []

    def endless() -> Any:
        while True:
            seen.append(1)
            yield 1

    with pytest.raises(ConnectionFailed):
        Caching(60, most_rows=10).rows("k", endless)
    assert len(seen) == 11


@pytest.mark.rows("C-072")
def test_what_several_want_at_once_is_fetched_by_one() -> None:
    """Twenty threads, one fetch; other keys do not wait for it."""
    caching = Caching(60)
    inside, go_on = threading.Event(), threading.Event()
    times: list[int] = []

    def slow() -> list[int]:
        times.append(1)
        inside.set()
        assert go_on.wait(30)
        return [1]

    with ThreadPoolExecutor(20) as pool:
        found = [pool.submit(caching.rows, "slow", slow) for _ in range(20)]
        assert inside.wait(30)
        assert caching.rows("other", lambda: [2]) == (2,)
        go_on.set()
        assert [each.result(30) for each in found] == [(1,)] * 20
    assert len(times) == 1


def test_after_a_failed_fetch_the_next_one_tries() -> None:
    """The failure is that of whoever fetched; nothing is left behind."""
    caching = Caching(60)

    def failing() -> Any:
        raise ConnectionFailed("timeout", "late")

    with pytest.raises(ConnectionFailed):
        caching.rows("k", failing)
    assert caching.rows("k", lambda: [1]) == (1,)


@pytest.mark.rows("C-054")
@responses.activate
def test_reference_data_becomes_a_lookup_table() -> None:
    """Got once, stored, and used by one of its fields."""
    responses.get(
        f"{BASE}/customers", json={"rows": [{"code": "DE", "name": "Germany"}, {"code": "FI", "name": "Finland"}]}
    )
    source = endpoint(dataPath="$.rows", cache=3600)
    orders = [{"id": 1, "country": "FI"}, {"id": 2, "country": "DE"}, {"id": 3, "country": "XX"}]
    names = []
    for order in orders:
        countries = source.lookup("code")
        names.append(countries[order["country"]]["name"] if order["country"] in countries else None)
    assert names == ["Finland", "Germany", None]
    assert len(responses.calls) == 1
    table = source.lookup("code")
    assert (len(table), list(table), table.get("XX")) == (2, ["DE", "FI"], None)
    table["DE"]["name"] = "changed"
    assert table["DE"]["name"] == source.lookup("code")["DE"]["name"] == "Germany"


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([{"code": 1}, {"code": 1}], "row 2: its 'code' is that of an earlier row"),
        ([{"code": 1}, {"name": 1}], "row 2: there is no key 'code'"),
        ([{"code": None}], "row 1: there is no key 'code'"),
        ([{"code": [1]}], "row 1: there is no key 'code'"),
        ([5], "row 1: there is no key 'code'"),
    ],
    ids=["twice", "absent", "null", "array", "no object"],
)
def test_a_key_that_does_not_tell_rows_apart_is_an_error(rows: list[Any], what: str) -> None:
    """A table that silently had one of two rows would be wrong."""
    with pytest.raises(ConnectionFailed, match=what) as caught:
        Lookup("code", rows)
    assert caught.value.cause == "schema"


def test_a_lookup_of_what_has_no_rows_is_refused() -> None:
    """An entity that only sends has nothing to look up."""
    with pytest.raises(SettingInvalid, match="not for lookup"):
        endpoint(method="PUT").lookup("code")
