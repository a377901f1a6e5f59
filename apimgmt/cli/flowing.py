"""Running a flow in this process, as ``flow run`` does: the file, what it calls, and its outcome."""

from __future__ import annotations

import os
from typing import Any

import apimgmt.asgi  # noqa: F401  registers every kind of task
from apimgmt.archive import Archive
from apimgmt.connections.known import connections
from apimgmt.control.diagram.svg import diagram
from apimgmt.errors import ApimgmtError, DocumentRefused, SettingInvalid
from apimgmt.model import Finding
from apimgmt.processes import python
from apimgmt.processes.expressions.children import Children
from apimgmt.processes.flows import Execution
from apimgmt.processes.flows.compiling import Flow
from apimgmt.processes.flows.definition import read_definition
from apimgmt.processes.flows.known import flows
from apimgmt.processes.flows.trying import outcome
from apimgmt.settings import Settings, from_environment
from apimgmt.spec.document import tokens_of
from apimgmt.spec.intake.loader import read


class Broken(ApimgmtError):
    """The file is no flow; the message has the place: file, line and column."""


class Read:
    """A definition that was read from a file, and where its values stand; raises Broken."""

    def __init__(self, content: bytes, media_type: str, name: str) -> None:
        self._name = name or "standard input"
        try:
            self._source = read(content, media_type, Settings())
        except DocumentRefused as refused:
            raise self._found(refused.findings[0]) from None
        if self._source.findings:
            # a name that is there twice: one of the two values would be lost without a word
            raise self._found(self._source.findings[0])
        self.value: Any = self._source.root

    def broken(self, message: str, pointer: str) -> Broken:
        """What is wrong at a pointer, with its place in the file."""
        line, column = self._source.places.find(tokens_of(pointer))
        return Broken(f"{self._name}:{line}:{column}: {message} (at {pointer or '/'})")

    def _found(self, finding: Finding) -> Broken:
        return Broken(f"{self._name}:{finding.line}:{finding.column}: {finding.message}")


async def run(definition: Read, given: Any, handlers: str = "", data: str | None = None) -> dict[str, Any]:
    """``{"output": ...}`` or ``{"error": ...}``; raises Broken for what is no flow."""
    return (await _run(definition, (given,), handlers, data))[0]


async def draw(definition: Read, handlers: str, data: str | None, *given: Any) -> tuple[str, Any]:
    """The flow as SVG; with an input it is run, the picture has the times, and its error is told, if there is one."""
    done, steps = await _run(definition, given, handlers, data)
    return diagram(read_definition(definition.value), steps), done.get("error")


async def _run(
    definition: Read, inputs: tuple[Any, ...], handlers: str, data: str | None
) -> tuple[dict[str, Any], list[dict[str, Any]] | None]:
    """The outcome and what each task took; without an input the flow is only checked."""
    python.functions.update(python.load_handlers(handlers))
    settings = from_environment(os.environ, data=data)
    snapshot = _snapshot(settings) if data is not None else None
    connections.prepared(snapshot.connections if snapshot else (), settings)()
    flows.prepared(snapshot.flows if snapshot else ())()
    children = Children()
    try:
        try:
            flow = Flow(read_definition(definition.value))
            await flow.compiler.check(children)
        except SettingInvalid as error:
            raise definition.broken(str(error), error.pointer) from None
        if not inputs:
            return {}, None
        execution = Execution(children)
        done = await outcome(flow, execution, inputs[0])
        return done, [step._asdict() for step in execution.steps]
    finally:
        await children.close()
        await connections.aclose()


def _snapshot(settings: Settings) -> Any:
    archive = Archive(settings.root)
    current = archive.current()
    return archive.load_snapshot(current[0]) if current else None
