"""The commands about issuers, applications and access policies: what they send, what they print, how they end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import responses
from click.testing import CliRunner, Result
from responses.matchers import json_params_matcher

from apimgmt.cli.commands import apimgmt

ADMIN = "http://admin.example:8081"
ISSUER = {
    "name": "login",
    "id": "issuer_1",
    "issuer": "https://id.example",
    "audiences": ["https://api"],
    "jwks": {},
    "jwksUrl": "",
    "found": {"keys": [{"kid": "k1", "type": "EC", "algorithms": ["ES256"]}], "skipped": ["key 1: it is secret"]},
}
APPLICATION = {"name": "shop", "id": "application_1", "client": "c1", "issuer": "login"}
POLICY = {
    "name": "editors",
    "id": "accesspolicy_1",
    "targets": [{"methods": ["GET"], "path": "/shop/**"}],
    "applications": ["shop"],
    "roles": ["editor"],
    "condition": {"claim": "tenant", "equals": "acme"},
}


@pytest.fixture
def admin() -> Iterator[responses.RequestsMock]:
    """An admin API that answers what the test says and fails the test for anything unasked."""
    with responses.RequestsMock() as mock:
        yield mock


def run(*arguments: str) -> Result:
    """The command as a user runs it."""
    return CliRunner().invoke(apimgmt, list(arguments), env={"APIMGMT_URL": ADMIN, "APIMGMT_TOKEN": "secret"})


def answer(admin: responses.RequestsMock, method: str, path: str, body: Any, sent: Any = None) -> None:
    """Expect one call, with this body if it has one."""
    matchers = [json_params_matcher(sent)] if sent is not None else []
    admin.add(method, f"{ADMIN}/api/v1{path}", json=body, match=matchers)


def second(result: Result) -> list[str]:
    """The words of the first row of the table."""
    assert result.exit_code == 0, result.output
    return result.output.splitlines()[1].split()


def test_issuers(admin: responses.RequestsMock, tmp_path: Path) -> None:
    """Listed, added with what is needed or with everything, removed; the keys that were found are shown."""
    file = tmp_path / "keys.json"
    file.write_text('{"keys": []}')
    answer(admin, "GET", "/issuers", [ISSUER])
    least = {"name": "login", "issuer": "https://id.example", "audiences": ["https://api"]}
    answer(admin, "POST", "/issuers", ISSUER, least)
    most = {**least, "jwks": {"keys": []}, "algorithms": ["ES256"], "claims": {"name": "email", "role": "r.roles"}}
    answer(admin, "POST", "/issuers", ISSUER, most)
    answer(admin, "DELETE", "/issuers/login", None)
    line = ["login", "issuer_1", "https://id.example", "https://api", "discovered"]
    add = ("issuers", "add", "login", "https://id.example", "--audience", "https://api")
    assert second(run("issuers", "list")) == line
    added = run(*add)
    assert second(added) == line
    assert [row.split() for row in added.output.splitlines()[4:]] == [
        ["k1", "EC", "ES256"],
        ["not", "used:", "key", "1:", "it", "is", "secret"],
    ]
    more = ("--jwks", str(file), "--algorithm", "ES256", "--name-claim", "email", "--role-claim", "r.roles")
    assert second(run(*add, *more)) == line
    assert run("issuers", "remove", "login").output == "login is removed\n"


def test_applications(admin: responses.RequestsMock) -> None:
    """Listed, added, removed."""
    answer(admin, "GET", "/applications", [APPLICATION])
    answer(admin, "POST", "/applications", APPLICATION, {"name": "shop", "client": "c1", "issuer": "login"})
    answer(admin, "DELETE", "/applications/shop", None)
    line = ["shop", "application_1", "c1", "login"]
    assert second(run("applications", "list")) == line
    assert second(run("applications", "add", "shop", "c1", "--issuer", "login")) == line
    assert run("applications", "remove", "shop").exit_code == 0


def test_policies(admin: responses.RequestsMock) -> None:
    """Listed, added with a condition, removed."""
    sent = {
        "name": "editors",
        "targets": [{"methods": ["GET"], "path": "/shop/**"}],
        "applications": ["shop"],
        "roles": ["editor"],
        "condition": {"claim": "tenant", "equals": "acme"},
    }
    answer(admin, "GET", "/access-policies", [POLICY])
    answer(admin, "POST", "/access-policies", POLICY, sent)
    answer(admin, "DELETE", "/access-policies/editors", None)
    condition = json.dumps(sent["condition"])
    line = ["editors", "accesspolicy_1", "GET", "/shop/**", "shop", "editor", *condition.split()]
    assert second(run("policies", "list")) == line
    add = ("policies", "add", "editors", "--allow", "GET /shop/**", "--application", "shop", "--role", "editor")
    assert second(run(*add, "--condition", condition)) == line
    assert run("policies", "remove", "editors").exit_code == 0


def test_wrong_use_is_exit_code_2(tmp_path: Path) -> None:
    """Text that is no JSON, and an issuer without an audience."""
    file = tmp_path / "keys.json"
    file.write_text("keys")
    add = ("issuers", "add", "login", "https://id.example")
    assert run(*add).exit_code == 2
    assert run(*add, "--audience", "x", "--jwks", str(file)).exit_code == 2
    assert run("policies", "add", "p", "--allow", "/**", "--condition", "tenant=acme").exit_code == 2
