"""do: tasks one after another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apimgmt.model import Struct
from apimgmt.processes.flows import Perform
from apimgmt.processes.flows.compiling import Compiler
from apimgmt.registry import register


@register("task", "do")
class Do(Struct, frozen=True):
    """``do`` is a list of tasks."""

    do: list[Any]

    def build(self, compiler: Compiler, place: str, indexes: Mapping[str, int]) -> Perform:
        """The sequence."""
        return compiler.sequence(self.do, f"{place}/do")
