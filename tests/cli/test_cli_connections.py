"""``apimgmt connections``: what is sent, what is asked for, what is printed, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import responses
from click.testing import CliRunner, Result
from responses.matchers import header_matcher, json_params_matcher, query_param_matcher

import apimgmt.asgi  # noqa: F401  registers every plug-in
from apimgmt.cli.commands import apimgmt as program
from apimgmt.cli.connectionsettings import ASKED, SECRETS
from apimgmt.connections.configuration import Configuration
from apimgmt.reading import read
from apimgmt.registry import find, names

ADMIN = "http://admin.example:8081"
URL = "https://crm.example/api"
CRM: dict[str, Any] = {
    "id": "connection_1",
    "name": "crm",
    "created": "2030-01-01T00:00:00.000Z",
    "warnings": ["its certificate is not checked"],
    "type": "rest",
    "baseUrl": URL,
    "timeout": 30.0,
    "authentication": {"kind": "bearer", "token": "***"},
    "headers": {"X-A": "1"},
    "tls": {"verify": False, "key": ""},
    "proxy": None,
    "internalHosts": ["10.0.0.7"],
    "entities": {"customers": {"path": "/customers"}},
}
STEPS = [
    {"step": "name", "state": "ok", "detail": "192.0.2.1"},
    {
        "step": "connected",
        "state": "failed",
        "detail": "nothing listens",
        "cause": "refused",
        "remedy": "Check the port.",
    },
    {"step": "tls", "state": "skipped"},
]
FAILED = {"ok": False, "seconds": 0.1, "steps": STEPS}


@pytest.fixture
def admin() -> Iterator[responses.RequestsMock]:
    """An admin API that answers what the test says and fails the test for anything unasked."""
    with responses.RequestsMock() as mock:
        yield mock


def run(*arguments: str, typed: str = "", **environment: str) -> Result:
    """The command as a user runs it and types."""
    own = {"APIMGMT_URL": ADMIN, "APIMGMT_TOKEN": "secret", **environment}
    return CliRunner().invoke(program, ["connections", *arguments], input=typed, env=own)


def answer(
    admin: responses.RequestsMock, method: str, place: str, body: Any, sent: Any = None, status: int = 200, **query: str
) -> None:
    """The next answer of the admin API, to exactly this body and query."""
    match: list[Any] = [query_param_matcher(query)]
    match += [json_params_matcher(sent)] if sent is not None else []
    admin.add(method, f"{ADMIN}/api/v1{place}", json=body, status=status, match=match, headers={"ETag": '"1"'})


def sent_by(admin: responses.RequestsMock, *arguments: str, typed: str = "", **environment: str) -> dict[str, Any]:
    """The body that ``connections add crm URL`` with these arguments sends."""
    admin.add("POST", f"{ADMIN}/api/v1/connections", json=CRM, status=201)
    result = run("add", "crm", URL, *arguments, typed=typed, **environment)
    assert result.exit_code == 0, result.output
    body: dict[str, Any] = json.loads(admin.calls[0].request.body or b"")
    assert (body.pop("name"), body.pop("baseUrl")) == ("crm", URL)
    return body


def test_the_list_shows_the_warnings(admin: responses.RequestsMock) -> None:
    """A table, and below it what an administrator should know; ``--output json`` is what the platform says."""
    answer(admin, "GET", "/connections", [CRM])
    result = run("list")
    assert result.stdout.splitlines()[1].split() == ["crm", "connection_1", "rest", URL, "bearer", "1"]
    assert result.stdout.splitlines()[2] == "warning: crm: its certificate is not checked"
    answer(admin, "GET", "/connections", [CRM])
    assert json.loads(run("list", "--output", "json").stdout) == [CRM]


def test_one_is_shown_with_every_setting(admin: responses.RequestsMock) -> None:
    """Settings with dots in their names, hosts, entities and warnings."""
    answer(admin, "GET", "/connections/crm", CRM)
    lines = run("show", "crm").stdout.splitlines()
    pairs = {line.split()[0]: line.split()[-1] for line in lines}
    assert (pairs["baseUrl"], pairs["authentication.token"], pairs["tls.verify"]) == (URL, "***", "no")
    assert {"internal host: 10.0.0.7", "entity: customers", "warning: its certificate is not checked"} <= set(lines)


OPTIONS: list[tuple[list[str], dict[str, Any]]] = [
    ([], {}),
    (["--type", "odata", "--timeout", "5", "--deadline", "9"], {"type": "odata", "timeout": 5, "deadline": 9}),
    (["--limit", "100/60"], {"limit": {"requests": 100, "seconds": 60}}),
    (["--limit", "100"], {"limit": {"requests": 100}}),
    (["--limit", "none"], {"limit": None}),
    (["--retries", "0"], {"retries": {"count": 0}}),
    (["--header", "X-A: 1", "--header", "X-B:2"], {"headers": {"X-A": "1", "X-B": "2"}}),
    (["--proxy", "http://p.example:3128"], {"proxy": {"url": "http://p.example:3128"}}),
    (["--proxy", "none"], {"proxy": None}),
    (["--insecure"], {"tls": {"verify": False}}),
    (["--internal-host", "10.0.0.7"], {"internalHosts": ["10.0.0.7"]}),
    (["--idempotency-key", "Idempotency-Key"], {"idempotencyKey": "Idempotency-Key"}),
    (["--auth", "none"], {"authentication": {"kind": "none"}}),
]


@pytest.mark.rows("C-005", "C-006")
@pytest.mark.parametrize(("arguments", "body"), OPTIONS, ids=[" ".join(row[0]) or "nothing" for row in OPTIONS])
def test_every_option_is_a_member(admin: responses.RequestsMock, arguments: list[str], body: dict[str, Any]) -> None:
    """What is not said is not sent; what is sent is what a connection takes."""
    assert sent_by(admin, *arguments) == body
    read({**body, "baseUrl": URL}, Configuration)


@pytest.mark.rows("C-018")
def test_a_secret_is_asked_for(admin: responses.RequestsMock) -> None:
    """The one that a kind cannot do without, unless it is given otherwise; it is not echoed."""
    assert sent_by(admin, "--auth", "bearer", typed="t0ken\n") == {
        "authentication": {"kind": "bearer", "token": "t0ken"}
    }


SOURCES = [("-", "t0ken\nmore"), ("@{file}", ""), ("env:CRM_TOKEN", "")]


@pytest.mark.rows("C-018")
@pytest.mark.parametrize(("source", "typed"), SOURCES, ids=["standard input", "file", "environment"])
def test_a_secret_comes_from_where_nobody_else_looks(
    admin: responses.RequestsMock, source: str, typed: str, tmp_path: Path
) -> None:
    """A line of standard input, a file, a variable."""
    (tmp_path / "token").write_text("t0ken\n")
    secret = "token=" + source.format(file=tmp_path / "token")
    body = sent_by(admin, "--auth", "bearer", "--secret", secret, typed=typed, CRM_TOKEN="t0ken")
    assert body == {"authentication": {"kind": "bearer", "token": "t0ken"}}


@pytest.mark.rows("C-018")
@pytest.mark.parametrize("option", ["--secret", "--secret-header", "--proxy-password"])
def test_a_secret_on_the_command_line_is_refused(option: str) -> None:
    """Others on the machine can see it; the refusal says how it is done, and does not say it again."""
    said = "t0ken-4711" if option == "--proxy-password" else "X=t0ken-4711"
    result = run("add", "crm", URL, option, said)
    assert result.exit_code == 2
    assert "env:VARIABLE" in result.output and "t0ken-4711" not in result.output


@pytest.mark.rows("C-018")
@pytest.mark.parametrize("kind", [kind for kind, secrets in SECRETS.items() if secrets])
def test_a_secret_is_no_field_that_is_set(kind: str) -> None:
    """``--set`` says how a secret is given, for every kind; it does not say the secret again."""
    for name in SECRETS[kind]:
        result = run("add", "crm", URL, "--auth", kind, "--set", f"{name}=t0ken-4711")
        assert result.exit_code == 2
        assert f"{name} is a secret" in result.output and "t0ken-4711" not in result.output


def test_a_field_that_looks_like_a_number_is_a_text(admin: responses.RequestsMock) -> None:
    """Ids of clients and user names often are digits; an object stays one."""
    said = ("--set", "clientId=4711", "--set", 'parameters={"audience": "x"}', "--secret", "clientSecret=env:S")
    body = sent_by(admin, "--auth", "oauth2ClientCredentials", *said, S="s")
    assert body["authentication"] == {
        "kind": "oauth2ClientCredentials",
        "clientId": "4711",
        "parameters": {"audience": "x"},
        "clientSecret": "s",
    }


@pytest.mark.parametrize("seconds", ["nan", "inf", "0", "-1", "3600.1", "soon"])
def test_what_is_no_time_is_refused_here(seconds: str) -> None:
    """With the option, and not as an admin API that cannot be reached."""
    result = run("add", "crm", URL, "--timeout", seconds)
    assert result.exit_code == 2 and "--timeout" in result.output


def test_an_answer_cannot_steer_the_terminal(admin: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Escape sequences of another system are shown as texts; a table has them nowhere."""
    answer(admin, "GET", "/connections", [{**CRM, "baseUrl": "https://x/\x1b]0;t\x07\x9b31m"}])
    shown = run("list").stdout
    assert "https://x/\\x1b]0;t\\x07\\x9b31m" in shown and "\x1b" not in shown


def test_files_are_read(admin: responses.RequestsMock, tmp_path: Path) -> None:
    """Certificate, key and authorities; user and password of a proxy; a secret header."""
    for name in ("our.pem", "our.key", "ca.pem"):
        (tmp_path / name).write_text(name)
    files = ["--client-certificate", "our.pem", "--client-key", "our.key", "--authorities", "ca.pem"]
    paths = [str(tmp_path / one) if "." in one else one for one in files]
    more = ["--proxy", "http://p:1", "--proxy-user", "px", "--secret-header", "X-Key"]
    body = sent_by(admin, *paths, *more, typed="header secret\nproxy secret\n")
    assert body["tls"] == {"certificate": "our.pem", "key": "our.key", "authorities": "ca.pem"}
    assert body["proxy"] == {"url": "http://p:1", "username": "px", "password": "proxy secret"}
    assert body["secretHeaders"] == {"X-Key": "header secret"}


def test_a_whole_connection_comes_from_a_file(admin: responses.RequestsMock, tmp_path: Path) -> None:
    """YAML or JSON, with options over it; the name and URL of the command line win."""
    (tmp_path / "crm.yaml").write_text("name: other\nbaseUrl: https://other.example\ntimeout: 9\nretries: {delay: 2}\n")
    body = sent_by(admin, "--file", str(tmp_path / "crm.yaml"), "--retries", "1")
    assert body == {"timeout": 9, "retries": {"delay": 2, "count": 1}}


@pytest.mark.rows("C-005")
def test_a_connection_that_does_not_work_is_shown_step_by_step(admin: responses.RequestsMock) -> None:
    """Exit code 1, the steps and what to do; for scripts the problem as it came."""
    problem = {"title": "The connection does not work", "status": 422, "detail": "connected: nothing", "test": FAILED}
    answer(admin, "POST", "/connections", problem, status=422)
    result = run("add", "crm", URL)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "connected  failed   nothing listens" in result.stderr and "What to do: Check the port." in result.stderr
    answer(admin, "POST", "/connections", problem, status=422)
    assert json.loads(run("add", "crm", URL, "--output", "json").stdout)["test"] == FAILED


def test_untested_and_forced_are_said(admin: responses.RequestsMock) -> None:
    """As parameters of the request."""
    answer(admin, "POST", "/connections", CRM, untested="true", force="true")
    result = run("add", "crm", URL, "--untested", "--force", "--insecure")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["crm (connection_1) is saved", "warning: its certificate is not checked"]


@pytest.mark.rows("C-018")
def test_a_change_leaves_what_is_not_said(admin: responses.RequestsMock) -> None:
    """Secrets go back masked, header fields are added, and somebody else's change in between is not overwritten."""
    answer(admin, "GET", "/connections/crm", CRM)
    kept = {name: value for name, value in CRM.items() if name not in ("id", "created", "warnings")}
    body = {**kept, "timeout": 5.0, "headers": {"X-A": "1", "X-B": "2"}}
    match = [json_params_matcher(body), header_matcher({"If-Match": '"1"'})]
    admin.add("PUT", f"{ADMIN}/api/v1/connections/crm", json=CRM, match=match)
    assert run("change", "crm", "--timeout", "5", "--header", "X-B: 2").exit_code == 0


def test_a_new_secret_replaces_the_old_one(admin: responses.RequestsMock) -> None:
    """Asked for, beside the rest of the authentication; another kind begins anew."""
    for arguments, authentication in (
        (["--secret", "token"], {"kind": "bearer", "token": "new"}),
        (["--auth", "basic", "--set", 'username="7"'], {"kind": "basic", "username": "7", "password": "new"}),
    ):
        answer(admin, "GET", "/connections/crm", CRM)
        admin.add("PUT", f"{ADMIN}/api/v1/connections/crm", json=CRM)
        assert run("change", "crm", *arguments, typed="new\n").exit_code == 0
        assert json.loads(admin.calls[-1].request.body or b"")["authentication"] == authentication


def test_a_removal_says_so(admin: responses.RequestsMock) -> None:
    """By name or id."""
    admin.add("DELETE", f"{ADMIN}/api/v1/connections/our%20crm", status=204)
    assert run("remove", "our crm").stdout == "our crm is removed\n"


@pytest.mark.rows("C-005")
def test_a_test_ends_with_1_if_a_step_fails(admin: responses.RequestsMock, tmp_path: Path) -> None:
    """Of what is stored, at a path, and of a file that is not."""
    answer(admin, "POST", "/connections/crm/test", FAILED, path="/health")
    result = run("test", "crm", "--path", "/health")
    assert result.exit_code == 1 and "What to do: Check the port." in result.stdout
    (tmp_path / "crm.json").write_text(json.dumps({"baseUrl": URL}))
    answer(admin, "POST", "/connection-tests", {**FAILED, "ok": True, "steps": STEPS[:1]}, {"baseUrl": URL})
    assert run("test", "--file", str(tmp_path / "crm.json")).exit_code == 0
    assert run("test").exit_code == run("test", "crm", "--file", "x").exit_code == 2


def test_a_call_prints_the_body_and_ends_with_the_status(admin: responses.RequestsMock) -> None:
    """The body alone on standard output, so that another program can read it."""
    reply = {"status": 404, "headers": [], "seconds": 0.1, "attempts": 2, "body": {"no": "such"}}
    sent = {"method": "POST", "path": "/a", "headers": {"X-A": "1"}, "query": {"b": ["1", "2"]}, "json": {"c": 3}}
    answer(admin, "POST", "/connections/crm/call", reply, sent)
    arguments = ["--query", "b=1", "--query", "b=2", "--header", "X-A: 1", "--json", '{"c": 3}']
    result = run("call", "crm", "post", "/a", *arguments)
    assert (result.exit_code, json.loads(result.stdout)) == (1, {"no": "such"})
    assert "404, 0.1 s, attempts: 2" in result.stderr
    assert run("call", "crm", "post", "/a", "--json", "{").exit_code == 2
    assert run("call", "crm").exit_code == run("call", "crm", "get", "/a", "--entity", "x").exit_code == 2


def test_an_entity_is_read(admin: responses.RequestsMock) -> None:
    """Its rows, with a word if there are more."""
    sent = {"entity": "customers", "parameters": {"status": "active", "page": 2}, "most": 1}
    answer(admin, "POST", "/connections/crm/call", {"rows": [{"id": 1}], "more": True}, sent)
    arguments = ["--parameter", "status=active", "--parameter", "page=2", "--most", "1"]
    result = run("call", "crm", "--entity", "customers", *arguments)
    assert (result.exit_code, json.loads(result.stdout)) == (0, [{"id": 1}])
    assert "there are more (--most)" in result.stderr


def test_entities_are_listed_set_and_removed(admin: responses.RequestsMock, tmp_path: Path) -> None:
    """Field by field over what there is, or from a file."""
    answer(admin, "GET", "/connections/crm/entities", [{"name": "customers", "definition": {"path": "/customers"}}])
    assert run("entities", "crm").stdout.splitlines()[1] == 'customers  {"path": "/customers"}'
    answer(admin, "GET", "/connections/crm/entities/customers", {"path": "/customers"})
    assert json.loads(run("entities", "crm", "customers").stdout) == {"path": "/customers"}
    answer(admin, "GET", "/connections/crm", CRM)
    place = "/connections/crm/entities/customers"
    answer(admin, "PUT", place, {}, {"path": "/customers", "method": "POST", "query": {"a": 1}})
    assert run("entities", "crm", "customers", "--set", "method=POST", "--set", 'query={"a": 1}').exit_code == 0
    (tmp_path / "e.yaml").write_text("path: /c\n")
    answer(admin, "GET", "/connections/crm", CRM)
    answer(admin, "PUT", place, {}, {"path": "/c"})
    assert run("entities", "crm", "customers", "--file", str(tmp_path / "e.yaml")).exit_code == 0
    admin.add("DELETE", f"{ADMIN}/api/v1{place}", status=204)
    assert run("entities", "crm", "customers", "--remove").stdout == "customers is removed from crm\n"
    assert run("entities", "crm", "--remove").exit_code == 2


def test_the_secret_that_is_asked_for_is_one_of_its_kind() -> None:
    """The table of the command line and the kinds that there are say the same."""
    secrets = {
        kind: {
            field.encode_name
            for field in msgspec.inspect.type_info(find("connection authentication", kind)).fields  # type: ignore[attr-defined]
            if (getattr(field.type, "extra", None) or {}).get("secret")
        }
        for kind in names("connection authentication")
    }
    oauth = {kind for kind in SECRETS if kind.startswith("oauth2")}
    assert {kind: set(names) - {"headers"} for kind, names in SECRETS.items()} == secrets
    assert {kind for kind, names in SECRETS.items() if "headers" in names} == oauth
    required = {"bearer", "apiKey", "signature"}
    assert required <= set(ASKED)


def test_lost_secrets_are_named(admin: responses.RequestsMock) -> None:
    """``secrets renew`` says what was done and what to do."""
    answer(admin, "POST", "/secrets/renewal", {"renewed": ["erp"], "lost": ["crm"], "signingKey": "k1"})
    environment = {"APIMGMT_URL": ADMIN, "APIMGMT_TOKEN": "secret"}
    lines = CliRunner().invoke(program, ["secrets", "renew"], env=environment).stdout.splitlines()
    assert lines[0] == "encrypted with the newest key: erp"
    assert "k1" in lines[1] and lines[2].endswith("apimgmt connections change crm")
