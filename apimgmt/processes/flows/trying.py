"""Trying a flow: what it comes to with an input, as a value."""

from __future__ import annotations

from typing import Any

from apimgmt.processes.flows import Execution, FlowFailed
from apimgmt.processes.flows.compiling import Flow


async def outcome(flow: Flow, execution: Execution, given: Any) -> dict[str, Any]:
    """``{"output": ...}`` or ``{"error": ...}``; an input that is an object is ``$trigger.data``, too."""
    try:
        return {"output": await flow.run(execution, given, {"data": given if isinstance(given, dict) else {}})}
    except FlowFailed as failed:
        return {"error": failed.error}
