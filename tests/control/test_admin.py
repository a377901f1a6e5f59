"""The handlers of the admin API: one per operation, answers in the documented shape, every error a problem."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest
from control_samples import JSON, document
from sqlalchemy.exc import OperationalError

from apimgmt.control.admin import DOCUMENT, PUBLIC_OPERATIONS, RAW_OPERATIONS, handlers
from apimgmt.control.service import Control
from apimgmt.errors import CATALOGUE, DocumentRefused, Problem, SettingInvalid, SnapshotRefused, StoreConflict
from apimgmt.members import HeaderMembers, Members
from apimgmt.model import CompiledApi, Operation
from apimgmt.processes import Data, Envelope, Invocation
from apimgmt.settings import Settings
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.intake.loader import load
from apimgmt.spec.lint.linter import lint

Call = Callable[..., tuple[Any, int, dict[str, str]]]


@pytest.fixture(scope="module")
def compiled() -> CompiledApi:
    """``openapi.yaml``, compiled by our own compiler."""
    return compile_document(load(DOCUMENT.read_bytes(), "application/yaml", Settings()))


@pytest.fixture
def call(control: Control, compiled: CompiledApi) -> Call:
    """Calls a handler by operationId as the gateway would; checks that the answer has the documented shape."""
    answers = handlers(control)
    operations = {operation.operation_id: operation for operation in compiled.operations}

    def answer(operation_id: str, **request: Any) -> tuple[Any, int, dict[str, str]]:
        operation = operations[operation_id]
        result = answers[operation_id](_invocation(operation, **request))
        if isinstance(result, Envelope):
            assert str(result.status) in operation.responses
            return result.content, result.status, {"Content-Type": str(result.content_type)}
        body, status, headers = result if isinstance(result, tuple) else (result, 200, {})
        _check_shape(body, status, operation, compiled)
        return body, status, headers

    return answer


def _invocation(
    operation: Operation,
    query: dict[str, Any] | None = None,
    body: Any = None,
    content: bytes = b"",
    headers: dict[str, str] | None = None,
    **path: Any,
) -> Invocation:
    sent = {"content-type": JSON, **(headers or {})}
    fields = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
    scope = {"type": "http", "method": operation.method.upper(), "headers": fields}
    data = Data(scope, Members(path), Members(query or {}), HeaderMembers(), Members(), body, content)
    return Invocation(operation, data, scope)


def _check_shape(body: Any, status: int, operation: Operation, compiled: CompiledApi) -> None:
    schema = operation.responses[str(status)].content[JSON].schema
    assert isinstance(schema, dict)
    validator = jsonschema_rs.validator_for({**schema, "$defs": compiled.schemas})
    plain = json.loads(json.dumps(body))
    assert [error.message for error in validator.iter_errors(plain)] == []


def _problem(call: Call, operation_id: str, **request: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        call(operation_id, **request)
    assert caught.value.code in CATALOGUE
    return caught.value


@pytest.fixture
def api(call: Call) -> dict[str, Any]:
    """A sample that was uploaded."""
    body, _, _ = call("uploadApi", content=document())
    return dict(body)


# ---- the document ----------------------------------------------------------------------------------------------------


def test_every_operation_has_a_handler_and_every_handler_an_operation(control: Control, compiled: CompiledApi) -> None:
    """``openapi.yaml`` and the handlers name the same operations."""
    assert set(handlers(control)) == {operation.operation_id for operation in compiled.operations}


def test_our_own_document_passes_our_own_lint() -> None:
    """Nothing to say about ``openapi.yaml``."""
    settings = Settings()
    assert [one for one in lint(load(DOCUMENT.read_bytes(), "application/yaml", settings), settings)] == []


def test_every_operation_needs_a_token(compiled: CompiledApi) -> None:
    """No operation of the admin API is open but the one that gives a token."""
    demands = {operation.key: operation.security for operation in compiled.operations}
    assert PUBLIC_OPERATIONS == ("post /sessions",)
    assert demands.pop("post /sessions") == ()
    assert set(map(str, demands.values())) == {str(({"admin": ()},))}


def test_the_raw_operations_are_those_that_take_documents(compiled: CompiledApi) -> None:
    """Exactly the operations with a document as body are to be passed raw."""
    taking = {one.key for one in compiled.operations if one.body and "application/zip" in one.body.content}
    assert taking == set(RAW_OPERATIONS)


# ---- APIs ------------------------------------------------------------------------------------------------------------


def test_upload_answers_201_with_location_and_etag(call: Call) -> None:
    """The answer of the issue, member by member."""
    body, status, headers = call("uploadApi", content=document("Shop", "/shop", "get /books"))
    assert (status, headers["Location"], headers["ETag"]) == (201, f"/api/v1/apis/{body['id']}", body["etag"])
    assert (body["name"], body["basePath"], body["revision"], body["published"]) == ("shop", "/shop", 1, False)
    (operation,) = body["operations"]
    assert {name: operation[name] for name in ("key", "method", "path", "operationId", "binding", "public")} == {
        "key": "get /books",
        "method": "get",
        "path": "/books",
        "operationId": None,
        "binding": {"kind": "mock"},
        "public": False,
    }
    warning, sample, missing = body["findings"]
    assert missing["code"] == "nobody-can-call"
    assert warning["code"] == "credentials-over-http"
    assert {name: sample[name] for name in ("severity", "code", "message", "pointer", "line", "column")} == {
        "severity": "info",
        "code": "sample",
        "message": "a sample",
        "pointer": "/info",
        "line": 2,
        "column": 3,
    }


def test_upload_takes_every_parameter(call: Call) -> None:
    """What the query says arrives."""
    query = {
        "name": "mine",
        "basePath": "/v9",
        "prefix": "/team",
        "bind": "echo",
        "authentication": "none",
        "allowPublic": True,
        "publish": True,
    }
    body, _, _ = call("uploadApi", content=document(), query=query)
    assert (body["name"], body["basePath"], body["published"]) == ("mine", "/team/v9", True)
    assert body["operations"][0]["binding"] == {"kind": "echo"}
    shown, _, _ = call("getApi", api="mine")
    assert (shown["authentication"], shown["allowPublic"], shown["binding"]) == ("none", True, {"kind": "echo"})


def test_a_refused_document_is_a_422_with_all_findings(call: Call) -> None:
    """The problem carries findings with every member; nothing is stored."""
    problem = _problem(call, "uploadApi", content=b"{")
    assert (problem.code, problem.status) == ("document-refused", 422)
    assert problem.document()["findings"] == [
        {
            "severity": "error",
            "code": "syntax",
            "message": "not JSON",
            "pointer": "",
            "line": 1,
            "column": 1,
            "file": "",
        }
    ]
    assert call("listApis")[0] == []


@pytest.mark.parametrize("media_type", ["text/plain", "", "application/xml", "application/x-www-form-urlencoded"])
def test_a_document_of_another_media_type_is_a_415(call: Call, media_type: str) -> None:
    """The detail lists what can be sent."""
    problem = _problem(call, "uploadApi", content=document(), headers={"content-type": media_type})
    assert problem.status == 415
    assert "application/zip" in problem.detail


def test_parameters_of_a_media_type_do_not_matter(call: Call) -> None:
    """A charset after the media type is no reason to refuse."""
    _, status, _ = call("uploadApi", content=document(), headers={"content-type": "Application/JSON; charset=utf-8"})
    assert status == 201


def test_a_clash_names_the_other_api(call: Call, api: dict[str, Any]) -> None:
    """The same base path twice: 409 with the name of the owner and the remedy."""
    problem = _problem(call, "uploadApi", content=document("Other", "/shop"))
    assert problem.status == 409
    assert "'shop'" in problem.detail


def test_list_and_read(call: Call, api: dict[str, Any]) -> None:
    """Lists are arrays; one API is found by id and by name, with its ETag."""
    (listed,), _, _ = call("listApis")
    shown, _, headers = call("getApi", api=api["id"])
    assert listed == shown == call("getApi", api="shop")[0]
    assert headers["ETag"] == api["etag"]
    assert _problem(call, "getApi", api="nobody").status == 404


def test_replace_plans_and_replaces(call: Call, api: dict[str, Any]) -> None:
    """The same answer for a plan and for the real thing, which is a revision more."""
    later = document("Shop", "/shop", "get /books", "get /authors")
    planned, status, _ = call("replaceApi", api="shop", content=later, query={"plan": True})
    assert status == 200
    assert [entry["key"] for entry in planned["added"]] == ["get /authors"]
    assert [entry["key"] for entry in planned["removed"]] == ["post /books"]
    assert call("getApi", api="shop")[0]["revision"] == 1
    done, _, _ = call("replaceApi", api="shop", content=later)
    assert {name: done[name] for name in ("added", "changed", "removed", "kept")} == {
        name: planned[name] for name in ("added", "changed", "removed", "kept")
    }
    assert (planned["plan"], done["plan"], done["revision"]) == (True, False, 2)


def test_a_stale_etag_is_a_412(call: Call, api: dict[str, Any]) -> None:
    """Every write that takes If-Match refuses a state that is no more; without the header it goes through."""
    call("bindOperations", api="shop", body={"get /books": {"kind": "echo"}})
    stale = {"If-Match": api["etag"]}
    requests: dict[str, dict[str, Any]] = {
        "replaceApi": {"content": document(version="2")},
        "deleteApi": {},
        "bindOperations": {"body": {}},
        "setTriggers": {"body": {}},
        "publishApi": {},
        "rollbackApi": {"body": {"revision": 1}},
    }
    for operation_id, request in requests.items():
        problem = _problem(call, operation_id, api="shop", headers=stale, **request)
        assert (operation_id, problem.status) == (operation_id, 412)
    assert call("deleteApi", api="shop")[1] == 204


def test_operations_one_by_one(call: Call, api: dict[str, Any]) -> None:
    """All of them, or one with its settings."""
    assert [one["key"] for one in call("listOperations", api="shop")[0]] == ["get /books", "post /books"]
    ((one,), _, _) = call("listOperations", api="shop", query={"operation": "get /books"})
    assert one["trigger"]["timeout"] == 30
    assert _problem(call, "listOperations", api="shop", query={"operation": "get /x"}).status == 404


def test_revisions_and_their_documents(call: Call, api: dict[str, Any]) -> None:
    """The list of revisions, and the original bytes with their media type."""
    (revision,), _, _ = call("listRevisions", api="shop")
    assert (revision["number"], revision["current"], revision["mediaType"]) == (1, True, JSON)
    content, status, headers = call("getDocument", api="shop", revision=1)
    assert (content, status, headers["Content-Type"]) == (document(), 200, JSON)
    assert _problem(call, "getDocument", api="shop", revision=2).status == 404


# ---- decisions -------------------------------------------------------------------------------------------------------


def test_bind_answers_with_the_changed_operations(call: Call, api: dict[str, Any]) -> None:
    """Bound and, if wanted, served at once."""
    body, status, headers = call(
        "bindOperations", api="shop", body={"get /books": {"kind": "echo"}}, query={"publish": True}
    )
    assert (status, body["published"], headers["ETag"]) == (200, True, body["etag"])
    assert [(one["key"], one["binding"]) for one in body["operations"]] == [("get /books", {"kind": "echo"})]


@pytest.mark.rows("F-005", "F-009")
def test_locked_is_a_409_in_so_many_words(call: Call, api: dict[str, Any]) -> None:
    """An attempt to change method or path answers `locked by the specification`."""
    for change in ({"method": "post"}, {"path": "/elsewhere"}):
        problem = _problem(call, "bindOperations", api="shop", body={"get /books": {"kind": "mock", **change}})
        assert (problem.status, problem.document()["title"]) == (409, "locked by the specification")


@pytest.mark.parametrize("operation_id", ["bindOperations", "setTriggers"])
@pytest.mark.parametrize("body", [[], "text", None])
def test_a_body_that_is_no_object_is_a_400(call: Call, api: dict[str, Any], operation_id: str, body: Any) -> None:
    """Bindings and settings come as an object."""
    assert _problem(call, operation_id, api="shop", body=body).status == 400


def test_settings_of_an_operation_are_kept(call: Call, api: dict[str, Any]) -> None:
    """What is set is shown afterwards."""
    call("setTriggers", api="shop", body={"post /books": {"rawBody": True, "timeout": 5}})
    ((one,), _, _) = call("listOperations", api="shop", query={"operation": "post /books"})
    assert (one["trigger"]["rawBody"], one["trigger"]["timeout"]) == (True, 5)


def test_publish_rollback_and_snapshot(call: Call, api: dict[str, Any]) -> None:
    """Published, replaced, rolled back: the snapshot shows which revision is served."""
    first, _, headers = call("publishApi", api="shop")
    assert (first["published"], first["revision"], headers["ETag"]) == (True, 1, first["etag"])
    call("replaceApi", api="shop", content=document(version="2"), query={"publish": True})
    assert call("getSnapshot")[0]["apis"][0]["revision"] == 2
    back, _, _ = call("rollbackApi", api="shop", body={"revision": 1})
    snapshot, _, _ = call("getSnapshot")
    assert snapshot["digest"] == back["digest"]
    assert snapshot["apis"] == [{"id": api["id"], "name": "shop", "basePath": "/shop", "revision": 1}]
    assert snapshot["workers"] == []
    assert _problem(call, "rollbackApi", api="shop", body={"revision": 7}).status == 404


def test_delete(call: Call, api: dict[str, Any]) -> None:
    """204, then 404 by name."""
    assert call("deleteApi", api="shop")[1] == 204
    assert _problem(call, "getApi", api="shop").status == 404
    assert _problem(call, "deleteApi", api="shop").status == 404


def test_the_functions_that_can_be_bound_are_listed(call: Call) -> None:
    """What python can run, by name."""
    assert call("listFunctions")[0] == ["list_books"]


# ---- keys and secrets ------------------------------------------------------------------------------------------------


def test_keys_come_and_go(call: Call) -> None:
    """Made, listed without the text, changed, rotated, revoked."""
    made, status, headers = call("createKey", body={"name": "k", "rules": [{"methods": ["GET"], "path": "/shop/**"}]})
    assert (status, headers["Location"], headers["Cache-Control"]) == (201, f"/api/v1/keys/{made['id']}", "no-store")
    (listed,), _, _ = call("listKeys")
    assert listed == call("getKey", id="k")[0] == {name: made[name] for name in made if name != "key"}
    changed, _, headers = call("replaceKey", id="k", body={"expires": "2040-01-01T00:00:00Z"})
    assert (changed["rules"], changed["expires"]) == ([], "2040-01-01T00:00:00.000Z")
    rotated, _, headers = call("rotateKey", id="k", body={"overlap": 60}, headers={"If-Match": headers["ETag"]})
    assert headers["Cache-Control"] == "no-store"
    assert rotated["key"] != made["key"]
    assert call("rotateKey", id="k")[0]["key"] != rotated["key"]
    assert call("deleteKey", id=made["id"])[1] == 204
    assert [key["state"] for key in call("listKeys")[0]] == ["revoked"]


def test_a_key_is_in_no_other_answer(call: Call, api: dict[str, Any]) -> None:
    """T18: after its one time neither the key nor its hash is in any answer that can be read."""
    made, _, _ = call("createKey", body={"name": "k", "rules": [{"path": "/**"}]})
    call("publishApi", api="shop")
    answers = [
        call("listApis"),
        call("getApi", api="shop"),
        call("listOperations", api="shop"),
        call("listRevisions", api="shop"),
        call("getSnapshot"),
        call("listKeys"),
        _problem(call, "createKey", body={"name": "k"}).document(),
    ]
    assert made["key"] not in str(answers)
    assert "digest" not in call("listKeys")[0][0]


# ---- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DocumentRefused([]), "document-refused"),
        (StoreConflict("x"), "precondition-failed"),
        (SettingInvalid("x"), "validation"),
        (SnapshotRefused("x"), "conflict"),
        (Problem("locked", "x"), "locked"),
        (OSError(28, "No space left on device"), "unavailable"),
        (OperationalError("", {}, Exception("database or disk is full")), "unavailable"),
    ],
)
def test_every_error_is_a_problem(control: Control, compiled: CompiledApi, error: Exception, code: str) -> None:
    """Whatever the control plane raises on purpose, and a full disk, reaches the caller as a row of the catalogue."""

    class Failing(Control):
        def apis(self) -> list[Any]:
            raise error

    failing = object.__new__(Failing)
    vars(failing).update(vars(control))
    (operation,) = [one for one in compiled.operations if one.operation_id == "listApis"]
    with pytest.raises(Problem) as caught:
        handlers(failing)["listApis"](_invocation(operation))
    assert caught.value.code == code
