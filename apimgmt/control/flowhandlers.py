"""The handlers of the operations under ``/flows``, and of the diagram of a run: no decisions here."""

from __future__ import annotations

from typing import Any

from apimgmt.control.crud import Handler, crud, if_match, tagged
from apimgmt.control.diagram.svg import answer
from apimgmt.control.flows import Flows
from apimgmt.control.runs import Runs
from apimgmt.processes import Invocation


def flow_handlers(flows: Flows, runs: Runs) -> dict[str, Handler]:
    """operationId -> handler."""

    def revisions(invocation: Invocation) -> Any:
        return flows.revisions(invocation.data.path.id)

    def rollback(invocation: Invocation) -> Any:
        data = invocation.data
        return tagged(flows.rollback(data.path.id, data.body.revision, if_match(invocation)))

    def dry_run(invocation: Invocation) -> Any:
        body = invocation.data.parsed or {}
        return flows.dry_run(invocation.data.path.id, body.get("input"), with_diagram=bool(body.get("diagram")))

    def draw(invocation: Invocation) -> Any:
        return answer(flows.diagram(invocation.data.path.id, invocation.data.query.revision))

    def draw_run(invocation: Invocation) -> Any:
        return answer(flows.diagram_of_run(runs.find(invocation.data.path.id)))

    own: dict[str, Handler] = {
        "listFlowRevisions": revisions,
        "rollbackFlow": rollback,
        "dryRunFlow": dry_run,
        "drawFlow": draw,
        "drawRun": draw_run,
    }
    return {**crud(flows, "Flow", "Flows", "flows"), **own}
