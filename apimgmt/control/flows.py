"""Flows as the control plane stores them: every change is a revision, and an operation runs the newest one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from apimgmt.connections.known import connections as open_connections
from apimgmt.control.connections import connections
from apimgmt.control.diagram.svg import diagram
from apimgmt.control.publish import Publisher
from apimgmt.control.resources import Resources, Shown, check_unbound, match, wrong
from apimgmt.control.rows import ResourceRow, now
from apimgmt.control.store import Store
from apimgmt.control.transaction import Transaction
from apimgmt.errors import Problem, SettingInvalid
from apimgmt.model import FlowEntry, Struct
from apimgmt.processes.expressions.children import Children
from apimgmt.processes.flows import Execution, Step
from apimgmt.processes.flows.compiling import Flow
from apimgmt.processes.flows.definition import read_definition
from apimgmt.processes.flows.known import flows as known_flows
from apimgmt.processes.flows.trying import outcome
from apimgmt.processes.nested import with_nested
from apimgmt.registry import register
from apimgmt.settings import Settings

REVISIONS_KEPT = 50
DRY_RUN_SECONDS = 25.0  # an operation of the admin API has 30


class Revision(Struct, frozen=True):
    """One state of a flow; numbers only grow."""

    number: int
    created: str
    definition: dict[str, Any]


class Stored(Struct, frozen=True):
    """What is stored of a flow: its revisions, the newest last, and which one counts."""

    revisions: tuple[Revision, ...]
    current: int

    @property
    def revision(self) -> Revision:
        """The one that counts."""
        return next(one for one in self.revisions if one.number == self.current)


class Flows(Resources[Stored]):
    """All flows. A person sends ``definition``, in the DSL of the Open Workflow Specification."""

    kind = "flow"
    noun = "a flow"
    content = Stored

    def __init__(self, store: Store, publisher: Publisher, settings: Settings) -> None:
        super().__init__(store, publisher)
        self._settings = settings

    def create(self, body: Mapping[str, Any]) -> Shown:
        """A new one, compiled once with all its expressions, so that a wrong one is said at once."""
        self._name(body)
        checked(_definition(body))
        return super().create(body)

    def replace(self, reference: str, body: Mapping[str, Any], if_match: str | None = None) -> Shown:
        """The next revision of one, compiled in the same way."""
        match(self.row(reference), if_match)
        checked(_definition(body))
        return super().replace(reference, body, if_match)

    def read(self, body: Mapping[str, Any], before: Stored | None, transaction: Transaction) -> Stored:
        """``{"definition": {...}}``; jq looked at its expressions before (slowly, hence in no transaction)."""
        definition = _definition(body)
        revisions = before.revisions if before is not None else ()
        if before is not None and before.revision.definition == definition:
            return before
        number = max((one.number for one in revisions), default=0) + 1
        kept = (*revisions, Revision(number=number, created=now(), definition=definition))[-REVISIONS_KEPT:]
        return Stored(revisions=kept, current=number)

    def rollback(self, reference: str, number: int, if_match: str | None = None) -> Shown:
        """An earlier revision counts again."""

        def change(transaction: Transaction) -> ResourceRow:
            row = self.found(transaction, reference)
            match(row, if_match)
            stored = self.stored(row)
            if all(one.number != number for one in stored.revisions):
                raise Problem("not-found", f"{row.name!r} has no revision {number}")
            return self.put(transaction, row, msgspec.structs.replace(stored, current=number), row.name)

        row, _ = self._publisher.publish(change)
        return Shown(self.view(row), row.etag)

    def revisions(self, reference: str) -> list[dict[str, Any]]:
        """All that are kept, the newest first."""
        stored = self.stored(self.row(reference))
        plain: list[dict[str, Any]] = msgspec.to_builtins(list(reversed(stored.revisions)))
        return [{**one, "current": one["number"] == stored.current} for one in plain]

    def diagram(self, reference: str, number: int | None = None) -> str:
        """The flow as SVG, in the revision that counts or an earlier one; raises Problem ``not-found``."""
        row = self.row(reference)
        stored = self.stored(row)
        wanted = stored.current if number is None else number
        revision = next((one for one in stored.revisions if one.number == wanted), None)
        if revision is None:
            raise Problem("not-found", f"{row.name!r} has no revision {wanted}")
        return diagram(read_definition(revision.definition))

    def diagram_of_run(self, run: Mapping[str, Any]) -> str:
        """The flow that a run performed as SVG, with what each task took; drawn as it is now.

        ``run`` is one of :meth:`apimgmt.control.runs.Runs.find`; raises Problem ``not-found`` if there is no flow.
        """
        with self._store.reading() as transaction:
            api = next((api for api in transaction.apis() if api.name == run["api"]), None)
            bindings = api.published.bindings if api is not None and api.published is not None else {}
            bound = with_nested(bindings[run["operation"]]) if run["operation"] in bindings else ()
            config: Mapping[str, Any] = next((one.config for one in bound if one.kind == "flow"), {})
            stored = {flow.name: flow.definition for flow in flows(transaction)}
        definition = config.get("definition") or stored.get(config.get("flow", ""))
        if definition is None:
            raise Problem("not-found", f"{run['operation']} of {run['api']} is not bound to a flow now")
        return diagram(read_definition(definition), run["tasks"])

    def dry_run(self, reference: str, given: Any, with_diagram: bool = False) -> dict[str, Any]:
        """Run it with this input, here and now, with everything it calls; says what each task took.

        ``{"output": ...}`` or ``{"error": ...}``, and ``steps``; ``diagram`` if it is wanted: the same as SVG.
        """
        definition = self.stored(self.row(reference)).revision.definition
        with self._store.reading() as transaction:
            open_connections.prepared(connections(transaction), self._settings)()
            known_flows.prepared(flows(transaction))()
        done = dry_run(definition, given)
        return {**done, "diagram": diagram(read_definition(definition), done["steps"])} if with_diagram else done

    def view(self, row: ResourceRow) -> dict[str, Any]:
        """The flow in the revision that counts."""
        stored = self.stored(row)
        revision = stored.revision
        own = {"id": row.id, "name": row.name, "created": row.created}
        return {**own, "revision": revision.number, "changed": revision.created, "definition": revision.definition}

    def release(self, row: ResourceRow, transaction: Transaction) -> None:
        """Refused while operations are bound to it: they would fail from then on."""
        check_unbound(row, "flow", transaction)


@register("snapshot", "flows")
def flows(transaction: Transaction) -> tuple[FlowEntry, ...]:
    """The snapshot's field."""
    rows = [(row, msgspec.json.decode(row.content, type=Stored)) for row in transaction.resources(Flows.kind)]
    return tuple(
        FlowEntry(id=row.id, name=row.name, revision=stored.current, definition=stored.revision.definition)
        for row, stored in rows
    )


def checked(definition: dict[str, Any]) -> Flow:
    """The compiled flow; raises Problem with the place of what cannot work, an expression that is none included."""
    return asyncio.run(_compiled(definition))


def dry_run(definition: dict[str, Any], given: Any) -> dict[str, Any]:
    """What a definition comes to with this input; blocks."""
    return asyncio.run(_dry_run(checked(definition), given))


def _definition(body: Mapping[str, Any]) -> dict[str, Any]:
    unknown = [name for name in body if name not in ("name", "definition")]
    if unknown:
        raise wrong(f"/{unknown[0]}", "unknown", "a flow has a name and a definition")
    definition = body.get("definition")
    if not isinstance(definition, dict):
        raise wrong("/definition", "required", "the definition of the flow is needed: an object")
    return definition


async def _compiled(definition: dict[str, Any]) -> Flow:
    children = Children(seconds=10.0)
    try:
        flow = Flow(read_definition(definition))
        await flow.compiler.check(children)
    except SettingInvalid as error:
        raise wrong(f"/definition{error.pointer}", "flow", str(error)) from None
    finally:
        await children.close()
    return flow


async def _dry_run(flow: Flow, given: Any) -> dict[str, Any]:
    children = Children()
    execution = Execution(children)
    try:
        async with asyncio.timeout(DRY_RUN_SECONDS):
            done = await outcome(flow, execution, given)
    except TimeoutError:
        done = {"error": {"type": "about:blank", "status": 504, "title": f"it took longer than {DRY_RUN_SECONDS:g} s"}}
    finally:
        await children.close()
        await open_connections.aclose()
    return {**done, "steps": [_step(step) for step in execution.steps]}


def _step(step: Step) -> dict[str, Any]:
    return {"task": step.task, "seconds": round(step.seconds, 6), "failed": step.failed}
