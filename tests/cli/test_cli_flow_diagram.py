"""``apimgmt flow diagram``: a file without a platform, a stored flow and a recorded run on one."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import responses
from click.testing import CliRunner, Result
from responses.matchers import json_params_matcher, query_param_matcher

from apimgmt.cli.commands import apimgmt

ADMIN = "http://admin.example:8081"
PICTURE = '<svg xmlns="http://www.w3.org/2000/svg"><title>Grüße</title></svg>\n'
HELLO = """
document: {dsl: 1.0.3, namespace: test, name: hello, version: 1.0.0}
do:
  - answer: {set: {text: 'Hello ${name}'}}
  - known: {if: .text == "Hello ", raise: {error: {type: 'https://example.com/x', status: 409, title: X}}}
"""


def run(*arguments: str, stdin: str | None = None) -> Result:
    """The command as a user runs it."""
    environment = {"APIMGMT_URL": ADMIN, "APIMGMT_TOKEN": "secret"}
    return CliRunner().invoke(apimgmt, ["flow", "diagram", *arguments], env=environment, input=stdin)


def test_a_file_is_drawn_without_a_platform(tmp_path: Path) -> None:
    """To a file, to standard output, or inside JSON for scripts; always the same picture."""
    file, to = tmp_path / "hello.yaml", tmp_path / "hello.svg"
    file.write_text(HELLO)
    written = run(str(file), "--to", str(to))
    assert (written.exit_code, written.stdout) == (0, f"{to} is written\n")
    assert ElementTree.fromstring(to.read_text("utf-8")).get("role") == "img"
    assert run("-", stdin=HELLO).stdout == to.read_text("utf-8")
    assert json.loads(run(str(file), "--output", "json").stdout) == {"diagram": to.read_text("utf-8")}


def test_a_file_is_run_and_drawn_with_its_times() -> None:
    """What was not performed and what failed is told; a run that fails is drawn, too, and said aside."""
    done = run("-", "--input", '{"query": {"name": "Ann"}}', stdin=HELLO)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "1 task performed" in done.stdout
    failed = run("-", "--input", "{}", stdin=HELLO)
    assert failed.exit_code == 0 and '"status": 409' in failed.stderr
    assert "2 tasks performed, 1 failed" in failed.stdout


def test_what_is_no_flow_is_not_drawn(tmp_path: Path) -> None:
    """It is refused with line and column; a file that is not there or cannot be written is named."""
    refused = run("-", stdin=HELLO.replace("set:", "sett:"))
    assert refused.exit_code == 1 and "standard input:4:5" in refused.stderr
    missing = run(str(tmp_path / "missing.yaml"))
    assert missing.exit_code == 2 and "cannot read" in missing.stderr
    unwritten = run("-", "--to", str(tmp_path / "no" / "hello.svg"), stdin=HELLO)
    assert unwritten.exit_code == 1 and "cannot write" in unwritten.stderr


@responses.activate
def test_a_stored_flow_is_drawn_by_the_platform() -> None:
    """In the revision that counts or an earlier one, and with an input as it is run now."""
    url = f"{ADMIN}/api/v1/flows/hello"
    for given, arguments in (({}, []), ({"revision": "2"}, ["--revision", "2"])):
        responses.get(f"{url}/diagram", body=PICTURE.encode(), match=[query_param_matcher(given)])
        assert run("hello", *arguments).stdout == PICTURE
    done = {"error": {"status": 409}, "steps": [], "diagram": PICTURE}
    responses.post(f"{url}/dry-run", json=done, match=[json_params_matcher({"input": {"a": 1}, "diagram": True})])
    tried = run("hello", "--input", '{"a": 1}')
    assert (tried.exit_code, tried.stdout) == (0, PICTURE)
    assert "the run failed" in tried.stderr


@responses.activate
def test_a_recorded_run_is_drawn_by_the_platform() -> None:
    """By the id that its answer had; one that is not recorded is a refusal."""
    responses.get(f"{ADMIN}/api/v1/runs/4e13bdcc-1/diagram", body=PICTURE.encode())
    assert run("--run", "4e13bdcc-1").stdout == PICTURE
    responses.get(f"{ADMIN}/api/v1/runs/4e13bdcc-2/diagram", status=404, json={"title": "Not found"})
    assert run("--run", "4e13bdcc-2").exit_code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a", "--run", "b"],
        ["a", "--input", "{"],
        ["a", "--input", "{}", "--revision", "1"],
        ["a.yaml", "--revision", "1"],
    ],
    ids=["nothing", "both", "no JSON", "input of a revision", "revision of a file"],
)
def test_a_wrong_call_is_refused_at_once(arguments: list[str]) -> None:
    """With exit code 2."""
    assert run(*arguments).exit_code == 2
