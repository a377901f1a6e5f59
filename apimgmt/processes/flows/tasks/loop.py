"""for: tasks for each item of a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from apimgmt.model import Struct
from apimgmt.processes.expressions.operators import kind, truthy
from apimgmt.processes.flows import Perform, Scope, failure
from apimgmt.processes.flows.compiling import Compiler
from apimgmt.registry import register


class Each(Struct, frozen=True):
    """``in`` gives the list; ``each`` and ``at`` name the variables of the item and its index."""

    items: str = msgspec.field(name="in")
    each: str = "item"
    at: str = "index"


@register("task", "for")
class For(Struct, frozen=True):
    """Each turn gets the output of the one before; it goes on while ``while`` holds. The last output is the output."""

    loop: Each = msgspec.field(name="for")
    do: list[Any]
    condition: str | None = msgspec.field(default=None, name="while")

    def build(self, compiler: Compiler, place: str, indexes: Mapping[str, int]) -> Perform:
        """The loop."""
        each, at = self.loop.each, self.loop.at
        items = compiler.expression(self.loop.items, f"{place}/for/in")
        with compiler.with_variables(each, at):
            condition = compiler.expression(self.condition, f"{place}/while") if self.condition else None
            turn = compiler.sequence(self.do, f"{place}/do")

        async def perform(scope: Scope, given: Any) -> Any:
            found = await items(scope, given)
            if not isinstance(found, list):
                raise failure("expression", f"for.in is an array, not {kind(found)}", place)
            for index, item in enumerate(found):
                inside = scope.with_variables(**{each: item, at: index})
                if condition is not None and not truthy(await condition(inside, given)):
                    break
                given = await turn(inside, given)
            return given

        return perform
