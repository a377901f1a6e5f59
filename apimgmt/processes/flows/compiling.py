"""A definition becomes functions: values and expressions, tasks (``performing.py``), and the whole flow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from apimgmt.errors import SettingInvalid
from apimgmt.processes.expressions import ExpressionFailed
from apimgmt.processes.expressions.children import Children
from apimgmt.processes.expressions.expression import Expression
from apimgmt.processes.flows import Ended, Execution, Perform, Scope, failure
from apimgmt.processes.flows.definition import COMMON, Common, Definition, named, seconds, strictly
from apimgmt.processes.flows.performing import CONTINUE, END, EXIT, Sequence, Task
from apimgmt.processes.flows.schemas import check, validator
from apimgmt.processes.flows.template import (
    Evaluate,
    evaluated,
    immediate,
    inner,
    looked_up,
    reference,
    template,
)
from apimgmt.reading import pointer
from apimgmt.registry import find, names

VARIABLES = ("context", "input", "output", "task", "workflow", "runtime", "trigger", "secrets", "authorization")
DEEPEST = 50
DIRECTIVES = {"continue": CONTINUE, "exit": EXIT, "end": END}
# tasks of the DSL that are not done here, with what to do instead
UNSUPPORTED = {
    "listen": "call the flow from outside when the event comes",
    "emit": "call another system, or send a webhook, with `call: connection`",
}


class Compiler:
    """Compiles what is below one place of a definition. ``expressions`` are all that were met, with their places."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.expressions: list[tuple[str, Expression]] = []
        self._variables: tuple[str, ...] = VARIABLES
        self._depth = 0

    # ---- values --------------------------------------------------------------------------------------------------

    def template(self, value: Any, place: str) -> Evaluate:
        """A value in which texts may be ``${ }``."""
        return template(value, self._inserted, place)

    def expression(self, text: str, place: str) -> Evaluate:
        """A text that is an expression, with or without ``${ }`` around it."""
        source = inner(text)
        return self._made(text, place) if source is None else self._inserted(source, place)

    def value(self, value: Any, place: str) -> Evaluate:
        """What transforms data: an expression, or an object with expressions in it; raises SettingInvalid."""
        if not isinstance(value, str | Mapping):
            raise SettingInvalid("an expression or an object is needed", place)
        return self.expression(value, place) if isinstance(value, str) else self.template(value, place)

    def _inserted(self, source: str, place: str) -> Evaluate:
        """What stands in ``${ }``."""
        names_ = reference(source)
        return _referring(names_) if names_ else self._made(source, place)

    def _made(self, source: str, place: str) -> Evaluate:
        try:
            expression = Expression(source, self._variables)
        except ExpressionFailed as error:
            raise SettingInvalid(str(error), place) from None
        self.expressions.append((place, expression))
        return evaluated(expression)

    def with_variables(self, *more: str) -> Variables:
        """``with compiler.with_variables("item"):`` what is compiled inside sees these variables, too."""
        return Variables(self, more)

    # ---- tasks ---------------------------------------------------------------------------------------------------

    def sequence(self, items: Any, place: str) -> Perform:
        """A list of tasks, one after another, or where their ``then`` leads."""
        if not isinstance(items, list) or not items:
            raise SettingInvalid("at least one task is needed", place)
        with self.deeper(place):
            return self._sequence(items, place)

    @contextmanager
    def deeper(self, place: str) -> Iterator[None]:
        """What is compiled inside is one level deeper; raises SettingInvalid if that is one too many."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise SettingInvalid(f"tasks are nested deeper than {DEEPEST} levels", place)
        yield
        self._depth -= 1

    def _sequence(self, items: list[Any], place: str) -> Perform:
        places = [(*named(item, f"{place}/{index}"), f"{place}/{index}") for index, item in enumerate(items)]
        indexes = {name: index for index, (name, _, _) in enumerate(places)}
        tasks = [self.task(name, members, where + pointer(name), indexes) for name, members, where in places]
        return Sequence(tasks, place == "/do").perform

    def task(self, name: str, members: Mapping[str, Any], place: str, indexes: Mapping[str, int]) -> Task:
        """One task; ``indexes`` says where the tasks beside it are."""
        kind = next((kind for kind in names("task") if kind in members and not _is_part(kind, members)), None)
        for unsupported, instead in UNSUPPORTED.items():
            if unsupported in members:
                raise SettingInvalid(f"{unsupported} is not done here: {instead}", f"{place}/{unsupported}")
        if kind is None:
            raise SettingInvalid(f"a task has one of: {', '.join(names('task'))}", place)
        common = strictly({key: value for key, value in members.items() if key in COMMON}, Common, place)
        own = strictly({key: value for key, value in members.items() if key not in COMMON}, find("task", kind), place)
        return Task(self, name, place, common, own.build(self, place, indexes), directive(common.then, indexes, place))

    def seconds(self, timeout: Any, place: str) -> float | None:
        """The seconds of a timeout, given in place or by the name of one in ``use``."""
        if timeout is None:
            return None
        if isinstance(timeout, str):
            timeout = self.definition.use.timeouts.get(timeout)
            if timeout is None:
                raise SettingInvalid("there is no such timeout in `use`", place)
        if not isinstance(timeout, Mapping) or set(timeout) != {"after"}:
            raise SettingInvalid("a timeout is an object with `after`, or the name of one", place)
        return seconds(timeout["after"], f"{place}/after")

    def check_use(self) -> None:
        """Raise SettingInvalid for what cannot work among that which tasks refer to by name, whether they do or not."""
        # what is not referred to is only looked at: which variables its expressions have depends on who refers to it
        looking = Compiler(self.definition)
        for part in ("errors", "retries", "authentications", "functions"):
            for name, value in getattr(self.definition.use, part).items():
                find("reusable", part)(looking, value, f"/use/{part}{pointer(name)}")
        for name, value in self.definition.use.timeouts.items():
            looking.seconds(value, f"/use/timeouts{pointer(name)}")

    async def check(self, children: Children) -> None:
        """Raise SettingInvalid for the first expression that jq cannot compile."""
        for place, expression in self.expressions:
            try:
                await expression.check(children)
            except ExpressionFailed as error:
                raise SettingInvalid(f"the expression is not well-formed: {error}", place) from None


class Variables:
    """More variables, for as long as something is compiled."""

    def __init__(self, compiler: Compiler, more: tuple[str, ...]) -> None:
        self._compiler = compiler
        self._more = more

    def __enter__(self) -> None:
        self._before = self._compiler._variables
        self._compiler._variables = tuple(dict.fromkeys((*self._before, *self._more)))

    def __exit__(self, *_: object) -> None:
        self._compiler._variables = self._before


class Flow:
    """A compiled flow. Raises SettingInvalid with the place of whatever cannot work."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.compiler = compiler = Compiler(definition)
        source, to = definition.input, definition.output
        self._schema = validator(source.schema if source else None, "/input/schema")
        self._input = source and source.source is not None and compiler.value(source.source, "/input/from")
        self._perform = compiler.sequence(definition.do, "/do")
        compiler.check_use()
        self._output = to and to.to is not None and compiler.value(to.to, "/output/as")
        self._output_schema = validator(to.schema if to else None, "/output/schema")
        self._seconds = compiler.seconds(definition.timeout, "/timeout")
        self._about = {"definition": msgspec.to_builtins(definition)}

    async def run(self, execution: Execution, given: Any, trigger: Any = None) -> Any:
        """The output for an input; raises FlowFailed. ``trigger`` is what references and ``$trigger`` see."""
        about = {**self._about, "input": given}
        scope = Scope(execution, dict.fromkeys(VARIABLES) | {"workflow": about, "trigger": trigger, "runtime": RUNTIME})
        try:
            async with asyncio.timeout(self._seconds):
                return await self._run(scope, given)
        except TimeoutError:
            raise failure("timeout", f"the flow took longer than {self._seconds:g} s") from None
        except ExpressionFailed as error:
            raise failure("expression", str(error)) from None

    async def _run(self, scope: Scope, given: Any) -> Any:
        check(self._schema, given, "input", "")
        if self._input:
            given = await self._input(scope, given)
        scope.variables["input"] = given
        try:
            output = await self._perform(scope, given)
        except Ended as end:
            output = end.output
        if self._output:
            scope.variables["output"] = output
            output = await self._output(scope, output)
        check(self._output_schema, output, "output", "")
        return output


RUNTIME = {"name": "apimgmt"}


def directive(then: str, indexes: Mapping[str, int], place: str) -> int:
    """Where a ``then`` leads; raises SettingInvalid for a task that is not beside this one."""
    if then in DIRECTIVES:
        return DIRECTIVES[then]
    if then not in indexes:
        beside = ", ".join(indexes)
        raise SettingInvalid(f"there is no task {then!r:.100} beside this one; there are: {beside}", f"{place}/then")
    return indexes[then]


def _referring(names_: tuple[str, ...]) -> Evaluate:
    async def evaluate(scope: Scope, given: Any) -> Any:
        return looked_up(names_, scope.variables.get("trigger"))

    return immediate(evaluate, lambda scope, given: looked_up(names_, scope.variables.get("trigger")))


def _is_part(kind: str, members: Mapping[str, Any]) -> bool:
    """Whether ``do`` belongs to another kind of task here."""
    return kind == "do" and "for" in members
