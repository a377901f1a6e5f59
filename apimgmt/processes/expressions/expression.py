"""One expression, compiled once: a function of ours where that is enough, jq in a child where it is not."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from apimgmt.processes.expressions import ExpressionFailed
from apimgmt.processes.expressions.children import Children, program
from apimgmt.processes.expressions.direct import compiled
from apimgmt.processes.expressions.notation import translated
from apimgmt.processes.expressions.operators import Undecided
from apimgmt.processes.expressions.rows import Run
from apimgmt.processes.expressions.tokens import Unknown

LONGEST = 10_000
_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")


class Expression:
    """``source`` is jq without ``${ }``, references such as ``#trigger.data.path.id`` included; ``variables`` are the
    names (without $) that it may use.

    Raises ExpressionFailed if it is too long or too deep, or a reference in it cannot be one.
    """

    __slots__ = ("_names", "_program", "_run", "_translated", "source")

    def __init__(self, source: str, variables: Collection[str]) -> None:
        self.source = source
        if len(source) > LONGEST:
            raise ExpressionFailed(f"the expression is longer than {LONGEST} characters")
        try:
            source = translated(source)
        except RecursionError:
            raise ExpressionFailed("strings inside strings are nested too deep") from None
        # only what it names goes to the other process
        used = frozenset(_VARIABLE.findall(source))
        self._names = tuple(name for name in variables if name in used)
        self._translated = source
        self._program = program(source, self._names)
        try:
            self._run: Run | None = compiled(source, variables)
        except (Unknown, RecursionError):
            self._run = None

    @property
    def direct(self) -> Run | None:
        """What evaluates it without jq, None if nothing does; raises Undecided for values that only jq can judge."""
        return self._run

    @property
    def is_direct(self) -> bool:
        """Whether it is evaluated without jq."""
        return self._run is not None

    async def check(self, children: Children) -> None:
        """Raise ExpressionFailed if it is not well-formed."""
        if self._run is None:
            await children.check(self._translated, self._names)

    async def evaluate(self, value: Any, variables: Mapping[str, Any], children: Children) -> Any:
        """Its result for ``.`` and the variables; raises ExpressionFailed."""
        if self._run is not None:
            try:
                return self._run(value, variables)
            except Undecided:
                pass
        used = {name: variables.get(name) for name in self._names}
        return await children.evaluate(self._program, value, used)
