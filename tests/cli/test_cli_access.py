"""The commands about keys, rulesets and access: what they send, what they print, how they end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import responses
from click.testing import CliRunner, Result
from responses.matchers import json_params_matcher, query_param_matcher

from apimgmt.cli.commands import apimgmt

ADMIN = "http://admin.example:8081"
RULE = {"methods": ["GET"], "path": "/shop/**", "api": "api_1"}
KEY = {
    "name": "crm",
    "id": "key_1",
    "state": "active",
    "hint": "apim_default_Xk3v",
    "expires": None,
    "overlap": None,
    "rulesets": ["readers"],
    "rules": [RULE],
}
RULESET = {"name": "readers", "id": "ruleset_1", "rules": [RULE]}


@pytest.fixture
def admin() -> Iterator[responses.RequestsMock]:
    """An admin API that answers what the test says and fails the test for anything unasked."""
    with responses.RequestsMock() as mock:
        yield mock


def run(*arguments: str) -> Result:
    """The command as a user runs it."""
    return CliRunner().invoke(apimgmt, list(arguments), env={"APIMGMT_URL": ADMIN, "APIMGMT_TOKEN": "secret"})


def answer(admin: responses.RequestsMock, method: str, path: str, body: Any, *matchers: Any) -> None:
    """Expect one call."""
    admin.add(method, f"{ADMIN}/api/v1{path}", json=body, match=matchers)


def test_keys_are_listed(admin: responses.RequestsMock) -> None:
    """State, how the text begins, and what it may call."""
    answer(admin, "GET", "/keys", [KEY])
    line = run("keys", "list").output.splitlines()[1]
    assert " ".join(line.split()) == "crm key_1 active apim_default_Xk3v - - readers GET /shop/** api:api_1"


def test_a_key_is_made_with_rules_and_shown_once(admin: responses.RequestsMock) -> None:
    """Methods, a path or an API make a rule; what is not said is not sent."""
    rules = [{"methods": ["GET", "PUT"], "path": "/shop/**"}, {"path": "/a"}, {"methods": ["GET"], "api": "petstore"}]
    sent = {"name": "crm", "rules": rules, "rulesets": ["readers"], "expires": "2040-01-01T00:00:00Z"}
    answer(admin, "POST", "/keys", {**KEY, "key": "apim_x"}, json_params_matcher(sent))
    allow = [word for rule in ("GET,PUT /shop/**", "/a", "GET api:petstore") for word in ("--allow", rule)]
    result = run("keys", "add", "crm", *allow, "--ruleset", "readers", "--expires", "2040-01-01T00:00:00Z")
    assert result.output.splitlines()[0] == "apim_x"


def test_a_rule_that_cannot_be_read_is_wrong_use() -> None:
    """Exit code 2, before anything is sent."""
    assert run("keys", "add", "crm", "--allow", "/shop GET").exit_code == 2
    result = run("keys", "add", "crm", "--allow", "shop")
    assert result.exit_code == 2
    assert "'shop' is neither a path, which begins with /, nor api:NAME" in result.stderr


def test_a_key_without_rules_says_so(admin: responses.RequestsMock) -> None:
    """Its maker learns it now, not from the first caller."""
    answer(admin, "POST", "/keys", {**KEY, "rules": [], "rulesets": [], "key": "apim_x"})
    assert run("keys", "add", "crm").output.splitlines()[2].startswith("It may call nothing:")


@pytest.mark.parametrize(
    ("overlap", "said"),
    [("2030-01-01T00:00:00Z", "counts until 2030-01-01T00:00:00Z."), (None, "counts no more.")],
)
def test_a_rotation_says_how_long_the_text_before_counts(
    admin: responses.RequestsMock, overlap: str | None, said: str
) -> None:
    """With an overlap and without one; the list has it too."""
    rotated = {**KEY, "overlap": overlap}
    answer(admin, "POST", "/keys/crm/rotate", {**rotated, "key": "apim_y"})
    assert run("keys", "rotate", "crm").output.splitlines()[2] == f"The text before it {said}"
    answer(admin, "GET", "/keys", [rotated])
    assert (overlap or "-") in run("keys", "list").output.splitlines()[1]


def test_a_key_is_rotated_and_revoked(admin: responses.RequestsMock) -> None:
    """By a name that needs escaping."""
    answer(admin, "POST", "/keys/my%20key/rotate", {**KEY, "key": "apim_y"}, json_params_matcher({"overlap": 60}))
    answer(admin, "DELETE", "/keys/my%20key", None)
    assert run("keys", "rotate", "my key", "--overlap", "60").output.startswith("apim_y\n")
    assert run("keys", "revoke", "my key").output == "my key is revoked\n"


def test_rulesets(admin: responses.RequestsMock) -> None:
    """Made, listed, changed, removed."""
    rules = [{"methods": ["GET"], "path": "/shop/**"}]
    answer(admin, "GET", "/rulesets", [RULESET])
    answer(admin, "POST", "/rulesets", RULESET, json_params_matcher({"name": "readers", "rules": rules}))
    answer(admin, "PUT", "/rulesets/readers", RULESET, json_params_matcher({"rules": rules}))
    answer(admin, "DELETE", "/rulesets/readers", None)
    line = ["readers", "ruleset_1", "GET", "/shop/**", "api:api_1"]
    assert run("rulesets", "list").output.splitlines()[1].split() == line
    assert run("rulesets", "add", "readers", "--allow", "GET /shop/**").output.splitlines()[1].split() == line
    assert run("rulesets", "set", "readers", "--allow", "GET /shop/**").output.splitlines()[1].split() == line
    assert run("rulesets", "remove", "readers").exit_code == 0


def access(*decisions: dict[str, Any]) -> dict[str, Any]:
    """What ``GET /access`` answers."""
    return {
        "method": "GET",
        "template": "/orders/{id}",
        "api": {"id": "api_1", "name": "orders"},
        "takes": [["apiKey"], ["apiKey"], ["basic", "mutualtls"]],
        "decisions": list(decisions),
    }


@pytest.mark.parametrize(("allowed", "code", "first"), [(True, 0, "yes: a rule"), (False, 1, "no, forbidden: a rule")])
def test_can_says_yes_or_no_and_why(admin: responses.RequestsMock, allowed: bool, code: int, first: str) -> None:
    """The exit code is for scripts."""
    decision = {"who": "key:crm", "allowed": allowed, "code": "" if allowed else "forbidden", "why": "a rule"}
    query = query_param_matcher({"method": "GET", "path": "/orders/7", "as": "key:crm"})
    answer(admin, "GET", "/access", access(decision), query)
    result = run("can", "key:crm", "GET", "/orders/7")
    assert result.exit_code == code
    assert result.output.splitlines() == [first, "GET /orders/{id} of orders takes apiKey or basic with mutualtls"]


def test_who_can_lists_everybody_with_the_reason(admin: responses.RequestsMock) -> None:
    """One line for each, or the JSON as it came."""
    body = access({"who": "key:crm", "allowed": True, "code": "", "why": "a rule"})
    for _ in range(2):
        answer(admin, "GET", "/access", body, query_param_matcher({"method": "GET", "path": "/orders/{id}"}))
    assert run("who-can", "GET", "/orders/{id}").output.splitlines()[1].split() == ["key:crm", "a", "rule"]
    assert json.loads(run("who-can", "GET", "/orders/{id}", "--output", "json").output) == body


def test_who_can_says_what_is_missing(admin: responses.RequestsMock) -> None:
    """Where nobody may call, an empty table would look like a fault: the next step is named."""
    query = query_param_matcher({"method": "GET", "path": "/orders/{id}"})
    answer(admin, "GET", "/access", access(), query)
    lines = run("who-can", "GET", "/orders/{id}").output.splitlines()
    assert lines[0] == "nobody may call it yet"
    assert [line.partition(":")[0] for line in lines[1:-1]] == ["apiKey", "basic", "mutualtls"]
    assert "`apimgmt keys add NAME --allow RULE`" in lines[1]
