"""``apimgmt flow``: run here without a platform, stored and tried on one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import responses
from click.testing import CliRunner, Result
from responses.matchers import json_params_matcher

from apimgmt.cli.commands import apimgmt

ADMIN = "http://admin.example:8081"
HELLO = """
document: {dsl: 1.0.3, namespace: test, name: hello, version: 1.0.0}
do:
  - answer:
      set:
        text: Hello ${name}
        loud: ${ $trigger.data.query.name | ascii_upcase }
"""
RAISED = "raise: {error: {type: 'https://example.com/x', status: 409, title: X}}"
FAILS = HELLO.replace("set:", RAISED).partition("text:")[0]


def run(*arguments: str, stdin: str | None = None) -> Result:
    """The command as a user runs it."""
    environment = {"APIMGMT_URL": ADMIN, "APIMGMT_TOKEN": "secret"}
    return CliRunner().invoke(apimgmt, ["flow", *arguments], env=environment, input=stdin)


def test_a_flow_runs_here_and_prints_its_output() -> None:
    """From a file or standard input; the output is JSON on standard output."""
    done = run("run", "-", "--input", '{"query": {"name": "Ann"}}', stdin=HELLO)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == {"text": "Hello Ann", "loud": "ANN"}


def test_a_flow_that_fails_prints_its_error_aside() -> None:
    """On standard error, with exit code 1; nothing on standard output."""
    done = run("run", "-", stdin=FAILS)
    assert (done.exit_code, done.stdout) == (1, "")
    assert json.loads(done.stderr)["status"] == 409


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (HELLO.replace("set:", "sett:"), "4:5"),
        (HELLO.replace("| ascii_upcase", "|"), "7:9"),
        (HELLO.replace("loud:", "text:"), "7:9"),
        ("document: [", "2:1"),
        (HELLO.replace("1.0.3", "0.8"), "2:"),
    ],
    ids=["unknown task", "expression", "a name twice", "no YAML", "other DSL"],
)
def test_what_is_no_flow_is_refused_with_line_and_column(tmp_path: Path, text: str, place: str) -> None:
    """The place is in the file, not in the JSON of it."""
    file = tmp_path / "flow.yaml"
    file.write_text(text)
    done = run("run", str(file))
    assert done.exit_code == 1
    assert f"{file}:{place}" in done.stderr


@responses.activate
def test_a_flow_is_stored_under_the_name_of_its_document() -> None:
    """A new one by POST, the next revision by PUT."""
    shown = {"name": "hello", "id": "flow_1", "revision": 1, "changed": "2026-01-01T00:00:00Z", "definition": {}}
    for known, method, path in (([], "POST", "/flows"), ([shown], "PUT", "/flows/hello")):
        responses.upsert("GET", f"{ADMIN}/api/v1/flows", json=known)
        responses.add(method, f"{ADMIN}/api/v1{path}", json=shown)
        assert run("store", "-", stdin=HELLO).exit_code == 0
    sent = json.loads(responses.calls[-1].request.body or b"")
    assert sent["name"] == "hello"
    assert sent["definition"]["do"][0]["answer"]["set"]["text"] == "Hello ${name}"


@responses.activate
def test_a_stored_flow_is_tried() -> None:
    """What each task took, and the output; exit code 1 if it failed."""
    url = f"{ADMIN}/api/v1/flows/hello/dry-run"
    steps = [{"task": "/do/0/answer", "seconds": 0.00125, "failed": False}]
    matcher = json_params_matcher({"input": {"a": 1}})
    responses.post(url, json={"output": {"n": 1}, "steps": steps}, match=[matcher])
    done = run("try", "hello", "--input", '{"a": 1}')
    assert done.exit_code == 0
    assert "/do/0/answer" in done.stdout and "1.25" in done.stdout
    responses.upsert("POST", url, json={"error": {"status": 409}, "steps": steps})
    assert run("try", "hello", "--input", '{"a": 1}').exit_code == 1


def test_an_input_that_is_no_json_is_a_wrong_call() -> None:
    """Exit code 2, as for every wrong option."""
    assert run("run", "-", "--input", "{", stdin=HELLO).exit_code == 2


@pytest.mark.parametrize(("throw", "code"), [("true", 1), ("false", 0)])
def test_what_a_flow_answers_by_itself_is_shown_aside(throw: str, code: int) -> None:
    """As in the documentation: a 404 in a shape of one's own; thrown, it is how the flow ends."""
    call = f"{{call: respond, with: {{status: 404, throw: {throw}, body: {{no: '${{name}}'}}}}}}"
    text = f"{HELLO}  - missing: {call}"
    done = run("run", "-", "--input", '{"query": {"name": "Ann"}}', stdin=text)
    assert done.exit_code == code, done.output
    assert json.loads(done.stderr)["answer"] == {"status": 404, "body": {"no": "Ann"}}
    assert bool(done.stdout) is (code == 0)


@responses.activate
def test_what_the_platform_refuses_has_its_place_in_the_file(tmp_path: Path) -> None:
    """Line and column of what it says of the definition; for scripts, and of anything else, what it says."""
    file = tmp_path / "flow.yaml"
    file.write_text(HELLO)
    error = {"in": "body", "pointer": "/definition/do/0/answer/set/loud", "detail": "this is wrong"}
    problem = {"title": "The request is not valid", "status": 400, "errors": [error]}
    responses.add("GET", f"{ADMIN}/api/v1/flows", json=[])
    responses.add("POST", f"{ADMIN}/api/v1/flows", json=problem, status=400)
    done = run("store", str(file))
    assert done.exit_code == 1
    assert f"{file}:7:9: this is wrong (at /do/0/answer/set/loud)" in done.stderr
    assert json.loads(run("store", str(file), "--output", "json").stdout) == problem
    responses.upsert("POST", f"{ADMIN}/api/v1/flows", json={"title": "Clash", "status": 409}, status=409)
    assert "Clash (409)" in run("store", str(file)).stderr


def test_a_file_that_cannot_be_read_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    """Nobody is there to ask."""
    file = tmp_path / "flow.yaml"
    file.write_text("document: [")
    done = run("store", str(file))
    assert done.exit_code == 1
    assert f"{file}:2:1" in done.stderr


def test_a_command_prints_no_warning_of_a_library(tmp_path: Path) -> None:
    """Run as a user does, in a process of its own: standard error is ours alone."""
    file = tmp_path / "flow.yaml"
    file.write_text("document: {dsl: 1.0.0, namespace: n, name: f, version: 1.0.0}\ndo: [{a: {set: {x: 1}}}]\n")
    command = [sys.executable, "-c", "from apimgmt.cli import main; main()", "flow", "run", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, {"x": 1}, "")
