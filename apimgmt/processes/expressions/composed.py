"""What direct expressions are composed of: functions of ``.`` and the variables, made from such functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apimgmt.processes.expressions import ExpressionFailed
from apimgmt.processes.expressions.budget import budget
from apimgmt.processes.expressions.operators import field, item, kind, truthy
from apimgmt.processes.expressions.rows import Run, Variables, constant_of, is_constant, known


def identity(value: Any, variables: Variables) -> Any:
    """``.``."""
    return value


def constant(literal: Any) -> Run:
    """A literal."""

    def run(value: Any, variables: Variables) -> Any:
        return literal

    return known(run, literal)


def listed(parts: list[Run]) -> Run:
    """``[a, b]``."""

    def run(value: Any, variables: Variables) -> list[Any]:
        return [part(value, variables) for part in parts]

    return known(run, [constant_of(part) for part in parts]) if all(map(is_constant, parts)) else run


def field_of(run: Run, name: str) -> Run:
    """``.name`` of what a function gives."""
    if run is identity:
        return lambda value, variables: value.get(name) if type(value) is dict else field(value, name)
    return lambda value, variables: field(run(value, variables), name)


def item_of(run: Run, index: int) -> Run:
    """``.[index]`` of what a function gives."""
    return lambda value, variables: item(run(value, variables), index)


def either(left: Run, right: Run) -> Run:
    """``a or b``."""
    return lambda value, variables: truthy(left(value, variables)) or truthy(right(value, variables))


def both(left: Run, right: Run) -> Run:
    """``a and b``."""
    return lambda value, variables: truthy(left(value, variables)) and truthy(right(value, variables))


def operation(operator: Callable[[Any, Any], Any], left: Run, right: Run) -> Run:
    """``a + b`` and the like."""

    # jq works out the right side first; which of two errors is told depends on it
    def run(value: Any, variables: Variables) -> Any:
        second = right(value, variables)
        return operator(left(value, variables), second)

    return run


def mapped(steps: list[tuple[bool, Run]]) -> Run:
    """``map(f)``: the steps of f, each with whether it only selects."""

    def one(value: Any, variables: Variables, found: list[Any]) -> None:
        for selects, run in steps:
            result = run(value, variables)
            if not selects:
                value = result
            elif not truthy(result):
                return
        found.append(value)

    def every(value: Any, variables: Variables) -> list[Any]:
        if isinstance(value, dict):
            value = list(value.values())
        if not isinstance(value, list):
            raise ExpressionFailed(f"Cannot iterate over {kind(value)}")
        found: list[Any] = []
        for each in value:
            one(each, variables, found)
        return found

    return every


def metered(run: Run, cost: int) -> Run:
    """What is done for every item, at so many steps each."""

    def metered(value: Any, variables: Variables) -> Any:
        if isinstance(value, list | dict):
            budget.spend(len(value) * cost)
        return run(value, variables)

    return metered


def key_of(value: Any) -> str:
    """The name of a member; raises ExpressionFailed for what is none."""
    if not isinstance(value, str):
        raise ExpressionFailed("Object keys must be strings")
    return value
