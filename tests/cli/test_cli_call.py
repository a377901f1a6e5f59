"""``apimgmt call`` shows the request and the response."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import responses
from click.testing import CliRunner, Result

from apimgmt.cli.commands import apimgmt

ENVIRONMENT = {"APIMGMT_URL": "http://admin.example", "APIMGMT_TOKEN": "t", "APIMGMT_PUBLIC_URL": "http://gw.example"}


def run(*arguments: str) -> Result:
    """The command as a user runs it."""
    return CliRunner().invoke(apimgmt, ["call", *arguments], env=ENVIRONMENT)


@pytest.mark.rows("H-075")
@responses.activate
def test_the_request_and_the_response_are_shown() -> None:
    """Path below the base path of the API, query, header and key; the key itself is not shown."""
    responses.get("http://admin.example/api/v1/apis/demo", json={"basePath": "/v1"})
    responses.get("http://gw.example/v1/pets/5?tag=a,b", json={"id": 5}, headers={"X-Served": "yes"})
    result = run("get", "/pets/5", "--api", "demo", "--query", "tag=a,b", "--header", "X-Id: 7", "--key", "hidden")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("> GET http://gw.example/v1/pets/5?tag=a,b\n")
    assert "> X-Id: 7" in result.output and "hidden" not in result.output
    assert "< 200" in result.output and "< X-Served: yes" in result.output and '{"id": 5}' in result.output
    assert responses.calls[1].request.headers["X-API-Key"] == "hidden"


@responses.activate
def test_the_admin_api_knows_where_an_api_is() -> None:
    """Without --gateway an API is called where it is served, on whatever port the gateway was started."""
    responses.get(
        "http://admin.example/api/v1/apis/demo", json={"basePath": "/v1", "url": "http://gw.example:18080/v1"}
    )
    responses.get("http://gw.example:18080/v1/pets", json=[])
    environment = {**ENVIRONMENT, "APIMGMT_PUBLIC_URL": ""}
    result = CliRunner().invoke(apimgmt, ["call", "get", "/pets", "--api", "demo"], env=environment)
    assert result.output.startswith("> GET http://gw.example:18080/v1/pets\n")


@responses.activate
def test_an_error_is_exit_code_1_and_is_shown_all_the_same() -> None:
    """Scripts get request and response as JSON."""
    responses.post("http://gw.example/pets", json={"title": "no"}, status=400)
    result = run("post", "/pets", "--body", "{}", "--output", "json")
    assert result.exit_code == 1
    exchange = json.loads(result.output)
    assert exchange["request"]["headers"]["Content-Type"] == "application/json"
    assert (exchange["response"]["status"], exchange["response"]["body"]) == (400, '{"title": "no"}')


@responses.activate
def test_the_body_can_come_from_a_file(tmp_path: Path) -> None:
    """``@FILE`` is sent byte for byte, with the type that the user says."""
    (tmp_path / "a.bin").write_bytes(b"\x00\xff")
    responses.put("http://gw.example/file", body="")
    run("put", "/file", "--body", f"@{tmp_path}/a.bin", "--header", "Content-Type: application/pdf")
    request = responses.calls[0].request
    assert (request.body, request.headers["Content-Type"]) == (b"\x00\xff", "application/pdf")


@responses.activate
def test_nobody_there_is_exit_code_1() -> None:
    """A sentence, not a traceback."""
    result = run("get", "/pets")
    assert result.exit_code == 1
    assert "no answer from http://gw.example/pets" in result.output


def test_wrong_use_is_exit_code_2(tmp_path: Path) -> None:
    """A header without a colon and a file that is not there."""
    assert run("get", "/pets", "--header", "X").exit_code == 2
    assert run("post", "/pets", "--body", f"@{tmp_path}/gone").exit_code == 2
