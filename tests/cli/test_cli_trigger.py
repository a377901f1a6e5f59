"""``apimgmt trigger``: what it shows, and what it sends of what was there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import responses
from click.testing import CliRunner, Result
from responses.matchers import header_matcher, json_params_matcher, query_param_matcher

from apimgmt.cli.commands import apimgmt

PLACE = "http://admin.example:8081/api/v1/apis/pets"
CORS = {"origins": "https://a.example", "maxAge": 5}
ALL = {"origins": "*"}
SETTINGS = {"timeout": 30.0, "public": False, "policies": {"cors": CORS, "protocols": {"allow": "https"}}}
FINDING = {"severity": "warning", "code": "credentials-over-http", "message": "others can read them"}


@pytest.fixture
def admin() -> Iterator[responses.RequestsMock]:
    """An admin API with one API and one operation of these settings; anything unasked fails the test."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(PLACE, json={"name": "pets", "etag": '"api.7"', "trigger": {**SETTINGS, "policies": {}}})
        operation = [{"key": "get /pets", "trigger": SETTINGS}]
        mock.get(f"{PLACE}/operations", json=operation, match=[query_param_matcher({"operation": "get /pets"})])
        yield mock


def run(*arguments: str) -> Result:
    """The command as a user runs it."""
    environment = {"APIMGMT_URL": "http://admin.example:8081", "APIMGMT_TOKEN": "secret"}
    return CliRunner().invoke(apimgmt, ["trigger", "pets", *arguments], env=environment)


def expect(admin: responses.RequestsMock, body: Any, tag: str = '"api.7"', publish: str = "true") -> None:
    """One change, on condition that nobody changed it since."""
    matchers = [
        json_params_matcher(body),
        header_matcher({"If-Match": tag}),
        query_param_matcher({"publish": publish}),
    ]
    admin.put(f"{PLACE}/triggers", json={"findings": [FINDING]}, match=matchers)


def test_settings_are_shown(admin: responses.RequestsMock) -> None:
    """One line for each, policies with dots; or the JSON as it came."""
    lines = [line.split(None, 1) for line in run("get /pets").output.splitlines()]
    assert lines == [
        ["SETTING", "VALUE"],
        ["timeout", "30.0"],
        ["public", "false"],
        ["policies.cors.origins", "https://a.example"],
        ["policies.cors.maxAge", "5"],
        ["policies.protocols.allow", "https"],
    ]
    assert json.loads(run("get /pets", "--output", "json").output) == SETTINGS
    assert json.loads(run("--output", "json").output) == {**SETTINGS, "policies": {}}


@pytest.mark.parametrize(
    ("sets", "body"),
    [
        (["timeout=10", "public=true"], {"timeout": 10, "public": True}),
        (['textCleaning=["trim", "control"]'], {"textCleaning": ["trim", "control"]}),
        (["policies.cors.origins=https://b.example"], {"policies": {"cors": {**CORS, "origins": "https://b.example"}}}),
        (["policies.cors.maxAge=null"], {"policies": {"cors": {"origins": "https://a.example"}}}),
        (["policies.cors=null"], {"policies": {"cors": None}}),
        (['policies.cors={"origins": "*"}', "policies.cors.maxAge=1"], {"policies": {"cors": {**ALL, "maxAge": 1}}}),
        (["policies.rateLimit.key.header=X-Key"], {"policies": {"rateLimit": {"key": {"header": "X-Key"}}}}),
        (['policies={"cors": null}'], {"policies": {"cors": None}}),
    ],
)  # fmt: skip
def test_of_a_policy_all_fields_are_sent(admin: responses.RequestsMock, sets: list[str], body: Any) -> None:
    """The admin API replaces a policy whole, so what was there goes along, if nobody changed it meanwhile."""
    expect(admin, {"get /pets": body})
    result = run("get /pets", *(word for text in sets for word in ("--set", text)))
    assert result.exit_code == 0, result.output
    assert result.output.startswith("get /pets of pets is set\n")
    assert "others can read them" in result.output


def test_the_whole_api_and_back_to_it(admin: responses.RequestsMock) -> None:
    """Without an operation it is ``*``; ``--reset`` is null; the ETag can be one's own."""
    expect(admin, {"*": {"policies": {"protocols": {"allow": "https"}}}}, tag='"api.6"', publish="false")
    result = run("--set", "policies.protocols.allow=https", "--no-publish", "--if-match", '"api.6"')
    assert result.output.startswith("every operation of pets is set\n")
    expect(admin, {"get /pets": None})
    assert run("get /pets", "--reset").exit_code == 0
    assert run("get /pets", "--reset", "--set", "timeout=1").exit_code == 2
    assert "--reset is about one OPERATION" in run("--reset").stderr
    assert run("--set", "timeout").exit_code == 2
