"""flow: a process written as data (:mod:`apimgmt.processes.flows`).

    {"kind": "flow", "flow": "order"}
    {"kind": "flow", "definition": {"document": {...}, "do": [...]}}

Its input is the request: ``path``, ``query``, ``header``, ``cookie``, ``body``, ``httpMethod`` and the other members of
``#trigger.data``; ``$trigger`` has it as ``$trigger.data`` in every expression. Its output becomes the answer.
"""

from __future__ import annotations

from typing import Any

from apimgmt.connections.remaining import within
from apimgmt.errors import Problem, SettingInvalid
from apimgmt.model import CompiledApi, Operation, Struct
from apimgmt.processes import Invocation, Process
from apimgmt.processes.expressions.children import Children
from apimgmt.processes.flows import STANDARD, Execution, FlowFailed
from apimgmt.processes.flows.compiling import Flow
from apimgmt.processes.flows.definition import read_definition
from apimgmt.processes.flows.known import flows
from apimgmt.processes.functions.results import adapted
from apimgmt.registry import register

children = Children()
BODILESS = frozenset({"get", "head", "delete"})


@register("process", "flow")
class FlowProcess(Struct, frozen=True):
    """``flow`` is the name of one that is stored, always in its newest revision; ``definition`` is one of its own, in
    the DSL of the Open Workflow Specification 1.0."""

    flow: str = ""
    definition: dict[str, Any] | None = None

    def build(self, operation: Operation, api: CompiledApi) -> Process:
        """The process; raises SettingInvalid with the place of what is wrong in the definition."""
        if (self.definition is None) == (not self.flow):
            raise SettingInvalid("either `flow`, the name of a stored one, or `definition` is needed")
        own = Flow(read_definition(self.definition)) if self.definition is not None else None

        async def run(invocation: Invocation) -> Any:
            within.set(invocation)
            given = data_of(invocation)
            try:
                flow = own or flows.find(self.flow)
                execution = Execution(children, invocation)
                invocation.tasks = execution.steps
                output = await flow.run(execution, given, {"data": given, "claimsprincipal": claims_of(invocation)})
            except FlowFailed as failed:
                raise problem(failed) from failed
            except SettingInvalid as error:
                raise Problem("process-failed", reason=str(error)) from None
            return await adapted(output)

        return run


def data_of(invocation: Invocation) -> dict[str, Any]:
    """``#trigger.data`` as plain values; no body with methods that have none, unless the document says so (H-011)."""
    data, operation = invocation.data, invocation.operation
    bodiless = operation.body is None and operation.method in BODILESS
    return {
        "path": dict(data.path),
        "query": dict(data.query),
        "header": dict(data.header),
        "cookie": dict(data.cookie),
        "body": None if bodiless else data.parsed,
        "httpMethod": data.httpMethod,
        "httpHeaders": dict(data.httpHeaders),
        "httpCookies": dict(data.httpCookies),
        "httpClientIp": data.httpClientIp,
        "httpRequestUri": data.httpRequestUri,
        "username": data.username,
        "httpBody": data.httpBody,
        "httpContentBytesInBase64": data.httpContentBytesInBase64,
    }


def claims_of(invocation: Invocation) -> dict[str, Any] | None:
    """``#trigger.claimsprincipal`` as plain values; None unless the caller came with OAuth 2 (F-071)."""
    principal = invocation.claimsprincipal
    return None if principal is None else {"Claims": principal.Claims, "Roles": principal.Roles}


def problem(failed: FlowFailed) -> Problem:
    """The answer for an error that nothing caught: what the flow raised on purpose, in its own words (RFC 9457)."""
    error = failed.error
    status = error.get("status")
    if not isinstance(status, int) or not 400 <= status <= 599:
        return Problem("process-failed", reason=str(failed))
    if error.get("type") == f"{STANDARD}timeout":
        # 408 would tell the caller that he was too slow, and many repeat such a request at once (RFC 9110, 15.5.9)
        status = 504
    extra = {name: error[name] for name in ("type", "title") if error.get(name)}
    return Problem("process-failed", str(error.get("detail") or ""), status=status, extra=extra, reason=str(error))
