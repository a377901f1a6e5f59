"""Flows without a gateway: a definition goes in, what it comes to comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import apimgmt.asgi  # noqa: F401  registers every kind of task
from apimgmt.connections.known import connections
from apimgmt.processes.expressions.children import Children
from apimgmt.processes.flows import Execution
from apimgmt.processes.flows.compiling import Flow
from apimgmt.processes.flows.definition import read_definition


def definition(*tasks: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A definition of these tasks, named a, b, c ..."""
    named = [{chr(ord("a") + place): dict(task)} for place, task in enumerate(tasks)]
    document = {"dsl": "1.0.3", "namespace": "test", "name": "test", "version": "1.0.0"}
    return {"document": document, "do": named, **more}


async def run(given: Mapping[str, Any], value: Any = None, trigger: Any = None, **limits: Any) -> Any:
    """The output of a definition; raises FlowFailed or SettingInvalid."""
    children = Children(seconds=10.0)
    try:
        flow = Flow(read_definition(given))
        await flow.compiler.check(children)
        return await flow.run(Execution(children, **limits), value, trigger)
    finally:
        await children.close()
        await connections.aclose()
