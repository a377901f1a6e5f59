"""The databases and places that the tests of the runner share."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from postgresql_server import PostgresqlServer
from runner_place import Place


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """SQLite in the data folder, or a PostgreSQL database of the test's own."""
    if request.param == "sqlite":
        yield ""
        return
    local = os.environ.get("APIMGMT_TEST_DATABASE_URL", "postgresql+psycopg:///test")
    name = f"apimgmt_runs_{secrets.token_hex(4)}"
    try:
        engine = sqlalchemy.create_engine(local, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    except (ImportError, sqlalchemy.exc.SQLAlchemyError) as error:
        pytest.skip(f"no PostgreSQL to test with: {str(error).splitlines()[0]}")
    yield sqlalchemy.make_url(local).set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A place on SQLite."""
    made = Place(tmp_path)
    yield made
    made.close()


@pytest.fixture
def server() -> Iterator[PostgresqlServer]:
    """A PostgreSQL of the test's own, started."""
    made = PostgresqlServer()
    try:
        made.start()
        yield made
    finally:
        made.close()
