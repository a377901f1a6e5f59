"""``apimgmt connections discover``: what is sent, what is printed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import responses
from click.testing import CliRunner, Result
from responses.matchers import header_matcher, query_param_matcher

from apimgmt.cli.commands import apimgmt

ADMIN = "http://admin.example:8081"
PATH = f"{ADMIN}/api/v1/connections/crm/discovery"
FOUND: dict[str, Any] = {
    "kind": "openapi",
    "entities": [
        {"name": "customers", "state": "new", "stored": False, "definition": {"path": "/customers"}, "note": "guessed"},
        {
            "name": "orders",
            "state": "changed",
            "changed": ["path"],
            "stored": False,
            "definition": {"method": "POST", "path": "/orders"},
        },
    ],
    "leftOut": [{"what": "HEAD /x", "why": "HEAD is not a method of entities"}],
    "notes": ["a note"],
    "others": ["mine"],
}


@pytest.fixture
def admin() -> Iterator[responses.RequestsMock]:
    """An admin API that answers what the test says and fails the test for anything unasked."""
    with responses.RequestsMock() as mock:
        yield mock


def run(*arguments: str, **more: Any) -> Result:
    """The command as a user runs it."""
    environment = {"APIMGMT_URL": ADMIN, "APIMGMT_TOKEN": "secret"}
    return CliRunner().invoke(apimgmt, ["connections", "discover", "crm", *arguments], env=environment, **more)


@pytest.mark.rows("C-027")
def test_what_was_found_is_a_table(admin: responses.RequestsMock) -> None:
    """New and changed entities, what was left out and why, and what to do next."""
    matcher = query_param_matcher({"from": "https://crm.example/openapi.json"})
    admin.post(PATH, json=FOUND, match=[matcher])
    lines = [" ".join(line.split()) for line in run("--from", "https://crm.example/openapi.json").output.splitlines()]
    assert lines == [
        "NAME STATE STORED WHAT NOTE",
        "customers new no GET /customers guessed",
        "orders changed (path) no POST /orders -",
        "left out: HEAD /x: HEAD is not a method of entities",
        "a note",
        "not found any more, or made by hand: mine",
        "1 new: --store keeps them",
        "1 changed: --store --replace takes what was found",
    ]


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        ('{"openapi": "3.0.0"}', "application/json"),
        ("openapi: 3.0.0", "application/yaml"),
        (" <definitions/>", "application/xml"),
    ],
)
def test_a_file_is_sent(admin: responses.RequestsMock, tmp_path: Path, content: str, media_type: str) -> None:
    """As what it is, by its first sign; with what is to be kept."""
    file = tmp_path / "description"
    file.write_text(content)
    asked = query_param_matcher({"store": "true", "replace": "true"})
    admin.post(PATH, json=FOUND, match=[asked, header_matcher({"Content-Type": media_type})])
    result = run("--from", str(file), "--store", "--replace", "--output", "json")
    assert json.loads(result.output) == FOUND and admin.calls[0].request.body == content.encode()


def test_standard_input_is_a_file(admin: responses.RequestsMock) -> None:
    """``-`` reads it."""
    admin.post(PATH, json=FOUND, match=[query_param_matcher({})])
    assert run("--from", "-", input="openapi: 3.0.0").exit_code == 0
    assert admin.calls[0].request.body == b"openapi: 3.0.0"


def test_a_schema_of_a_database(admin: responses.RequestsMock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that happens to have its name is not sent."""
    (tmp_path / "sales").mkdir()
    monkeypatch.chdir(tmp_path)
    admin.post(PATH, json=FOUND, match=[query_param_matcher({"kind": "database", "from": "sales"})])
    assert run("--from", "sales", "--kind", "database").exit_code == 0


def test_replace_without_store_is_wrong_use() -> None:
    """It says so."""
    result = run("--replace")
    assert result.exit_code == 2 and "--replace is for --store" in result.output


def test_a_file_that_is_empty_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    """Nothing is sent."""
    (tmp_path / "none.json").write_text("\n")
    result = run("--from", str(tmp_path / "none.json"))
    assert result.exit_code == 2 and "none.json is empty" in result.output


def test_a_file_that_is_not_here_is_said_to_be_asked_for(admin: responses.RequestsMock) -> None:
    """A path may be one of the other system: whoever meant a file sees what became of it."""
    admin.post(PATH, json={**FOUND, "entities": [], "others": []}, match=[query_param_matcher({"from": "openapi.jsn"})])
    result = run("--from", "openapi.jsn")
    assert "there is no file openapi.jsn here" in result.stderr
    assert "nothing was found that could be an entity" in result.stdout


def test_a_description_cannot_steer_the_terminal(admin: responses.RequestsMock) -> None:
    """Not by a path, nor by what was left out and why."""
    entity = {**FOUND["entities"][0], "definition": {"path": "/\x1b[2J"}}
    left = [{"what": "GET /\x1b]0;x\x07", "why": "'\r\n'"}]
    admin.post(PATH, json={**FOUND, "entities": [entity], "leftOut": left})
    lines = run("--from", "https://crm.example/openapi.json").stdout
    assert "\x1b" not in lines and "\r" not in lines
    assert "GET /\\x1b[2J" in lines and "left out: GET /\\x1b]0;x\\x07: '\\x0d\\x0a'" in lines
