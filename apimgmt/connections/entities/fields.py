"""The fields of an entity: what a row has, where it is in the answer, and of which type (C-030, C-031, C-075)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from typing import Any, Literal

from apimgmt.connections.entities.datapath import ABSENT, DataPath, shown
from apimgmt.errors import ConnectionFailed, SettingInvalid
from apimgmt.model import Struct

Type = Literal["string", "integer", "number", "boolean", "datetime", "date", "json"]

_INTEGER = re.compile(r"-?[0-9]{1,4000}", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class Field(Struct, frozen=True):
    """One field: ``path`` is a JSONPath into the row, by default the member of that name. A ``required`` one must be
    there and not be null; one that is not required is None where it is not there."""

    name: str
    type: Type = "json"
    path: str = ""
    required: bool = False

    def data_path(self) -> DataPath:
        """The path, compiled; raises SettingInvalid."""
        return DataPath(self.path or f"$[{_quoted(self.name)}]")


class Fields:
    """Casts rows. Without fields a row is what the answer has."""

    def __init__(self, fields: Iterable[Field]) -> None:
        self._fields = [_Column(field) for field in fields]

    def cast(self, row: Any, number: int) -> Any:
        """The row with its fields, in their types; ``number`` counts from 1. Raises ConnectionFailed("schema")."""
        if not self._fields:
            return row
        made: dict[str, Any] = {}
        for column in self._fields:
            value = column.first(row)
            if value is ABSENT or value is None:
                if column.is_required:
                    what = "is not there" if value is ABSENT else "is null"
                    raise ConnectionFailed("schema", f"row {number}: {column.path} {what}, but is required")
                made[column.name] = None
                continue
            try:
                made[column.name] = column.cast(value)
            except (ValueError, OverflowError, OSError):
                raise ConnectionFailed(
                    "schema", f"row {number}: at {column.path} there is no {column.type} but {shown(value)}"
                ) from None
        return made


class _Column:
    __slots__ = ("cast", "first", "is_required", "name", "path", "type")

    def __init__(self, field: Field) -> None:
        path = field.data_path()
        self.name = field.name
        self.first = path.first
        self.path = field.path or f"$.{field.name}"
        self.type = field.type
        self.is_required = field.required
        self.cast: Callable[[Any], Any] = _CASTS[field.type]


def check(fields: Iterable[Field]) -> Iterable[tuple[str, str]]:
    """What is wrong with the fields: pointers below the list, and messages."""
    names: set[str] = set()
    for index, field in enumerate(fields):
        if field.name in names:
            yield f"/{index}/name", f"there are two fields {field.name!r}"
        names.add(field.name)
        try:
            field.data_path()
        except SettingInvalid as error:
            yield f"/{index}/path", str(error)


def _quoted(name: str) -> str:
    """The name as a JSONPath name selector (RFC 9535 section 2.3.1)."""
    signs = [f"\\u{ord(sign):04x}" if sign < " " else "\\" + sign if sign in "\\'" else sign for sign in name]
    return f"'{''.join(signs)}'"


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise ValueError


def _integer(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    raise ValueError


def _number(value: Any) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        number = float(value)
        if number not in (float("inf"), float("-inf")):
            return number
    raise ValueError


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise ValueError


def _datetime(value: Any) -> datetime:
    """RFC 3339, or Unix seconds; without an offset it is UTC."""
    if isinstance(value, str) and len(value) <= 40:
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    raise ValueError


def _date(value: Any) -> date:
    if isinstance(value, str) and _DATE.fullmatch(value):
        return date.fromisoformat(value)
    raise ValueError


def _json(value: Any) -> Any:
    return value


_CASTS: dict[str, Callable[[Any], Any]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "datetime": _datetime,
    "date": _date,
    "json": _json,
}
