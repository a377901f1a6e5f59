"""Values as OData writes them in a URL (OData 4.01 ABNF, rule primitiveLiteral): by the type of the property.

A text is quoted, every quote in it doubled; everything else must look exactly like its type. So no value can become
part of a filter, whatever is in it.
"""

from __future__ import annotations

import datetime
import decimal
import math
import re
import uuid
from typing import Any
from urllib.parse import quote

from apimgmt.connections.entities.filters import Condition
from apimgmt.connections.entities.member import Member
from apimgmt.errors import ConnectionFailed

_WHOLE = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?[0-9]{1,100}(\.[0-9]{1,100})?([eE][+-]?[0-9]{1,3})?|[+-]?INF|NaN", re.ASCII)
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_DATE = re.compile(r"-?[0-9]{4,6}-[0-9]{2}-[0-9]{2}", re.ASCII)
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,12})?)?", re.ASCII)
_MOMENT = re.compile(_DATE.pattern + "T" + _TIME.pattern + r"(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII)
_DURATION = re.compile(r"-?P([0-9]{1,9}D)?(T([0-9]{1,9}H)?([0-9]{1,9}M)?([0-9]{1,9}(\.[0-9]{1,12})?S)?)?", re.ASCII)
_BYTES = re.compile(r"[A-Za-z0-9_-]*={0,2}", re.ASCII)
_ENUM = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(,[A-Za-z_][A-Za-z0-9_]*)*|-?[0-9]{1,19}", re.ASCII)

_SHAPES: dict[str, re.Pattern[str]] = {
    **dict.fromkeys(("Edm.Byte", "Edm.SByte", "Edm.Int16", "Edm.Int32", "Edm.Int64"), _WHOLE),
    **dict.fromkeys(("Edm.Decimal", "Edm.Double", "Edm.Single"), _DECIMAL),
    "Edm.Guid": _GUID,
    "Edm.Date": _DATE,
    "Edm.TimeOfDay": _TIME,
    "Edm.DateTimeOffset": _MOMENT,
    "Edm.Duration": _DURATION,
    "Edm.Binary": _BYTES,
}
_PREFIXES = {"Edm.Duration": "duration", "Edm.Binary": "binary"}
_COMPARED = ("eq", "ne", "lt", "le", "gt", "ge")
_WILD = re.compile(r"[%_]")


def literal(member: Member, value: Any) -> str:
    """A value as the literal of a property's type, not yet percent-encoded; raises ConnectionFailed("request")."""
    if value is None:
        return "null"
    if member.type in ("Edm.String", ""):
        return _text(member, value)
    if member.type == "Edm.Boolean":
        if str(value).lower() not in ("true", "false"):
            raise _unfit(member)
        return str(value).lower()
    written = _written(value)
    shape = _SHAPES.get(member.type)
    if shape is not None:
        if not shape.fullmatch(written) or (member.type == "Edm.Duration" and written.rstrip("T").endswith("P")):
            raise _unfit(member)
        prefix = _PREFIXES.get(member.type)
        return f"{prefix}'{written}'" if prefix else written
    if member.type.startswith(("Edm.", "Collection(")):
        raise ConnectionFailed("request", f"{member.name}: a filter on {member.type} is not possible")
    # what else there is to compare are enumerations, by the name of their type
    if not _ENUM.fullmatch(written):
        raise _unfit(member)
    return f"{member.type}'{written}'"


def clause(member: Member, condition: Condition) -> str:
    """One condition as it stands in ``$filter``."""
    name, value = member.name, condition.value
    if condition.operator == "null":
        return f"{name} {'eq' if value else 'ne'} null"
    if condition.operator == "in":
        if not value:
            return "false"
        return "(" + " or ".join(f"{name} eq {literal(member, one)}" for one in value) + ")"
    if condition.operator == "like":
        return _like(member, value)
    assert condition.operator in _COMPARED
    return f"{name} {condition.operator} {literal(member, value)}"


def predicate(members: list[tuple[Member, Any]]) -> str:
    """The key of one entity as the end of its path: ``(5)`` or ``(region='n',number=2)``, percent-encoded."""
    texts = [quote(literal(member, value), safe="'") for member, value in members]
    if len(texts) == 1:
        return f"({texts[0]})"
    return "(" + ",".join(f"{member.name}={text}" for (member, _), text in zip(members, texts, strict=True)) + ")"


def _like(member: Member, pattern: str) -> str:
    """``abc%``, ``%abc``, ``%abc%`` and ``abc``: OData has no other patterns that every service knows."""
    if member.type not in ("Edm.String", ""):
        raise ConnectionFailed("request", f"{member.name}: `like` is for texts, and this is {member.type}")
    starts, ends = pattern.startswith("%"), pattern.endswith("%") and len(pattern) > 1
    inner = pattern[starts : len(pattern) - ends]
    if _WILD.search(inner):
        raise ConnectionFailed("request", f"{member.name}: OData knows `text%`, `%text` and `%text%` only")
    text = _text(member, inner)
    if starts and ends:
        return f"contains({member.name},{text})"
    if starts:
        return f"endswith({member.name},{text})"
    return f"startswith({member.name},{text})" if ends else f"{member.name} eq {text}"


def _text(member: Member, value: Any) -> str:
    text = _written(value)
    if "\x00" in text or any(0xD800 <= ord(sign) <= 0xDFFF for sign in text):
        raise _unfit(member)
    return "'" + text.replace("'", "''") + "'"


def _written(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else str(value).replace("inf", "INF")
    if isinstance(value, datetime.datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
        return moment.isoformat().replace("+00:00", "Z")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, int | decimal.Decimal | uuid.UUID):
        return str(value)
    raise ConnectionFailed("request", f"a {type(value).__name__} cannot be part of a filter or of a key")


def _unfit(member: Member) -> ConnectionFailed:
    return ConnectionFailed("request", f"{member.name}: the value is no {member.type or 'text'}")
