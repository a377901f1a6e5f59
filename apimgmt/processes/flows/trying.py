"""Trying a flow: what it comes to with an input, as a value."""

from __future__ import annotations

from typing import Any

from apimgmt.errors import SettingInvalid
from apimgmt.processes import Answer, Thrown
from apimgmt.processes.flows import Execution, FlowFailed, failure
from apimgmt.processes.flows.compiling import Flow


async def outcome(flow: Flow, execution: Execution, given: Any) -> dict[str, Any]:
    """``{"output": ...}`` or ``{"error": ...}``, and the ``answer`` that the flow gave by ``call: respond``, if any.

    An input that is an object is ``$trigger.data``, too.
    """
    try:
        done = {"output": await flow.run(execution, given, {"data": given if isinstance(given, dict) else {}})}
    except FlowFailed as failed:
        done = {"error": failed.error}
    except SettingInvalid as error:
        done = {"error": failure("configuration", str(error)).error}
    except Thrown as thrown:
        # only the first answer counts, this one too
        execution.answer = execution.answer or thrown.result
        shown = _shown(thrown.result)
        title = "The flow ended with an answer of its own"
        done = {"error": {"type": "about:blank", "status": shown.get("status", 500), "title": title}}
    return done if execution.answer is None else {**done, "answer": _shown(execution.answer)}


def _shown(result: Any) -> dict[str, Any]:
    """An answer as JSON; an envelope keeps its own members."""
    if not isinstance(result, Answer):
        return {"status": result["HttpStatusCode"], **result}
    headers = {str(name): str(value) for name, value in result.headers}
    return {"status": result.status, **({"headers": headers} if headers else {}), "body": result.value}
