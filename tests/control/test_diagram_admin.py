"""Diagrams as the admin API serves them: of a flow, of a dry run, of a recorded run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from control_members import Platform
from control_samples import JSON, document, take_in
from processes.flows.flowing import definition

from apimgmt.archive import Archive
from apimgmt.control.diagram.svg import HEADERS
from apimgmt.control.service import Control
from apimgmt.control.store import Store
from apimgmt.runs import RunRecord, Task
from apimgmt.runs.store import RunStore
from apimgmt.settings import Settings
from harness import Answer

HOSTILE = "</text><script>alert(1)</script>"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """An admin API on SQLite with a flow in two revisions."""
    settings = Settings(data=str(tmp_path))
    store = Store(settings)
    platform = Platform(settings, Control(settings, store, Archive(settings.root), take_in, wait_seconds=0.1))
    flows = platform.control.flows
    flows.create({"name": "hello", "definition": definition({"set": {"first": "${name}"}})})
    flows.replace("hello", {"definition": definition({"set": {"second": HOSTILE}}, {"set": {"third": 3}})})
    yield platform
    store.close()


def drawn(answer: Answer) -> str:
    """The picture that was served, with the fields that keep a browser from running anything in it."""
    assert (answer.status, answer.header("content-type")) == (200, "image/svg+xml; charset=utf-8")
    assert all(answer.all(name) == [value] for name, value in HEADERS)
    root = ElementTree.fromstring(answer.body)
    assert root.get("role") == "img"
    return answer.text


def test_a_flow_is_served_as_a_picture_that_can_do_nothing(platform: Platform) -> None:
    """In the revision that counts or an earlier one, to everybody who may read flows."""
    token = platform.join("vera", "viewer")
    newest = drawn(platform.ask("GET", "/flows/hello/diagram", token))
    assert "second" in newest and "first" not in newest and "<script" not in newest
    assert "first" in drawn(platform.ask("GET", "/flows/hello/diagram?revision=1", token))
    assert platform.ask("GET", "/flows/hello/diagram?revision=3", token).status == 404
    assert platform.ask("GET", "/flows/other/diagram", token).status == 404
    assert dict(HEADERS)["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_a_dry_run_is_drawn_if_it_is_asked_for(platform: Platform) -> None:
    """Output, steps and picture are of one and the same run."""
    token = platform.join("dora", "designer")
    done = platform.ask("POST", "/flows/hello/dry-run", token, {"input": {}, "diagram": True}).json()
    assert done["output"] == {"third": 3} and len(done["steps"]) == 2
    assert "2 tasks performed" in done["diagram"]
    assert "diagram" not in platform.ask("POST", "/flows/hello/dry-run", token, {"input": {}}).json()


def test_a_recorded_run_is_drawn_with_what_its_tasks_took(platform: Platform, tmp_path: Path) -> None:
    """The flow is found by what its operation is bound to; a run of anything else has no picture."""
    control = platform.control
    control.upload(document(), JSON, name="pets", publish=True)
    key, other = (operation.key for operation in control.operations("pets")[:2])
    control.bind("pets", {key: {"kind": "flow", "flow": "hello"}}, publish=True)
    tasks = (Task(task="/do/0/a", began=1.0, seconds=0.25), Task(task="/do/1/b", began=1.3, seconds=0.75, failed=True))
    api = control.get("pets").id
    run = RunRecord(id="run-1", api=api, operation=key, state="failed", status=500, began=1.0, seconds=1.0, tasks=tasks)
    records = [run, msgspec.structs.replace(run, id="run-2", operation=other)]
    RunStore(tmp_path).add(records, "worker", 0)
    token = platform.join("olga", "operator")
    assert "failed · 750 ms · 75 %" in drawn(platform.ask("GET", "/runs/run-1/diagram", token))
    refused = platform.ask("GET", "/runs/run-2/diagram", token)
    assert refused.status == 404 and "not bound to a flow" in refused.json()["detail"]
    assert platform.ask("GET", "/runs/run-3/diagram", token).status == 404
    assert platform.ask("GET", "/runs/run-1/diagram", platform.join("vera", "viewer")).status == 403
