"""raise: the flow fails with this error, or goes on where it is caught."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from apimgmt.errors import SettingInvalid
from apimgmt.model import Struct
from apimgmt.processes.flows import FlowFailed, Perform, Scope
from apimgmt.processes.flows.compiling import Compiler
from apimgmt.processes.flows.definition import strictly
from apimgmt.processes.flows.template import inner
from apimgmt.registry import register


class Error(Struct, frozen=True):
    """An error of the DSL; every text may be an expression."""

    type: str
    status: int | str
    title: str = ""
    detail: str = ""
    instance: str = ""


class Raised(Struct, frozen=True):
    """``error`` is one, or the name of one in ``use``."""

    error: dict[str, Any] | str


@register("reusable", "errors")
def check_error(compiler: Compiler, value: Any, place: str) -> None:
    """Raise SettingInvalid for what is no error."""
    error = strictly(value, Error, place)
    if isinstance(error.status, str) and inner(error.status) is None:
        raise SettingInvalid("a whole number is needed, or an expression", f"{place}/status")


@register("task", "raise")
class Raise(Struct, frozen=True):
    """``raise`` says which error."""

    error: Raised = msgspec.field(name="raise")

    def build(self, compiler: Compiler, place: str, indexes: Mapping[str, int]) -> Perform:
        """What raises it."""
        where, given_error = f"{place}/raise/error", self.error.error
        if isinstance(given_error, str):
            if given_error not in compiler.definition.use.errors:
                raise SettingInvalid(f"there is no error {given_error!r:.100} in `use`", where)
            given_error = compiler.definition.use.errors[given_error]
        check_error(compiler, given_error, where)
        made = compiler.template(given_error, where)

        async def perform(scope: Scope, given: Any) -> Any:
            raise FlowFailed({"instance": place, **await made(scope, given)})

        return perform
