"""Bindings and settings as people write them."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.control.bindings import read_bindings, read_triggers, resolve
from apimgmt.errors import Problem
from apimgmt.model import Binding, CompiledApi, Operation, Trigger
from apimgmt.settings import Settings

GET = Operation(key="get /books/{id}", method="get", path="/books/{id}", operation_id="getBook")
POST = Operation(key="post /books", method="post", path="/books", operation_id="addBook")
TWIN = Operation(key="put /books", method="put", path="/books", operation_id="addBook")
API = CompiledApi(title="t", version="1", specification="3.0", operations=(GET, POST, TWIN))


def _problem(body: dict[str, Any]) -> Problem:
    with pytest.raises(Problem) as caught:
        read_bindings(body, API)
    return caught.value


def test_an_operation_is_found_by_key_and_by_operation_id() -> None:
    """Both ways lead to the operation's key."""
    bound = read_bindings({"get /books/{id}": {"kind": "echo"}}, API)
    assert bound == {"get /books/{id}": Binding(kind="echo")}
    assert read_bindings({"getBook": {"kind": "echo"}}, API) == bound


def test_an_operation_id_that_is_used_twice_is_no_name() -> None:
    """An ambiguous operationId is refused with the keys that it could mean (409)."""
    with pytest.raises(Problem, match=r"post /books, put /books") as caught:
        resolve("addBook", API)
    assert caught.value.status == 409


@pytest.mark.rows("F-003")
def test_an_unknown_operation_is_refused_with_near_names() -> None:
    """There is no trigger without an operation of an uploaded document (404)."""
    problem = _problem({"get /book/{id}": {"kind": "echo"}})
    assert problem.status == 404
    assert "uploaded document" in problem.detail
    assert "get /books/{id}" in problem.detail


@pytest.mark.rows("F-005", "F-009", "F-053")
@pytest.mark.parametrize(
    "body",
    [
        {"getBook": {"kind": "echo", "method": "post"}},
        {"getBook": {"kind": "echo", "path": "/elsewhere"}},
        {"getBook": {"method": "get"}},
        {"getBook": {"kind": "echo", "operation": {"summary": "mine"}}},
        {"getBook": {"kind": "echo", "operationId": "other"}},
        {"get /elsewhere": {"kind": "echo", "path": "/elsewhere"}},
        {"method": "post"},
        {"path": "/elsewhere"},
    ],
)
def test_method_and_path_are_locked(body: dict[str, Any]) -> None:
    """Whatever tries to change what an operation is, is refused: locked by the specification (409)."""
    problem = _problem(body)
    assert (problem.code, problem.status) == ("locked", 409)
    assert "locked by the specification" in problem.detail


@pytest.mark.parametrize(
    ("value", "pointer", "message"),
    [
        ({}, "/get ~1books~1{id}/kind", "kind of process"),
        ({"kind": 5}, "/get ~1books~1{id}/kind", "kind of process"),
        ({"kind": "teapot"}, "/get ~1books~1{id}", "there is no process 'teapot'"),
        ({"kind": "echo", "volume": 11}, "/get ~1books~1{id}", "volume"),
        ({"kind": "python", "function": "apimgmt.control.createKey"}, "/get ~1books~1{id}", "admin API"),
        ("echo", "/get ~1books~1{id}", "must be an object"),
    ],
)
def test_a_binding_that_cannot_work_is_refused_with_its_place(value: Any, pointer: str, message: str) -> None:
    """No kind, an unknown kind, an unknown field, a function of ours: 400, each with a pointer into the body."""
    problem = _problem({"get /books/{id}": value})
    assert problem.status == 400
    assert problem.errors[0]["pointer"] == pointer
    assert message in problem.errors[0]["detail"]


def test_settings_that_are_not_named_stay() -> None:
    """A change of one setting keeps the others, first those of the API, then those of the operation."""
    api = Trigger(public=True, timeout=9)
    first = read_triggers({"getBook": {"timeout": 5}}, {}, api, API, Settings())
    assert first == {GET.key: Trigger(public=True, timeout=5)}
    second = read_triggers({"getBook": {"rawBody": True}}, first, api, API, Settings())
    assert second == {GET.key: Trigger(public=True, timeout=5, raw_body=True)}


@pytest.mark.parametrize(
    ("setting", "good", "bad"),
    [("timeout", 300, 300.5), ("timeout", 0.1, 0), ("bodyLimit", 100 * 2**20, 100 * 2**20 + 1), ("bodyLimit", 0, -1)],
)
def test_the_limits_of_settings(setting: str, good: float, bad: float) -> None:
    """At its limit a setting is taken, past it refused with its place."""
    assert read_triggers({"getBook": {setting: good}}, {}, Trigger(), API, Settings())
    with pytest.raises(Problem) as caught:
        read_triggers({"getBook": {setting: bad}}, {}, Trigger(), API, Settings())
    assert caught.value.errors[0]["pointer"] == f"/getBook/{setting}"


@pytest.mark.parametrize("value", [{"colour": "red"}, {"timeout": "long"}, {"authentication": "maybe"}])
def test_settings_are_read_strictly(value: dict[str, Any]) -> None:
    """An unknown setting or a wrong value is refused (400)."""
    with pytest.raises(Problem) as caught:
        read_triggers({"getBook": value}, {}, Trigger(), API, Settings())
    assert caught.value.status == 400


@pytest.mark.rows("F-054")
def test_a_raw_body_needs_openapi_3() -> None:
    """On an operation of a Swagger 2.0 document the option is refused with a message that says so."""
    swagger = CompiledApi(title="t", version="1", specification="2.0", operations=(GET,))
    with pytest.raises(Problem, match=r"OpenAPI 3\.0"):
        read_triggers({"getBook": {"rawBody": True}}, {}, Trigger(), swagger, Settings())
    assert read_triggers({"getBook": {"rawBody": True}}, {}, Trigger(), API, Settings())
