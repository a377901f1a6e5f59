"""Rows of a database in expressions: what a database gives is not yet JSON."""

from __future__ import annotations

import sqlite3
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from processes.flows.flowing import definition, run

from apimgmt.connections.known import connections
from apimgmt.model import ConnectionEntry
from apimgmt.processes.flows.functions.entity import plain
from apimgmt.settings import Settings


async def test_rows_of_a_table_can_be_worked_on_with_jq(tmp_path: Path) -> None:
    """Also by what is not compiled into functions: names of columns and exact numbers go to the child process."""
    (tmp_path / "databases").mkdir()
    session = sqlite3.connect(tmp_path / "databases" / "shop.db")
    session.execute("CREATE TABLE products (id INTEGER PRIMARY KEY, price NUMERIC(10, 2), born DATE)")
    session.execute("INSERT INTO products VALUES (1, 12.5, '2024-01-31'), (2, 7, NULL)")
    session.commit()
    session.close()
    settings = {"type": "sql", "baseUrl": "sqlite:///shop.db"}
    entry = ConnectionEntry(id="c1", name="shop", settings=settings, entities={"products": {"table": "products"}})
    connections.prepared([entry], Settings(data=str(tmp_path)))()
    flow = definition(
        {"call": "entity", "with": {"connection": "shop", "entity": "products", "parameters": {"order": "id"}}},
        {"set": {"total": "${ [.[].price] | add }", "born": "${ [.[].born] | sort | last }", "rows": "${ . }"}},
    )
    try:
        output = await run(flow, {})
    finally:
        connections.prepared([], Settings())()
    assert (output["total"], output["born"]) == (19.5, "2024-01-31")
    assert output["rows"][0] == {"id": 1, "price": 12.5, "born": "2024-01-31"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("12.50"), 12.5),
        (Decimal("12"), 12),
        (date(2024, 1, 31), "2024-01-31"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (b"\x00\xff", "AP8="),
        ({"a": (None, True, "x")}, {"a": [None, True, "x"]}),
    ],
    ids=["decimal", "whole", "date", "uuid", "bytes", "nested"],
)
def test_values_of_databases_become_values_of_json(value: object, expected: object) -> None:
    """Each kind that a column can have."""
    assert plain(value) == expected
