"""switch: the first case whose condition holds says where to go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apimgmt.errors import SettingInvalid
from apimgmt.model import Struct
from apimgmt.processes.expressions.operators import truthy
from apimgmt.processes.flows import Perform, Scope
from apimgmt.processes.flows.compiling import Compiler, directive
from apimgmt.processes.flows.definition import named, strictly
from apimgmt.processes.flows.performing import Switched
from apimgmt.processes.flows.template import Evaluate, immediate, now_of
from apimgmt.reading import pointer
from apimgmt.registry import register


class Case(Struct, frozen=True):
    """One case; without ``when`` it is the default."""

    then: str
    when: str | None = None


@register("task", "switch")
class Switch(Struct, frozen=True):
    """``switch`` is a list of named cases. Without a case that holds, the task's own ``then`` counts."""

    switch: list[Any]

    def build(self, compiler: Compiler, place: str, indexes: Mapping[str, int]) -> Perform:
        """The choice among the cases."""
        if not self.switch:
            raise SettingInvalid("at least one case is needed", f"{place}/switch")
        cases = [self._case(compiler, item, f"{place}/switch/{at}", indexes) for at, item in enumerate(self.switch)]
        # a case without condition is the default, wherever it stands
        cases.sort(key=lambda case: case[0] is None)

        quick = [(now_of(condition) if condition is not None else None, then) for condition, then in cases]
        waits = any(now is None for now, _ in quick[:-1]) or (quick[-1][0] is None and cases[-1][0] is not None)

        def now(scope: Scope, given: Any) -> Any:
            for holds, then in quick:
                if holds is None or truthy(holds(scope, given)):
                    return Switched(given, then)
            return given

        async def perform(scope: Scope, given: Any) -> Any:
            for condition, then in cases:
                if condition is None or truthy(await condition(scope, given)):
                    return Switched(given, then)
            return given

        return immediate(perform, None if waits else now)

    def _case(
        self, compiler: Compiler, item: Any, place: str, indexes: Mapping[str, int]
    ) -> tuple[Evaluate | None, int]:
        name, members = named(item, place)
        where = place + pointer(name)
        case = strictly(members, Case, where)
        condition = compiler.expression(case.when, f"{where}/when") if case.when is not None else None
        return condition, directive(case.then, indexes, where)
