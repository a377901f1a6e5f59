"""Bindings and settings as people write them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import apimgmt.policies.cors
import apimgmt.policies.protocols
import apimgmt.processes.proxy  # noqa: F401  importing a plug-in registers it
from apimgmt.control.bindings import read_bindings, read_triggers, resolve
from apimgmt.errors import Problem, SettingInvalid
from apimgmt.model import ApiEntry, Binding, CompiledApi, Operation, Struct, Trigger
from apimgmt.policies import Layers, Place
from apimgmt.registry import register
from apimgmt.settings import Settings

GET = Operation(key="get /books/{id}", method="get", path="/books/{id}", operation_id="getBook")
POST = Operation(key="post /books", method="post", path="/books", operation_id="addBook")
TWIN = Operation(key="put /books", method="put", path="/books", operation_id="addBook")
API = CompiledApi(title="t", version="1", specification="3.0", operations=(GET, POST, TWIN))


def _entry(trigger: Trigger | None = None, **triggers: Trigger | None) -> ApiEntry:
    """An API with these settings, and those of operations by their keys."""
    entry = ApiEntry(id="api", name="books", base_path="", revision=1, digest="", trigger=trigger or Trigger())
    own = {key: trigger for key, trigger in triggers.items() if trigger is not None}
    return msgspec.structs.replace(entry, triggers=own)


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


def test_a_path_and_a_method_of_the_process_are_not_those_of_the_operation() -> None:
    """Where a proxy calls is its own to say; for a kind of process without such fields they stay locked."""
    config = {"connection": "crm", "method": "POST", "path": "/v2/books"}
    bound = read_bindings({"getBook": {"kind": "proxy", **config}}, API, ("crm",))
    assert bound == {"get /books/{id}": Binding(kind="proxy", config=config)}
    for kind in ("echo", "no such kind", 5, None):
        assert _problem({"getBook": {"kind": kind, "path": "/x"}}).code == "locked"
    assert _problem({"getBook": {"kind": "proxy", **config, "key": "x"}}).code == "locked"


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
    first = read_triggers({"getBook": {"timeout": 5}}, _entry(api), API, Settings())
    assert first == {GET.key: Trigger(public=True, timeout=5)}
    second = read_triggers({"getBook": {"rawBody": True}}, _entry(api, **first), API, Settings())
    assert second == {GET.key: Trigger(public=True, timeout=5, raw_body=True)}


@pytest.mark.parametrize(
    ("setting", "good", "bad"),
    [("timeout", 300, 300.5), ("timeout", 0.1, 0), ("bodyLimit", 100 * 2**20, 100 * 2**20 + 1), ("bodyLimit", 0, -1)],
)
def test_the_limits_of_settings(setting: str, good: float, bad: float) -> None:
    """At its limit a setting is taken, past it refused with its place."""
    assert read_triggers({"getBook": {setting: good}}, _entry(), API, Settings())
    with pytest.raises(Problem) as caught:
        read_triggers({"getBook": {setting: bad}}, _entry(), API, Settings())
    assert caught.value.errors[0]["pointer"] == f"/getBook/{setting}"


@pytest.mark.parametrize("value", [{"colour": "red"}, {"timeout": "long"}, {"authentication": "maybe"}])
def test_settings_are_read_strictly(value: dict[str, Any]) -> None:
    """An unknown setting or a wrong value is refused (400)."""
    with pytest.raises(Problem) as caught:
        read_triggers({"getBook": value}, _entry(), API, Settings())
    assert caught.value.status == 400


@pytest.mark.rows("H-100")
@pytest.mark.parametrize("reference", ["getBook", "*"])
def test_steps_of_cleaning_are_known_ones(reference: str) -> None:
    """For an operation or the whole API; an unknown step is refused with its place."""
    steps = ["trim", "control", "normalise"]
    (trigger,) = read_triggers({reference: {"textCleaning": steps}}, _entry(), API, Settings()).values()
    assert trigger == Trigger(text_cleaning=("trim", "control", "normalise"))
    for value, place in ((["trim", "markup"], "/textCleaning/1"), ("trim", "/textCleaning"), ([5], "/textCleaning/0")):
        with pytest.raises(Problem) as caught:
            read_triggers({reference: {"textCleaning": value}}, _entry(), API, Settings())
        assert (caught.value.status, caught.value.errors[0]["pointer"]) == (400, f"/{reference}{place}")


@pytest.mark.rows("F-054")
def test_a_raw_body_needs_openapi_3() -> None:
    """On an operation of a Swagger 2.0 document the option is refused with a message that says so."""
    swagger = CompiledApi(title="t", version="1", specification="2.0", operations=(GET,))
    with pytest.raises(Problem, match=r"OpenAPI 3\.0"):
        read_triggers({"getBook": {"rawBody": True}}, _entry(), swagger, Settings())
    assert read_triggers({"getBook": {"rawBody": True}}, _entry(), API, Settings())


# ---- policies, and the whole API -------------------------------------------------------------------------------------

CORS = {"origins": "https://a.example"}
HTTPS = {"allow": "https"}


@pytest.mark.parametrize(
    ("reference", "value", "pointer"),
    [
        ("getBook", {"policies": {"teapot": {}}}, "/getBook/policies/teapot"),
        ("getBook", {"policies": {"cors": {}}}, "/getBook/policies/cors/origins"),
        ("getBook", {"policies": {"cors": {"origins": "a.example"}}}, "/getBook/policies/cors/origins"),
        ("getBook", {"policies": {"cors": {"origins": ["https://a.example", 5]}}}, "/getBook/policies/cors/origins/1"),
        ("getBook", {"policies": {"cors": {**CORS, "maxAge": -1}}}, "/getBook/policies/cors/maxAge"),
        ("getBook", {"policies": {"cors": {**CORS, "colour": "red"}}}, "/getBook/policies/cors/colour"),
        ("getBook", {"policies": {"protocols": {"allow": "gopher"}}}, "/getBook/policies/protocols/allow"),
        ("getBook", {"policies": {"protocols": "https"}}, "/getBook/policies/protocols"),
        ("getBook", {"policies": []}, "/getBook/policies"),
        ("getBook", {"timeout": "long"}, "/getBook/timeout"),
        ("getBook", {"colour": "red"}, "/getBook/colour"),
        ("get /books/{id}", {"policies": {"cors": {"origins": "*", "credentials": True}}},
         "/get ~1books~1{id}/policies/cors/origins"),
        ("*", {"policies": {"cors": {"origins": ""}}}, "/*/policies/cors/origins"),
        ("*", {"timeout": 301}, "/*/timeout"),
        ("*", None, "/*"),
    ],
)  # fmt: skip
def test_what_would_not_build_is_refused_with_its_place(reference: str, value: Any, pointer: str) -> None:
    """An unknown policy, a wrong field, and what only building finds out: 400, and the pointer into the body."""
    with pytest.raises(Problem) as caught:
        read_triggers({reference: value}, _entry(), API, Settings())
    assert (caught.value.status, caught.value.errors[0]["pointer"]) == (400, pointer)


def test_one_policy_does_not_touch_the_others() -> None:
    """A policy that is named is replaced whole, null removes it, the others stay."""
    before = Trigger(policies={"cors": {**CORS, "maxAge": 5}, "protocols": HTTPS})
    entry = _entry(None, **{GET.key: before})

    def policies(change: Any) -> Any:
        (trigger,) = read_triggers({"getBook": {"policies": change}}, entry, API, Settings()).values()
        assert trigger is not None
        return trigger.policies

    assert policies({"cors": CORS}) == {"cors": CORS, "protocols": HTTPS}
    assert policies({"cors": None}) == {"protocols": HTTPS}
    assert policies({"cors": None, "protocols": None, "teapot": None}) == {}
    assert policies({}) == before.policies


def test_the_whole_api_is_every_operation_without_settings_of_its_own() -> None:
    """``*`` sets what they have and what an operation begins with; null gives an operation back to it."""
    entry = _entry(None, **{POST.key: Trigger(timeout=7)})
    body = {"*": {"policies": {"protocols": HTTPS}}, "getBook": {"timeout": 5}, "post /books": None}
    assert read_triggers(body, entry, API, Settings()) == {
        "*": Trigger(policies={"protocols": HTTPS}),
        GET.key: Trigger(policies={"protocols": HTTPS}, timeout=5),
        POST.key: None,
    }


def test_settings_of_the_whole_api_have_to_build_where_they_are_used() -> None:
    """A policy that one operation cannot have is refused for ``*``, unless that operation has settings of its own."""

    @register("policy", "no-posts")
    class NoPosts(Struct, frozen=True):
        """Cannot be built around a POST."""

        def layers(self, place: Place) -> Layers:
            if place.operation.method == "post":
                raise SettingInvalid("not for POST")
            return Layers()

    body = {"*": {"policies": {"no-posts": {}}}}
    with pytest.raises(Problem, match="post /books: no-posts: not for POST"):
        read_triggers(body, _entry(), API, Settings())
    assert read_triggers(body, _entry(None, **{POST.key: Trigger()}), API, Settings())
