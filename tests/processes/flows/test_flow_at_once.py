"""Tasks that wait for nothing are performed at once: with the same results, steps and limits as all others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from processes.flows.flowing import definition, run

from apimgmt.processes.expressions.children import Children
from apimgmt.processes.flows import AT_ONCE, Execution, FlowFailed
from apimgmt.processes.flows.compiling import Flow
from apimgmt.processes.flows.definition import read_definition

NEXT = {"set": {"n": "${ .n + 1 }"}}


async def performed(*tasks: dict[str, Any], given: Any = None) -> tuple[Any, Execution]:
    """The output, or the error, and the execution."""
    children = Children(seconds=10.0)
    execution = Execution(children)
    try:
        output = await Flow(read_definition(definition(*tasks))).run(execution, given)
    except FlowFailed as failed:
        output = failed.error
    finally:
        await children.close()
    return output, execution


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            {"n": "${ .n }", "text": "n is ${ .n }!", "list": ["${ .n }", 1]},
            {"n": 7, "text": "n is 7!", "list": [7, 1]},
        ),
        # jq itself has to judge: repeated text, sorted mixed values, a function that ours do not know
        ({"n": "${ .t * 2 }"}, {"n": "xx"}),
        ({"n": "${ [.t, .n, null] | sort_by(.) }", "m": "${ .n }"}, {"n": [None, 7, "x"], "m": 7}),
        ({"n": "${ [.n] | first }", "m": 1}, {"n": 7, "m": 1}),
        ("${ {n: .n} }", {"n": 7}),
    ],
)
async def test_a_value_is_the_same_with_and_without_waiting(value: Any, expected: Any) -> None:
    """A task that turns out to need jq is performed once, and counts as one."""
    for more in ({}, {"if": "true"}, {"timeout": {"after": "PT60S"}}):
        output, execution = await performed({"set": value, **more}, given={"n": 7, "t": "x"})
        assert output == expected
        assert [(step.task, step.failed) for step in execution.steps] == [("/do/0/a", False)]


@pytest.mark.parametrize(("when", "expected"), [(".n > 5", "b"), (".n > 9", "c"), ('.t * 2 == "xx"', "b")])
async def test_a_switch_is_the_same(when: str, expected: str) -> None:
    """Whatever its conditions need."""
    switch = {"switch": [{"yes": {"when": when, "then": "b"}}, {"no": {"then": "c"}}]}
    tasks = (switch, {"set": {"is": "b"}, "then": "end"}, {"set": {"is": "c"}})
    assert (await performed(*tasks, given={"n": 7, "t": "x"}))[0] == {"is": expected}


async def test_a_failure_is_a_step_that_failed() -> None:
    """With the place of the task."""
    error, execution = await performed(NEXT, {"set": {"n": "${ .n.x }"}}, given={"n": 1})
    assert (error["type"].rpartition("/")[2], error["instance"]) == ("expression", "/do/1/b")
    assert [(step.task, step.failed) for step in execution.steps] == [("/do/0/a", False), ("/do/1/b", True)]


async def test_expressions_see_their_own_task() -> None:
    """Its name, its place and its input."""
    shown = {"set": {"task": "${ $task.name }", "place": "${ $task.reference }", "given": "${ $input.n }"}}
    output, _ = await performed(NEXT, shown, given={"n": 1})
    assert output == {"task": "b", "place": "/do/1/b", "given": 2}


NESTED = {"for": {"in": "[range(100000)]"}, "do": [{"d": {"do": [{"s": NEXT}]}}]}


@pytest.mark.parametrize("task", [{**NEXT, "then": "a"}, NESTED], ids=["round and round", "nested"])
async def test_a_flow_that_never_waits_gives_others_their_turns(task: dict[str, Any]) -> None:
    """Every so many tasks, wherever they stand."""
    steps = 20 * AT_ONCE
    endless = asyncio.create_task(run(definition(task), {"n": 0}, most_steps=steps))
    turns = 0
    while not endless.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= steps // AT_ONCE - 1
    with pytest.raises(FlowFailed, match="Runtime"):
        endless.result()


GROWING: dict[str, dict[str, Any]] = {
    "arrays": {"set": {"x": ["${ .x }", "${ .x }"]}},
    "members": {"set": {"x": {"a": "${ .x }", "b": "${ .x }"}}},
    "texts": {"set": {"x": "${ .x }${ .x }"}},
    "branches": {"fork": {"branches": [{"one": {"wait": "PT0S"}}, {"two": {"wait": "PT0S"}}]}},
}


@pytest.mark.parametrize("name", GROWING)
async def test_a_value_that_doubles_with_every_task_ends_its_run(name: str) -> None:
    """Long before it has the memory of the worker, or that of whoever writes it out."""
    start = {"x": "x" * 10 if name == "texts" else [1]}
    error, execution = await performed({**GROWING[name], "then": "a"}, given=start)
    assert error["type"].endswith("/expression")
    assert len(execution.steps) < 200
