"""A database behind a connection of the type ``sql``: where it is, how it is reached, and what its tables look like.

The base URL is ``postgresql://host/name`` or ``sqlite:///name.db``, without a user: user and password come from the
authentication ``basic``. A PostgreSQL is dialled at an address that the egress guard has looked at, by TCP only, and
nothing is taken from the environment (``PGHOST``, ``.pgpass``). A SQLite is a file in the folder ``databases`` of the
data folder and can open no other.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, NoSuchTableError, SQLAlchemyError, StatementError

from apimgmt.connections.configuration import Configuration
from apimgmt.connections.egress.guard import Guard
from apimgmt.connections.entities.location import FOLDER, Location, located
from apimgmt.connections.entities.refusal import refusal
from apimgmt.connections.remaining import remaining
from apimgmt.errors import ConnectionFailed, SettingInvalid
from apimgmt.settings import Settings

POOLED = 5
MORE = 5
RECYCLE_SECONDS = 600
_LIBPQ_16 = 160_000
_STEPS = 10_000  # instructions of SQLite's machine between two looks at the clock


class Database:
    """Pooled sessions with one database. Made without dialling.

    They are closed by :meth:`close`, or when nobody refers to it any more: a transaction that is under way does.
    """

    def __init__(self, configuration: Configuration, settings: Settings, guard: Guard) -> None:
        self._seconds = configuration.timeout
        self._tables: dict[tuple[str, str], sqlalchemy.Table] = {}
        self._reflecting = Lock()
        location = located(configuration)
        if location.host:
            self.engine = _postgresql(configuration, location, guard)
        else:
            self.engine = _sqlite(configuration, settings.root / FOLDER / location.database)
        # a process that ends closes them by itself, and a child must not touch those of its parent
        weakref.finalize(self, self.engine.dispose).atexit = False

    @contextmanager
    def session(self) -> Iterator[sqlalchemy.Connection]:
        """One transaction: committed at the end, rolled back on any error; raises ConnectionFailed."""
        with told(), self.engine.begin() as session:
            self.renew(session)
            yield session

    def renew(self, session: sqlalchemy.Connection) -> None:
        """Give the next statement its full time, or what the process that asks has left (X-007)."""
        seconds = min(self._seconds, remaining())
        session.info["until"] = time.monotonic() + seconds
        if session.dialect.name == "postgresql" and (seconds < self._seconds or session.info.get("shortened")):
            session.info["shortened"] = seconds < self._seconds
            session.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, round(seconds * 1000))}")

    def table(self, name: str, schema: str) -> sqlalchemy.Table:
        """A table or view as the database describes it, looked at once; raises ConnectionFailed("request")."""
        with self._reflecting:
            if (schema, name) not in self._tables:
                self._tables[schema, name] = self._reflected(name, schema)
            return self._tables[schema, name]

    def inspector(self, session: sqlalchemy.Connection) -> sqlalchemy.Inspector:
        """Who knows what there is."""
        return sqlalchemy.inspect(session)

    def close(self) -> None:
        """Let go of the pooled sessions."""
        self.engine.dispose()

    def _reflected(self, name: str, schema: str) -> sqlalchemy.Table:
        with self.session() as session:
            try:
                return sqlalchemy.Table(
                    name, sqlalchemy.MetaData(), schema=schema or None, autoload_with=session, resolve_fks=False
                )
            except NoSuchTableError:
                where = f" in the schema {schema!r}" if schema else ""
                raise ConnectionFailed("request", f"there is no table or view {name!r}{where}") from None


@contextmanager
def told() -> Iterator[None]:
    """What a database or its driver raises, as ConnectionFailed."""
    try:
        yield
    except StatementError as error:
        raise refusal(error.orig or error) if isinstance(error, DBAPIError) else refusal(error) from None
    except SQLAlchemyError as error:
        raise refusal(error) from None


def _sqlite(configuration: Configuration, path: Path) -> sqlalchemy.Engine:
    seconds = configuration.timeout

    def connect() -> sqlite3.Connection:
        # a link could lead out of the folder
        if path.is_symlink() or not path.is_file():
            raise ConnectionFailed(
                "request", f"there is no file {path.name!r} in the folder {FOLDER!r} of the data folder"
            )
        uri = f"file:{quote(str(path.absolute()))}?mode=rw"
        session = sqlite3.connect(uri, uri=True, timeout=seconds, check_same_thread=False)
        session.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        session.execute("PRAGMA foreign_keys=ON")
        # views and triggers of a file that came from elsewhere may not call functions with effects
        session.execute("PRAGMA trusted_schema=OFF")
        return session

    engine = _engine("sqlite+pysqlite://", configuration, creator=connect)

    @event.listens_for(engine, "connect")
    def limit(session: sqlite3.Connection, record: Any) -> None:
        until = record.info
        session.set_progress_handler(lambda: time.monotonic() > until.get("until", float("inf")), _STEPS)

    return engine


def _postgresql(configuration: Configuration, location: Location, guard: Guard) -> sqlalchemy.Engine:
    milliseconds = max(1, round(configuration.timeout * 1000))
    fixed: dict[str, Any] = {
        "dbname": location.database,
        "user": str(configuration.authentication.get("username") or ""),
        "password": str(configuration.authentication.get("password") or ""),
        "sslmode": location.ssl_mode,
        "connect_timeout": max(2, round(configuration.timeout)),
        "options": f"-c statement_timeout={milliseconds} -c idle_in_transaction_session_timeout={10 * milliseconds}",
        "application_name": "apimgmt",
        "client_encoding": "utf8",
        # neither other passwords nor other hosts come from files of whoever runs this
        "passfile": "/dev/null",
        "gssencmode": "disable",
        "channel_binding": "prefer",
    }
    try:
        engine = _engine("postgresql+psycopg://", configuration)
    except ImportError:
        raise SettingInvalid("PostgreSQL needs the extra `postgres`: pip install 'apimgmt[postgres]'") from None
    driver: Any = engine.dialect.dbapi
    if driver.pq.version() >= _LIBPQ_16:
        # nor does a certificate of whoever runs this, nor a demand in the environment
        fixed |= {"sslcertmode": "disable", "require_auth": "password,md5,scram-sha-256,none"}
    authorities = _authorities(configuration.tls.authorities)

    @event.listens_for(engine, "do_connect")
    def dial(dialect: Any, record: Any, arguments: Any, parameters: dict[str, Any]) -> None:
        found = list(dict.fromkeys(str(info[4][0]) for info in guard.addresses(location.host, location.port)))
        parameters.clear()
        parameters.update(fixed)
        parameters["host"] = ",".join([location.host] * len(found))
        parameters["hostaddr"] = ",".join(found)
        parameters["port"] = ",".join([str(location.port)] * len(found))
        if location.ssl_mode.startswith("verify"):
            parameters["sslrootcert"] = authorities.name if authorities else "system"

    return engine


def _engine(url: str, configuration: Configuration, **options: Any) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(
        url,
        poolclass=sqlalchemy.QueuePool,
        pool_size=POOLED,
        max_overflow=MORE,
        pool_timeout=configuration.timeout,
        pool_recycle=RECYCLE_SECONDS,
        pool_pre_ping=True,
        hide_parameters=True,
        **options,
    )


def _authorities(text: str) -> Any:
    """A file with the authorities, for the driver reads files only; it goes when nobody refers to it."""
    if not text:
        return None
    file = tempfile.NamedTemporaryFile("w", suffix=".pem", encoding="ascii")  # noqa: SIM115  lives as long as the engine
    file.write(text)
    file.flush()
    return file
