"""run: another flow, as a part of this one."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Coroutine, Mapping
from typing import Any

import msgspec

from apimgmt.errors import SettingInvalid
from apimgmt.model import Struct
from apimgmt.processes.flows import Perform, Scope, failure
from apimgmt.processes.flows.compiling import Compiler
from apimgmt.processes.flows.known import flows
from apimgmt.registry import register

# what the DSL can run besides: not here, where designers write flows and operators own the machine
UNSUPPORTED = ("container", "script", "shell")
# of a worker: what nobody waits for must not become more and more
MOST_ASIDE = 1_000
_aside: set[asyncio.Task[None]] = set()
_log = logging.getLogger("apimgmt.flows")


class Workflow(Struct, frozen=True):
    """Which flow, by what its document says of itself, and its input."""

    namespace: str
    name: str
    version: str = "latest"
    input: Any = None


class Run(Struct, frozen=True):
    """``await: false`` goes on without waiting for it; the output is then the input. It has as long as the flow that
    began it has left; its errors are logged."""

    workflow: Workflow
    is_awaited: bool = msgspec.field(default=True, name="await")


@register("task", "run")
class Subflow(Struct, frozen=True):
    """``run`` says what."""

    run: dict[str, Any]

    def build(self, compiler: Compiler, place: str, indexes: Mapping[str, int]) -> Perform:
        """What runs the flow; it is looked up when it runs, so that flows can name each other."""
        for other in UNSUPPORTED:
            if other in self.run:
                detail = f"run: {other} is not done here: let a function of the handlers do it (`call: python`)"
                raise SettingInvalid(detail, f"{place}/run/{other}")
        try:
            wanted = msgspec.convert(self.run, Run)
        except msgspec.ValidationError as error:
            raise SettingInvalid(str(error), f"{place}/run") from None
        workflow = wanted.workflow
        made = compiler.value(workflow.input, f"{place}/run/workflow/input") if workflow.input is not None else None

        async def perform(scope: Scope, given: Any) -> Any:
            try:
                flow = flows.named(workflow.namespace, workflow.name, workflow.version)
            except SettingInvalid as error:
                raise failure("configuration", str(error), place) from None
            inner = given if made is None else await made(scope, given)
            if not wanted.is_awaited and len(_aside) >= MOST_ASIDE:
                raise failure("runtime", f"more than {MOST_ASIDE} flows run that nobody waits for", place)
            run = flow.run(scope.execution.inside(place), inner, scope.variables.get("trigger"))
            if wanted.is_awaited:
                return await run
            invocation = scope.execution.invocation
            task = asyncio.create_task(_performed(run, math.inf if invocation is None else invocation.left(), place))
            _aside.add(task)
            task.add_done_callback(_aside.discard)
            return given

        return perform


async def _performed(run: Coroutine[Any, Any, Any], seconds: float, place: str) -> None:
    """A flow that nobody waits for, to its end or to that of its time."""
    try:
        async with asyncio.timeout(seconds):
            await run
    except Exception as error:
        _log.warning("%s: the flow that nobody waits for failed: %s", place, str(error) or type(error).__name__)
