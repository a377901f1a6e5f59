"""The rows of a table: filtered, sorted and cut by the database, read in pieces, changed in one transaction each.

Names come from the reflected table and values are bound parameters; nothing that a caller gives becomes SQL text.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import ColumnElement

from apimgmt.connections.entities.database import Database, told
from apimgmt.connections.entities.filters import Condition, conditions, counted, named, orders, several
from apimgmt.errors import ConnectionFailed

if TYPE_CHECKING:
    from apimgmt.connections.entities.sql import Table

PIECE_ROWS = 500
Row = dict[str, Any]

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": lambda column, value: column == value,
    "ne": lambda column, value: column != value,
    "lt": lambda column, value: column < value,
    "le": lambda column, value: column <= value,
    "gt": lambda column, value: column > value,
    "ge": lambda column, value: column >= value,
    "in": lambda column, value: column.in_(value),
    "like": lambda column, value: column.like(value),
    "null": lambda column, value: column.is_(None) if value else column.is_not(None),
}


class Rows:
    """A table or view of a connection, ready to be used; the database is dialled when it is first needed."""

    def __init__(self, connection: Any, name: str, entity: Table) -> None:
        self.connection = connection
        self.name = name
        self.entity = entity

    def list(
        self,
        /,
        *,
        where: Mapping[str, Any] | None = None,
        order: str | Iterable[str] = (),
        limit: int | None = None,
        offset: int | None = None,
        fields: Iterable[str] = (),
        **equals: Any,
    ) -> Iterator[Row]:
        """The rows that ``where`` and ``equals`` ask for (see ``filters.py``), as they are fetched.

        A session with the database is held until the last row or until the iterator is closed. Raises ConnectionFailed.
        """
        columns = self._columns()
        shown = [columns[named(name, columns)] for name in several("fields", fields)]
        statement = sqlalchemy.select(*(shown or columns.values())).where(*self._where(where, equals))
        for member, descending in orders(order, columns):
            statement = statement.order_by(columns[member].desc() if descending else columns[member].asc())
        statement = statement.limit(counted("limit", limit)).offset(counted("offset", offset))
        return self._streamed(statement)

    def get(self, /, *key: Any, **keys: Any) -> Row | None:
        """The row with this key, in the order of the key's columns or by name; None if there is none."""
        wanted = self._key(key, keys)
        found = list(self.list(where=wanted, limit=2))
        if len(found) > 1:
            raise ConnectionFailed("request", f"several rows of {self.name!r} have this key")
        return found[0] if found else None

    def create(self, rows: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Any:
        """Insert a row, or several, all or none; what was stored comes back, with what the database filled in."""
        table, columns = self._writable(), self._columns()
        several = [rows] if isinstance(rows, Mapping) else list(rows)
        values = [self._values(row, columns) for row in several]
        stored: list[Row] = []
        with self._database().session() as session:
            for row in values:
                statement = sqlalchemy.insert(table).values(row).returning(*columns.values())
                result = session.execute(statement)
                names = _names(result)
                stored += [dict(zip(names, one, strict=True)) for one in result]
        return stored[0] if isinstance(rows, Mapping) else stored

    def update(self, values: Mapping[str, Any], /, *, where: Mapping[str, Any] | None = None, **equals: Any) -> int:
        """Change the rows that are asked for; how many there were. A filter is needed."""
        table, columns = self._writable(), self._columns()
        wanted = self._some(where, equals)
        changed = self._values(values, columns)
        if not changed:
            raise ConnectionFailed("request", "there is nothing to change: no values were given")
        with self._database().session() as session:
            return int(session.execute(sqlalchemy.update(table).where(*wanted).values(changed)).rowcount)

    def delete(self, /, *, where: Mapping[str, Any] | None = None, **equals: Any) -> int:
        """Remove the rows that are asked for; how many there were. A filter is needed."""
        table = self._writable()
        wanted = self._some(where, equals)
        with self._database().session() as session:
            return int(session.execute(sqlalchemy.delete(table).where(*wanted)).rowcount)

    # ---- parts ---------------------------------------------------------------------------------------------------

    def _streamed(self, statement: Any) -> Iterator[Row]:
        database = self._database()
        with told(), database.engine.connect() as session:
            database.renew(session)
            result = session.execution_options(stream_results=True, max_row_buffer=PIECE_ROWS).execute(statement)
            names = _names(result)
            pieces = result.partitions(PIECE_ROWS)
            while (piece := next(pieces, None)) is not None:
                for row in piece:
                    yield dict(zip(names, row, strict=True))
                database.renew(session)

    def _database(self) -> Database:
        connection = self.connection
        made = connection.kept(
            "database", lambda: Database(connection.configuration, connection.settings, connection.guard)
        )
        assert isinstance(made, Database)
        return made

    def _table(self) -> sqlalchemy.Table:
        return self._database().table(self.entity.table, self.entity.schema)

    def _writable(self) -> sqlalchemy.Table:
        if self.entity.view:
            raise ConnectionFailed("request", f"{self.name!r} is a view; a view is only read")
        return self._table()

    def _columns(self) -> dict[str, Any]:
        """The columns that the entity shows, by name."""
        table = self._table()
        shown = {member.name for member in self.entity.fields} or set(table.c.keys())
        columns = {name: column for name, column in table.c.items() if name in shown}
        if not columns:
            raise ConnectionFailed("schema", f"the table of {self.name!r} has none of its columns any more")
        return columns

    def _where(self, where: Mapping[str, Any] | None, equals: Mapping[str, Any]) -> Sequence[ColumnElement[bool]]:
        columns = self._columns()
        return [_compared(columns[one.member], one) for one in conditions(where, equals, columns)]

    def _some(self, where: Mapping[str, Any] | None, equals: Mapping[str, Any]) -> Sequence[ColumnElement[bool]]:
        found = self._where(where, equals)
        if not found:
            raise ConnectionFailed("request", "a filter is needed: without one every row would be meant")
        return found

    def _key(self, key: Sequence[Any], keys: Mapping[str, Any]) -> dict[str, Any]:
        columns = self._columns()
        names = self.entity.key or tuple(column.name for column in self._table().primary_key)
        if not names:
            raise ConnectionFailed("request", f"{self.name!r} has no key; name its columns as `key`")
        wanted = dict(zip(names, key, strict=False)) | dict(keys) if len(key) <= len(names) else {}
        if set(wanted) != set(names) or len(key) + len(keys) != len(names):
            raise ConnectionFailed("request", f"the key of {self.name!r} is: {', '.join(names)}")
        return {named(name, columns): {"eq": value} for name, value in wanted.items()}

    def _values(self, row: Any, columns: Mapping[str, Any]) -> Row:
        if not isinstance(row, Mapping):
            raise ConnectionFailed("request", "a row is an object: {column: value}")
        return {named(name, columns): fitting(columns[name], value) for name, value in row.items()}


def _names(result: sqlalchemy.CursorResult[Any]) -> list[str]:
    # SQLAlchemy's are of a class of its own, which writers of JSON do not take for a text
    return list(map(str, result.keys()))


def _compared(column: Any, condition: Condition) -> ColumnElement[bool]:
    value = condition.value
    if condition.operator == "in":
        value = [fitting(column, one) for one in value]
    elif condition.operator not in ("null", "like"):
        value = fitting(column, value)
    elif condition.operator == "like" and not isinstance(column.type, sqlalchemy.String):
        raise ConnectionFailed("request", f"{column.name}: `like` is for texts, and this is {column.type}")
    compared: ColumnElement[bool] = _COMPARISONS[condition.operator](column, value)
    return compared


# what JSON has no type for comes as a text
_READERS: tuple[tuple[type, Callable[[str], Any]], ...] = (
    (sqlalchemy.DateTime, datetime.datetime.fromisoformat),
    (sqlalchemy.Date, datetime.date.fromisoformat),
    (sqlalchemy.Time, datetime.time.fromisoformat),
    (sqlalchemy.Uuid, uuid.UUID),
    (sqlalchemy.Boolean, lambda text: {"true": True, "false": False}[text]),
    (sqlalchemy.Float, float),
    (sqlalchemy.Numeric, decimal.Decimal),
    (sqlalchemy.Integer, int),
)


def fitting(column: Any, value: Any) -> Any:
    """A value for a column: dates, numbers and ids may be written as texts; raises ConnectionFailed("request")."""
    if isinstance(value, Mapping | list | tuple):
        if not isinstance(column.type, sqlalchemy.JSON | sqlalchemy.ARRAY):
            raise ConnectionFailed("request", f"{column.name}: an object or a list is no {column.type}")
        return value
    for kind, reader in _READERS:
        if isinstance(column.type, kind) and isinstance(value, str):
            try:
                return reader(value)
            except (ValueError, KeyError, ArithmeticError):
                raise ConnectionFailed("request", f"{column.name}: this is no {column.type}") from None
    if isinstance(value, str) and "\x00" in value:
        raise ConnectionFailed("request", f"{column.name}: a text cannot have the character NUL")
    return value
