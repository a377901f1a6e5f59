"""set: the output is this value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apimgmt.errors import SettingInvalid
from apimgmt.model import Struct
from apimgmt.processes.flows import Perform
from apimgmt.processes.flows.compiling import Compiler
from apimgmt.registry import register


@register("task", "set")
class Set(Struct, frozen=True):
    """``set`` is an object with expressions in it, or one expression."""

    set: dict[str, Any] | str

    def build(self, compiler: Compiler, place: str, indexes: Mapping[str, int]) -> Perform:
        """What works the value out."""
        if not self.set:
            raise SettingInvalid("there is nothing to set", f"{place}/set")
        return compiler.value(self.set, f"{place}/set")
