"""fork: branches side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from apimgmt.errors import SettingInvalid
from apimgmt.model import Struct
from apimgmt.processes.flows import Ended, Perform, Scope
from apimgmt.processes.flows.compiling import Compiler
from apimgmt.processes.flows.template import weighed
from apimgmt.registry import register

MOST_BRANCHES = 50


class Branches(Struct, frozen=True):
    """With ``compete`` the first that ends gives the output and the others are stopped."""

    branches: list[Any]
    compete: bool = False


@register("task", "fork")
class Fork(Struct, frozen=True):
    """Every branch gets the same input; the output is an array with one output for each, in their order."""

    fork: Branches

    def build(self, compiler: Compiler, place: str, indexes: Mapping[str, int]) -> Perform:
        """The branches side by side."""
        if len(self.fork.branches) > MOST_BRANCHES:
            raise SettingInvalid(f"a fork has at most {MOST_BRANCHES} branches", f"{place}/fork/branches")
        branches = [
            compiler.sequence([branch], f"{place}/fork/branches/{index}")
            for index, branch in enumerate(self.fork.branches)
        ]
        compete = self.fork.compete

        async def perform(scope: Scope, given: Any) -> Any:
            tasks = [asyncio.create_task(_branch(branch, scope.with_variables(), given)) for branch in branches]
            try:
                when = asyncio.FIRST_COMPLETED if compete else asyncio.FIRST_EXCEPTION
                done, _ = await asyncio.wait(tasks, return_when=when)
                if compete:
                    return next(task for task in tasks if task in done).result()
                for task in done:
                    task.result()
                return weighed([task.result() for task in tasks])
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

        return perform


async def _branch(branch: Perform, scope: Scope, given: Any) -> Any:
    try:
        return await branch(scope, given)
    except Ended as end:
        # it ends its branch: the others have their own say
        return end.output
