"""Runs in the admin API: found by the id of the answer, with all details (apimgmt/control/runs.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from apimgmt.archive import Archive
from apimgmt.control.runs import Runs
from apimgmt.errors import Problem
from apimgmt.model import ApiEntry, Binding, Snapshot
from apimgmt.runs import Fault, RunRecord, Task
from apimgmt.runs.lines import Kept, Line
from apimgmt.runs.orders import Asked, Order, Orders, Outcome
from apimgmt.runs.store import RunStore
from apimgmt.runs.written import WrittenLines
from apimgmt.settings import Settings

FAILED = RunRecord(
    id="4e13bdcc-1",
    api="api_1",
    operation="post /orders",
    state="failed",
    status=500,
    began=1_800_000_000.25,
    seconds=0.5,
    caller="crm",
    tasks=(Task(task="/do/0/load", began=1_800_000_000.25, seconds=0.4), Task(task="/do/1/x", began=1.0, seconds=0.1)),
    fault=Fault(code="process-failed", reason="KeyError: 'ledger'", traceback="Traceback ..."),
)
GONE = RunRecord(
    id="4e13bdcc-2", api="api_gone", operation="get /a", state="timed-out", status=504, began=1_800_000_001.0, seconds=3
)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """Two runs: one of an API that is published, one of an API that is gone."""
    archive = Archive(tmp_path)
    entry = ApiEntry(id="api_1", name="shop", base_path="/shop", revision=1, digest="d")
    archive.make_current(archive.put_snapshot(Snapshot(number=1, created="", apis=(entry,))))
    RunStore(tmp_path).add([FAILED, GONE], "worker", 3)
    return Runs(archive)


@pytest.mark.rows("H-110", "H-111")
def test_a_run_is_found_by_the_id_of_its_answer(runs: Runs) -> None:
    """With its error for operators and the time of every task."""
    found = runs.find("4e13bdcc-1")
    assert (found["api"], found["operation"], found["caller"]) == ("shop", "post /orders", "crm")
    assert (found["state"], found["status"], found["time"]) == ("failed", 500, "2027-01-15T08:00:00.250Z")
    assert found["error"]["reason"] == "KeyError: 'ledger'" and found["error"]["traceback"] == "Traceback ..."
    assert [(task["task"], task["seconds"]) for task in found["tasks"]] == [("/do/0/load", 0.4), ("/do/1/x", 0.1)]
    with pytest.raises(Problem) as caught:
        runs.find("4e13bdcc-3")
    assert caught.value.status == 404


def logged(second: float, message: str) -> Line:
    """A line of the function, so many seconds after the run began."""
    return Line(time=1_800_000_000.25 + second, level="WARNING", logger="shop", message=message)


def test_what_a_run_logged_and_its_tasks_are_told_in_order(runs: Runs, tmp_path: Path) -> None:
    """The gateway's part, the runner's, one that is under way, and how many lines are missing of all of them."""
    first = Kept(id="4e13bdcc-1", part=0, began=1.0, lines=(logged(-0.1, "a"), logged(0.1, "b\nc")), missing=2)
    second = Kept(id="4e13bdcc-1", part=1, began=1.0, lines=(logged(0.2, "d"),), missing=3)
    RunStore(tmp_path).add([], lines=[second, first])
    going = WrittenLines(tmp_path, "4e13bdcc-1", 2, 1.0)
    going.add(logged(0.3, "e"), 1000)
    found = runs.logs("4e13bdcc-1")
    assert (found["id"], found["missing"]) == ("4e13bdcc-1", 5)
    assert [line["message"] for line in found["lines"]] == [
        *("/do/1/x took 100.0 ms", "a", "/do/0/load took 400.0 ms", "b\nc", "d", "e")
    ]
    assert found["lines"][3] == {
        "time": "2027-01-15T08:00:00.350Z",
        "level": "WARNING",
        "logger": "shop",
        "message": "b\nc",
    }
    going.end()
    assert runs.logs("4e13bdcc-1") == found


def test_a_run_without_lines_has_none_and_one_that_is_unknown_is_said(runs: Runs, tmp_path: Path) -> None:
    """What another machine recorded may have lines here."""
    assert runs.logs("4e13bdcc-2") == {"id": "4e13bdcc-2", "lines": [], "missing": 0}
    for unknown in ("4e13bdcc-3", "../a"):
        with pytest.raises(Problem) as caught:
            runs.logs(unknown)
        assert caught.value.status == 404
    RunStore(tmp_path).add([], lines=[Kept(id="4e13bdcc-3", part=1, began=1.0, lines=(logged(0.0, "a"),))])
    assert [line["message"] for line in runs.logs("4e13bdcc-3")["lines"]] == ["a"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["4e13bdcc-2", "4e13bdcc-1"]),
        ({"api": "shop"}, ["4e13bdcc-1"]),
        ({"api": "api_1"}, ["4e13bdcc-1"]),
        ({"api": "api_gone"}, ["4e13bdcc-2"]),
        ({"api": "nobody"}, []),
        ({"state": "timed-out"}, ["4e13bdcc-2"]),
        ({"status": 500}, ["4e13bdcc-1"]),
        ({"since": "2027-01-15T08:00:01Z"}, ["4e13bdcc-2"]),
        ({"since": "2027-01-15T09:00:01+01:00"}, ["4e13bdcc-2"]),
        ({"limit": 1}, ["4e13bdcc-2"]),
    ],
    ids=str,
)
def test_runs_are_narrowed(runs: Runs, filters: dict[str, object], expected: list[str]) -> None:
    """By name or id of the API, state, status and time; what was not recorded is counted."""
    found = runs.newest(**filters)  # type: ignore[arg-type]
    assert ([one["id"] for one in found["runs"]], found["dropped"]) == (expected, 3)


def test_a_time_that_is_none_is_refused(runs: Runs) -> None:
    """With what a time looks like."""
    with pytest.raises(Problem, match="RFC 3339"):
        runs.newest(since="yesterday")


def test_there_is_nothing_before_the_first_run(tmp_path: Path) -> None:
    """Neither a file nor a snapshot is needed."""
    assert Runs(Archive(tmp_path)).newest() == {"runs": [], "dropped": 0}


def test_durable_runs_are_cancelled_and_tried_again(tmp_path: Path) -> None:
    """Only what is under way can be stopped, only what failed can be tried again; others are not known."""
    orders, runs = Orders(Settings(data=str(tmp_path))), Runs(Archive(tmp_path))
    asked = Asked(
        method="GET", scheme="http", target="/a", query_string="", headers=(), client="",
        path={}, query={}, header={}, cookie={},
    )  # fmt: skip
    order = Order(
        id="a-1", api="api_1", operation="get /a", digest="d", binding=Binding(), accepted=1.0, seconds=1.0, asked=asked
    )
    orders.accept(order)
    with pytest.raises(Problem, match="waits for the runner"):
        runs.find("a-1")
    with pytest.raises(Problem, match="waits for the runner"):
        runs.logs("a-1")
    with pytest.raises(Problem, match="The run is accepted"):
        runs.retry("a-1")
    runs.cancel("a-1")
    assert orders.commands() == [("a-1", "cancel")]
    orders.obeyed("a-1")
    assert orders.commands() == []
    orders.take("a-1")
    orders.end([Outcome(id="a-1", state="failed", ended=2.0)])
    with pytest.raises(Problem, match="The run is failed"):
        runs.cancel("a-1")
    runs.retry("a-1")
    assert orders.commands() == [("a-1", "retry")]
    for unknown in ("a-2", "4e13bdcc-1", "../a"):
        with pytest.raises(Problem) as caught:
            runs.cancel(unknown)
        assert caught.value.status == 404
