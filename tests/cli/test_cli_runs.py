"""``apimgmt runs``: what became of requests."""

from __future__ import annotations

import json

import responses
from click.testing import CliRunner

from apimgmt.cli.commands import apimgmt

ADMIN = "http://admin.example:8081"
ENVIRONMENT = {"APIMGMT_URL": ADMIN, "APIMGMT_TOKEN": "secret"}
RUN = {
    "id": "4e13bdcc-1",
    "time": "2027-01-15T08:00:00.250Z",
    "api": "shop",
    "operation": "post /orders",
    "caller": "crm",
    "state": "failed",
    "status": 202,
    "seconds": 0.5,
    "answered": 0.002,
    "code": "process-failed",
}
DETAILS = {
    "tasks": [{"task": "/do/0/load", "time": "2027-01-15T08:00:00.250Z", "seconds": 0.4, "failed": True}],
    "error": {"code": "process-failed", "detail": "", "reason": "KeyError: 'ledger'", "traceback": "line 1\nline 2"},
    "request": "",
    "response": "",
}


@responses.activate
def test_runs_are_listed_with_the_filters_that_are_given() -> None:
    """One line each; what was dropped is said; JSON for scripts is what the admin API answers."""
    params = {"api": "shop", "state": "failed", "status": "202", "limit": "100"}
    matcher = responses.matchers.query_param_matcher(params)
    responses.get(f"{ADMIN}/api/v1/runs", json={"runs": [RUN], "dropped": 3}, match=[matcher])
    command = ["runs", "list", "--api", "shop", "--state", "failed", "--status", "202"]
    shown = CliRunner().invoke(apimgmt, command, env=ENVIRONMENT)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines()[1].split() == [
        *("4e13bdcc-1", "2027-01-15T08:00:00.250Z", "shop", "post", "/orders", "crm"),
        *("failed", "202", "500.0", "process-failed"),
    ]
    assert shown.stdout.splitlines()[2].startswith("3 more were not recorded")
    printed = CliRunner().invoke(apimgmt, [*command, "--output", "json"], env=ENVIRONMENT).stdout
    assert json.loads(printed) == {"runs": [RUN], "dropped": 3}


@responses.activate
def test_one_run_is_shown_with_its_tasks_and_its_error() -> None:
    """Everything that an operator looks for."""
    responses.get(f"{ADMIN}/api/v1/runs/4e13bdcc-1", json=RUN | DETAILS)
    shown = CliRunner().invoke(apimgmt, ["runs", "show", "4e13bdcc-1"], env=ENVIRONMENT)
    assert shown.exit_code == 0, shown.output
    for expected in ("after 2.0 ms", "/do/0/load  400.0  yes", "process-failed: KeyError: 'ledger'", "line 2"):
        assert expected in shown.stdout


LINE = {"time": "2027-01-15T08:00:00.250Z", "level": "INFO", "logger": "shop.orders", "message": "loaded"}


@responses.activate
def test_what_a_run_logged_is_shown_line_by_line() -> None:
    """In order, with how many are missing; nothing in it can do something to the terminal."""
    hostile = "one\u001b[2Jx\u009b1A\u202e\n  two\tthree"
    told = {"id": "a-1", "lines": [LINE, LINE | {"level": "ERROR", "message": hostile}], "missing": 7}
    responses.get(f"{ADMIN}/api/v1/runs/a-1/logs", json=told)
    shown = CliRunner().invoke(apimgmt, ["runs", "logs", "a-1"], env=ENVIRONMENT)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines() == [
        "2027-01-15T08:00:00.250Z  INFO      shop.orders  loaded",
        "2027-01-15T08:00:00.250Z  ERROR     shop.orders  one\\x1b[2Jx\\x9b1A\\u202e",
        "      two\tthree",
        "7 more lines were not kept: there was no room for them.",
    ]
    printed = CliRunner().invoke(apimgmt, ["runs", "logs", "a-1", "--output", "json"], env=ENVIRONMENT).stdout
    assert json.loads(printed) == told


@responses.activate
def test_a_run_that_logged_nothing_is_said() -> None:
    """A line for people, an empty list for scripts."""
    responses.get(f"{ADMIN}/api/v1/runs/a-1/logs", json={"id": "a-1", "lines": [], "missing": 0})
    shown = CliRunner().invoke(apimgmt, ["runs", "logs", "a-1"], env=ENVIRONMENT)
    assert (shown.exit_code, shown.stdout) == (0, "It logged nothing.\n")


@responses.activate
def test_a_run_that_is_not_recorded_is_said() -> None:
    """Exit code 1 and the reason."""
    problem = {"title": "There is nothing at this path", "status": 404, "detail": "No run of this id is recorded."}
    responses.get(f"{ADMIN}/api/v1/runs/x-1", json=problem, status=404)
    shown = CliRunner().invoke(apimgmt, ["runs", "show", "x-1"], env=ENVIRONMENT)
    assert shown.exit_code != 0 and "No run of this id" in shown.output


@responses.activate
def test_a_run_is_cancelled_and_tried_again() -> None:
    """The runner is told; what is not possible is said as the admin API says it."""
    responses.post(f"{ADMIN}/api/v1/runs/a-1/cancellation", status=202)
    responses.post(f"{ADMIN}/api/v1/runs/a-1/retry", json={"title": "x", "detail": "The run is running."}, status=409)
    cancelled = CliRunner().invoke(apimgmt, ["runs", "cancel", "a-1"], env=ENVIRONMENT)
    assert (cancelled.exit_code, cancelled.stdout) == (0, "a-1 is stopped before its next step\n")
    refused = CliRunner().invoke(apimgmt, ["runs", "retry", "a-1"], env=ENVIRONMENT)
    assert refused.exit_code != 0 and "The run is running." in refused.output
