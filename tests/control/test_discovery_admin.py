"""Discovery through the admin API: with a description as body or without one, by who may change connections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import responses
from control_members import BASE, Platform
from discovering import METADATA, ROOT, platform_with

from apimgmt.settings import Settings
from harness import Client

DOCUMENT = b"openapi: 3.0.3\ninfo: {title: a, version: '1'}\npaths: {/a: {get: {operationId: a, responses: {}}}}\n"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """An admin API with the connections ``crm`` (REST) and ``odata``."""
    with platform_with(tmp_path, {"name": "crm", "baseUrl": "https://crm.example"}) as control:
        control.connections.create({"name": "odata", "type": "odata", "baseUrl": ROOT, "retries": {"count": 0}})
        yield Platform(Settings(data=str(tmp_path)), control)


@pytest.mark.rows("C-027")
def test_a_document_as_body(platform: Platform) -> None:
    """YAML as it is; what was stored is an entity of the connection."""
    token = platform.join("dana", "designer")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/yaml"}
    path = f"{BASE}/connections/crm/discovery?store=true"
    answer = Client(platform.app).request("POST", path, headers, DOCUMENT)
    assert answer.status == 200 and answer.json()["entities"][0]["stored"]
    entities = platform.ask("GET", "/connections/crm/entities", token).json()
    assert [one["name"] for one in entities] == ["a"]


@pytest.mark.rows("C-028")
@responses.activate
def test_without_a_body_it_is_fetched(platform: Platform) -> None:
    """From where the connection leads."""
    responses.get(f"{ROOT}/$metadata", body=METADATA)
    answer = platform.ask("POST", "/connections/odata/discovery", platform.join("dana", "designer"))
    assert answer.status == 200 and answer.json()["kind"] == "odata"


def test_findings_and_failures_are_problems(platform: Platform) -> None:
    """A document that is refused has its findings, a call that failed its cause, an unknown connection is 404."""
    token = platform.join("dana", "designer")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = Client(platform.app).request("POST", f"{BASE}/connections/crm/discovery", headers, b'{"openapi": 5}')
    assert answer.json()["findings"][0]["severity"] == "error"
    answer = platform.ask("POST", "/connections/crm/discovery?from=http://127.0.0.1:9/x", token)
    assert answer.json()["cause"] == "forbidden-address" and answer.json()["remedy"]
    assert platform.ask("POST", "/connections/none/discovery", token).status == 404
    assert platform.ask("POST", "/connections/crm/discovery?kind=wsdl", token).status == 400


def test_a_viewer_may_not(platform: Platform) -> None:
    """It makes calls with the connection's credential."""
    assert platform.ask("POST", "/connections/odata/discovery", platform.join("vic", "viewer")).status == 403
