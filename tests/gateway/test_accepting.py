"""The async pattern: 202 with a URL that only the caller can read (apimgmt/gateway/accepting.py)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from apimgmt.errors import SnapshotRefused
from apimgmt.runs.orders import Order, Orders, Outcome
from apimgmt.settings import Settings
from harness import api_key, serve

DOCUMENT = """
openapi: 3.1.0
info: {title: jobs, version: '1'}
servers: [{url: /v1}]
components:
  securitySchemes: {key: {type: apiKey, in: header, name: X-Api-Key}}
security: [{key: []}]
paths:
  /jobs/{n}:
    post:
      operationId: job
      parameters:
        - {name: n, in: path, required: true, schema: {type: integer}}
        - {name: at, in: query, schema: {type: string, format: date}}
      requestBody: {content: {application/json: {schema: {type: object}}}}
      responses: {'200': {description: ok}}
"""
ANNA, BERT = "key-of-anna", "key-of-bert"


class Jobs:
    """A gateway whose operation may be asked to answer later."""

    def __init__(self, folder: Path, document: str = DOCUMENT, **more: Any) -> None:
        self.settings = Settings(data=str(folder))
        self.orders = Orders(self.settings)
        keys = [api_key(ANNA, "anna"), api_key(BERT, "bert")]
        options: dict[str, Any] = {"authentication": "document", "trigger": {"respondAsync": "allowed"}, "keys": keys}
        self.client = serve(document, settings=self.settings, **{**options, **more})

    def accepted(self, key: str = ANNA) -> tuple[str, Order]:
        """Ask for an answer later: the URL, and what is on disk."""
        headers = {"X-Api-Key": key, "Prefer": 'handling=strict, respond-async, wait="1"', "Cookie": "session=secret-1"}
        answer = self.client.request("POST", "/v1/jobs/7?at=2026-11-22", headers, json={"a": 1})
        assert answer.status == 202, answer
        location = answer.header("location") or ""
        assert answer.json() == {"id": location.removeprefix("/runs/"), "state": "accepted"}
        assert answer.all("x-request-id") == [answer.json()["id"]]
        assert answer.header("preference-applied") == "respond-async"
        return location, self.orders.find(answer.json()["id"])[0]


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    """The gateway."""
    return Jobs(tmp_path)


@pytest.mark.rows("H-106")
def test_what_is_accepted_is_on_disk_without_credentials(jobs: Jobs) -> None:
    """The order has the request as the process is to see it; no key, no cookie, no session is written down."""
    _, order = jobs.accepted()
    assert (order.operation, order.caller, order.asked.path, order.asked.body) == (
        "post /jobs/{n}",
        "anna",
        {"n": 7},
        {"a": 1},
    )
    assert order.asked.query_string == "at=2026-11-22" and order.asked.content == b'{"a":1}'
    written = b"".join(path.read_bytes() for path in Path(jobs.settings.data).rglob("*") if path.is_file())
    assert ANNA.encode() not in written and b"secret-1" not in written


@pytest.mark.rows("H-106")
def test_the_url_tells_state_and_result_to_its_caller_and_to_nobody_else(jobs: Jobs) -> None:
    """401 without a credential, 404 with that of another, which is what an unknown run is, too."""
    location, order = jobs.accepted()
    told = jobs.client.get(location, {"X-Api-Key": ANNA})
    assert (told.status, told.json()["state"], told.header("cache-control")) == (200, "accepted", "no-store")
    jobs.orders.take(order.id)
    assert jobs.client.get(location, {"X-Api-Key": ANNA}).json()["state"] == "running"
    response = {"status": 201, "headers": {}, "body": {"id": 7}}
    jobs.orders.end([Outcome(id=order.id, state="succeeded", ended=time.time(), response=response)])
    told = jobs.client.get(location, {"X-Api-Key": ANNA})
    assert (told.json()["state"], told.json()["response"]) == ("succeeded", response)
    assert jobs.client.get(location).status == 401
    assert jobs.client.get(location, {"X-Api-Key": BERT}).status == 404
    for unknown in ("/runs/abc-1", "/runs/", "/runs/..%2f..%2fsecrets", f"{location}0", "/runs/A", "/runs/a/b"):
        assert jobs.client.get(unknown, {"X-Api-Key": ANNA}).status in (400, 404)
    assert jobs.client.post(location, {"X-Api-Key": ANNA}).status == 404


def test_who_does_not_ask_for_it_waits(jobs: Jobs, tmp_path: Path) -> None:
    """Without the preference the process runs as ever; where the trigger does not allow it, with it, too."""
    assert jobs.client.request("POST", "/v1/jobs/7", {"X-Api-Key": ANNA}, json={}).status == 200
    never = Jobs(tmp_path / "never", trigger={})
    headers = {"X-Api-Key": ANNA, "Prefer": "respond-async"}
    assert never.client.request("POST", "/v1/jobs/7", headers, json={}).status == 200


def test_an_operation_may_have_nothing_else(tmp_path: Path) -> None:
    """``always``: 202 without being asked; a request that is not valid is still refused at once."""
    always = Jobs(tmp_path, trigger={"respondAsync": "always"})
    answer = always.client.request("POST", "/v1/jobs/7", {"X-Api-Key": ANNA}, json={})
    assert (answer.status, answer.header("preference-applied")) == (202, None)
    assert always.client.request("POST", "/v1/jobs/x", {"X-Api-Key": ANNA}, json={}).status == 404
    assert always.client.request("POST", "/v1/jobs/7", {"X-Api-Key": ANNA}, json=[]).status == 400


def test_the_id_is_what_guards_the_run_of_an_operation_for_everybody(tmp_path: Path) -> None:
    """Nobody has a credential there: the URL is 128 bits of chance."""
    public = Jobs(tmp_path, authentication="none")
    location, order = public.accepted()
    assert order.owner == "" and len(order.id.rpartition("-")[2]) == 32
    assert public.client.get(location).status == 200


@pytest.mark.parametrize("base", ["", "/runs"])
def test_an_api_at_the_root_does_not_hide_runs(tmp_path: Path, base: str) -> None:
    """Its own paths come first; what it has not is looked for among the runs."""
    jobs = Jobs(tmp_path, DOCUMENT.replace("/v1", base or "/"))
    path = f"{base}/jobs/7"
    answer = jobs.client.request("POST", path, {"X-Api-Key": ANNA, "Prefer": "respond-async"}, json={})
    assert answer.status == 202, answer
    assert jobs.client.get(answer.header("location") or "", {"X-Api-Key": ANNA}).json()["state"] == "accepted"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_what_cannot_be_kept_is_not_accepted(jobs: Jobs) -> None:
    """A disk that cannot be written to: 503, and nothing is promised."""
    jobs.accepted()
    (Path(jobs.settings.data) / "durable" / "accepted").chmod(0o500)
    headers = {"X-Api-Key": ANNA, "Prefer": "respond-async"}
    assert jobs.client.request("POST", "/v1/jobs/7", headers, json={}).status == 503


def test_what_only_a_flow_can_do_is_refused_for_others(tmp_path: Path) -> None:
    """A function cannot be left in its middle; the refusal says what to do instead."""
    with pytest.raises(SnapshotRefused, match="use `respondAsync`"):
        Jobs(tmp_path, trigger={"durable": True}, bind="echo")


def test_a_durable_flow_that_never_answers_early_runs_as_ever(tmp_path: Path) -> None:
    """Its caller has the result; nothing is written down."""
    document = {"dsl": "1.0.0", "namespace": "jobs", "name": "job", "version": "1.0.0"}
    flow = {"kind": "flow", "definition": {"document": document, "do": [{"a": {"set": {"b": 1}}}]}}
    jobs = Jobs(tmp_path, trigger={"durable": True}, bindings={"job": flow})
    headers = {"X-Api-Key": ANNA, "Prefer": "respond-async"}
    answer = jobs.client.request("POST", "/v1/jobs/7", headers, json={})
    assert (answer.status, answer.json(), jobs.orders.accepted()) == (200, {"b": 1}, [])
