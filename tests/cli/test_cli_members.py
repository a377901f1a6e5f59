"""``login``, ``logout``, ``whoami``, ``tokens``, ``audit`` and ``clients``: what they send, print and end with."""

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
SESSION = {
    "id": "session_1",
    "kind": "session",
    "name": "session",
    "created": "2030-01-01T00:00:00.000Z",
    "expires": "2030-01-01T12:00:00Z",
}
ENTRY = {
    "number": 7,
    "time": "2030-01-01T00:00:00.000Z",
    "who": "ann",
    "address": "192.0.2.7",
    "action": "replaceKey",
    "subject": "key crm",
    "changed": ["rules", "expires"],
    "before": {"rules": []},
    "after": {"rules": [1]},
}
CLIENT = {
    "id": "client_1",
    "clientId": "client_1",
    "name": "billing",
    "created": "2030-01-01T00:00:00.000Z",
    "grants": ["client_credentials"],
    "redirects": [],
    "scopes": ["read"],
    "public": False,
}


@pytest.fixture
def admin() -> Iterator[responses.RequestsMock]:
    """An admin API that answers what the test says and fails the test for anything unasked."""
    with responses.RequestsMock() as mock:
        yield mock


def run(*arguments: str, typed: str = "", token: str = "secret") -> Result:
    """The command as a user runs it and types."""
    environment = {"APIMGMT_URL": ADMIN, "APIMGMT_TOKEN": token}
    return CliRunner().invoke(apimgmt, list(arguments), input=typed, env=environment)


def answer(admin: responses.RequestsMock, method: str, path: str, body: Any, sent: Any = None, **query: str) -> None:
    """Expect one call with this body and query."""
    matchers = [json_params_matcher(sent)] if sent is not None else []
    matchers += [query_param_matcher(query)] if query else []
    admin.add(method, f"{ADMIN}/api/v1{path}", json=body, match=matchers, headers={"ETag": '"client_1.2"'})


# ---- login -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "typed"),
    [
        (["--name", "ann"], " pass word \n"),
        ([], "ann\n pass word \n"),
        (["--name", "ann", "--password-stdin"], " pass word \nmore\n"),
    ],
)
@pytest.mark.parametrize("token", ["", "an-old-one"])
def test_login(admin: responses.RequestsMock, options: list[str], typed: str, token: str) -> None:
    """The line for the shell alone on standard output; the password is shown nowhere, and an old token is not sent."""
    sent = {"name": "ann", "password": " pass word "}
    answer(admin, "POST", "/sessions", {**SESSION, "token": "apim_admin_x"}, sent)
    result = run("login", *options, typed=typed, token=token)
    assert result.exit_code == 0, result.output
    assert result.stdout == "export APIMGMT_TOKEN=apim_admin_x\n"
    assert "pass word" not in result.output
    assert "Authorization" not in admin.calls[0].request.headers


def test_login_as_json(admin: responses.RequestsMock) -> None:
    """The whole answer."""
    answer(admin, "POST", "/sessions", {**SESSION, "token": "apim_admin_x"})
    result = run("login", "--name", "ann", "--output", "json", typed="x\n")
    assert json.loads(result.stdout) == {**SESSION, "token": "apim_admin_x"}


def test_a_refused_login_is_exit_code_1(admin: responses.RequestsMock) -> None:
    """With the platform's own words, and nothing that a shell would take."""
    problem = {"title": "Not known", "status": 401, "detail": "The user name or the password is wrong."}
    admin.add("POST", f"{ADMIN}/api/v1/sessions", json=problem, status=401)
    result = run("login", "--name", "ann", typed="x\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "password is wrong" in result.stderr


def test_login_takes_no_password_from_the_command_line() -> None:
    """Everybody on the machine could read it; and standard input has the password alone."""
    assert run("login", "--name", "ann", "--password", "x").exit_code == 2
    assert run("login", "--password-stdin", typed="x\n").exit_code == 2


def test_logout_and_whoami(admin: responses.RequestsMock) -> None:
    """What the token is; then nothing any more."""
    answer(admin, "GET", "/me", {"name": "ann", "role": "viewer", "logins": [SESSION]})
    answer(admin, "GET", "/me", {"name": "admin", "role": "admin", "logins": []})
    answer(admin, "DELETE", "/me/logins/current", None)
    lines = run("whoami").output.splitlines()
    assert lines[0] == "ann, viewer"
    assert lines[3].split()[:3] == ["session", "session", "session_1"]
    assert run("whoami").output == "admin, admin\n"
    assert "logged out" in run("logout").output


def test_without_a_token_it_says_where_to_get_one() -> None:
    """Two ways."""
    result = run("whoami", token="")
    assert result.exit_code == 2
    assert "apimgmt login" in result.output and "apimgmt start" in result.output


# ---- tokens ----------------------------------------------------------------------------------------------------------


def test_tokens(admin: responses.RequestsMock) -> None:
    """Made, listed, ended."""
    token = {**SESSION, "id": "token_1", "kind": "token", "name": "pipeline"}
    answer(admin, "POST", "/me/tokens", {**token, "token": "apim_admin_y"}, {"name": "pipeline", "days": 30})
    answer(admin, "GET", "/me", {"name": "ann", "role": "viewer", "logins": [SESSION, token]})
    answer(admin, "DELETE", "/me/logins/token_1", None)
    lines = run("tokens", "add", "pipeline", "--days", "30").output.splitlines()
    assert lines[0] == "apim_admin_y"
    assert "not shown again" in lines[1]
    assert [line.split()[0] for line in run("tokens", "list").output.splitlines()] == ["KIND", "session", "token"]
    assert run("tokens", "end", "token_1").output == "token_1 has ended\n"
    for days in ("0", "367"):
        assert run("tokens", "add", "x", "--days", days).exit_code == 2


# ---- audit -----------------------------------------------------------------------------------------------------------


def test_audit(admin: responses.RequestsMock) -> None:
    """One line for each entry: what changed, or that it was made or removed."""
    entries = [ENTRY, {**ENTRY, "before": None}, {**ENTRY, "after": None}]
    answer(admin, "GET", "/audit", entries, after="5", limit="3", subject="key ")
    lines = run("audit", "--after", "5", "--limit", "3", "--subject", "key ").output.splitlines()
    first = ["7", "2030-01-01T00:00:00.000Z", "ann", "192.0.2.7", "replaceKey", "key", "crm"]
    assert lines[1].split() == [*first, "rules,", "expires"]
    assert [line.split()[-1] for line in lines[2:]] == ["made", "removed"]
    answer(admin, "GET", "/audit", entries, after="0", limit="100")
    assert json.loads(run("audit", "--output", "json").stdout) == entries


@pytest.mark.parametrize(("broken", "code"), [(None, 0), (3, 1)])
def test_audit_verify(admin: responses.RequestsMock, broken: int | None, code: int) -> None:
    """The exit code says whether it is whole, and the text where it is not."""
    answer(admin, "GET", "/audit/verification", {"whole": broken is None, "brokenAt": broken})
    result = run("audit", "--verify")
    assert result.exit_code == code
    assert ("is whole" if broken is None else "at entry 3") in result.output


# ---- clients ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (["--scope", "read"], {"grants": ["client_credentials"], "scopes": ["read"]}),
        (
            ["--redirect", "https://a.example/", "--public"],
            {"grants": ["authorization_code", "refresh_token"], "redirects": ["https://a.example/"], "public": True},
        ),
        (
            ["--redirect", "https://a.example/", "--grant", "authorization_code"],
            {"grants": ["authorization_code"], "redirects": ["https://a.example/"]},
        ),
    ],
)
def test_clients_add(admin: responses.RequestsMock, options: list[str], sent: dict[str, Any]) -> None:
    """The grants follow from where it runs, unless they are given."""
    wanted = {"name": "billing", "public": False, "redirects": [], "scopes": [], **sent}
    answer(admin, "POST", "/clients", {**CLIENT, "clientSecret": "s3cret"}, wanted)
    lines = run("clients", "add", "billing", *options).output.splitlines()
    assert [line.split()[-1] for line in lines[:2]] == ["client_1", "s3cret"]
    assert "not shown again" in lines[2]


def test_clients_set(admin: responses.RequestsMock) -> None:
    """What is not given stays, if nobody else changed it in between."""
    answer(admin, "GET", "/clients/billing", CLIENT)
    sent = {name: CLIENT[name] for name in ("grants", "redirects", "public")}
    answer(admin, "PUT", "/clients/billing", CLIENT, {**sent, "name": "invoices", "scopes": ["write"]})
    result = run("clients", "set", "billing", "--name", "invoices", "--scope", "write")
    assert result.exit_code == 0, result.output
    assert admin.calls[1].request.headers["If-Match"] == '"client_1.2"'


def test_clients(admin: responses.RequestsMock) -> None:
    """Listed, given a new secret, removed."""
    answer(admin, "GET", "/clients", [CLIENT])
    answer(admin, "POST", "/clients/billing/secret", {**CLIENT, "clientSecret": "n3w"})
    answer(admin, "DELETE", "/clients/billing", None)
    assert run("clients", "list").output.splitlines()[1].split() == [
        "billing",
        "client_1",
        "no",
        "client_credentials",
        "-",
        "read",
    ]
    assert "n3w" in run("clients", "secret", "billing").output
    assert run("clients", "remove", "billing").output == "billing is removed\n"
