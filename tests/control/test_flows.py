"""Flows that are stored: revisions, what uses them, what is refused, dry runs."""

from __future__ import annotations

from typing import Any

import pytest
from control_samples import JSON, document
from processes.flows.flowing import definition

import apimgmt.asgi  # noqa: F401  registers every kind of task
from apimgmt.control.service import Control
from apimgmt.errors import Problem


def body(text: str, **more: Any) -> dict[str, Any]:
    """A flow that answers a text."""
    return {"definition": definition({"set": {"text": text}}), **more}


def test_every_change_is_a_revision_and_an_earlier_one_can_count_again(control: Control) -> None:
    """The same definition again is none."""
    flows = control.flows
    made = flows.create(body("one", name="hello"))
    assert made.view["revision"] == 1
    assert flows.replace("hello", body("two")).view["revision"] == 2
    assert flows.replace("hello", body("two")).view["revision"] == 2
    assert [(one["number"], one["current"]) for one in flows.revisions("hello")] == [(2, True), (1, False)]
    assert flows.rollback("hello", 1).view["definition"] == body("one")["definition"]
    assert flows.replace("hello", body("three")).view["revision"] == 3
    with pytest.raises(Problem, match="no revision 9"):
        flows.rollback("hello", 9)


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"name": "x"}, "/definition"),
        (body("a", name="x", extra=1), "/extra"),
        ({"name": "x", "definition": {**definition({"set": {"a": "${ .a | }"}})}}, "/definition/do/0/a/set/a"),
        ({"name": "x", "definition": definition({"set": {"a": 1}, "then": "z"})}, "/definition/do/0/a/then"),
    ],
    ids=["none", "unknown member", "expression", "then"],
)
def test_what_cannot_work_is_refused_with_its_place(control: Control, given: dict[str, Any], place: str) -> None:
    """Nothing is stored then."""
    with pytest.raises(Problem) as refused:
        control.flows.create(given)
    assert refused.value.errors[0]["pointer"] == place
    assert control.flows.all() == []


def test_a_dry_run_says_the_output_or_the_error_and_what_each_task_took(control: Control) -> None:
    """Also of flows that it runs, in their stored revisions."""
    control.flows.create(body("Hello ${name}", name="hello"))
    outer = definition({"run": {"workflow": {"namespace": "test", "name": "test", "version": "latest"}}})
    outer["document"]["name"] = "outer"
    control.flows.create({"name": "outer", "definition": outer})
    done = control.flows.dry_run("outer", {"query": {"name": "Ann"}})
    assert done["output"] == {"text": "Hello Ann"}
    assert [step["task"] for step in done["steps"]] == ["/do/0/a"]
    assert not done["steps"][0]["failed"]
    fails = definition({"raise": {"error": {"type": "https://example.com/x", "status": 409, "title": "X"}}})
    control.flows.create({"name": "fails", "definition": fails})
    assert control.flows.dry_run("fails", {})["error"]["status"] == 409


def test_a_flow_that_operations_are_bound_to_stays(control: Control) -> None:
    """It can be bound only if it is there, and removed only when nothing is bound to it."""
    control.flows.create(body("one", name="hello"))
    control.upload(document(), JSON, name="pets", publish=True)
    key = control.operations("pets")[0].key
    with pytest.raises(Problem, match="there is no flow 'nowhere'; there are: hello"):
        control.bind("pets", {key: {"kind": "flow", "flow": "nowhere"}}, publish=True)
    control.bind("pets", {key: {"kind": "flow", "flow": "hello"}}, publish=True)
    with pytest.raises(Problem, match="operations are bound to 'hello'"):
        control.flows.delete("hello")
    control.bind("pets", {key: {"kind": "mock"}}, publish=True)
    control.flows.delete("hello")
    assert control.flows.all() == []


@pytest.mark.parametrize("is_thrown", [False, True])
def test_a_dry_run_says_what_the_flow_answered(control: Control, is_thrown: bool) -> None:
    """The answer is the flow's and not that of the dry run; only the first counts, also of a flow inside."""
    envelope = {"HttpStatusCode": 409, "Content": "late"}
    inner = definition(
        {"call": "respond", "with": {"status": 404, "headers": {"X-A": "1"}, "throw": is_thrown, "body": ["${name}"]}},
        {"call": "respond", "with": {"body": envelope}},
    )
    control.flows.create({"name": "inner", "definition": inner})
    outer = definition({"run": {"workflow": {"namespace": "test", "name": "test"}}})
    outer["document"]["name"] = "outer"
    control.flows.create({"name": "outer", "definition": outer})
    done = control.flows.dry_run("outer", {"query": {"name": "Ann"}}, with_diagram=True)
    assert done["answer"] == {"status": 404, "headers": {"X-A": "1"}, "body": ["Ann"]}
    assert ("error" in done) is is_thrown and done["steps"] and "<svg" in done["diagram"]
    if is_thrown:
        assert done["error"]["status"] == 404


def test_a_dry_run_shows_an_envelope_as_it_is(control: Control) -> None:
    """With its status where every answer has it."""
    envelope = {"HttpStatusCode": 409, "Content": "late"}
    given = definition({"call": "respond", "with": {"body": envelope}})
    control.flows.create({"name": "one", "definition": given})
    assert control.flows.dry_run("one", {})["answer"] == {"status": 409, **envelope}
