"""call: a function, with arguments.

The functions are registered as ``flow function``: those of the DSL (``http``, ``openapi``) and ours (``connection``,
``entity``, ``python``, ``respond``); besides them a flow has its own in ``use.functions``, each a task whose input are
the arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from apimgmt.errors import SettingInvalid
from apimgmt.model import Struct
from apimgmt.processes.flows import Perform, Scope
from apimgmt.processes.flows.compiling import Compiler
from apimgmt.processes.flows.template import has_expressions
from apimgmt.reading import pointer, read
from apimgmt.registry import find, names, register

UNSUPPORTED = frozenset(("grpc", "asyncapi", "a2a", "mcp"))


@register("task", "call")
class Call(Struct, frozen=True):
    """``call`` names the function, ``with`` are its arguments, in which texts may be expressions."""

    call: str
    arguments: dict[str, Any] = msgspec.field(default_factory=dict, name="with")

    def build(self, compiler: Compiler, place: str, indexes: Mapping[str, int]) -> Perform:
        """What calls the function; raises SettingInvalid for an unknown one."""
        if self.call in compiler.definition.use.functions:
            return self._own(compiler, place)
        if self.call in UNSUPPORTED:
            detail = f"call: {self.call} is not done here; call it through http, or from a python function"
            raise SettingInvalid(detail, f"{place}/call")
        if "@" in self.call or "://" in self.call:
            detail = "functions of catalogs are not done here: write the function in `use.functions`"
            raise SettingInvalid(detail, f"{place}/call")
        if self.call not in names("flow function"):
            known = ", ".join([*names("flow function"), *compiler.definition.use.functions])
            raise SettingInvalid(f"there is no function {self.call!r:.100}; there are: {known}", f"{place}/call")
        perform: Perform = find("flow function", self.call)(compiler, self.arguments, f"{place}/with")
        return perform

    def _own(self, compiler: Compiler, place: str) -> Perform:
        arguments = compiler.template(self.arguments, f"{place}/with")
        where = f"/use/functions/{self.call}"
        with compiler.deeper(where):
            task = compiler.task(self.call, compiler.definition.use.functions[self.call], where, {})

        async def perform(scope: Scope, given: Any) -> Any:
            output, _ = await task.perform(scope.with_variables(), await arguments(scope, given))
            return output

        return perform


@register("reusable", "functions")
def check_function(compiler: Compiler, value: Any, place: str) -> None:
    """Raise SettingInvalid for what is no task."""
    name = place.rpartition("/")[2]
    with compiler.deeper(place):
        compiler.task(name, value, place, {})


def members(arguments: Mapping[str, Any], known: type[Struct], place: str) -> None:
    """Raise SettingInvalid for an argument that a function does not have, lacks, or that is of another type, as far as
    that can be said before its expressions are worked out."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(known)}
    for name in arguments:
        if name not in fields:
            raise SettingInvalid(
                f"there is no argument {name!r:.100}; there are: {', '.join(fields)}", f"{place}/{name}"
            )
    for name, field in fields.items():
        if field.required and name not in arguments:
            raise SettingInvalid(f"the argument {name!r} is needed", place)
        if name in arguments:
            _check_type(arguments[name], field.type, place + pointer(name))


def _check_type(value: Any, kind: Any, place: str) -> None:
    if kind is Any or (isinstance(value, str) and "${" in value):
        return
    if value is None:
        raise SettingInvalid("null is no value here: leave it out", place)
    if isinstance(value, Mapping):
        # what is an expression has its type only later
        for name, one in value.items():
            if one is None and Any not in get_args(kind):
                raise SettingInvalid("null is no value here: leave it out", place + pointer(name))
        value = {name: one for name, one in value.items() if not has_expressions(one)}
        if isinstance(kind, type) and issubclass(kind, Struct):
            return
    try:
        read(value, kind)
    except SettingInvalid as error:
        raise SettingInvalid(str(error), place + error.pointer) from None
