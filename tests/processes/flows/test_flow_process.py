"""Flows behind operations: the request is the input, references find what came with it, the output is the answer."""

from __future__ import annotations

from typing import Any

import pytest
from processes.flows.flowing import definition

from apimgmt.errors import SnapshotRefused
from harness import Client, serve

DOCUMENT = """
openapi: 3.1.0
info: {title: flows, version: '1'}
paths:
  /customers/{customerId}:
    post:
      parameters:
        - {name: customerId, in: path, required: true, schema: {type: integer}}
        - {name: limit, in: query, schema: {type: integer}}
        - {name: startDate, in: query, schema: {type: string, format: date}}
        - {name: status, in: query, schema: {type: string}}
      requestBody: {content: {application/json: {schema: {type: object}}}}
      responses: {'200': {description: ok}}
"""


def api(*tasks: dict[str, Any], **more: Any) -> Client:
    """The operation, bound to a flow of these tasks."""
    bound = {"kind": "flow", "definition": definition(*tasks, **more)}
    return serve(DOCUMENT, bindings={"post /customers/{customerId}": bound})


def post(client: Client, query: str = "", body: Any = None, **headers: str) -> Any:
    """One request for customer 7."""
    return client.request("POST", f"/customers/7{query}", headers=headers, json=body)


@pytest.mark.rows("H-059", "H-060", "H-061", "H-062", "H-063", "H-064", "H-066")
def test_references_find_what_came_with_the_request() -> None:
    """Path, query, body, nested members and header fields, with their types; what is not there is null."""
    wanted = {
        "id": "${customerId}",
        "limit": "${limit}",
        "start": "${startDate}",
        "items": "${orderItems}",
        "name": "${customer.name}",
        "header": "${headers.X-Custom-Header}",
        "nothing": "${other.thing}",
        "text": "Hello ${customer.name}, ${nothing}you are ${customerId}",
    }
    body = {"orderItems": [1, 2], "customer": {"name": "Ann"}}
    answer = post(api({"set": wanted}), "?limit=100&startDate=2024-01-01", body, **{"X-Custom-Header": "x"})
    assert answer.json() == {
        "id": 7,
        "limit": 100,
        "start": "2024-01-01",
        "items": [1, 2],
        "name": "Ann",
        "header": "x",
        "nothing": None,
        "text": "Hello Ann, you are 7",
    }


@pytest.mark.rows("X-002", "H-023")
def test_both_styles_of_references_are_one_language() -> None:
    """``#trigger.data.query.limit`` and ``${limit}``, in one flow and in one value."""
    shown = {"set": {"a": "${ #trigger.data.query.limit }", "b": "${limit}", "c": "${ #trigger.data.query.limit + 1 }"}}
    assert post(api(shown), "?limit=5").json() == {"a": 5, "b": 5, "c": 6}


@pytest.mark.rows("H-065")
def test_the_path_wins_over_the_query_and_the_query_over_the_body() -> None:
    """One name in several places: a stated order."""
    body = {"customerId": "body", "status": "body", "only": "body"}
    shown = {"set": {"id": "${customerId}", "status": "${status}", "only": "${only}"}}
    assert post(api(shown), "?status=query", body).json() == {"id": 7, "status": "query", "only": "body"}


@pytest.mark.rows("H-001", "H-009")
def test_jq_sees_the_request_as_input_and_as_trigger() -> None:
    """The members of ``#trigger.data``."""
    shown = {
        "set": {
            "id": "${ .path.customerId }",
            "method": "${ $trigger.data.httpMethod }",
            "big": "${ .path.customerId > 3 }",
        }
    }
    assert post(api(shown)).json() == {"id": 7, "method": "POST", "big": True}


@pytest.mark.rows("F-123", "H-036", "H-038")
def test_a_predefined_response_is_an_output() -> None:
    """The envelope: status, body, type and header fields; 201 in one line, 204 without a body."""
    made = {"set": {"HttpStatusCode": 201, "Content": '{"id": 1}', "ContentType": "application/json"}}
    answer = post(api(made))
    assert (answer.status, answer.json()) == (201, {"id": 1})
    answer = post(api({"set": {"HttpStatusCode": 204, "Content": ""}}))
    assert (answer.status, answer.body) == (204, b"")


@pytest.mark.rows("F-125", "H-042", "H-073")
def test_a_condition_chooses_between_details_and_not_found() -> None:
    """What is there is 200; otherwise the flow raises a 404 in its own words."""
    unknown = {"type": "https://example.com/unknown", "status": 404, "title": "Unknown", "detail": "No ${customerId}"}
    tasks = (
        {"switch": [{"there": {"when": ".path.customerId == 7 and .body.known", "then": "c"}}]},
        {"raise": {"error": unknown}},
        {"set": {"id": "${customerId}"}},
    )
    client = api(*tasks)
    assert post(client, body={"known": True}).json() == {"id": 7}
    answer = post(client, body={"known": False})
    assert (answer.status, answer.json()["title"], answer.json()["detail"]) == (404, "Unknown", "No 7")
    assert answer.json()["type"] == "https://example.com/unknown"


@pytest.mark.rows("H-043")
def test_an_error_of_the_flow_itself_is_a_500_without_its_inside() -> None:
    """A raised status that is none of HTTP's for errors as well."""
    answer = post(api({"raise": {"error": {"type": "https://example.com/x", "status": 200, "detail": "inside"}}}))
    assert answer.status == 500
    assert "inside" not in answer.text


def test_a_definition_that_cannot_work_is_refused_when_it_is_bound() -> None:
    """With its place."""
    with pytest.raises(SnapshotRefused, match="there is no task 'z' beside this one"):
        api({"set": {"a": 1}, "then": "z"})
