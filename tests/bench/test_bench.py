"""The benchmark compares like with like: every subject answers the same and refuses the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import wrk
from bench.catalogue import SUBJECTS
from bench.compare import Plan, Row, Run, chosen, compare
from bench.exchanges import GET, REFUSED, fault
from bench.load import load
from bench.platforms import document, targets
from bench.scale import scale
from bench.serving import faults, missing, running
from bench.subjects import Subject
from bench.table import lines
from bench.wrk import Load


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_subject_answers_and_refuses_the_same(subject: Subject, tmp_path: Path) -> None:
    """Every subject that is installed answers every exchange as it must, apart from its declared gaps."""
    if reason := missing(subject):
        pytest.skip(reason)
    with running(subject, tmp_path / "subject") as server:
        assert faults(subject, server.port) == []


@pytest.mark.parametrize("subject", [subject for subject in SUBJECTS if subject.gaps], ids=lambda subject: subject.name)
def test_gaps_are_real(subject: Subject, tmp_path: Path) -> None:
    """A declared gap that has been closed by its maker must be struck out of the catalogue."""
    if reason := missing(subject):
        pytest.skip(reason)
    gaps = [exchange for exchange in REFUSED if exchange.name in subject.gaps]
    assert {exchange.name for exchange in gaps} == set(subject.gaps)
    with running(subject, tmp_path / "subject") as server:
        assert all(fault(exchange, server.port) for exchange in gaps)


def test_subject_that_checks_nothing_is_found_out(tmp_path: Path) -> None:
    """The verification fails on an application without checks: the bare one, taken at its word."""
    bare = next(subject for subject in SUBJECTS if not subject.checks)
    careless = Subject("careless", bare.prepare, bare.packages)
    with running(careless, tmp_path / "subject") as server:
        found = faults(careless, server.port)
    assert len(found) == len(REFUSED) + 2


def test_subject_with_faults_is_not_timed() -> None:
    """A subject that answers wrongly becomes a row with the reason and without runs."""
    bare = next(subject for subject in SUBJECTS if not subject.checks)
    (row,) = compare([Subject("careless", bare.prepare, bare.packages)], Plan(runs=1, seconds=1.0, warm_up=1.0))
    assert "get without key: status 200" in row.skipped
    assert row.runs == {}


def test_load_is_measured() -> None:
    """A run of wrk gives a rate, latencies in order and no bad answers; the row says so in the table."""
    if reason := wrk.missing():
        pytest.skip(reason)
    rows = compare(chosen(["bare ASGI, same server"]), Plan(runs=1, seconds=1.0, warm_up=1.0))
    run = rows[0].runs[GET.name][0]
    assert run.load.rps > 100
    assert 0 < run.load.p50 <= run.load.p99
    assert run.load.bad == 0
    assert run.cpu > 0
    assert any(line.startswith("bare ASGI, same server") for line in lines(rows, {}))


def test_goals_are_judged_by_the_worse_request() -> None:
    """A goal counts as reached only if both requests reach it."""
    slow = Row("FastAPI", runs={"get": [Run(Load(100, 1, 2, 0), 1)], "post": [Run(Load(100, 1, 2, 0), 1)]})
    for post, verdict in ((499.0, "not reached"), (500.0, "reached")):
        ours = Row("apimgmt", runs={"get": [Run(Load(900, 1, 2, 0), 1)], "post": [Run(Load(post, 1, 2, 0), 1)]})
        goal = next(line for line in lines([ours, slow], {}) if line.startswith("goal"))
        assert goal.endswith(f": {verdict}")


def test_platforms_have_the_size_they_are_asked_for() -> None:
    """A generated document has exactly its operations, and targets are different and spread over all APIs."""
    paths = json.loads(document(20))["paths"]
    assert sum(len(item) for item in paths.values()) == 20
    wanted = targets(apis=500, operations=20, most=1_000)
    assert len(set(wanted)) == 1_000
    assert len({target.split("/")[1] for target in wanted}) == 500


def test_scale_measures_every_platform() -> None:
    """Every platform answers one operation and many in turn; an error answer would raise."""
    if reason := wrk.missing():
        pytest.skip(reason)
    platforms = scale(Plan(runs=1, seconds=1.0, warm_up=1.0), sizes=((1, 2), (2, 4)))
    assert all(rate > 100 for platform in platforms for rate in (*platform.one, *platform.turn))
    assert [len(platform.turn) for platform in platforms] == [1, 1]


def test_load_starts_the_product_and_waits_until_an_api_answers() -> None:
    """The fill, the start and one more API are timed against their goals; what is absent is left out."""
    times = list(load(Path("absent.json"), None, apis=1))
    assert [time.goal for time in times] == [1.0, 10.0, 1.0]
    assert all(0 < time.seconds < 60 and time.megabytes > 1 for time in times)


def test_profile_shows_where_the_time_goes() -> None:
    """The profile gives microseconds for both requests and names functions of the request path."""
    command = [sys.executable, "-m", "bench", "profile", "--requests", "100"]
    run = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert "GET: " in run.stdout and "POST: " in run.stdout
    assert "operation.py" in run.stdout
