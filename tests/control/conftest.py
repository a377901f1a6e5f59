"""Fixtures of the control plane: every test that asks for ``settings`` runs on SQLite and on PostgreSQL.

PostgreSQL is the one at APIMGMT_TEST_DATABASE_URL, or the local one; each test gets a schema of its own there.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from control_samples import take_in

import apimgmt.processes.echo
import apimgmt.processes.mock  # noqa: F401  importing a kind registers it
from apimgmt.archive import Archive
from apimgmt.control.service import Control
from apimgmt.control.store import Store
from apimgmt.settings import Settings

LOCAL_POSTGRESQL = "postgresql+psycopg:///test"


@pytest.fixture(scope="session")
def postgresql() -> str:
    """The URL of a PostgreSQL that answers; skips, with the reason, if there is none."""
    url = os.environ.get("APIMGMT_TEST_DATABASE_URL", LOCAL_POSTGRESQL)
    try:
        with sqlalchemy.create_engine(url).connect():
            return url
    except (ImportError, sqlalchemy.exc.SQLAlchemyError) as error:
        pytest.skip(f"no PostgreSQL to test with: {str(error).splitlines()[0]}")


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """A data folder and a database of the test's own."""
    if request.param == "sqlite":
        yield Settings(data=str(tmp_path))
        return
    url = request.getfixturevalue("postgresql")
    schema = f"apimgmt_test_{secrets.token_hex(6)}"
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(f"CREATE SCHEMA {schema}"))
    separator = "&" if "?" in url else "?"
    yield Settings(data=str(tmp_path), database_url=f"{url}{separator}options=-csearch_path%3D{schema}")
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """An empty store."""
    store = Store(settings)
    yield store
    store.close()


@pytest.fixture
def archive(settings: Settings) -> Archive:
    """The data folder."""
    return Archive(settings.root)


@pytest.fixture
def control(settings: Settings, store: Store, archive: Archive) -> Control:
    """A control plane with the intake of ``samples``, a function, and little patience for workers."""
    return Control(settings, store, archive, take_in, ("list_books",), wait_seconds=0.5)
