"""GraphQL: a document and variables are posted, errors are errors, and entities page through what they answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
import responses
from endpoints import BASE, connected

from apimgmt.errors import ConnectionFailed

QUERY = "query Customers($first: Int, $after: String) { customers(first: $first, after: $after) { nodes { id } } }"


def bodies() -> list[Any]:
    """What was posted."""
    return [json.loads(call.request.body) for call in responses.calls]


@pytest.mark.rows("C-003")
@responses.activate
def test_a_document_and_variables_are_posted() -> None:
    """To the base URL, as JSON; the data of the answer comes back."""
    responses.post(BASE, json={"data": {"customers": {"nodes": [{"id": 1}]}}})
    connection = connected({}, type="graphql")
    assert connection.graphql(QUERY, {"first": 2}) == {"customers": {"nodes": [{"id": 1}]}}
    assert connection.graphql("{ a }") == {"customers": {"nodes": [{"id": 1}]}}
    connection.graphql(QUERY, {"first": 2}, operation="Customers")
    assert bodies() == [
        {"query": QUERY, "variables": {"first": 2}},
        {"query": "{ a }"},
        {"query": QUERY, "variables": {"first": 2}, "operationName": "Customers"},
    ]
    assert responses.calls[0].request.headers["Content-Type"] == "application/json"
    assert "application/graphql-response+json" in responses.calls[0].request.headers["Accept"]


@pytest.mark.rows("C-003")
@pytest.mark.parametrize("status", [200, 400])
@responses.activate
def test_errors_in_the_answer_are_errors(status: int) -> None:
    """Whatever the status, also beside data: the first messages, shortened, without control characters."""
    errors = [
        {"message": "no such field\x1b[0m", "path": ["customers", 0]},
        {"message": "x" * 500},
        {},
        {"message": "4"},
    ]
    responses.post(BASE, json={"data": {"a": 1}, "errors": errors}, status=status)
    with pytest.raises(ConnectionFailed) as caught:
        connected({}, type="graphql").graphql("{ a }")
    assert caught.value.cause == "status" and caught.value.reply.status == status
    text = str(caught.value)
    assert text.startswith("GraphQL: no such field [0m (at customers.0); xxx")
    assert text.endswith("…; an error without a message; and 1 more") and len(text) < 400


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (502, "<html>", "status"),
        (401, '{"message": "no"}', "status"),
        (200, "<html>", "protocol"),
        (200, "[]", "protocol"),
    ],
)
@responses.activate
def test_what_is_no_graphql_answer_is_an_error(status: int, body: str, cause: str) -> None:
    """By its status if that is one of an error."""
    responses.post(BASE, body=body, status=status)
    with pytest.raises(ConnectionFailed) as caught:
        connected({}, type="graphql").graphql("{ a }")
    assert caught.value.cause == cause


ENTITY = {
    "graphql": {"document": QUERY, "operationName": "Customers"},
    "dataPath": "$.customers.nodes",
    "fields": [{"name": "id", "type": "string"}],
    "pagination": {
        "kind": "cursor",
        "cursor": "after",
        "limit": "first",
        "size": 2,
        "path": "$.customers.pageInfo.endCursor",
        "more": "$.customers.pageInfo.hasNextPage",
    },
}


@pytest.mark.rows("C-003", "C-046")
@responses.activate
def test_an_entity_pages_through_a_connection_of_graphql() -> None:
    """Cursor and size are variables; the data path is below ``data``."""

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        start = int(json.loads(request.body)["variables"].get("after") or 0)
        page = {"endCursor": str(start + 2), "hasNextPage": start < 4}
        nodes = [{"id": start}, {"id": start + 1}]
        return 200, {}, json.dumps({"data": {"customers": {"nodes": nodes, "pageInfo": page}}})

    responses.add_callback("POST", BASE, answer)
    source = connected({"customers": ENTITY}, type="graphql").entity("customers")
    assert [row["id"] for row in source.list(region="eu")] == ["0", "1", "2", "3", "4", "5"]
    assert [body["variables"] for body in bodies()] == [
        {"after": after, "first": 2, "region": "eu"} for after in (None, "2", "4")
    ]
    assert all(call.request.url == BASE for call in responses.calls)


@pytest.mark.rows("C-003", "C-039")
@responses.activate
def test_a_mutation_is_sent_with_its_variables() -> None:
    """By name, from a row, or by a template; values are values, never part of the document."""
    responses.post(BASE, json={"data": {"create": {"id": 5}}})
    document = "mutation($input: In!) { create(input: $input) { id } }"
    entities = {
        "create": {"graphql": {"document": document}, "dataPath": "$.create"},
        "shaped": {
            "graphql": {"document": document, "variables": {"input": {"name": "{name}", "kind": "new"}}},
            "dataPath": "$.create",
        },
    }
    connection = connected(entities, type="graphql")
    assert connection.entity("create").create(input={"name": '"}) { x'}) == {"id": 5}
    assert connection.entity("shaped").create({"name": "A", "other": 1}) == {"id": 5}
    assert [body["variables"] for body in bodies()] == [
        {"input": {"name": '"}) { x'}},
        {"input": {"name": "A", "kind": "new"}},
    ]
    assert {body["query"] for body in bodies()} == {document}


@responses.activate
def test_errors_of_an_entity_name_it() -> None:
    """And are errors in lists, too."""
    responses.post(BASE, json={"errors": [{"message": "denied"}]})
    source = connected({"customers": ENTITY}, type="graphql").entity("customers")
    for use in (lambda: list(source.list()), source.get, source.create):
        with pytest.raises(ConnectionFailed, match=r"^customers: GraphQL: denied$"):
            use()
