"""Flows by name: bound to operations, run by each other, swapped as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from processes.flows.flowing import definition, run

from apimgmt.errors import SettingInvalid
from apimgmt.model import FlowEntry
from apimgmt.processes.expressions.children import Children
from apimgmt.processes.flows import Execution, FlowFailed
from apimgmt.processes.flows.compiling import Flow
from apimgmt.processes.flows.definition import read_definition
from apimgmt.processes.flows.known import flows
from apimgmt.processes.flows.tasks.subflow import MOST_ASIDE
from harness import serve

DOCUMENT = """
openapi: 3.1.0
info: {title: flows, version: '1'}
paths:
  /x: {get: {responses: {'200': {description: ok}}}}
"""


def entry(name: str, *tasks: dict[str, Any], revision: int = 1) -> FlowEntry:
    """A published flow whose document has the same name."""
    given = definition(*tasks)
    given["document"]["name"] = name
    return FlowEntry(id=name, name=name, revision=revision, definition=given)


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    """Every test begins and ends without flows."""
    flows.prepared([])()
    yield
    flows.prepared([])()


def subflow(name: str, **more: Any) -> dict[str, Any]:
    """A task that runs another flow."""
    return {"run": {"workflow": {"namespace": "test", "name": name, "version": "latest", **more}}}


def test_an_operation_runs_the_newest_revision() -> None:
    """The binding names the flow; a swap changes what runs, without a new binding."""
    flows.prepared([entry("hello", {"set": {"n": 1}})])()
    client = serve(DOCUMENT, bindings={"get /x": {"kind": "flow", "flow": "hello"}})
    assert client.get("/x").json() == {"n": 1}
    use = flows.prepared([entry("hello", {"set": {"n": 2}}, revision=2)])
    assert client.get("/x").json() == {"n": 1}
    use()
    assert client.get("/x").json() == {"n": 2}
    flows.prepared([])()
    assert client.get("/x").status == 500


def test_one_flow_that_cannot_be_compiled_fails_by_itself() -> None:
    """The others go on."""
    broken = entry("broken", {"call": "python", "with": {"function": "gone"}})
    flows.prepared([broken, entry("good", {"set": {"n": 1}})])()
    bindings = {"get /x": {"kind": "flow", "flow": "good"}}
    assert serve(DOCUMENT, bindings=bindings).get("/x").json() == {"n": 1}
    with pytest.raises(SettingInvalid, match="there is no function 'gone'"):
        flows.find("broken")


async def test_a_flow_runs_another_with_an_input_of_its_own() -> None:
    """Its output is that of the task; its own ``end`` ends only itself."""
    inner = entry("inner", {"set": {"got": "${ .a }"}, "then": "end"}, {"set": {"never": True}})
    flows.prepared([inner])()
    outer = definition(subflow("inner", input={"a": "${ .n + 1 }"}), {"set": {"then": "${ .got }"}})
    assert await run(outer, {"n": 1}) == {"then": 2}


@pytest.mark.parametrize(
    ("task", "says"),
    [
        (subflow("nowhere"), "there is no flow test/nowhere"),
        (subflow("inner", version="9.9.9"), "has the version 1.0.0, not 9.9.9"),
    ],
)
async def test_a_flow_that_is_not_there_is_an_error_of_the_run(task: dict[str, Any], says: str) -> None:
    """Flows may be stored in any order, so it is looked for when it runs."""
    flows.prepared([entry("inner", {"set": {"n": 1}})])()
    with pytest.raises(FlowFailed) as failed:
        await run(definition(task), {})
    assert says in failed.value.error["detail"]


async def test_flows_that_run_each_other_for_ever_end() -> None:
    """At a depth, with an error of the DSL."""
    flows.prepared([entry("one", subflow("two")), entry("two", subflow("one"))])()
    with pytest.raises(FlowFailed) as failed:
        await run(definition(subflow("one")), {})
    assert "deeper than" in failed.value.error["detail"]


@pytest.mark.parametrize("kind", ["container", "script", "shell"])
async def test_what_would_run_programs_is_refused_by_name(kind: str) -> None:
    """Designers write flows, operators own the machine."""
    with pytest.raises(SettingInvalid, match=f"run: {kind} is not done here") as refused:
        await run(definition({"run": {kind: {}}}))
    assert refused.value.pointer == f"/do/0/a/run/{kind}"


def aside(name: str) -> dict[str, Any]:
    """A task that begins another flow and does not wait for it."""
    return {"run": {**subflow(name)["run"], "await": False}}


@pytest.fixture
async def nothing_left() -> AsyncIterator[None]:
    """Ends what nobody waits for."""
    yield
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def test_flows_that_nobody_waits_for_are_not_more_and_more(nothing_left: None) -> None:
    """As many as the limit, and one more."""
    flows.prepared([entry("slow", {"wait": {"minutes": 10}})])()
    many = definition({"for": {"in": f"[range({MOST_ASIDE})]"}, "do": [{"x": aside("slow")}]})
    assert await run(many, {"n": 0}) == {"n": 0}
    with pytest.raises(FlowFailed, match="Runtime"):
        await run(definition(aside("slow")), {"n": 0})


class Hurried:
    """A run whose time is nearly over."""

    keep = None

    def left(self) -> float:
        """Seconds."""
        return 0.05


async def test_a_flow_that_nobody_waits_for_ends_and_its_error_is_logged(
    caplog: pytest.LogCaptureFixture, nothing_left: None
) -> None:
    """With the time of the flow that began it, and as well if it fails."""
    failing = {"raise": {"error": {"type": "https://example.com/x", "status": 409, "title": "Taken"}}}
    flows.prepared([entry("slow", {"wait": {"minutes": 10}}), entry("failing", failing)])()
    children = Children()
    with caplog.at_level("WARNING", "apimgmt.flows"):
        flow = Flow(read_definition(definition(aside("slow"), aside("failing"))))
        assert await flow.run(Execution(children, Hurried()), {"n": 0}) == {"n": 0}
        async with asyncio.timeout(60):
            while len(caplog.messages) < 2:
                await asyncio.sleep(0.01)
    assert [message.rpartition(": ")[2] for message in caplog.messages] == ["Taken", "TimeoutError"]
