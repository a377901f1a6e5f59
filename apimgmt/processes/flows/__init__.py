"""Flows: processes written as data, in the DSL of the Open Workflow Specification (Serverless Workflow) 1.0.

A definition is read once (``definition.py``, ``compiling.py``) and becomes nested functions; every kind of task is a
file of its own in ``tasks/``, registered as ``task`` under the member that tells it (``set``, ``switch`` ...). This
file holds what is passed around.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from apimgmt.errors import ApimgmtError
from apimgmt.processes.expressions.children import Children

STANDARD = "https://serverlessworkflow.io/spec/1.0.0/errors/"
# the error types of the DSL and their usual status
STATUS = {
    "configuration": 400,
    "validation": 400,
    "expression": 400,
    "authentication": 401,
    "authorization": 403,
    "timeout": 408,
    "communication": 500,
    "runtime": 500,
}
MOST_STEPS = 100_000
# after so many tasks others have their turn, if none of them waited for anything
AT_ONCE = 500
DEEPEST_FLOWS = 20


class FlowFailed(ApimgmtError):
    """An error of the DSL: ``error`` has type, status and what else is known of title, detail and instance."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("title") or error.get("detail") or error["type"]))
        self.error = dict(error)


def failure(kind: str, detail: str, instance: str = "") -> FlowFailed:
    """An error of one of the types that the DSL itself defines; ``instance`` is the pointer of the task."""
    return FlowFailed(
        {
            "type": STANDARD + kind,
            "status": STATUS[kind],
            "title": kind.capitalize() + " error",
            "detail": detail,
            **({"instance": task_of(instance)} if instance else {}),
        }
    )


def task_of(place: str) -> str:
    """The pointer of a task, from that of its arguments."""
    return place.removesuffix("/with")


class Ended(Exception):
    """``then: end``: the flow ends here, well, with this output."""

    def __init__(self, output: Any) -> None:
        super().__init__("the flow ended")
        self.output = output


class Step(NamedTuple):
    """One task that was performed: its pointer in the definition, when it began (Unix time), how long it took."""

    task: str
    began: float
    seconds: float
    failed: bool


# performs one of a flow's own tasks, and keeps what came of it: its pointer, what performs it, and on what
Keep = Callable[[str, Callable[["Scope", Any], Awaitable[tuple[Any, int]]], "Scope", Any], Awaitable[tuple[Any, int]]]


class Execution:
    """One execution of a flow: what all its tasks share.

    Flows that it runs are executions inside it, and count together with it: ``whole`` is the outermost. ``answer`` is
    the first that it gave where there is no caller to have it.
    """

    def __init__(self, children: Children, invocation: Any = None, most_steps: int = MOST_STEPS) -> None:
        self.children = children
        self.invocation = invocation
        self.context: Any = None
        self.steps: list[Step] = []
        self.keep: Keep | None = getattr(invocation, "keep", None)
        self.identity = ""
        self.answer: Any = None
        self.whole = self
        self._calls: Counter[str] = Counter()
        self._left = most_steps
        self._pause = most_steps - AT_ONCE
        self._depth = 0

    def inside(self, place: str) -> Execution:
        """The execution of a flow that is performed as a part of this one; raises FlowFailed if it is too deep."""
        if self._depth >= DEEPEST_FLOWS:
            raise failure("runtime", f"flows run each other deeper than {DEEPEST_FLOWS} levels", place)
        inner = Execution(self.children, self.invocation)
        inner.whole, inner._pause, inner._depth = self.whole, self._pause, self._depth + 1
        # it is a part of one task of this one, which is kept as a whole
        inner.keep, inner.identity, inner._calls = None, self.identity, self._calls
        return inner

    def identify(self, identity: str) -> None:
        """What is performed from now on goes by this name; performed again after a crash, it has it again."""
        self.identity = identity
        self._calls.clear()

    def idempotency_key(self, place: str) -> str:
        """The key of the next call to another system at a place; empty for a run that is not durable."""
        if not self.identity:
            return ""
        self._calls[place] += 1
        return f"{self.identity}{place}/{self._calls[place]}"

    def begin(self, task: str) -> float:
        """A task begins; raises FlowFailed if it is one too many."""
        whole = self.whole
        whole._left -= 1
        if whole._left < 0:
            raise failure("runtime", "the flow performs too many tasks", task)
        return time.time()

    def is_due(self) -> bool:
        """Whether others should have their turn now."""
        left = self.whole._left
        if left > self._pause:
            return False
        self._pause = left - AT_ONCE
        return True

    def take_back(self) -> None:
        """The task that began last did not: it begins anew."""
        self.whole._left += 1

    def end(self, task: str, began: float, failed: bool) -> None:
        """It ended."""
        self.steps.append(Step(task, began, time.time() - began, failed))


class Scope:
    """Where a task is performed: the execution, and the variables that its expressions see."""

    __slots__ = ("execution", "variables")

    def __init__(self, execution: Execution, variables: dict[str, Any]) -> None:
        self.execution = execution
        self.variables = variables

    def with_variables(self, **more: Any) -> Scope:
        """A scope of its own, with more variables."""
        return Scope(self.execution, {**self.variables, **more})


# what is performed: the scope and the input, the output
Perform = Callable[[Scope, Any], Awaitable[Any]]
