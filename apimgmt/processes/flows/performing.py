"""How tasks are performed: one with what all tasks have around it, and several one after another."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from apimgmt.processes.expressions import ExpressionFailed
from apimgmt.processes.expressions.operators import Undecided, truthy
from apimgmt.processes.flows import Ended, Perform, Scope, failure
from apimgmt.processes.flows.definition import Common
from apimgmt.processes.flows.schemas import check, validator
from apimgmt.processes.flows.template import now_of

if TYPE_CHECKING:
    from apimgmt.processes.flows.compiling import Compiler

# where to go on after a task; any other number is the index of one beside it
CONTINUE, EXIT, END = -1, -2, -3


class Switched:
    """The output of a task that says itself where to go on: ``then`` is an index or a directive."""

    __slots__ = ("output", "then")

    def __init__(self, output: Any, then: int) -> None:
        self.output = output
        self.then = then


class Task:
    """A task with its condition, its transformations and its timeout."""

    def __init__(self, compiler: Compiler, name: str, place: str, common: Common, perform: Perform, then: int) -> None:
        self._name = name
        self._place = place
        self._perform = perform
        self._then = then
        self._condition = common.condition and compiler.expression(common.condition, f"{place}/if")
        source, to, export = common.input, common.output, common.export
        self._input_schema = validator(source.schema if source else None, f"{place}/input/schema")
        self._input = source and source.source is not None and compiler.value(source.source, f"{place}/input/from")
        self._output = to and to.to is not None and compiler.value(to.to, f"{place}/output/as")
        self._output_schema = validator(to.schema if to else None, f"{place}/output/schema")
        self._export = export and export.to is not None and compiler.value(export.to, f"{place}/export/as")
        self._seconds = compiler.seconds(common.timeout, f"{place}/timeout")
        self._is_plain = not (source or to or export or self._condition or self._seconds)
        self._now = now_of(perform) if self._is_plain else None

    @property
    def place(self) -> str:
        """The pointer of the task."""
        return self._place

    def at_once(self, scope: Scope, given: Any) -> tuple[Any, int] | None:
        """The same as :meth:`perform` without waiting for anything; None if that cannot be, and nothing is done yet."""
        if self._now is None:
            return None
        execution, variables = scope.execution, scope.variables
        began = execution.begin(self._place)
        variables["input"] = given
        variables["task"] = {"name": self._name, "reference": self._place, "input": given}
        try:
            output = self._now(scope, given)
        except Undecided:
            execution.take_back()
            return None
        except Exception as error:
            execution.end(self._place, began, True)
            if isinstance(error, ExpressionFailed):
                raise failure("expression", str(error), self._place) from None
            raise
        execution.end(self._place, began, False)
        return (output.output, output.then) if type(output) is Switched else (output, self._then)

    async def perform(self, scope: Scope, given: Any) -> tuple[Any, int]:
        """The output and where to go on."""
        execution = scope.execution
        try:
            # a task that is left out counts, too: a loop over many of them must end
            began = execution.begin(self._place)
            if self._condition and not truthy(await self._condition(scope, given)):
                return given, CONTINUE
        except ExpressionFailed as error:
            raise failure("expression", str(error), self._place) from None
        failed = True
        try:
            output, then = await self._performed(scope, given)
            failed = False
            return output, then
        except Ended:
            failed = False
            raise
        except ExpressionFailed as error:
            raise failure("expression", str(error), self._place) from None
        finally:
            execution.end(self._place, began, failed)

    async def _performed(self, scope: Scope, raw: Any) -> tuple[Any, int]:
        variables = scope.variables
        given = await self._input(scope, raw) if self._input else raw
        check(self._input_schema, given, "input", self._place)
        variables["input"] = given
        variables["task"] = {"name": self._name, "reference": self._place, "input": raw}
        if self._seconds is None:
            output = await self._perform(scope, given)
        else:
            try:
                async with asyncio.timeout(self._seconds):
                    output = await self._perform(scope, given)
            except TimeoutError:
                raise failure("timeout", f"the task took longer than {self._seconds:g} s", self._place) from None
        then = self._then
        if type(output) is Switched:
            output, then = output.output, output.then
        if self._is_plain:
            return output, then
        variables["output"] = output
        if self._output:
            output = await self._output(scope, output)
        check(self._output_schema, output, "output", self._place)
        if self._export:
            scope.execution.context = variables["context"] = await self._export(scope, output)
        return output, then


class Sequence:
    """Tasks one after another."""

    def __init__(self, tasks: list[Task], is_whole: bool = False) -> None:
        self._tasks = tasks
        self._is_whole = is_whole

    async def perform(self, scope: Scope, given: Any) -> Any:
        """The output of the last one that was performed; raises Ended if one of them ends the flow."""
        tasks, index = self._tasks, 0
        keep = scope.execution.keep if self._is_whole else None
        while index < len(tasks):
            scope.variables["context"] = scope.execution.context
            if keep is None:
                done = tasks[index].at_once(scope, given)
                given, then = done if done is not None else await tasks[index].perform(scope, given)
                if scope.execution.is_due():
                    # what never waits lets others go on, too
                    await asyncio.sleep(0)
            else:
                given, then = await keep(tasks[index].place, tasks[index].perform, scope, given)
            if then == CONTINUE:
                index += 1
            elif then == EXIT:
                break
            elif then == END:
                raise Ended(given)
            else:
                index = then
        return given
