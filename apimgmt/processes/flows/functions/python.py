"""python: a function of the handlers, with arguments by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any

from apimgmt.errors import ConnectionFailed, Problem, SettingInvalid
from apimgmt.model import Struct
from apimgmt.processes.flows import FlowFailed, Perform, Scope, failure
from apimgmt.processes.flows.compiling import Compiler
from apimgmt.processes.flows.functions.http import converted, refused
from apimgmt.processes.flows.tasks.call import members
from apimgmt.processes.functions.results import problem_of
from apimgmt.processes.functions.threads import Share
from apimgmt.processes.python import functions
from apimgmt.registry import register

OWN = "apimgmt."
MEMBERS = ("type", "status", "title", "detail", "instance")


class Arguments(Struct, frozen=True):
    """``function`` is one of the names that the handlers have."""

    function: str
    arguments: dict[str, Any] = {}  # noqa: RUF012  msgspec copies it


@register("flow function", "python")
def build(compiler: Compiler, arguments: Mapping[str, Any], place: str) -> Perform:
    """What calls the function: on the loop if it is async, else in a thread."""
    members(arguments, Arguments, place)
    name = str(arguments["function"])
    if name.startswith(OWN) or name not in functions:
        known = ", ".join(sorted(one for one in functions if not one.startswith(OWN))[:20]) or "none"
        raise SettingInvalid(
            f"there is no function {name!r:.100} in the handlers; there are: {known}", f"{place}/function"
        )
    made = compiler.template(dict(arguments), place)
    function = functions[name]
    share = Share(f"{name} of a flow")

    async def perform(scope: Scope, given: Any) -> Any:
        asked: Arguments = converted(await made(scope, given), Arguments, place)
        call = partial(function, **asked.arguments)
        try:
            if inspect.iscoroutinefunction(function):
                return await call()
            return await functions.pool.run(share, call)
        except FlowFailed:
            raise
        except ConnectionFailed as error:
            raise refused(error, place) from None
        except (Exception, SystemExit) as error:
            raise _failed(problem_of(error), place) from error

    return perform


def _failed(problem: Problem, place: str) -> FlowFailed:
    """What a function raised, as an error of the DSL: its own status and words if it meant to say them."""
    if problem.code == "process-failed" and not problem.detail:
        return failure("runtime", "the function failed", place)
    document = problem.document(place)
    return FlowFailed(
        {name: document[name] for name in ("type", "status", "title", "detail", "instance") if name in document}
    )
