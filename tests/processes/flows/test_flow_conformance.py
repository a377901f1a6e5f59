"""The conformance kit of the Open Workflow Specification: its scenarios, its examples, its JSON Schema."""

from __future__ import annotations

import copy
import functools
import json
import operator
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from processes.flows.flowing import run
from processes.flows.petstore import Petstore

from apimgmt.connections.known import connections
from apimgmt.errors import SettingInvalid
from apimgmt.processes.expressions.children import Children
from apimgmt.processes.flows import Execution, FlowFailed
from apimgmt.processes.flows.compiling import Flow
from apimgmt.processes.flows.definition import read_definition
from apimgmt.processes.flows.functions.openapi import interfaces
from apimgmt.settings import Settings
from apimgmt.spec.intake.yaml12 import read

KIT = Path(__file__).parents[4] / "shared" / "corpus" / "standards" / "serverless-workflow-ctk"
MISSING = pytest.mark.skip(reason="../shared/corpus/standards/serverless-workflow-ctk is not here")
HOSTS = re.compile(r"https://(?:petstore\.swagger\.io|httpbin\.org)")


class Removed:
    """A change: the member is not there."""


class Renamed:
    """A change: the member has another name."""


class Added:
    """A change: there is one member more."""


def scenarios() -> list[Any]:
    """Every scenario, as pytest parameters."""
    path = KIT / "cases.json"
    if not path.exists():
        return [pytest.param({}, id="kit", marks=MISSING)]
    return [pytest.param(case, id=case["id"]) for case in json.loads(path.read_bytes())]


def files(folder: str) -> list[Any]:
    """The files of one folder of the kit, as pytest parameters."""
    found = sorted((KIT / folder).glob("*.yaml"))
    return [pytest.param(path, id=path.name) for path in found] or [pytest.param(None, id="kit", marks=MISSING)]


@pytest.fixture
def double() -> Iterator[Petstore]:
    """The systems that the kit calls, on this machine, which may be called."""
    connections.prepared([], Settings(egress_allow="127.0.0.1"))()
    interfaces.clear()
    with Petstore() as server:
        yield server
    connections.prepared([], Settings())()


def loaded(path: Path) -> Any:
    """The values of a YAML file."""
    return read(path.read_text("utf-8"), Settings()).root


class Outcome:
    """What became of a scenario: its output or its error, and the tasks at the top in the order they ended."""

    def __init__(self, output: Any, error: dict[str, Any] | None, order: list[str]) -> None:
        self.output = output
        self.error = error
        self.order = order


async def performed(definition: Any, given: Any) -> Outcome:
    """A definition executed as the kit says."""
    children = Children(seconds=10.0)
    execution = Execution(children)
    output, error = None, None
    try:
        flow = Flow(read_definition(definition))
        await flow.compiler.check(children)
        output = await flow.run(execution, given)
    except FlowFailed as failed:
        error = failed.error
    finally:
        await children.close()
        await connections.aclose()
    order = [step.task.rpartition("/")[2] for step in execution.steps if step.task.count("/") == 3]
    return Outcome(output, error, order)


@pytest.mark.parametrize("case", scenarios())
async def test_a_scenario_of_the_kit(case: dict[str, Any], double: Petstore) -> None:
    """Every step holds; ``emit``, which is not done here, is refused by its name."""
    definition = json.loads(HOSTS.sub(double.url, json.dumps(case["steps"][0]["data"])))
    if case["feature"] == "emit":
        with pytest.raises(SettingInvalid, match="emit is not done here"):
            Flow(read_definition(definition))
        return
    given = next((step["data"] for step in case["steps"] if step["step"] == "the workflow input is"), {})
    outcome = await performed(definition, given)
    checked = [check(step, outcome) for step in case["steps"][1:]]
    assert sum(checked) >= 1


def check(step: dict[str, Any], outcome: Outcome) -> bool:
    """Whether a step of a scenario demands something; what it demands holds."""
    text = step["step"]
    if text in ("the workflow input is", "the workflow is executed"):
        return False
    if text == "the workflow should fault":
        assert outcome.error is not None
    elif text == "the workflow should fault with error":
        assert outcome.error == step["data"]
    else:
        assert outcome.error is None, outcome.error
        _check_output(text, step.get("data"), outcome)
    return True


def _check_output(text: str, data: Any, outcome: Outcome) -> None:
    if text == "the workflow should complete":
        return
    if text == "the workflow should complete with output":
        assert outcome.output == data
    elif found := re.fullmatch(r"the workflow output should have properties (.+)", text):
        for path in re.findall(r"'([^']+)'", found[1]):
            assert reached(outcome.output, path) is not None, path
    elif found := re.fullmatch(r"the workflow output should have an? '(.+)' property with value", text):
        assert reached(outcome.output, found[1]) == data
    elif found := re.fullmatch(r"the workflow output should have an? '(.+)' property containing (\d+) items", text):
        assert len(reached(outcome.output, found[1])) == int(found[2])
    elif found := re.fullmatch(r"(\w+) should run (first|last)", text):
        assert outcome.order[{"first": 0, "last": -1}[found[2]]] == found[1]
    elif found := re.fullmatch(r"(\w+) should run after (\w+)", text):
        assert outcome.order.index(found[1]) == outcome.order.index(found[2]) + 1
    else:
        pytest.fail(f"the kit has a step that is not known here: {text}")


def reached(value: Any, path: str) -> Any:
    """What is at ``a.b.c``."""
    for name in path.split("."):
        value = value[name]
    return value


# the examples that do not load, and what of the DSL is not done here
NOT_DONE = {
    "accumulate-room-readings.yaml": "listen is not done here",
    "authentication-oauth2-secret.yaml": "secrets are not done here",
    "authentication-oauth2.yaml": "authentication by oauth2 is not done here",
    "authentication-oidc-secret.yaml": "secrets are not done here",
    "authentication-oidc.yaml": "authentication by oidc is not done here",
    "call-asyncapi-publish.yaml": "call: asyncapi is not done here",
    "call-asyncapi-subscribe-consume-amount.yaml": "call: asyncapi is not done here",
    "call-asyncapi-subscribe-consume-forever-foreach.yaml": "call: asyncapi is not done here",
    "call-asyncapi-subscribe-consume-until.yaml": "call: asyncapi is not done here",
    "call-asyncapi-subscribe-consume-while.yaml": "call: asyncapi is not done here",
    "call-custom-function-cataloged.yaml": "functions of catalogs are not done here",
    "call-grpc.yaml": "call: grpc is not done here",
    "call-mcp.yaml": "call: mcp is not done here",
    "emit.yaml": "emit is not done here",
    "for.yaml": "listen is not done here",
    "listen-to-all read-envelope.yaml": "listen is not done here",
    "listen-to-all.yaml": "listen is not done here",
    "listen-to-any-filter.yaml": "listen is not done here",
    "listen-to-any-forever-foreach.yaml": "listen is not done here",
    "listen-to-any-until-condition.yaml": "listen is not done here",
    "listen-to-any-until-consumed.yaml": "listen is not done here",
    "listen-to-any.yaml": "listen is not done here",
    "listen-to-one.yaml": "listen is not done here",
    "mock-service-extension.yaml": "extensions are not done here",
    "run-container-cleanup-always.yaml": "run: container is not done here",
    "run-container-cleanup-eventually.yaml": "run: container is not done here",
    "run-container-stdin-and-arguments.yaml": "run: container is not done here",
    "run-container-with-name.yaml": "run: container is not done here",
    "run-container-with-pull-policy.yaml": "run: container is not done here",
    "run-container.yaml": "run: container is not done here",
    "run-return-all.yaml": "run: container is not done here",
    "run-return-code.yaml": "run: container is not done here",
    "run-return-none.yaml": "run: container is not done here",
    "run-return-stderr.yaml": "run: container is not done here",
    "run-script-with-stdin-and-arguments.yaml": "run: script is not done here",
    "run-shell-stdin-and-arguments.yaml": "run: shell is not done here",
    "schedule-cron.yaml": "schedules are not done here",
    "schedule-event-driven.yaml": "schedules are not done here",
    "set-expression.yaml": "schedules are not done here",
    "set.yaml": "schedules are not done here",
    "try-catch-then.yaml": "emit is not done here",
}


@pytest.mark.parametrize("path", files("examples"))
async def test_an_example_of_the_kit_loads_or_is_refused_by_name(path: Path) -> None:
    """All its expressions included; the table says what of the DSL is not done."""
    children = Children(seconds=10.0)
    try:
        if path.name in NOT_DONE:
            with pytest.raises(SettingInvalid, match=re.escape(NOT_DONE[path.name])):
                Flow(read_definition(loaded(path)))
        else:
            await Flow(read_definition(loaded(path))).compiler.check(children)
    finally:
        await children.close()


@pytest.mark.parametrize("path", files("invalid"))
def test_what_the_kit_calls_invalid_is_refused(path: Path) -> None:
    """With its place."""
    with pytest.raises(SettingInvalid) as refused:
        Flow(read_definition(loaded(path)))
    assert refused.value.pointer


# what the schema refuses and we take, by the end of its place and what stands there; the reason is the name
MORE = {
    "a header field or a query parameter may be a number, true or false; the latter an array": (
        r"/with/(headers|query)/[^/]+",
        (int, bool, list),
    ),
    "the type of an error may be any URI reference (RFC 9457)": (r"/(error|errors/[^/]+)/type", (str,)),
    "the input of a subflow may be an expression": (r"/run/workflow/input", (str, type(None))),
    "the version of a subflow is latest if none is said": (r"/run/workflow/version", (Removed,)),
}
# what we refuse and the schema takes, by our words
STRICTER = (
    "Object contains unknown field",  # a member that is misspelt would be left out in silence
    "there is no ",  # references to nothing
    "this is no JSON Schema",
    "schemas are of the format json",
    "null is no value here",
    "at least one task is needed",
    "a whole number is needed, not below 0",
    "Expected `int` >= 0",  # attempts
    "a text is needed; for conditions there is `when`",
    "one of basic, bearer and use is needed",
    *sorted(set(NOT_DONE.values())),
)


def mutants(value: Any) -> Iterator[tuple[str, Any, Any]]:
    """Every member and item removed, renamed or replaced, every object with one member more: place, change, result."""
    for steps in places(value):
        parent, name = steps[:-1], steps[-1] if steps else None
        for change in (Removed, Renamed, Added, 5, -1, "x", True, None, {}, []):
            made = copy.deepcopy(value)
            target = reached_by(made, steps if change is Added else parent)
            if change is Added and isinstance(target, dict):
                target["added"] = 1
            elif change is Renamed and isinstance(target, dict) and steps:
                members = [(f"{key}X" if key == name else key, one) for key, one in target.items()]
                target.clear()
                target.update(members)
            elif change is Removed and steps:
                del target[name]
            elif not isinstance(change, type) and steps and target[name] != change:
                target[name] = change
            else:
                continue
            yield "".join(f"/{step}" for step in steps) + ("/added" if change is Added else ""), change, made


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The steps to every value inside a value, itself included."""
    yield above
    for step, one in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(one, (*above, step))


def reached_by(value: Any, steps: tuple[Any, ...]) -> Any:
    """What these steps lead to."""
    return functools.reduce(operator.getitem, steps, value)


@pytest.fixture(scope="module")
def schema() -> Any:
    """The official JSON Schema."""
    document = loaded(KIT / "schema" / "workflow.yaml")
    del document["$id"]
    return jsonschema_rs.validator_for(document)


@pytest.mark.parametrize("path", files("examples"))
def test_our_reader_and_the_official_schema_agree(path: Path, schema: Any) -> None:
    """On every example and on all its mutants: what the schema refuses we refuse, and the other way round, but for what
    the tables above name. Nothing else than SettingInvalid comes out of a definition."""
    value = loaded(path)
    assert schema.is_valid(value)
    if path.name in NOT_DONE:
        return
    counted = 0
    for place, change, made in mutants(value):
        ours = refusal(made)
        counted += 1
        if schema.is_valid(made):
            assert ours is None or ours.startswith(STRICTER), (place, change, ours)
        elif ours is None:
            kind = change if isinstance(change, type) else type(change)
            kind = int if change is Added else kind
            assert any(re.search(f"{end}$", place) and kind in kinds for end, kinds in MORE.values()), (place, change)
    assert counted > 50


def refusal(definition: Any) -> str | None:
    """What we have against a definition; None if nothing."""
    try:
        Flow(read_definition(definition))
    except SettingInvalid as refused:
        return str(refused)
    return None


async def test_the_double_is_what_is_called(double: Petstore) -> None:
    """So that nothing above passes without a call."""
    flow = {"document": {"dsl": "1.0.3", "namespace": "n", "name": "n", "version": "1.0.0"}, "do": []}
    flow["do"] = [{"a": {"call": "http", "with": {"method": "get", "endpoint": double.url + "/v2/pet/{id}"}}}]
    assert (await run(flow, {"id": 2}))["name"] == "Tom"
    assert [seen.target for seen in double.requests] == ["/v2/pet/2"]
