"""The tables and views of a database become entities, with their columns and keys, and can be used as stored."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from discovering import platform_with

from apimgmt.control.discovery.discoveries import Asked
from apimgmt.errors import Problem

TABLES = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(50) NOT NULL, born DATE);
CREATE TABLE places (region TEXT, number INTEGER, PRIMARY KEY (region, number));
CREATE TABLE log (line TEXT);
CREATE VIEW adults AS SELECT id FROM customers;
CREATE TABLE "odd; DROP TABLE x" ("a""b" TEXT);
INSERT INTO customers (name) VALUES ('Ada');
"""
CONNECTION = {"name": "db", "type": "sql", "baseUrl": "sqlite:///crm.db"}


def made(folder: Path) -> None:
    """A database in the folder of databases."""
    (folder / "databases").mkdir()
    with sqlite3.connect(folder / "databases" / "crm.db") as session:
        session.executescript(TABLES)
    session.close()


def test_tables_and_views_become_entities(tmp_path: Path) -> None:
    """With columns, types and keys; a view is read only, and a table without a key says so."""
    made(tmp_path)
    with platform_with(tmp_path, CONNECTION) as control:
        result = control.discoveries.discover("db", Asked(store=True))
        found = {one["name"]: one for one in result["entities"]}
        assert found["customers"]["definition"] == {
            "table": "customers",
            "key": ["id"],
            "fields": [
                {"name": "id", "type": "INTEGER"},
                {"name": "name", "type": "VARCHAR(50)", "nullable": False},
                {"name": "born", "type": "DATE"},
            ],
        }
        assert found["places"]["definition"]["key"] == ["region", "number"]
        assert found["adults"]["definition"]["view"] and found["adults"]["note"] == "a view: read only"
        assert found["log"]["note"].startswith("it has no key")
        assert result["kind"] == "database" and all(one["stored"] for one in result["entities"])
        connection = control.connections.opened("db", 5)
        assert connection.entity("customers").get(1)["name"] == "Ada"
        odd = connection.entity("odd_ DROP TABLE x")
        assert odd.create({'a"b': "x"}) == {'a"b': "x"} and list(odd.list()) == [{'a"b': "x"}]
        connection.close()
        assert {one["state"] for one in control.discoveries.discover("db", Asked())["entities"]} == {"same"}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Asked(content=b"x"), "describes itself"),
        (Asked(kind="openapi"), "is discovered by database"),
        (Asked(source="nowhere"), "there is no schema 'nowhere'; there are: main"),
    ],
    ids=["document", "kind", "schema"],
)
def test_what_cannot_be_discovered_is_told(tmp_path: Path, asked: Asked, words: str) -> None:
    """Nothing is stored."""
    made(tmp_path)
    with platform_with(tmp_path, CONNECTION) as control, pytest.raises(Problem, match=words):
        control.discoveries.discover("db", asked._replace(store=True))


def test_a_database_that_is_not_there_is_told(tmp_path: Path) -> None:
    """It is not made by looking."""
    with platform_with(tmp_path, CONNECTION) as control, pytest.raises(Problem, match=r"no file 'crm\.db'"):
        control.discoveries.discover("db", Asked())
    assert not (tmp_path / "databases").exists()
