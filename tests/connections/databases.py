"""Databases to test with: a SQLite in a data folder, and a schema of its own in the local PostgreSQL, by TCP.

The PostgreSQL is the one at APIMGMT_TEST_DATABASE_URL or the local one; a role with a password is made in it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy

import apimgmt.connections.authentication.basic
import apimgmt.connections.authentication.none  # noqa: F401  importing a kind registers it
from apimgmt.connections.configuration import Configuration
from apimgmt.connections.connection import Connection
from apimgmt.reading import read
from apimgmt.settings import Settings

LOCAL_POSTGRESQL = "postgresql+psycopg:///test"
CUSTOMERS = (
    "CREATE TABLE customers (id integer PRIMARY KEY, name text NOT NULL UNIQUE, age integer, born date,"
    " balance numeric(12,2), active boolean)",
    "CREATE VIEW adults AS SELECT id, name FROM customers WHERE age >= 18",
    "CREATE TABLE places (region text, number integer, label text, PRIMARY KEY (region, number))",
)


class Prepared(NamedTuple):
    """A database with the tables above: who may administer it, and the members of a connection to it."""

    engine: sqlalchemy.Engine
    members: dict[str, Any]
    settings: Settings
    schema: str

    def connection(self, entities: Mapping[str, Any] | None = None, **members: Any) -> Connection:
        """A connection to it; ``customers``, ``adults`` and ``places`` are its entities."""
        tables = {"customers": {}, "adults": {"view": True, "key": ["id"]}, "places": {}}
        every = {name: {"table": name, "schema": self.schema, **more} for name, more in tables.items()}
        given = {**self.members, "timeout": 30, **members}
        return Connection("db", read(given, Configuration), every if entities is None else entities, self.settings)

    def run(self, text: str, *values: Mapping[str, Any]) -> Any:
        """Run SQL as its administrator; the rows, if there are any."""
        with self.engine.begin() as session:
            result = session.execute(sqlalchemy.text(text), list(values) or None)
            return [tuple(row) for row in result] if result.returns_rows else None


@contextmanager
def sqlite(folder: Path) -> Iterator[Prepared]:
    """A file in the folder ``databases`` of a data folder."""
    (folder / "databases").mkdir()
    engine = sqlalchemy.create_engine(f"sqlite:///{folder / 'databases' / 'crm.db'}")
    members = {"type": "sql", "baseUrl": "sqlite:///crm.db"}
    prepared = Prepared(engine, members, Settings(data=str(folder)), "")
    for statement in CUSTOMERS:
        prepared.run(statement)
    yield prepared
    engine.dispose()


@contextmanager
def postgresql(folder: Path) -> Iterator[Prepared]:
    """A schema and a role of its own; skips, with the reason, where there is no PostgreSQL that listens on TCP."""
    name, password = f"apimgmt_test_{secrets.token_hex(6)}", secrets.token_hex(16)
    url = sqlalchemy.make_url(os.environ.get("APIMGMT_TEST_DATABASE_URL", LOCAL_POSTGRESQL))
    engine = sqlalchemy.create_engine(url, connect_args={"options": f"-c search_path={name}"})
    try:
        with engine.begin() as session:
            port = session.execute(sqlalchemy.text("SHOW port")).scalar_one()
            session.execute(sqlalchemy.text(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'"))
            session.execute(sqlalchemy.text(f"CREATE SCHEMA {name}"))
            session.execute(sqlalchemy.text(f"GRANT USAGE ON SCHEMA {name} TO {name}"))
            session.execute(sqlalchemy.text(f"ALTER ROLE {name} SET search_path = {name}"))
    except (ImportError, sqlalchemy.exc.SQLAlchemyError) as error:
        pytest.skip(f"no PostgreSQL to test with: {str(error).splitlines()[0]}")
    members = {
        "type": "sql",
        "baseUrl": f"postgresql://{url.host or 'localhost'}:{port}/{url.database}",
        "authentication": {"kind": "basic", "username": name, "password": password},
        "internalHosts": [url.host or "localhost"],
    }
    prepared = Prepared(engine, members, Settings(data=str(folder)), name)
    for statement in CUSTOMERS:
        prepared.run(statement)
    prepared.run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {name} TO {name}")
    try:
        yield prepared
    finally:
        prepared.run(f"DROP SCHEMA {name} CASCADE")
        prepared.run(f"DROP OWNED BY {name}")
        prepared.run(f"DROP ROLE {name}")
        engine.dispose()


KINDS = {"sqlite": sqlite, "postgresql": postgresql}
