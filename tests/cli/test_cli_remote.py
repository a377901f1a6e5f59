"""The commands that talk to the admin API: what they send, what they print, how they end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import responses
from click.testing import CliRunner, Result
from responses.matchers import header_matcher, json_params_matcher, query_param_matcher

from apimgmt.cli.commands import apimgmt
from apimgmt.cli.documents import _worst, plan_table
from apimgmt.cli.output import findings

ADMIN = "http://admin.example:8081"
OPERATION = {
    "key": "get /pets",
    "method": "get",
    "path": "/pets",
    "operationId": "listPets",
    "binding": {"kind": "mock"},
}
FINDING = {"severity": "warning", "code": "example-invalid", "message": "it must be an integer", "line": 3}
API = {"id": "api_1", "name": "pets", "basePath": "/v1", "revision": 2, "published": True}


@pytest.fixture
def admin() -> Iterator[responses.RequestsMock]:
    """An admin API that answers what the test says and fails the test for anything unasked."""
    with responses.RequestsMock() as mock:
        yield mock


def run(*arguments: str, token: str = "secret") -> Result:
    """The command as a user runs it."""
    return CliRunner().invoke(apimgmt, list(arguments), env={"APIMGMT_URL": ADMIN, "APIMGMT_TOKEN": token})


def answer(admin: responses.RequestsMock, method: str, path: str, body: Any, status: int = 200, **query: str) -> None:
    """Expect one call with the token and these query parameters."""
    matchers = [header_matcher({"Authorization": "Bearer secret"}), query_param_matcher(query)]
    admin.add(method, f"{ADMIN}/api/v1{path}", json=body, status=status, match=matchers)


def test_apis_are_listed(admin: responses.RequestsMock) -> None:
    """One line for each, or the JSON as it came."""
    answer(admin, "GET", "/apis", [API])
    answer(admin, "GET", "/apis", [API])
    assert run("apis").output.splitlines()[1].split() == ["pets", "api_1", "/v1", "2", "yes"]
    assert json.loads(run("apis", "--output", "json").output) == [API]


def test_operations_are_listed(admin: responses.RequestsMock) -> None:
    """Each with what runs behind it."""
    answer(admin, "GET", "/apis/pets/operations", [OPERATION])
    assert run("operations", "pets").output.splitlines()[1].split() == ["get", "/pets", "listPets", "mock", "no"]


def test_an_upload_sends_the_bytes_and_the_choices(admin: responses.RequestsMock, tmp_path: Path) -> None:
    """The media type follows from the content, the name from the file."""
    document = tmp_path / "pets.yaml"
    document.write_text("openapi: 3.0.3")
    body = {**API, "operations": [OPERATION], "findings": []}
    query = {"name": "pets", "prefix": "/x", "bind": "echo", "allowPublic": "true", "publish": "true"}
    answer(admin, "POST", "/apis", body, 201, **query)
    result = run("upload", str(document), "--prefix", "/x", "--bind", "echo", "--allow-public")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("pets (api_1) at /v1: revision 2, published")
    request = admin.calls[0].request
    assert (request.body, request.headers["Content-Type"]) == (b"openapi: 3.0.3", "application/yaml")


def test_an_upload_as_a_revision_is_conditional(admin: responses.RequestsMock, tmp_path: Path) -> None:
    """``--revision-of`` puts the document to the API, with the ETag if one is given."""
    document = tmp_path / "pets.yaml"
    document.write_text("{}")
    entry = {"key": "get /pets", "happens": "kept", "changes": [{"message": "summary"}]}
    body = {"added": [], "changed": [entry], "removed": [], "kept": [], "findings": []}
    answer(admin, "PUT", "/apis/pets", body, publish="false")
    result = run("upload", str(document), "--revision-of", "pets", "--no-publish", "--if-match", '"5"')
    lines = result.output.splitlines()
    assert lines[0] == "the new revision of pets is stored; `apimgmt publish pets` serves it"
    assert lines[3].split() == ["changed", "get", "/pets", "kept", "summary"]
    assert admin.calls[0].request.headers["If-Match"] == '"5"'


@pytest.mark.parametrize(("count", "lines"), [(30, 33), (31, 34), (1123, 34)])
def test_an_upload_of_many_operations_is_no_scroll(
    admin: responses.RequestsMock, tmp_path: Path, count: int, lines: int
) -> None:
    """Thirty are shown, and the command that shows the others; the same holds for findings."""
    document = tmp_path / "pets.yaml"
    document.write_text("{}")
    body = {**API, "operations": [OPERATION] * count, "findings": []}
    answer(admin, "POST", "/apis", body, 201, name="pets", publish="true")
    shown = run("upload", str(document)).output.splitlines()
    assert len(shown) == lines
    assert (shown[-1] == f"and {count - 30} more: `apimgmt operations pets`") == (count > 30)
    assert _worst([FINDING] * 30, "lint") == findings([FINDING] * 30)
    assert _worst([FINDING] * 31, "lint")[-1] == "and 1 more: `apimgmt lint FILE`"


def test_a_plan_of_many_operations_counts_what_is_kept() -> None:
    """What changes is listed however much it is; up to thirty lines everything is."""
    kept = [{"key": "get /pets", "happens": "stays bound", "changes": []}]
    difference: dict[str, Any] = {"added": kept, "changed": [], "removed": [], "kept": kept * 29, "findings": []}
    assert len(plan_table(difference)) == 31
    assert plan_table({**difference, "kept": kept * 30})[2:] == ["kept     30 operations as they are"]


def test_a_plan_stores_nothing(admin: responses.RequestsMock, tmp_path: Path) -> None:
    """``plan`` asks for the plan only."""
    document = tmp_path / "pets.yaml"
    document.write_text("{}")
    body: dict[str, Any] = {"added": [], "changed": [], "removed": [], "kept": [], "findings": []}
    answer(admin, "PUT", "/apis/pets", body, plan="true")
    assert run("plan", "pets", str(document)).exit_code == 0


def test_a_refused_document_shows_all_findings(admin: responses.RequestsMock, tmp_path: Path) -> None:
    """Exit code 1; people get sentences on standard error, scripts the problem on standard output."""
    document = tmp_path / "pets.yaml"
    document.write_text("{}")
    finding = {"severity": "error", "code": "path-collision", "message": "two are one", "line": 3, "column": 1}
    problem = {"title": "The document is not acceptable", "status": 422, "findings": [finding]}
    for _ in range(2):
        answer(admin, "POST", "/apis", problem, 422, name="pets", publish="true")
    result = run("upload", str(document))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "path-collision" in result.stderr and "3:1" in result.stderr
    result = run("upload", str(document), "--output", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["findings"] == [finding]


def test_a_binding_has_its_kind_and_fields(admin: responses.RequestsMock) -> None:
    """``--set`` takes JSON where it is JSON, otherwise text."""
    body = {"listPets": {"kind": "python", "function": "list_pets", "size": 3}}
    admin.put(
        f"{ADMIN}/api/v1/apis/pets/bindings",
        json={},
        match=[json_params_matcher(body), query_param_matcher({"publish": "true"})],
    )
    result = run("bind", "pets", "listPets", "python", "--set", "function=list_pets", "--set", "size=3")
    assert (result.exit_code, result.output) == (0, "listPets of pets runs python\n")
    assert run("bind", "pets", "listPets", "python", "--set", "function").exit_code == 2


def test_publish_and_rollback(admin: responses.RequestsMock) -> None:
    """Both say what is served now."""
    answer(admin, "POST", "/apis/pets/publish", {"findings": []})
    answer(admin, "POST", "/apis/pets/rollback", {"findings": []})
    assert run("publish", "pets").output == "pets is published\n"
    assert run("rollback", "pets", "1").output == "pets serves revision 1\n"
    assert json.loads(admin.calls[1].request.body or b"") == {"revision": 1}
    assert run("rollback", "pets", "0").exit_code == 2


def test_violations_are_shown_with_their_place(admin: responses.RequestsMock) -> None:
    """A 400 lists each of them."""
    errors = [{"in": "query", "name": "name", "detail": "is too long"}]
    answer(admin, "GET", "/apis", {"title": "The request is not valid", "status": 400, "errors": errors}, 400)
    result = run("apis")
    assert result.exit_code == 1
    assert "query  name   is too long" in result.stderr


def test_a_single_violation_is_said_once(admin: responses.RequestsMock) -> None:
    """Its place beside it, not a second time above it."""
    problem = {"title": "The request is not valid", "status": 400, "detail": "there is no ruleset 'x'"}
    answer(admin, "GET", "/apis", {**problem, "errors": [{"in": "body", "detail": problem["detail"]}]}, 400)
    assert run("apis").stderr.count("there is no ruleset 'x'") == 1


def test_a_url_that_is_none_is_a_sentence() -> None:
    """It names what a URL looks like."""
    result = run("apis", "--url", "localhost")
    assert result.exit_code == 1
    assert "no answer from localhost: this is no URL such as http://127.0.0.1:8081" in result.stderr


def test_an_answer_that_is_no_problem_is_reported_too(admin: responses.RequestsMock) -> None:
    """Another program on the port answers HTML."""
    admin.get(f"{ADMIN}/api/v1/apis", body="<html>", status=502)
    result = run("apis")
    assert result.exit_code == 1
    assert "(502)" in result.stderr


def test_nobody_there_is_a_sentence(admin: responses.RequestsMock) -> None:
    """No traceback when the platform is not running."""
    result = run("apis")
    assert result.exit_code == 1
    assert "cannot connect; is `apimgmt start` running?" in result.stderr


def test_without_a_token_nothing_is_sent() -> None:
    """The message says where the token comes from."""
    result = run("apis", token="")
    assert result.exit_code == 2
    assert "APIMGMT_TOKEN" in result.stderr
