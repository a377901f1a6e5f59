"""The benchmark of passing requests on measures what it says, and judges it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.compare import Row, Run
from bench.proxy import PLAIN, PROXY, lines, nginx_is_there, subjects, upstream
from bench.serving import faults, running
from bench.subjects import Subject, product
from bench.wrk import Load


def test_what_is_passed_on_is_what_the_other_system_says(tmp_path: Path) -> None:
    """The proxy and the plain call answer both requests of the load as they must."""
    other = Subject("other", upstream if nginx_is_there() else product.bare, (), checks=False)
    with running(other, tmp_path / "other") as there:
        found = {subject.name: subject for subject in subjects(f"http://127.0.0.1:{there.port}")}
        for name in (PROXY, PLAIN):
            with running(found[name], tmp_path / name.replace(" ", "-").replace(",", "")) as server:
                assert faults(found[name], server.port) == []


@pytest.mark.parametrize(("rps", "verdict"), [(3000.0, "3.00, reached"), (2999.0, "3.00, not reached")])
def test_the_goal_is_judged_by_the_worse_of_the_two(rps: float, verdict: str) -> None:
    """At the goal it is reached, below it is not."""
    rows = [row(PROXY, 9000.0, rps), row(PLAIN, 1000.0, 1000.0)]
    assert list(lines(rows, {}))[-1].endswith(verdict)


def row(name: str, get: float, post: float) -> Row:
    """A row with one run of each request."""
    made = Row(name)
    made.runs = {
        "get": [Run(Load(get, 1.0, 2.0, 0), 100.0)],
        "post": [Run(Load(post, 1.0, 2.0, 0), 100.0)],
    }
    return made
