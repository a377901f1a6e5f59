"""entity: rows of a connection's endpoint or table: load, insert, update, delete; filters go where the rows are."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

import msgspec

from apimgmt.connections.known import connections
from apimgmt.errors import ConnectionFailed, SettingInvalid
from apimgmt.model import Struct
from apimgmt.processes.flows import Perform, Scope, failure
from apimgmt.processes.flows.compiling import Compiler
from apimgmt.processes.flows.functions.http import converted, refused
from apimgmt.processes.flows.tasks.call import members
from apimgmt.registry import register

MOST_ROWS = 10_000


class Arguments(Struct, frozen=True):
    """``parameters`` are those of the entity (for a table: ``where``, ``order``, ``limit``, ``offset``, ``fields`` or
    columns); ``row`` is what is written. ``most`` rows are loaded at most."""

    connection: str
    entity: str
    action: Literal["list", "get", "create", "update", "delete"] = "list"
    parameters: dict[str, Any] = {}  # noqa: RUF012  msgspec copies it
    row: Any = None
    most: int = MOST_ROWS


@register("flow function", "entity")
def build(compiler: Compiler, arguments: Mapping[str, Any], place: str) -> Perform:
    """What reads or writes the rows."""
    members(arguments, Arguments, place)
    made = compiler.template(dict(arguments), place)

    async def perform(scope: Scope, given: Any) -> Any:
        asked: Arguments = converted(await made(scope, given), Arguments, place)
        try:
            # databases and pages of rows are waited for in a thread
            return plain(await asyncio.to_thread(_done, asked))
        except ConnectionFailed as error:
            raise refused(error, place) from None
        except (SettingInvalid, TypeError) as error:
            raise failure("configuration", str(error), place) from None

    return perform


def _done(asked: Arguments) -> Any:
    source = connections.find(asked.connection).entity(asked.entity)
    if asked.action == "list":
        rows = list(itertools.islice(source.list(**asked.parameters), asked.most + 1))
        if len(rows) > asked.most:
            raise SettingInvalid(f"there are more than {asked.most} rows: filter them, or set `limit`")
        return rows
    method = getattr(source, asked.action)
    return method(**asked.parameters) if asked.row is None else method(asked.row, **asked.parameters)


def plain(value: Any) -> Any:
    """Rows as expressions take them: names that are texts and nothing more, exact numbers as numbers, times and
    identities as texts, bytes in Base64."""
    if isinstance(value, Mapping):
        return {str(name): plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [plain(member) for member in value]
    if isinstance(value, Decimal):
        whole = value.is_finite() and value == value.to_integral_value()
        return int(value) if whole else float(value)
    return value if value is None or isinstance(value, str | int | float) else msgspec.to_builtins(value)
