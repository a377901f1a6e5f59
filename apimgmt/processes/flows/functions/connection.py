"""connection: a call through a connection of the platform, whose credential the flow never sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from apimgmt.connections.known import connections
from apimgmt.errors import ConnectionFailed, SettingInvalid
from apimgmt.model import Struct
from apimgmt.processes.flows import Perform, Scope, failure
from apimgmt.processes.flows.compiling import Compiler
from apimgmt.processes.flows.functions.http import answered, converted, filled, outcome, refused
from apimgmt.processes.flows.tasks.call import members
from apimgmt.registry import register


class Arguments(Struct, frozen=True):
    """``path`` is below the connection's base URL; ``{name}`` in it is a member of the input."""

    connection: str
    path: str = ""
    method: str = "GET"
    headers: dict[str, Any] = {}  # noqa: RUF012  msgspec copies it
    query: dict[str, Any] = {}  # noqa: RUF012
    body: Any = None
    output: Literal["content", "response", "raw"] = "content"


@register("flow function", "connection")
def build(compiler: Compiler, arguments: Mapping[str, Any], place: str) -> Perform:
    """What calls the other system."""
    members(arguments, Arguments, place)
    made = compiler.template(dict(arguments), place)

    async def perform(scope: Scope, given: Any) -> Any:
        asked: Arguments = converted(await made(scope, given), Arguments, place)
        path = filled(asked.path, given, place)
        body = {} if asked.body is None else {"json": asked.body}
        try:
            connection = connections.find(asked.connection)
            key = scope.execution.idempotency_key(place)
            reply = await connection.acall(
                asked.method, path, headers=asked.headers, query=asked.query, idempotency_key=key, **body
            )
        except ConnectionFailed as error:
            raise refused(error, place) from None
        except SettingInvalid as error:
            raise failure("configuration", str(error), place) from None
        if reply.outcome != "success":
            raise answered(reply, place)
        return outcome(reply, asked.output, asked.method, path, {})

    return perform
