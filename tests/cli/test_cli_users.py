"""``apimgmt users``: what it sends and prints; passwords come from a prompt or standard input alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import responses
from click.testing import CliRunner, Result
from responses.matchers import header_matcher, json_params_matcher

from apimgmt.cli.commands import apimgmt

ADMIN = "http://admin.example:8081"
RULE = {"methods": ["GET"], "path": "/shop/**"}
ANNA = {"id": "user_1", "name": "anna", "role": "viewer", "hasPassword": True, "rules": [RULE], "rulesets": ["readers"]}


@pytest.fixture
def admin() -> Iterator[responses.RequestsMock]:
    """An admin API that answers what the test says and fails the test for anything unasked."""
    with responses.RequestsMock() as mock:
        yield mock


def run(*arguments: str, typed: str = "") -> Result:
    """The command as a user runs it and types."""
    return CliRunner().invoke(
        apimgmt, ["users", *arguments], input=typed, env={"APIMGMT_URL": ADMIN, "APIMGMT_TOKEN": "secret"}
    )


def answer(
    admin: responses.RequestsMock, method: str, path: str, body: Any, sent: Any = None, status: int = 200
) -> None:
    """Expect one call with the token and this body."""
    matchers: list[Any] = [header_matcher({"Authorization": "Bearer secret"})]
    matchers += [json_params_matcher(sent)] if sent is not None else []
    admin.add(method, f"{ADMIN}/api/v1{path}", json=body, status=status, match=matchers, headers={"ETag": '"user_1.3"'})


def test_users_are_listed(admin: responses.RequestsMock) -> None:
    """One line for each, or the JSON as it came."""
    answer(admin, "GET", "/users", [ANNA])
    lines = run("list").output.splitlines()
    assert lines[1].split() == ["anna", "user_1", "yes", "viewer", "readers", "GET", "/shop/**"]
    assert json.loads(run("list", "--output", "json").output) == [ANNA]


def test_without_a_terminal_the_way_to_send_a_password_is_said() -> None:
    """A script gets wrong use and the option, not an abort."""
    result = run("add", "anna")
    assert result.exit_code == 2
    assert "--password-stdin" in result.stderr


def test_a_user_of_the_platform_need_not_call_apis(admin: responses.RequestsMock) -> None:
    """The role is said, and that rules are for APIs."""
    answer(admin, "POST", "/users", {**ANNA, "rules": [], "rulesets": []}, status=201)
    lines = run("add", "anna", "--no-password", "--role", "viewer").output.splitlines()
    assert lines[0] == "anna (user_1) is made, viewer of the platform"
    assert lines[1].startswith("It may call no API yet")


def test_a_password_is_typed_twice_and_not_shown(admin: responses.RequestsMock) -> None:
    """Rules, rulesets and a role go with it; the JSON on standard output stays whole."""
    sent = {"name": "anna", "password": "påss€", "role": "viewer", "rules": [RULE], "rulesets": ["readers"]}
    answer(admin, "POST", "/users", ANNA, sent, 201)
    options = ["--allow", "GET /shop/**", "--ruleset", "readers", "--role", "viewer"]
    result = run("add", "anna", *options, "--output", "json", typed="påss€\npåss€\n")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == ANNA
    assert "påss€" not in result.output
    assert run("add", "anna", typed="one\ntwo\n").exit_code != 0


def test_a_password_comes_from_standard_input(admin: responses.RequestsMock) -> None:
    """Its first line, without the end of the line; who may call nothing is told so."""
    sent = {"name": "anna", "password": " påss€ ", "role": "", "rules": [], "rulesets": []}
    answer(admin, "POST", "/users", {**ANNA, "rules": [], "rulesets": []}, sent, 201)
    result = run("add", "anna", "--password-stdin", typed=" påss€ \nnot this\n")
    assert result.output.splitlines()[0] == "anna (user_1) is made, viewer of the platform"
    assert "may call no API yet" in result.output


def test_a_user_of_a_directory_has_no_password_here(admin: responses.RequestsMock) -> None:
    """Nobody is asked; both ways at once are wrong use."""
    sent = {"name": "*", "role": "", "rules": [RULE], "rulesets": []}
    answer(admin, "POST", "/users", {**ANNA, "name": "*"}, sent, 201)
    assert (
        run("add", "*", "--no-password", "--allow", "GET /shop/**").output
        == "* (user_1) is made, viewer of the platform\n"
    )
    assert run("add", "*", "--no-password", "--password-stdin").exit_code == 2


def test_no_option_takes_a_password() -> None:
    """What is on a command line can be seen by everybody on the machine."""
    assert run("add", "anna", "--password", "x").exit_code == 2
    assert run("set", "anna", "--password", "x").exit_code == 2


@pytest.mark.parametrize(
    ("options", "typed", "sent"),
    [
        ([], "", {"rules": [RULE], "rulesets": ["readers"], "role": "viewer"}),
        (["--password"], "x\nx\n", {"rules": [RULE], "rulesets": ["readers"], "role": "viewer", "password": "x"}),
        (["--password-stdin"], "x\n", {"rules": [RULE], "rulesets": ["readers"], "role": "viewer", "password": "x"}),
        (["--clear", "--role", "none"], "", {"rules": [], "rulesets": [], "role": ""}),
        (["--ruleset", "all"], "", {"rules": [RULE], "rulesets": ["all"], "role": "viewer"}),
        (["--clear", "--allow", "/a"], "", {"rules": [{"path": "/a"}], "rulesets": [], "role": "viewer"}),
    ],
)
def test_what_is_not_given_stays(
    admin: responses.RequestsMock, options: list[str], typed: str, sent: dict[str, Any]
) -> None:
    """The user is read, changed and sent back, if nobody else changed it in between."""
    answer(admin, "GET", "/users/anna", ANNA)
    answer(admin, "PUT", "/users/anna", ANNA, sent)
    result = run("set", "anna", *options, typed=typed)
    assert result.exit_code == 0, result.output
    assert admin.calls[1].request.headers["If-Match"] == '"user_1.3"'


def test_a_user_is_removed(admin: responses.RequestsMock) -> None:
    """By any name."""
    answer(admin, "DELETE", "/users/k%C3%A4ytt%C3%A4j%C3%A4", None, status=204)
    assert run("remove", "käyttäjä").output == "käyttäjä is removed\n"


def test_a_refusal_is_exit_code_1(admin: responses.RequestsMock) -> None:
    """With the platform's own words."""
    answer(
        admin, "DELETE", "/users/anna", {"title": "There is nothing", "detail": "there is no user 'anna'"}, status=404
    )
    result = run("remove", "anna")
    assert result.exit_code == 1 and "there is no user 'anna'" in result.output
