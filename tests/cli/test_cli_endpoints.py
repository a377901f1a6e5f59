"""``apimgmt endpoints``: what is said on the command line is what the admin API gets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import responses
from click.testing import CliRunner, Result
from responses.matchers import json_params_matcher

from apimgmt.cli.commands import apimgmt
from apimgmt.cli.endpointfields import fields_of
from apimgmt.control.endpoint import Field, schema_of
from apimgmt.reading import read

ADMIN = "http://admin.example:8081"
URL = f"{ADMIN}/api/v1/endpoints"
MADE = {
    "id": "endpoint_1",
    "name": "customer",
    "url": "http://gateway.example/v1/default/flows/customer/customers/{id}",
    "methods": ["GET", "POST"],
    "flow": "customer",
    "deployed": True,
}


def run(*arguments: str) -> Result:
    """The command as a user runs it."""
    environment = {"APIMGMT_URL": ADMIN, "APIMGMT_TOKEN": "secret"}
    return CliRunner().invoke(apimgmt, ["endpoints", *arguments], env=environment)


@responses.activate
@pytest.mark.rows("H-019")
def test_an_endpoint_is_added_as_it_is_said() -> None:
    """Methods, query parameters with type and default, fields of the body."""
    body = {
        "flow": "customer",
        "path": "/customers/{id}",
        "methods": ["GET", "POST"],
        "query": [
            {"name": "limit", "type": "integer", "default": 100},
            {"name": "status", "type": "string", "required": True},
            {"name": "since", "type": "string", "default": "10:30"},
        ],
        "body": {"fields": [{"name": "note", "type": "string", "required": True}]},
        "response": {"format": "xml"},
        "deployed": False,
    }
    responses.post(URL, json=MADE, status=201, match=[json_params_matcher(body)])
    given = ["--flow", "customer", "--path", "/customers/{id}", "--method", "get", "--method", "POST", "--no-deploy"]
    given += ["--query", "limit:integer:100", "--query", "status!", "--query", "since::10:30"]
    done = run("add", *given, "--field", "note!", "--format", "xml")
    assert done.exit_code == 0, done.output
    assert "/v1/default/flows/customer/customers/{id}" in done.stdout


@pytest.mark.rows("H-028")
def test_fields_become_the_schema_that_a_person_would_write() -> None:
    """Dots are objects, brackets arrays, an exclamation mark says required."""
    said = ["customerId!", "address.city", "items![].productId!", "items[].quantity:number", "tags[]", "open:boolean"]
    fields = tuple(read(field, Field) for field in fields_of(said))
    assert schema_of(fields) == {
        "type": "object",
        "properties": {
            "customerId": {"type": "string"},
            "address": {"type": "object", "properties": {"city": {"type": "string"}}},
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"productId": {"type": "string"}, "quantity": {"type": "number"}},
                    "required": ["productId"],
                },
            },
            "tags": {"type": "array", "items": {"type": "string"}},
            "open": {"type": "boolean"},
        },
        "required": ["customerId", "items"],
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--field", "a:date"], "with a type of string"),
        (["--field", "a", "--field", "a.b"], "is string, not object"),
        (["--field", "a..b"], "every step has a name"),
        (["--field", "a", "--schema", "x.json"], "use one of them"),
        (["--query", "limit:integer:ten"], "no default of that type"),
    ],
    ids=["type", "twice", "name", "both", "default"],
)
def test_what_cannot_be_is_a_wrong_use(arguments: list[str], said: str) -> None:
    """Exit code 2, before anything is sent."""
    done = run("add", "--flow", "customer", *arguments)
    assert done.exit_code == 2
    assert said in done.output


@responses.activate
def test_a_schema_comes_from_a_file(tmp_path: Path) -> None:
    """As it is in the file."""
    file = tmp_path / "order.json"
    file.write_text('{"type": "object"}')
    body = {"flow": "order", "methods": ["POST"], "body": {"schema": {"type": "object"}}, "deployed": True}
    responses.post(URL, json=MADE, status=201, match=[json_params_matcher(body)])
    assert run("add", "--flow", "order", "--method", "POST", "--schema", str(file)).exit_code == 0
    file.write_text("{")
    assert run("add", "--flow", "order", "--schema", str(file)).exit_code == 2


@responses.activate
def test_endpoints_are_listed_shown_deployed_withdrawn_and_removed() -> None:
    """Each is one request."""
    responses.get(URL, json=[MADE])
    responses.get(f"{URL}/customer", json=MADE)
    for deployed in (True, False):
        match = [json_params_matcher({"deployed": deployed})]
        responses.put(f"{URL}/customer/deployment", json={**MADE, "deployed": deployed}, match=match)
    responses.delete(f"{URL}/customer", status=204)
    assert "GET,POST" in run("list").stdout
    assert json.loads(run("show", "customer").stdout) == MADE
    assert "  yes  " in run("deploy", "customer").stdout
    assert "  no  " in run("withdraw", "customer").stdout
    assert run("remove", "customer").stdout == "customer is removed\n"


@responses.activate
@pytest.mark.rows("H-075")
@pytest.mark.parametrize(("status", "code"), [(200, 0), (404, 1)])
def test_a_test_call_shows_request_and_response(status: int, code: int) -> None:
    """With entered parameters; an answer that is an error is exit code 1."""
    body: dict[str, Any] = {
        "path": {"id": "C1"},
        "query": {"tag": ["a", "b"]},
        "body": {"x": 1},
        "key": "k",
        "method": "POST",
    }
    request = {"method": "POST", "url": "http://gateway.example/x", "headers": {"X-API-Key": "..."}, "body": '{"x":1}'}
    response = {"status": status, "headers": {"Content-Type": "text/plain"}, "body": "done", "seconds": 0.01}
    answer = {"request": request, "response": response}
    responses.post(f"{URL}/customer/test", json=answer, match=[json_params_matcher(body)])
    options = ["--path", "id=C1", "-q", "tag=a", "-q", "tag=b", "-d", '{"x": 1}', "--key", "k", "--method", "POST"]
    done = run("test", "customer", *options)
    assert done.exit_code == code
    lines = done.stdout.splitlines()
    assert lines[:3] == ["> POST http://gateway.example/x", "> X-API-Key: ...", '> {"x":1}']
    assert lines[3:] == [f"< {status} (0.01 s)", "< Content-Type: text/plain", "", "done"]
