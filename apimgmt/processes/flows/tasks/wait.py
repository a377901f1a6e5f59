"""wait: nothing for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from apimgmt.model import Struct
from apimgmt.processes.flows import Perform, Scope
from apimgmt.processes.flows.compiling import Compiler
from apimgmt.processes.flows.definition import seconds
from apimgmt.registry import register


@register("task", "wait")
class Wait(Struct, frozen=True):
    """``wait`` is a duration; the output is the input."""

    wait: Any

    def build(self, compiler: Compiler, place: str, indexes: Mapping[str, int]) -> Perform:
        """The pause."""
        pause = seconds(self.wait, f"{place}/wait")

        async def perform(scope: Scope, given: Any) -> Any:
            await asyncio.sleep(pause)
            return given

        return perform
