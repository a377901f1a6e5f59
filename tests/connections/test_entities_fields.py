"""The fields of an entity: rows are cast, and what does not fit is reported with row, path and what was there."""

from __future__ import annotations

import os
import time
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import jsonpath_rfc9535
import pytest
import responses
from endpoints import BASE, endpoint

from apimgmt.connections.entities.fields import Field, Fields
from apimgmt.errors import ConnectionFailed

SCHEMA = [
    {"name": "id", "type": "string", "path": "$.id"},
    {"name": "name", "type": "string", "path": "$.name"},
    {"name": "email", "type": "string", "path": "$.contact.email"},
    {"name": "created", "type": "datetime", "path": "$.createdAt"},
    {"name": "total", "type": "number"},
    {"name": "active", "type": "boolean"},
]


def cast(kind: str, value: Any) -> Any:
    """A value through a field of that type."""
    return Fields([Field(name="v", type=kind)]).cast({"v": value}, 1)["v"]  # type: ignore[arg-type]


@pytest.mark.rows("C-030", "C-031")
@responses.activate
def test_rows_have_the_fields_of_the_schema_in_their_types() -> None:
    """By name, type and JSON path; what is not there and not required is None."""
    row = {"id": 7, "name": "A", "contact": {"email": "a@b.example"}, "createdAt": "2026-01-02T03:04:05Z", "x": 1}
    responses.get(f"{BASE}/customers", json=[{**row, "total": "12.5", "active": True}, {"id": "8"}])
    first, second = endpoint(fields=SCHEMA).list()
    assert first == {
        "id": "7",
        "name": "A",
        "email": "a@b.example",
        "created": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "total": 12.5,
        "active": True,
    }
    assert second == {"id": "8", "name": None, "email": None, "created": None, "total": None, "active": None}


@pytest.mark.rows("C-031")
@pytest.mark.parametrize(
    ("kind", "value", "made"),
    [
        ("string", "x", "x"),
        ("string", 5, "5"),
        ("string", True, "true"),
        ("integer", 5, 5),
        ("integer", 5.0, 5),
        ("integer", "-12", -12),
        ("number", 1.5, 1.5),
        ("number", 3, 3),
        ("number", "-1.5e3", -1500.0),
        ("boolean", False, False),
        ("boolean", "true", True),
        ("datetime", "2026-01-02T03:04:05.678+02:00", datetime(2026, 1, 2, 1, 4, 5, 678000, tzinfo=UTC)),
        ("datetime", "2026-01-02T03:04:05.000+0000", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("datetime", "2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("datetime", 1_680_893_993, datetime(2023, 4, 7, 18, 59, 53, tzinfo=UTC)),
        ("date", "2026-01-02", date(2026, 1, 2)),
        ("json", {"a": [1]}, {"a": [1]}),
    ],
    ids=lambda value: ascii(value),
)
def test_a_value_is_cast(kind: str, value: Any, made: Any) -> None:
    """What says the same in another writing is taken."""
    found = cast(kind, value)
    assert found == made and type(found) is type(made)


@pytest.mark.rows("C-075")
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", {"a": 1}),
        ("string", [1]),
        ("integer", "1.5"),
        ("integer", 1.5),
        ("integer", True),
        ("integer", "९"),
        ("integer", "1" * 5_000),
        ("number", "NaN"),
        ("number", "1e999"),
        ("number", True),
        ("number", "1_000"),
        ("boolean", 1),
        ("boolean", "yes"),
        ("datetime", "yesterday"),
        ("datetime", "2026-13-01T00:00:00Z"),
        ("datetime", 1e20),
        ("datetime", True),
        ("date", "2026-02-30"),
        ("date", "20260102"),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_a_value_of_another_kind_is_a_mismatch(kind: str, value: Any) -> None:
    """Nothing is guessed."""
    with pytest.raises(ConnectionFailed) as caught:
        cast(kind, value)
    assert caught.value.cause == "schema" and len(str(caught.value)) < 150


@pytest.mark.rows("C-075")
@responses.activate
def test_a_mismatch_names_entity_row_path_and_what_was_there() -> None:
    """Row numbers count from 1 over all pages."""
    pages = [[{"id": 1, "createdAt": "2026-01-02T03:04:05Z"}] * 2, [{"id": 2, "createdAt": "yesterday" * 50}]]
    for page in pages:
        responses.get(f"{BASE}/customers", json=page)
    source = endpoint(fields=SCHEMA, pagination={"kind": "offset", "size": 2})
    with pytest.raises(ConnectionFailed) as caught:
        list(source.list())
    assert caught.value.cause == "schema"
    assert str(caught.value) == (
        "customers: row 3: at $.createdAt there is no datetime but the text 'yesterdayyesterdayyesterdayyesterdayyes…'"
    )


@pytest.mark.parametrize(("row", "what"), [({}, "is not there"), ({"id": None}, "is null"), (5, "is not there")])
def test_a_required_field_must_be_there(row: Any, what: str) -> None:
    """Neither absent nor null, also in a row that is no object."""
    with pytest.raises(ConnectionFailed, match=rf"row 4: \$.id {what}, but is required"):
        Fields([Field(name="id", type="string", required=True)]).cast(row, 4)


@pytest.mark.parametrize("name", ["a b", "it's", "back\\slash", "line\nbreak", "ü", "$", "*"])
def test_a_field_without_a_path_is_the_member_of_its_name(name: str) -> None:
    """Whatever signs the name has."""
    assert Fields([Field(name=name)]).cast({name: 1}, 1) == {name: 1}


def test_an_offset_is_kept() -> None:
    """A time with an offset is the same moment, with its offset."""
    assert cast("datetime", "2026-01-02T03:04:05+02:00").tzinfo == timezone(timedelta(hours=2))


@pytest.mark.skipif("APIMGMT_MEASURE" not in os.environ, reason="a measurement: set APIMGMT_MEASURE=1, run with -s")
def test_how_long_casting_takes() -> None:
    """100,000 rows of 5 fields: by direct access with casts, and by the library's way without."""
    rows = [{"id": n, "name": "x", "contact": {"email": "e"}, "total": 1.5, "active": True} for n in range(100_000)]
    fields = [Field(**field) for field in SCHEMA if field["type"] != "datetime"]
    casting = Fields(fields)
    began = time.perf_counter()
    for number, row in enumerate(rows, 1):
        casting.cast(row, number)
    print(f"\ndirect: {time.perf_counter() - began:.2f} s")
    queries = [jsonpath_rfc9535.compile(field.path or f"$.{field.name}") for field in fields]
    began = time.perf_counter()
    for row in rows:
        [query.find_one(row) for query in queries]
    print(f"library: {time.perf_counter() - began:.2f} s")
