"""From a document to a CompiledApi: operations, parameters, security, and every document of the corpus."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from apimgmt.model import CompiledApi, Operation, Parameter
from apimgmt.settings import Settings
from apimgmt.spec.compiler.compiler import MOST_LINES, compile_document
from apimgmt.spec.document import Document, Source, Specification
from apimgmt.spec.intake.loader import load
from apimgmt.spec.validation.validator import Validators

CORPUS = Path(__file__).parents[2] / "../shared/corpus/documents"


class Counted:
    """Places that count how often they are asked; every value is in the line that its depth says."""

    def __init__(self) -> None:
        self.asked = 0

    def find(self, tokens: Sequence[str]) -> tuple[int, int]:
        self.asked += 1
        return len(tokens), 1


def compiled(root: dict[str, Any], places: Counted | None = None) -> CompiledApi:
    version: Specification = "2.0" if "swagger" in root else root["openapi"][:3]
    return compile_document(Document(root, version, Source("", root, places or Counted())))


def document(paths: Any, version: str = "3.0.3", **more: Any) -> dict[str, Any]:
    return {"openapi": version, "info": {"title": "T", "version": "1"}, "paths": paths, **more}


def only(root: dict[str, Any]) -> Operation:
    (operation,) = compiled(root).operations
    return operation


def test_operation_has_everything_that_the_document_says_of_it() -> None:
    """Key, names, texts and place come from the document; ``x-`` fields go nowhere."""
    raw = {
        "operationId": "getPet",
        "summary": "s",
        "description": "d",
        "tags": ["a", 1],
        "deprecated": True,
        "x-handler": "os.system",
        "responses": {"200": {"description": "fine"}, "2xx": {}, "default": {}, "x-more": {}, "odd": {}},
    }
    api = compiled(
        document({"/pet/{id}": {"get": raw, "x-evil": {"get": {}}}, "x-paths": {"get": {}}, "odd": {"get": {}}})
    )
    (operation,) = api.operations
    assert (operation.key, operation.method, operation.path) == ("get /pet/{id}", "get", "/pet/{id}")
    assert (operation.operation_id, operation.summary, operation.description) == ("getPet", "s", "d")
    assert (operation.tags, operation.deprecated) == (("a",), True)
    assert list(operation.responses) == ["200", "2XX", "default"]
    assert (operation.pointer, operation.line) == ("/paths/~1pet~1{id}/get", 3)
    assert b"x-" not in msgspec.json.encode(api)


def test_parameters_of_path_and_operation_are_merged() -> None:
    """An operation's parameter replaces the one of the path with the same name and place; the others stay."""
    path_item = {
        "parameters": [
            {"name": "a", "in": "query", "schema": {"type": "string"}},
            {"$ref": "#/components/parameters/B"},
            {"name": "X-C", "in": "header"},
        ],
        "get": {
            "parameters": [{"name": "a", "in": "query", "schema": {"type": "integer"}}, {"name": "x-c", "in": "header"}]
        },
    }
    shared = {"parameters": {"B": {"name": "a", "in": "cookie"}}}
    parameters = only(document({"/": path_item}, components=shared)).parameters
    assert [(p.location, p.name, p.schema) for p in parameters] == [
        ("query", "a", {"type": "integer"}),
        ("cookie", "a", True),
        ("header", "x-c", True),
    ]


@pytest.mark.rows("H-029")
def test_path_parameters_are_those_of_the_template() -> None:
    """One that nobody declares is a string; one that the template does not have is left out; all are required."""
    raw = {"parameters": [{"name": "b", "in": "path", "schema": {"type": "integer"}}, {"name": "z", "in": "path"}]}
    parameters = only(document({"/x/{a}/{b}": {"get": raw}})).parameters
    assert parameters == (
        Parameter(name="a", location="path", schema={"type": "string"}, required=True, style="simple"),
        Parameter(name="b", location="path", schema={"type": "integer"}, required=True, style="simple"),
    )


def test_path_item_reference_is_followed_with_its_place() -> None:
    """The operation stands where the reference leads to; what stands beside the reference is added."""
    shared = {"pathItems": {"P": {"get": {"summary": "shared"}}}}
    raw = {"/a": {"$ref": "#/components/pathItems/P", "parameters": [{"name": "q", "in": "query"}]}}
    operation = only(document(raw, "3.1.0", components=shared))
    assert (operation.summary, operation.pointer) == ("shared", "/components/pathItems/P/get")
    assert [parameter.name for parameter in operation.parameters] == ["q"]


@pytest.mark.parametrize(
    ("version", "unsupported"),
    [("3.0.3", ("TRACE /a",)), ("3.1.0", ("TRACE /a",)), ("3.2.0", ("TRACE /a", "QUERY /a", "COPY /a"))],
)
def test_other_methods_are_listed_and_the_rest_is_compiled(version: str, unsupported: tuple[str, ...]) -> None:
    """TRACE, QUERY and additional operations are named as unsupported."""
    item: dict[str, Any] = {"get": {}, "trace": {}, "query": {}, "additionalOperations": {"COPY": {}}}
    api = compiled(document({"/a": item}, version))
    assert ([operation.key for operation in api.operations], api.unsupported) == (["get /a"], unsupported)


@pytest.mark.parametrize(
    ("top", "own", "expected"),
    [
        (None, None, None),
        ([{"k": []}], None, ({"k": ()},)),
        ([{"k": []}], [], ()),
        ([{"k": []}], [{}], ({},)),
        (None, [{"o": ["read", "write"]}, {"k": [], "o": []}], ({"o": ("read", "write")}, {"k": (), "o": ()})),
        (None, "none", None),
        (None, ["k"], None),
        (None, ["k", {"k": None}], ({"k": ()},)),
    ],
)
def test_security_of_the_operation_replaces_that_of_the_document(top: Any, own: Any, expected: Any) -> None:
    """Said nothing, said public and the alternatives stay apart; what cannot be read never opens an operation."""
    more = {} if top is None else {"security": top}
    raw = {} if own is None else {"security": own}
    assert only(document({"/": {"get": raw}}, **more)).security == expected


@pytest.mark.parametrize(("count", "asked"), [(MOST_LINES, MOST_LINES), (MOST_LINES + 1, 0)])
def test_lines_are_looked_up_unless_there_are_too_many(count: int, asked: int) -> None:
    """Up to the limit each operation has its line; one more operation and none has."""
    places = Counted()
    compiled(document({f"/{number}": {"get": {}} for number in range(count)}), places)
    assert places.asked == asked


@pytest.mark.parametrize(
    "paths",
    [
        None,
        [],
        {"/a": None},
        {"/a": {"get": None}},
        {"/a": {"$ref": "#/nope"}},
        {"/a": {"get": {"parameters": {}, "responses": [], "requestBody": [], "tags": "x"}}},
        {"/a": {"get": {"parameters": [None, {}, {"name": 1, "in": "query"}, {"name": "a"}, {"$ref": "#/nope"}]}}},
        {"/a": {"get": {"parameters": [{"name": "a", "in": "query", "schema": 1, "style": [], "content": []}]}}},
        {"/a": {"post": {"requestBody": {"content": {"application/json": None, "text/plain": {"examples": [1]}}}}}},
        {"/a": {"get": {"responses": {"200": None, "201": {"content": [], "headers": {"A": None}}}}}},
    ],
)
def test_sloppy_documents_compile(paths: Any) -> None:
    """Whatever has the wrong shape reads as absent; nothing fails, in 3.x and in 2.0."""
    compiled(document(paths))
    compiled({"swagger": "2.0", "info": None, "paths": paths, "consumes": "x"})


def test_every_document_of_the_corpus_compiles_and_validates() -> None:
    """Each public document of the corpus compiles, survives JSON, and all its validators can be made."""
    if not CORPUS.exists():
        pytest.skip("the corpus is not beside the repository")
    for path in sorted(CORPUS.iterdir()):
        media_type = "application/json" if path.suffix == ".json" else "application/yaml"
        api = compile_document(load(path.read_bytes(), media_type, Settings()))
        assert msgspec.json.decode(msgspec.json.encode(api), type=CompiledApi) == api
        assert b'"x-' not in msgspec.json.encode([o.security for o in api.operations])
        validators = Validators(api.schemas)
        for operation in api.operations:
            for parameter in operation.parameters:
                validators.compile(parameter.schema).prepare()
            for media in operation.body.content.values() if operation.body else ():
                validators.compile(media.schema).prepare()
            for response in operation.responses.values():
                for media in response.content.values():
                    validators.compile(media.schema, "response").prepare()


def test_kubernetes_compiles_in_a_second() -> None:
    """1,123 operations take far less than a second, validators included (they wait for their first use)."""
    path = CORPUS / "v2.0-kubernetes.json"
    if not path.exists():
        pytest.skip("the corpus is not beside the repository")
    loaded = load(path.read_bytes(), "application/json", Settings())
    start = time.process_time()
    api = compile_document(loaded)
    validators = Validators(api.schemas)
    for operation in api.operations:
        for parameter in operation.parameters:
            validators.compile(parameter.schema)
    assert len(api.operations) == 1123
    assert time.process_time() - start < 2.0


def test_a_nullable_body_parameter_takes_null() -> None:
    """``x-nullable`` of Swagger 2.0 counts beside the schema of a body as well as inside it."""
    body = {"in": "body", "name": "b", "x-nullable": True, "schema": {"type": "object"}}
    operation = {"parameters": [body], "responses": {"200": {"description": "ok"}}}
    root = {"swagger": "2.0", "info": {"title": "t", "version": "1"}, "paths": {"/x": {"put": operation}}}
    api = compiled(root)
    body_of = api.operations[0].body
    assert body_of is not None
    assert Validators(api.schemas).compile(body_of.content["application/json"].schema).is_valid(None)


@pytest.mark.parametrize(("declared", "expected"), [("path", ["path"]), ("path+", ["path+"]), ("other", ["path+"])])
def test_a_greedy_place_is_declared_with_or_without_its_plus(declared: str, expected: list[str]) -> None:
    """``{path+}`` is declared by ``path`` too, as exporters write it; otherwise it is implied."""
    parameter = {"name": declared, "in": "path", "required": True, "schema": {"type": "string"}}
    operation = only(document({"/{path+}": {"get": {"parameters": [parameter], "responses": {}}}}))
    assert [one.name for one in operation.parameters] == expected
