"""The tasks of flows, one by one: what they do, how they fail, what is refused with its place."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from processes.flows.flowing import definition, run

from apimgmt.errors import SettingInvalid
from apimgmt.model import FlowEntry
from apimgmt.processes.expressions.children import Children
from apimgmt.processes.flows import Execution, FlowFailed
from apimgmt.processes.flows.compiling import Flow
from apimgmt.processes.flows.definition import read_definition, seconds
from apimgmt.processes.flows.known import flows

ADD = {"set": {"n": "${ .n + 1 }"}}


async def test_tasks_follow_each_other() -> None:
    """The output of one is the input of the next."""
    assert await run(definition(ADD, ADD, ADD), {"n": 0}) == {"n": 3}


@pytest.mark.parametrize(
    ("then", "expected"), [("continue", 3), ("exit", 1), ("end", 1), ("c", 2)], ids=["continue", "exit", "end", "name"]
)
async def test_then_says_where_to_go_on(then: str, expected: int) -> None:
    """To the next, out of the list, to the end of the flow, or to a task beside it."""
    assert await run(definition({**ADD, "then": then}, ADD, ADD), {"n": 0}) == {"n": expected}


async def test_exit_leaves_the_list_and_end_the_flow() -> None:
    """From a list inside another one."""
    for then, expected in (("exit", 2), ("end", 1)):
        inner = {"do": [{"x": {**ADD, "then": then}}, {"y": ADD}]}
        assert await run(definition(inner, ADD), {"n": 0}) == {"n": expected}


async def test_a_condition_that_does_not_hold_leaves_the_input_as_it_is() -> None:
    """And the flow goes on after the task, whatever its ``then`` says."""
    assert await run(definition({**ADD, "if": ".n > 5", "then": "end"}, ADD), {"n": 0}) == {"n": 1}
    assert await run(definition({**ADD, "if": "${ .n > 5 }"}, ADD), {"n": 6}) == {"n": 8}


async def test_input_output_and_export() -> None:
    """What a task sees, what it gives on, and what the context keeps for later."""
    task = {
        "input": {"from": ".inner"},
        "set": {"n": "${ .n * 2 }", "was": "${ $task.input.inner.n }"},
        "output": {"as": "{doubled: .n, was: .was, of: $input.n}"},
        "export": {"as": "{kept: .doubled}"},
    }
    last = {"set": {"kept": "${ $context.kept }", "given": "${ . }"}}
    output = await run(definition(task, last), {"inner": {"n": 4}})
    assert output == {"kept": 8, "given": {"doubled": 8, "was": 4, "of": 4}}


async def test_schemas_of_input_and_output() -> None:
    """What does not fit is a validation error at its place; the flow's own input as well."""
    schema = {"schema": {"document": {"type": "object", "required": ["n"]}}}
    assert await run(definition({**ADD, "input": schema}, input=schema), {"n": 1}) == {"n": 2}
    for given in (definition(ADD, input=schema), definition({**ADD, "input": schema})):
        with pytest.raises(FlowFailed) as failed:
            await run(given, {})
        assert failed.value.error["type"].endswith("/validation")
        assert failed.value.error["status"] == 400


SWITCH = {
    "switch": [
        {"other": {"then": "c"}},
        {"big": {"when": ".n > 10", "then": "b"}},
        {"small": {"when": "${ .n < 0 }", "then": "end"}},
    ]
}


@pytest.mark.parametrize(("n", "expected"), [(11, "big"), (-1, None), (5, "default")])
async def test_a_switch_takes_the_first_case_that_holds(n: int, expected: str | None) -> None:
    """The default comes last, wherever it stands; without one the flow goes on behind."""
    flow = definition(SWITCH, {"set": {"took": "big"}, "then": "end"}, {"set": {"took": "default"}})
    output = await run(flow, {"n": n})
    assert output.get("took") == expected


async def test_a_switch_without_a_case_that_holds_goes_on() -> None:
    """To the next task, with its input."""
    only = {"switch": [{"never": {"when": "false", "then": "end"}}]}
    assert await run(definition(only, ADD), {"n": 0}) == {"n": 1}


async def test_a_loop_gives_each_turn_the_output_of_the_one_before() -> None:
    """Item and index are variables under the names that are given; ``while`` ends it."""
    turn = {"t": {"set": {"list": "${ .list + [{at: $i, pet: $pet}] }"}}}
    loop = {"for": {"in": "$input.pets", "each": "pet", "at": "i"}, "do": [turn]}
    start = {"pets": ["a", "b", "c"], "list": []}
    assert (await run(definition(loop), start))["list"] == [{"at": at, "pet": pet} for at, pet in enumerate("abc")]
    until = {**loop, "while": '$pet != "b"'}
    assert (await run(definition(until), start))["list"] == [{"at": 0, "pet": "a"}]
    with pytest.raises(FlowFailed, match="Expression"):
        await run(definition(loop), {"pets": 7})


async def test_branches_run_side_by_side() -> None:
    """Their outputs in the order in which they stand; two pauses of 0.3 s take one."""
    pause = {"wait": {"milliseconds": 300}}
    branches = [{"one": {"do": [{"p": pause}, {"s": {"set": {"n": 1}}}]}}, {"two": pause}, {"three": {"set": {"n": 3}}}]
    begun = time.monotonic()
    assert await run(definition({"fork": {"branches": branches}}), {"n": 0}) == [{"n": 1}, {"n": 0}, {"n": 3}]
    assert time.monotonic() - begun < 5
    race = definition({"fork": {"branches": [{"slow": {"wait": "PT60S"}}, branches[2]], "compete": True}})
    assert await run(race, {"n": 0}) == {"n": 3}


async def test_a_branch_that_fails_stops_the_others() -> None:
    """The error is that of the fork; nothing goes on behind it."""
    fails = {"bad": {"raise": {"error": {"type": "https://example.com/bad", "status": 409, "title": "Bad"}}}}
    with pytest.raises(FlowFailed) as failed:
        await run(definition({"fork": {"branches": [{"slow": {"wait": "PT60S"}}, fails]}}))
    assert failed.value.error["status"] == 409


async def test_variables_of_one_branch_are_not_seen_in_another() -> None:
    """Each has its own."""
    loops = [
        {name: {"for": {"in": "[1,2,3]", "each": "x"}, "do": [{"s": {"set": {"sum": "${ (.sum // 0) + $x }"}}}]}}
        for name in ("one", "two")
    ]
    assert await run(definition({"fork": {"branches": loops}}), {}) == [{"sum": 6}, {"sum": 6}]


@pytest.mark.rows("F-125")
async def test_raise_fails_the_flow_with_its_error() -> None:
    """In place or by name, its texts worked out; the instance is the task."""
    error = {"type": "https://example.com/out-of-stock", "status": 409, "title": "Out of stock", "detail": "${ .item }"}
    for raised in (error, "stock"):
        with pytest.raises(FlowFailed, match="Out of stock") as failed:
            await run(definition({"raise": {"error": raised}}, use={"errors": {"stock": error}}), {"item": "lamp"})
        assert failed.value.error == {**error, "detail": "lamp", "instance": "/do/0/a"}


def caught(**catch: Any) -> dict[str, Any]:
    """A flow that raises a 503 inside a try."""
    bad = {"bad": {"raise": {"error": {"type": "https://example.com/x", "status": 503, "title": "X"}}}}
    return definition({"try": [bad], "catch": catch})


async def test_what_is_caught_is_followed_by_other_tasks() -> None:
    """The error is a variable there."""
    output = await run(caught(**{"as": "e", "do": [{"h": {"set": {"status": "${ $e.status }"}}}]}))
    assert output == {"status": 503}
    assert await run(caught(errors={"with": {"status": 503}}), {"as": "it was"}) == {"as": "it was"}


@pytest.mark.parametrize(
    "catch",
    [{"errors": {"with": {"status": 500}}}, {"when": "$error.status == 500"}, {"exceptWhen": "$error.status == 503"}],
)
async def test_what_is_not_meant_is_not_caught(catch: dict[str, Any]) -> None:
    """By filter, by condition, by exception."""
    with pytest.raises(FlowFailed, match="X"):
        await run(caught(**catch, do=[{"h": {"set": {"caught": True}}}]))


@pytest.mark.parametrize(("count", "attempts"), [(0, 1), (1, 2), (3, 4)])
async def test_a_retry_has_its_count(count: int, attempts: int) -> None:
    """So many after the first; then the error goes on, or the handler takes it."""
    flow = Flow(read_definition(caught(retry={"limit": {"attempt": {"count": count}}, "backoff": {"exponential": {}}})))
    execution = Execution(Children())
    with pytest.raises(FlowFailed, match="X"):
        await flow.run(execution, {})
    assert sum(step.task.endswith("/bad") for step in execution.steps) == attempts


async def test_a_timeout_ends_a_task_and_a_flow() -> None:
    """With the error of the DSL for it."""
    for flow in (
        definition({"wait": "PT60S", "timeout": {"after": {"milliseconds": 50}}}),
        definition({"wait": "PT60S"}, timeout={"after": {"milliseconds": 50}}),
        definition({"wait": "PT60S", "timeout": "short"}, use={"timeouts": {"short": {"after": "PT0.05S"}}}),
    ):
        with pytest.raises(FlowFailed) as failed:
            await run(flow)
        assert failed.value.error["type"].endswith("/timeout")


@pytest.mark.parametrize(("most", "ends"), [(100, True), (99, False)])
async def test_an_execution_has_a_number_of_steps(most: int, ends: bool) -> None:
    """50 turns of two tasks: as many as the limit, and one more than it; an endless flow ends there as well."""
    loop = {"for": {"in": "[range(50)]"}, "do": [{"s": ADD}]}
    flow = definition({"do": [{"l": loop}]}, {"do": [{"l": loop}]})
    exact = 2 * (2 + 50)
    if ends:
        assert await run(flow, {"n": 0}, most_steps=exact) == {"n": 100}
    else:
        with pytest.raises(FlowFailed, match="Runtime error"):
            await run(flow, {"n": 0}, most_steps=exact - 1)
    with pytest.raises(FlowFailed, match="Runtime error"):
        await run(definition({**ADD, "then": "a"}), {"n": 0}, most_steps=1000)


async def test_other_requests_go_on_beside_an_endless_flow() -> None:
    """A flow of direct expressions that goes round and round gives the loop its turns and ends at its limit."""
    endless = asyncio.create_task(run(definition({**ADD, "then": "a"}), {"n": 0}, most_steps=30_000))
    longest, last = 0.0, time.monotonic()
    while not endless.done():
        await asyncio.sleep(0)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    assert longest < 1.0
    with pytest.raises(FlowFailed):
        endless.result()


@pytest.mark.rows("H-111")
async def test_the_time_of_every_task_is_kept() -> None:
    """With its place, also of those that failed."""
    flow = Flow(
        read_definition(definition({"wait": {"milliseconds": 30}}, {"raise": {"error": {"type": "u", "status": 500}}}))
    )
    execution = Execution(Children())
    with pytest.raises(FlowFailed):
        await flow.run(execution, {})
    assert [(step.task, step.failed) for step in execution.steps] == [("/do/0/a", False), ("/do/1/b", True)]
    assert execution.steps[0].seconds >= 0.029


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown member of a task": (definition({"set": {"a": 1}, "sets": 1}), "/do/0/a/sets"),
    "an unknown task": (definition({"sett": {"a": 1}}), "/do/0/a"),
    "nothing to do": ({**definition(), "do": []}, "/do"),
    "two tasks in one entry": ({**definition(), "do": [{"a": ADD, "b": ADD}]}, "/do/0"),
    "a then to nowhere": (definition({**ADD, "then": "z"}), "/do/0/a/then"),
    "a case to nowhere": (definition({"switch": [{"x": {"then": "z"}}]}), "/do/0/a/switch/0/x/then"),
    "listen": (definition({"listen": {"to": {}}}), "/do/0/a/listen"),
    "emit": (definition({"emit": {}}), "/do/0/a/emit"),
    "a schedule": (definition(ADD, schedule={"cron": "* * * * *"}), "/schedule"),
    "another language": (definition(ADD, evaluate={"language": "javascript"}), "/evaluate/language"),
    "another DSL": ({**definition(ADD), "document": {**definition()["document"], "dsl": "0.8"}}, "/document/dsl"),
    "an expression that is none": (definition({"set": {"a": "${ .a | }"}}), "/do/0/a/set/a"),
    "a variable that is not there": (definition({"set": {"a": "${ $nothing }"}}), "/do/0/a/set/a"),
    "a duration that is none": (definition({"wait": "5 minutes"}), "/do/0/a/wait"),
    "a duration below 0": (definition({"wait": {"seconds": -1}}), "/do/0/a/wait/seconds"),
    "an unknown timeout": (definition({**ADD, "timeout": "x"}), "/do/0/a/timeout"),
    "an unknown error": (definition({"raise": {"error": "x"}}), "/do/0/a/raise/error"),
    "an unknown retry": (definition({"try": [{"x": ADD}], "catch": {"retry": "x"}}), "/do/0/a/catch/retry"),
    "a schema that is none": (
        definition({**ADD, "input": {"schema": {"document": {"type": "x"}}}}),
        "/do/0/a/input/schema/document",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
async def test_what_cannot_work_is_refused_with_its_place(name: str) -> None:
    """When the flow is read, not when it runs."""
    given, place = WRONG[name]
    with pytest.raises(SettingInvalid) as refused:
        await run(given)
    assert refused.value.pointer == place


@pytest.mark.parametrize(("levels", "good"), [(49, True), (50, False), (3000, False)])
async def test_nesting_has_an_end(levels: int, good: bool) -> None:
    """As deep as the limit, one deeper, and far too deep."""
    task: dict[str, Any] = ADD
    for _ in range(levels):
        task = {"do": [{"x": task}]}
    if good:
        assert await run(definition(task), {"n": 0}) == {"n": 1}
    else:
        with pytest.raises(SettingInvalid, match="nested deeper"):
            await run(definition(task))


async def test_tasks_of_flows_inside_count_together_with_those_around_them() -> None:
    """Three times a flow of ten tasks, in a loop, are 34 with those around them; one fewer is not enough."""
    inner = definition(*[ADD] * 10)
    entry = FlowEntry(id="flow_a", name="inner", revision=1, definition=inner)
    flows.prepared([entry])()
    try:
        turn = {"run": {"workflow": {"namespace": "test", "name": "test"}}}
        outer = definition({"for": {"in": "[1, 2, 3]"}, "do": [{"x": turn}]})
        assert await run(outer, {"n": 0}, most_steps=34) == {"n": 30}
        with pytest.raises(FlowFailed, match="Runtime"):
            await run(outer, {"n": 0}, most_steps=33)
    finally:
        flows.prepared(())()


async def test_tasks_that_are_left_out_count() -> None:
    """Otherwise a loop over very many of them would end late, and let nobody else have a turn."""
    flow = definition({"for": {"in": "[1, 2, 3]"}, "do": [{"x": {**ADD, "if": "false"}}]})
    assert await run(flow, {"n": 0}, most_steps=4) == {"n": 0}
    with pytest.raises(FlowFailed, match="Runtime"):
        await run(flow, {"n": 0}, most_steps=3)


def test_a_duration_may_be_longer_than_numbers_go() -> None:
    """Numbers of JSON have no end; what is too long counts as very long, and is no crash."""
    for days in (10**15, 10**15 + 1, 10**400):
        assert seconds({"days": days}, "") == 86_400.0 * 10**15


@pytest.mark.parametrize("member", ["name", "namespace", "version"])
def test_a_line_break_is_no_part_of_a_name(member: str) -> None:
    """Neither at its end, where patterns overlook it."""
    given = definition(ADD)
    given["document"][member] += "\n"
    with pytest.raises(SettingInvalid) as refused:
        read_definition(given)
    assert refused.value.pointer == f"/document/{member}"
