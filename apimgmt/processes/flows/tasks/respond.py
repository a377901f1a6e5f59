"""call: respond: an early answer to the caller, after which the flow goes on; or, with ``throw``, a last word.

- accepted: {call: respond, with: {status: 202, body: {id: "${.id}"}}}
- refused: {call: respond, with: {status: 409, body: {error: taken}, throw: true}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apimgmt.model import Struct
from apimgmt.processes import Answer, Invocation, Thrown
from apimgmt.processes.flows import Perform, Scope, failure
from apimgmt.processes.flows.compiling import Compiler
from apimgmt.processes.flows.tasks.call import members
from apimgmt.registry import register


class Arguments(Struct, frozen=True):
    """The answer; every part may be an expression. ``body`` may be an envelope (``HttpStatusCode``, ``Content`` ...),
    which then says everything itself. With ``throw`` the flow ends here and its run counts as failed."""

    body: Any = None
    status: Any = 200
    headers: Any = None
    throw: Any = False


@register("flow function", "respond")
def respond(compiler: Compiler, arguments: Mapping[str, Any], place: str) -> Perform:
    """Answers the caller; only the first answer counts (F-105). The output is the input."""
    members(arguments, Arguments, place)
    made = compiler.template(dict(arguments), place)

    async def perform(scope: Scope, given: Any) -> Any:
        told = await made(scope, given)
        result = _result(told, place)
        if told.get("throw"):
            raise Thrown(result)
        invocation: Invocation | None = scope.execution.invocation
        if invocation is not None:
            await invocation.respond(result)
        elif scope.execution.whole.answer is None:
            scope.execution.whole.answer = result
        return given

    return perform


def _result(told: Mapping[str, Any], place: str) -> Any:
    body, status, headers = told.get("body"), told.get("status", 200), told.get("headers") or {}
    if isinstance(body, dict) and "HttpStatusCode" in body and not headers and "status" not in told:
        return body
    if not isinstance(headers, Mapping) or not isinstance(status, int):
        raise failure("runtime", "an answer has a whole number as its status and an object as its headers", place)
    return Answer(body, status, [(str(name), str(value)) for name, value in headers.items()])
