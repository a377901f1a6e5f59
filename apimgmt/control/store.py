"""The store: everything that people uploaded and decided, in SQLite (default) or PostgreSQL.

Discipline: all writing goes through :meth:`Store.writing`, which lets one writer in at a time (SQLite: BEGIN IMMEDIATE;
PostgreSQL: an advisory lock) and commits on the way out, or not at all. SQLite runs with a rollback journal and
``synchronous=FULL``: WAL with several writers can corrupt a file before SQLite 3.51.3 (reliability.md F18). Reading
transactions are short and never held while anything is sent or awaited.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from apimgmt.control.transaction import Transaction
from apimgmt.errors import SettingInvalid
from apimgmt.settings import Settings

MIGRATIONS = Path(__file__).with_name("migrations")
BUSY_SECONDS = 30
WRITER_LOCK = 0x6170696D  # "apim": the advisory lock of writers in PostgreSQL


class Store:
    """Opens the database of ``settings``, brings its tables up to date, and hands out transactions."""

    def __init__(self, settings: Settings) -> None:
        settings.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.engine = _engine(settings)
        self._writers = self.engine.execution_options(writing=True)
        with _exclusive(settings.root / ".migrate.lock"):
            self._migrate()

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A consistent view; nothing written in it is kept."""
        with self.engine.connect() as connection, connection.begin() as begun:
            yield Transaction(connection)
            begun.rollback()

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """The only writer of this moment; committed and on disk when the block ends, undone if it raises."""
        with self._writers.begin() as connection:
            _wait_for_turn(connection)
            yield Transaction(connection)

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()

    def _migrate(self) -> None:
        script = ScriptDirectory(str(MIGRATIONS))
        with self._writers.begin() as connection:
            _wait_for_turn(connection)
            if MigrationContext.configure(connection).get_current_revision() == script.get_current_head():
                return
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _engine(settings: Settings) -> Engine:
    """The engine; connections are bounded by the threads that ask for one, not by a pool that times out.

    What it raises ends in logs, so it shows no values.
    """
    try:
        url = make_url(settings.database_url or f"sqlite:///{settings.root / 'apimgmt.db'}")
    except ArgumentError:
        raise SettingInvalid("database_url is not an SQLAlchemy URL, e.g. postgresql+psycopg://HOST/NAME") from None
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, max_overflow=-1, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if url.get_backend_name() == "postgresql":
        own = url.set(drivername="postgresql+psycopg")
        return create_engine(own, pool_pre_ping=True, max_overflow=-1, hide_parameters=True)
    raise SettingInvalid("database_url must begin with sqlite: or postgresql:")


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Every new connection: no implicit BEGIN of the driver, rollback journal, full sync, foreign keys."""
    connection.isolation_level = None
    for pragma in ("journal_mode=DELETE", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes its lock at the beginning, so that it cannot fail half way (SQLITE_BUSY on upgrade)."""
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _wait_for_turn(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": WRITER_LOCK})


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """One process of this machine at a time; the lock goes with the process, however that ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
