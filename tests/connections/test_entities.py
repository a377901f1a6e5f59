"""Entities in use: rows are listed, got, created, updated, deleted, sent in batches; wrong descriptions are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
import responses
from endpoints import BASE, connected, endpoint

from apimgmt.connections.checking import check_entities
from apimgmt.errors import ConnectionFailed, SettingInvalid

ENTITIES = {
    "Customers": {"method": "GET", "path": "/customers"},
    "Orders": {"method": "GET", "path": "/orders"},
    "CreateOrder": {"method": "POST", "path": "/orders"},
    "UpdateCustomer": {"method": "PUT", "path": "/customers/{id}"},
    "ChangeCustomer": {"method": "PATCH", "path": "/customers/{id}"},
    "DeleteOrder": {"method": "DELETE", "path": "/orders/{id}"},
}


@pytest.mark.rows("C-026")
@responses.activate
def test_endpoints_are_entities_by_name_method_and_path() -> None:
    """Those of the table; an unknown name says which there are."""
    connection = connected(ENTITIES)
    responses.get(f"{BASE}/customers", json=[{"id": 1}])
    responses.put(f"{BASE}/customers/5", json={"id": 5})
    assert list(connection.entity("Customers").list()) == [{"id": 1}]
    assert connection.entity("UpdateCustomer").update(id=5, name="x") == {"id": 5}
    with pytest.raises(SettingInvalid, match="no entity 'Invoices'; it has: ChangeCustomer, CreateOrder, Customers"):
        connection.entity("Invoices")


@pytest.mark.rows("C-032")
@responses.activate
def test_a_get_entity_gives_an_array_of_rows() -> None:
    """Query parameters static and from the flow."""
    responses.get(f"{BASE}/customers", json=[{"id": 1}, {"id": 2}])
    source = endpoint(query={"status": "active", "limit": 100, "page": "{pageNumber}"})
    assert list(source.list(pageNumber=2)) == [{"id": 1}, {"id": 2}]
    assert responses.calls[0].request.url == f"{BASE}/customers?status=active&limit=100&page=2"


@responses.activate
def test_a_parameter_may_have_any_name() -> None:
    """``self`` too: other systems name their parameters as they like."""
    responses.get(f"{BASE}/customers", json=[1])
    source = connected(ENTITIES).entity("Customers")
    for given in (source.list(self=1), source.get(self=1)):
        assert list(given) == [1]
        assert responses.calls[-1].request.params == {"self": "1"}


@pytest.mark.rows("C-033", "C-040")
@responses.activate
def test_a_post_entity_sends_the_row() -> None:
    """All fields of the row as one JSON object; what is given by name is added."""
    responses.post(f"{BASE}/orders", json={"id": 9}, status=201)
    source = connected(ENTITIES).entity("CreateOrder")
    assert source.create({"customer": 5, "lines": [{"sku": "a", "n": 2}], "note": None}) == {"id": 9}
    request = responses.calls[0].request
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.body) == {"customer": 5, "lines": [{"sku": "a", "n": 2}], "note": None}
    source.create({"customer": 5}, urgent=True)
    assert json.loads(responses.calls[1].request.body) == {"customer": 5, "urgent": True}


@pytest.mark.rows("C-034")
@pytest.mark.parametrize(("entity", "method"), [("UpdateCustomer", "PUT"), ("ChangeCustomer", "PATCH")])
@responses.activate
def test_an_update_has_its_path_parameter_and_a_body_of_updated_fields(entity: str, method: str) -> None:
    """What the path takes is not in the body; a row that has the id is sent as it is."""
    responses.add(method, f"{BASE}/customers/5", status=204)
    source = connected(ENTITIES).entity(entity)
    assert source.update(id=5, name="x", active=False) is None
    assert json.loads(responses.calls[0].request.body) == {"name": "x", "active": False}
    source.update({"id": 5, "name": "y"})
    assert json.loads(responses.calls[1].request.body) == {"id": 5, "name": "y"}


@pytest.mark.rows("C-035")
@responses.activate
def test_a_delete_entity_has_its_path_parameter() -> None:
    """And no body."""
    responses.delete(f"{BASE}/orders/7", status=204)
    assert connected(ENTITIES).entity("DeleteOrder").delete(id=7) is None
    assert not responses.calls[0].request.body


@pytest.mark.rows("C-049", "C-050")
@pytest.mark.parametrize(("status", "outcome"), [(200, "success"), (404, "client-error"), (503, "server-error")])
@responses.activate
def test_a_process_can_branch_on_the_status(status: int, outcome: str) -> None:
    """``call`` gives the answer whatever its status; everything else raises with the answer."""
    responses.get(f"{BASE}/customers", json={"id": 1}, status=status)
    reply = endpoint().call()
    assert (reply.status, reply.outcome) == (status, outcome)
    if status == 200:
        assert endpoint().get() == {"id": 1}
        return
    with pytest.raises(ConnectionFailed) as caught:
        endpoint().get()
    assert caught.value.reply.status == status and str(caught.value).startswith("customers: ")


@responses.activate
def test_get_gives_what_is_at_the_data_path() -> None:
    """A row, a list of rows, a value; an answer without a body is None."""
    responses.get(f"{BASE}/customers", json={"data": {"id": 1, "tags": ["a"]}, "rows": [{"id": 2}]})
    fields = [{"name": "id", "type": "string"}]
    assert endpoint(dataPath="$.data", fields=fields).get() == {"id": "1"}
    assert endpoint(dataPath="$.rows", fields=fields).get() == [{"id": "2"}]
    assert endpoint(dataPath="$.data.tags[0]").get() == "a"
    responses.replace("GET", f"{BASE}/customers", status=204)
    assert endpoint(dataPath="$.data").get() is None
    assert list(endpoint().list()) == []


@pytest.mark.parametrize(("response", "value"), [("text", "Grüße\n"), ("binary", "Grüße\n".encode())])
@responses.activate
def test_a_text_or_bytes_are_given_as_they_are(response: str, value: Any) -> None:
    """By ``response``; there are no rows in them."""
    responses.get(f"{BASE}/customers", body="Grüße\n".encode(), content_type="text/plain; charset=utf-8")
    source = endpoint(response=response)
    assert source.get() == value
    with pytest.raises(SettingInvalid, match="no rows: use get"):
        list(source.list())


@responses.activate
def test_what_is_accepted_follows_from_the_response_unless_it_is_said() -> None:
    """The entity's own field wins over the connection's, that over ours."""
    responses.get(f"{BASE}/customers", json=[])
    list(endpoint().list())
    list(endpoint(headers={"accept": "application/vnd.x+json"}).list())
    entity = connected({"c": {"path": "/customers"}}, headers={"Accept": "application/hal+json"}).entity("c")
    list(entity.list())
    accepted = [call.request.headers["Accept"] for call in responses.calls]
    assert accepted == ["application/json", "application/vnd.x+json", "application/hal+json"]


@pytest.mark.rows("C-038")
@responses.activate
def test_header_fields_of_the_entity_win_over_those_of_the_connection() -> None:
    """With a placeholder in them."""
    responses.get(f"{BASE}/customers", json=[])
    entity = {"path": "/customers", "headers": {"X-Request-ID": "{requestId}"}}
    source = connected({"c": entity}, headers={"x-request-id": "none", "X-Other": "1"}).entity("c")
    list(source.list(requestId="r-1"))
    headers = responses.calls[0].request.headers
    assert [value for name, value in headers.items() if name.lower() == "x-request-id"] == ["r-1"]
    assert headers["X-Other"] == "1"


@pytest.mark.parametrize("use", ["create", "update", "delete", "create_many"])
def test_a_use_that_does_not_fit_the_method_says_what_fits(use: str) -> None:
    """Before anything is sent."""
    arguments = ([],) if use == "create_many" else ()
    with pytest.raises(SettingInvalid, match=r"is GET /customers, not for .*\(\); it has: list\(\), get\(\), send\(\)"):
        getattr(endpoint(), use)(*arguments)
    with pytest.raises(SettingInvalid, match="not for list"):
        list(endpoint(method="DELETE").list())


@pytest.mark.rows("C-052")
@responses.activate
def test_many_rows_are_created_one_by_one_with_a_summary() -> None:
    """What one of them says does not stop the others; each result is with its row."""

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        row = json.loads(request.body)
        return (422, {}, '{"error": "secret"}') if row["n"] == 2 else (201, {}, json.dumps({"id": row["n"] * 10}))

    responses.add_callback("POST", f"{BASE}/customers", answer)
    summary = endpoint(method="POST").create_many({"n": n} for n in range(5))
    assert (summary.done, summary.failed) == (4, 1)
    assert summary.results == [{"id": 0}, {"id": 10}, {"id": 30}, {"id": 40}]
    assert list(summary.failures) == [2] and summary.failures[2].reply.status == 422
    assert [outcome.is_done for outcome in summary.outcomes] == [True, True, False, True, True]
    with pytest.raises(ConnectionFailed, match="422"):
        summary.raise_for_failures()
    assert endpoint(method="POST").create_many([]).raise_for_failures().done == 0


@pytest.mark.rows("C-070")
@responses.activate
def test_a_batch_is_one_post_with_an_array() -> None:
    """``POST /customers/batch`` with ``[customer1, customer2, ...]``, as many at a time as ``batch`` says."""

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        return 200, {}, json.dumps([{"id": row["n"] + 100} for row in json.loads(request.body)])

    responses.add_callback("POST", f"{BASE}/customers/batch", answer)
    source = endpoint(method="POST", path="/customers/batch", batch=3)
    summary = source.create_many([{"n": n} for n in range(7)])
    sent = [json.loads(call.request.body) for call in responses.calls]
    assert sent == [[{"n": 0}, {"n": 1}, {"n": 2}], [{"n": 3}, {"n": 4}, {"n": 5}], [{"n": 6}]]
    assert summary.results == [{"id": n + 100} for n in range(7)]


@pytest.mark.rows("C-070", "C-052")
@responses.activate
def test_a_batch_that_fails_fails_for_its_rows_only() -> None:
    """A template makes each row; an answer without a row for each gives no results."""
    responses.post(f"{BASE}/customers", status=500)
    responses.post(f"{BASE}/customers", json={"accepted": 1})
    source = endpoint(method="POST", batch=2, body={"name": "{n}", "list": "{list}"}, query={"dry": "{dry}"})
    summary = source.create_many([{"n": n, "more": 1} for n in range(3)], list="a", dry=True)
    assert list(summary.failures) == [0, 1] and summary.done == 1 and summary.results == [None]
    assert json.loads(responses.calls[1].request.body) == [{"name": 2, "list": "a"}]
    assert responses.calls[0].request.url.endswith("?dry=true")


@pytest.mark.rows("C-070")
@pytest.mark.parametrize("answer", [[], [{"id": 1}], {"accepted": 2}, [1, 2, 3]], ids=ascii)
@responses.activate
def test_results_of_a_batch_are_not_guessed(answer: Any) -> None:
    """An answer with more or fewer rows than were sent belongs to none of them."""
    responses.post(f"{BASE}/customers", json=answer)
    summary = endpoint(method="POST", batch=10).create_many([{"n": 1}, {"n": 2}])
    assert (summary.done, summary.results) == (2, [None, None])


@pytest.mark.parametrize("row", [5, "x", [{"a": 1}], [("a", 1)]], ids=ascii)
def test_a_row_is_an_object(row: Any) -> None:
    """Anything else is refused before it is sent, with what it is."""
    with pytest.raises(ConnectionFailed, match="a row is an object with members, not a") as caught:
        endpoint(method="POST").create(row)
    assert caught.value.cause == "request"
    assert endpoint(method="POST").create_many([row]).failed == 1


def deep(levels: int) -> Any:
    """An object in an object, so many times."""
    value: Any = {}
    for _ in range(levels):
        value = {"a": value}
    return value


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown member": ({"pth": "/x"}, "/pth"),
    "method": ({"method": "FETCH"}, "/method"),
    "path with brace": ({"path": "/x/{"}, "/path"),
    "path with dots": ({"path": "/x/../y"}, "/path"),
    "path with encoded dots": ({"path": "/x/%2e%2e/y"}, "/path"),
    "path with spaces": ({"path": "/x y"}, "/path"),
    "path with fragment": ({"path": "/x#y"}, "/path"),
    "path that is a URL": ({"path": "http://x.example/y"}, "/path"),
    "path with empty segment": ({"path": "/x//y"}, "/path"),
    "query value": ({"query": {"a": {"b": 1}}}, "/query/a"),
    "query brace": ({"query": {"a": "}"}}, "/query/a"),
    "header name": ({"headers": {"X Y": "1"}}, "/headers/X Y"),
    "header of ours": ({"headers": {"Host": "x"}}, "/headers/Host"),
    "header value": ({"headers": {"X": "a\r\nb: c"}}, "/headers/X"),
    "body brace": ({"method": "POST", "body": {"a": ["{b"]}}, "/body"),
    "form that is a list": ({"method": "POST", "encoding": "form", "body": [1]}, "/body"),
    "unused parameter": ({"parameters": {"id": "{Id}"}}, "/parameters/id"),
    "parameter that is no text": ({"path": "/{id}", "parameters": {"id": 5}}, "/parameters"),
    "body too deep": ({"method": "POST", "body": deep(900)}, "/body"),
    "parameter of the pagination": ({"query": {"limit": 100}, "pagination": {"kind": "offset"}}, "/query/limit"),
    "parameter of the sync": ({"path": "/x?lastSync=1", "changes": {}}, "/query/lastSync"),
    "filter where rows are counted": ({"dataPath": "$[?@.a]", "pagination": {"kind": "page"}}, "/dataPath"),
    "pagination without a name": ({"pagination": {"kind": "page", "page": ""}}, "/pagination/page"),
    "data path": ({"dataPath": "data"}, "/dataPath"),
    "field type": ({"fields": [{"name": "a", "type": "text"}]}, "/fields/0/type"),
    "field path": ({"fields": [{"name": "a"}, {"name": "b", "path": "b"}]}, "/fields/1/path"),
    "field twice": ({"fields": [{"name": "a"}, {"name": "a"}]}, "/fields/1/name"),
    "pagination kind": ({"pagination": {"kind": "scroll"}}, "/pagination/kind"),
    "pagination member": ({"pagination": {"kind": "page", "cursor": "x"}}, "/pagination/cursor"),
    "pagination size": ({"pagination": {"kind": "offset", "size": 0}}, "/pagination/size"),
    "pagination path": ({"pagination": {"kind": "cursor", "path": "$.*"}}, "/pagination/path"),
    "pagination total": ({"pagination": {"kind": "offset", "total": "x"}}, "/pagination/total"),
    "text with fields": ({"response": "text", "dataPath": "$.x"}, "/response"),
    "batch of forms": ({"method": "POST", "encoding": "form", "batch": 5}, "/batch"),
    "batch of nothing": ({"batch": 5}, "/batch"),
    "cache": ({"cache": -1}, "/cache"),
    "changes": ({"changes": {"row": "$.a", "answer": "$.b"}}, "/changes/answer"),
    "changes path": ({"changes": {"row": "$.*"}}, "/changes/row"),
    "graphql with body": ({"graphql": {"document": "{a}"}, "body": {}}, "/graphql"),
    "graphql variables": ({"graphql": {"document": "{a}", "variables": {"a": "{"}}}, "/graphql/variables"),
}


@pytest.mark.rows("C-026")
@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_an_entity_is_refused_with_its_place(name: str) -> None:
    """When it is stored, as a JSON pointer into what was sent."""
    entity, pointer = WRONG[name]
    with pytest.raises(SettingInvalid) as caught:
        check_entities("rest", {"fine": {"path": "/a/{b}"}, "Customers": entity})
    assert caught.value.pointer == f"/entities/Customers{pointer}"


def test_everything_that_is_wrong_is_said_at_once() -> None:
    """Each with its place."""
    with pytest.raises(SettingInvalid) as caught:
        check_entities("rest", {"c": {"path": "/{", "dataPath": "x", "fields": [{"name": "a", "path": "y"}]}})
    assert all(f"{place}: " in str(caught.value) for place in ("/path", "/dataPath", "/fields/0/path"))
