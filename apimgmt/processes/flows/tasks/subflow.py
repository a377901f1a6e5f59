"""run: another flow, as a part of this one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
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


class Workflow(Struct, frozen=True):
    """Which flow, by what its document says of itself, and its input."""

    namespace: str
    name: str
    version: str = "latest"
    input: Any = None


class Run(Struct, frozen=True):
    """``await: false`` goes on without waiting for it; the output is then the input."""

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
        running: set[asyncio.Task[Any]] = set()

        async def perform(scope: Scope, given: Any) -> Any:
            try:
                flow = flows.named(workflow.namespace, workflow.name, workflow.version)
            except SettingInvalid as error:
                raise failure("configuration", str(error), place) from None
            inner = given if made is None else await made(scope, given)
            run = flow.run(scope.execution.inside(place), inner, scope.variables.get("trigger"))
            if wanted.is_awaited:
                return await run
            task = asyncio.create_task(run)
            running.add(task)
            task.add_done_callback(running.discard)
            return given

        return perform
