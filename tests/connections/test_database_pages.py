"""The examples of the pages on databases and on discovery run, as they stand there."""

from __future__ import annotations

import doctest
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import responses
from databases import sqlite
from odataservice import ROOT, Service

from apimgmt.connections.configuration import Configuration, Type
from apimgmt.connections.entities.filters import MOST_VALUES, OPERATORS
from apimgmt.connections.entities.location import SSL_MODES, located
from apimgmt.connections.entities.sql import Table
from apimgmt.connections.known import connections
from apimgmt.model import ConnectionEntry
from apimgmt.reading import read
from apimgmt.settings import Settings

DOCS = Path(__file__).resolve().parents[2] / "docs"
FIELDS = {"Id": "Edm.Int32", "Name": "Edm.String", "Age": "Edm.Int32"}
ROWS: list[dict[str, Any]] = [
    {"Id": 1, "Name": "Ada", "Age": 36},
    {"Id": 2, "Name": "O'Hara", "Age": 44},
    {"Id": 3, "Name": "O'Neill", "Age": 17},
]


def text(page: str) -> str:
    """A page."""
    return (DOCS / page).read_text("utf-8")


@contextmanager
def known(settings: Settings, name: str, members: dict[str, Any], entities: dict[str, Any]) -> Iterator[None]:
    """The connection that functions find by this name."""
    connections.prepared([ConnectionEntry(id=name, name=name, settings=members, entities=entities)], settings)()
    try:
        yield
    finally:
        connections.find(name).close()
        connections.prepared([], settings)()


def run(page: str) -> None:
    """Run the examples of a page; every difference is an error."""
    example = doctest.DocTestParser().get_doctest(text(page), {}, page, page, 0)
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(example)
    assert runner.summarize(verbose=False) == (0, len(example.examples)) and example.examples


def test_the_examples_on_databases_run(tmp_path: Path) -> None:
    """On a SQLite with the table that they speak of."""
    entities = {"customers": {"table": "customers"}}
    with sqlite(tmp_path) as prepared, known(prepared.settings, "shop", prepared.members, entities):
        run("databases.md")


def test_the_examples_on_odata_run(tmp_path: Path) -> None:
    """On a service that reads filters as OData has them."""
    fields = [{"name": name, "type": kind} for name, kind in FIELDS.items()]
    entities = {"Customers": {"set": "Customers", "key": ["Id"], "fields": fields}}
    members = {"type": "odata", "baseUrl": ROOT, "retries": {"count": 0}}
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        Service(mock, ROWS)
        with known(Settings(data=str(tmp_path)), "erp", members, entities):
            run("discovery.md")


def test_the_pages_name_what_there_is() -> None:
    """Operators, modes of TLS, limits, types of connections; the settings that are shown can be read."""
    page = text("databases.md")
    assert all(f"`{word}`" in page for word in (*OPERATORS, *SSL_MODES)) and f"{MOST_VALUES:,}" in page
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    located(read({name: value for name, value in blocks[0].items() if name != "name"}, Configuration))
    read(blocks[1], Table)
    assert all(f"`{kind}`" in text("discovery.md") for kind in Type.__args__)  # type: ignore[attr-defined]
    for block in re.findall(r"```json\n(.*?)```", text("discovery.md"), re.DOTALL):
        read({name: value for name, value in json.loads(block).items() if name != "name"}, Configuration)


@pytest.mark.parametrize("member", ["table", "schema", "view", "key", "fields"])
def test_every_member_of_a_table_is_explained(member: str) -> None:
    """In the table of the page."""
    assert re.search(rf"^\|.*`{member}`.*\|", text("databases.md"), re.MULTILINE)
