"""OpenAPI and Swagger documents become entities: every endpoint, or a reason why not; nothing is stored unasked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import responses

import apimgmt.connections.authentication.bearer
import apimgmt.connections.authentication.none  # noqa: F401  importing a kind registers it
from apimgmt.archive import Archive, api_digest
from apimgmt.connections.configuration import Configuration
from apimgmt.connections.connection import Connection
from apimgmt.connections.entities.entity import Entity
from apimgmt.control.discovery import LONGEST_NAME, Discovered, unique
from apimgmt.control.discovery.discoveries import Asked
from apimgmt.control.discovery.openapi import discovered
from apimgmt.control.service import Control
from apimgmt.control.store import Store
from apimgmt.errors import DocumentRefused, Problem
from apimgmt.reading import read
from apimgmt.settings import Settings
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.intake import take_in
from apimgmt.spec.intake.loader import load

BASE = "https://api.example.com/v2"
JSON = "application/json"
CUSTOMER = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": "string"},
        "since": {"type": "string", "format": "date-time"},
        "born": {"type": "string", "format": "date", "nullable": True},
        "balance": {"type": "number"},
        "active": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}
FIELDS = [
    {"name": "id", "type": "integer"},
    {"name": "name", "type": "string"},
    {"name": "since", "type": "datetime"},
    {"name": "born", "type": "date"},
    {"name": "balance", "type": "number"},
    {"name": "active", "type": "boolean"},
    {"name": "tags", "type": "json"},
]


def answers(schema: Any, code: str = "200", **headers: Any) -> dict[str, Any]:
    """Responses with one JSON schema."""
    fields = {name: {"schema": value} for name, value in headers.items()}
    return {code: {"description": "", "content": {JSON: {"schema": schema}}, "headers": fields}}


def query(*names: str, required: bool = False) -> list[dict[str, Any]]:
    """Query parameters."""
    return [{"name": name, "in": "query", "required": required, "schema": {"type": "string"}} for name in names]


def document(paths: dict[str, Any], version: str = "3.0.3", **more: Any) -> dict[str, Any]:
    """A document with these paths and the schema Customer."""
    info = {"title": "crm", "version": "1"}
    return {"openapi": version, "info": info, "paths": paths, "components": {"schemas": {"Customer": CUSTOMER}}, **more}


def found(given: dict[str, Any], base: str = BASE) -> Discovered:
    """What is discovered of a document."""
    compiled = compile_document(load(json.dumps(given).encode(), JSON, Settings()))
    return discovered(compiled, "0" * 64, base)


def only(operation: dict[str, Any], path: str = "/customers", method: str = "get") -> dict[str, Any]:
    """The definition of the only entity that a document with one operation gives."""
    (one,) = found(document({path: {method: operation}})).found
    read(one.definition, Entity)
    return {name: value for name, value in one.definition.items() if name != "contract"}


REFERENCE = {"$ref": "#/components/schemas/Customer"}
PETSTORE = {
    "swagger": "2.0",
    "info": {"title": "pets", "version": "1"},
    "basePath": "/v2",
    "consumes": [JSON],
    "produces": [JSON],
    "paths": {
        "/pets": {
            "get": {
                "operationId": "listPets",
                "parameters": [{"name": "status", "in": "query", "type": "string", "required": True}],
                "responses": {
                    "200": {"description": "", "schema": {"type": "array", "items": {"$ref": "#/definitions/Pet"}}}
                },
            },
            "post": {
                "parameters": [
                    {"name": "pet", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Pet"}}
                ],
                "responses": {"201": {"description": "", "schema": {"$ref": "#/definitions/Pet"}}},
            },
        },
        "/pets/{pet id}": {
            "parameters": [{"name": "pet id", "in": "path", "type": "integer", "required": True}],
            "get": {"responses": {"200": {"description": "", "schema": {"$ref": "#/definitions/Pet"}}}},
            "delete": {"responses": {"204": {"description": ""}}},
            "head": {"responses": {"200": {"description": ""}}},
        },
    },
    "definitions": {"Pet": {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}},
}


@pytest.mark.rows("C-027")
def test_every_endpoint_of_a_swagger_document_becomes_an_entity() -> None:
    """Named by operationId or by method and path, with its parameters and fields; what cannot be one says why."""
    result = found(PETSTORE)
    assert {one.name: (one.definition["method"], one.definition["path"]) for one in result.found} == {
        "listPets": ("GET", "/pets"),
        "post pets": ("POST", "/pets"),
        "get pets__pet id_": ("GET", "/pets/{pet_id}"),
        "delete pets__pet id_": ("DELETE", "/pets/{pet_id}"),
    }
    pets = next(one.definition for one in result.found if one.name == "listPets")
    assert pets["query"] == {"status": "{status}"}
    assert pets["fields"] == [{"name": "id", "type": "integer"}, {"name": "name", "type": "string"}]
    assert pets["contract"] == {"document": "0" * 64, "operation": "get /pets"}
    assert [(one.what, one.why) for one in result.left_out] == [
        ("HEAD /pets/{pet id}", "HEAD is not a method of entities")
    ]


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
@pytest.mark.parametrize(
    ("schema", "path", "fields"),
    [
        pytest.param({"type": "array", "items": REFERENCE}, "$", FIELDS, id="list"),
        pytest.param(REFERENCE, "$", FIELDS, id="object"),
        pytest.param(
            {"type": "object", "properties": {"items": {"type": "array", "items": REFERENCE}, "total": {}}},
            "$.items",
            FIELDS,
            id="one-list",
        ),
        pytest.param(
            {"type": "object", "properties": {"the items": {"type": "array", "items": REFERENCE}}},
            "$['the items']",
            FIELDS,
            id="one-list-quoted",
        ),
        pytest.param(
            {"allOf": [REFERENCE, {"type": "object", "properties": {"more": {"type": "string"}}}]},
            "$",
            [*FIELDS, {"name": "more", "type": "string"}],
            id="all-of",
        ),
        pytest.param({"type": "array", "items": {"type": "string"}}, "$", None, id="texts"),
        pytest.param({}, "$", None, id="anything"),
    ],
)
def test_rows_and_fields_come_from_the_schema(version: str, schema: Any, path: str, fields: Any) -> None:
    """A list is the rows, an object with one list has them there, any other object is the row."""
    given = document({"/customers": {"get": {"responses": answers(schema)}}}, version)
    if version == "3.1.0":
        given = json.loads(json.dumps(given).replace('"nullable": true', '"title": "x"'))
    (one,) = found(given).found
    definition = one.definition
    assert definition.get("dataPath", "$") == path
    assert sorted(definition.get("fields", []), key=str) == sorted(fields or [], key=str)


def test_two_lists_are_not_guessed_between() -> None:
    """Then the object is the row."""
    lists = {name: {"type": "array", "items": REFERENCE} for name in ("a", "b")}
    assert "dataPath" not in only({"responses": answers({"type": "object", "properties": lists})})


@pytest.mark.parametrize(
    ("names", "members", "headers", "pagination"),
    [
        pytest.param(
            ["offset", "limit"], [], {}, {"kind": "offset", "offset": "offset", "limit": "limit"}, id="offset"
        ),
        pytest.param(
            ["skip", "top"],
            ["total"],
            {},
            {"kind": "offset", "offset": "skip", "limit": "top", "total": "$.total"},
            id="offset-total",
        ),
        pytest.param(
            ["page", "per_page"],
            ["total_pages"],
            {},
            {"kind": "page", "page": "page", "perPage": "per_page", "totalPages": "$.total_pages"},
            id="page",
        ),
        pytest.param(
            ["cursor", "limit"],
            ["nextCursor"],
            {},
            {"kind": "cursor", "cursor": "cursor", "path": "$.nextCursor", "limit": "limit"},
            id="cursor",
        ),
        pytest.param(["page"], [], {"Link": {"type": "string"}}, {"kind": "link"}, id="link"),
        pytest.param(["offset"], [], {}, None, id="no-limit"),
        pytest.param(["limit"], [], {}, None, id="limit-alone"),
        pytest.param(["offset", "page", "limit"], [], {}, None, id="two-ways"),
        pytest.param(["offset", "limit", "size"], [], {}, None, id="two-limits"),
        pytest.param(["cursor", "limit"], [], {}, None, id="no-cursor-in-the-answer"),
    ],
)
def test_pagination_is_guessed_only_where_it_is_unmistakable(
    names: list[str], members: list[str], headers: dict[str, Any], pagination: Any
) -> None:
    """And then it is said; the parameters that it sends are not asked for."""
    properties = {"items": {"type": "array", "items": REFERENCE}, **{name: {"type": "string"} for name in members}}
    schema = {"type": "object", "properties": properties}
    operation = {"parameters": query(*names, required=True), "responses": answers(schema, **headers)}
    (one,) = found(document({"/customers": {"get": operation}})).found
    assert one.definition.get("pagination") == pagination
    assert one.note.startswith("pagination guessed from") is (pagination is not None)
    sent = {value for value in (pagination or {}).values()}
    assert set(one.definition.get("query", {})) == set(names) - sent
    read(one.definition, Entity)


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        pytest.param(
            {"requestBody": {"required": True, "content": {"multipart/form-data": {}}}},
            "multipart/form-data",
            id="body",
        ),
        pytest.param(
            {"parameters": [{"name": "c", "in": "cookie", "required": True, "schema": {}}]}, "cookie", id="cookie"
        ),
        pytest.param(
            {"parameters": [{"name": "f", "in": "query", "required": True, "style": "deepObject", "schema": {}}]},
            "deepObject",
            id="style",
        ),
    ],
)
def test_what_entities_cannot_do_is_left_out(operation: dict[str, Any], words: str) -> None:
    """With the reason."""
    result = found(document({"/x": {"post": {**operation, "responses": answers({})}}}))
    assert result.found == () and words in result.left_out[0].why


def test_a_form_and_a_header_and_another_answer() -> None:
    """Bodies as forms, required header fields as placeholders, answers that are no JSON as text or bytes."""
    form = {"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}}
    header = [{"name": "X-Tenant", "in": "header", "required": True, "schema": {"type": "string"}}]
    text = {"200": {"description": "", "content": {"text/csv": {}}}}
    assert only({"parameters": header, "requestBody": form, "responses": text}, method="post") == {
        "method": "POST",
        "path": "/customers",
        "encoding": "form",
        "headers": {"X-Tenant": "{X-Tenant}"},
        "response": "text",
    }
    image = {"200": {"description": "", "content": {"image/png": {}}}}
    assert only({"responses": image})["response"] == "binary"


@pytest.mark.parametrize(
    ("server", "base", "path", "notes"),
    [
        ("/v2", "https://api.example.com/v2", "/customers", 0),
        ("/v2", "https://api.example.com", "/v2/customers", 0),
        ("https://other.example/api/v2", "https://api.example.com/api", "/v2/customers", 0),
        ("/v3", "https://api.example.com/v2", "/customers", 1),
        ("/", "https://api.example.com/v2", "/customers", 0),
    ],
)
def test_paths_are_below_the_base_url(server: str, base: str, path: str, notes: int) -> None:
    """What the connection's URL lacks of the document's base path goes before the path; a contradiction is said."""
    given = document({"/customers": {"get": {"responses": answers({})}}}, servers=[{"url": server}])
    result = found(given, base)
    assert result.found[0].definition["path"] == path and len(result.notes) == notes


def test_names_are_unique_and_can_be_names() -> None:
    """Other signs become _, the second one gets a number, long ones are cut."""
    assert unique("a/b", ()) == "a_b"
    assert unique("a", ("a", "a 2")) == "a 3"
    assert unique("./", ()) == "_"
    assert len(unique("x" * 500, ("x" * LONGEST_NAME,))) <= LONGEST_NAME
    twice = document({"/a": {"get": {"operationId": "x", "responses": {}}}, "/b": {"get": {"responses": {}}}})
    assert [one.name for one in found(twice).found] == ["x", "get b"]


# ---- through the control plane -------------------------------------------------------------------------------------


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Control]:
    """A control plane with the real intake and a connection ``crm``."""
    settings = Settings(data=str(tmp_path))
    store = Store(settings)
    control = Control(settings, store, Archive(settings.root), take_in, (), wait_seconds=0.1)
    control.connections.create(
        {
            "name": "crm",
            "baseUrl": BASE,
            "retries": {"count": 0},
            "authentication": {"kind": "bearer", "token": "t0ken"},
            "entities": {"mine": {"path": "/mine"}},
        }
    )
    yield control
    store.close()


SMALL = document({"/customers": {"get": {"operationId": "customers", "responses": answers(REFERENCE)}}})


@pytest.mark.rows("C-027")
@responses.activate
def test_a_document_is_discovered_by_url_and_stored_when_that_is_asked(platform: Control) -> None:
    """First nothing is stored; then new entities are; changed ones only when they are to be replaced."""
    responses.get(f"{BASE}/openapi.json", json=SMALL)
    asked = Asked(source="/openapi.json")
    result = platform.discoveries.discover("crm", asked)
    assert [(one["name"], one["state"], one["stored"]) for one in result["entities"]] == [("customers", "new", False)]
    assert result["others"] == ["mine"]
    assert set(platform.connections.get("crm").view["entities"]) == {"mine"}
    assert responses.calls[0].request.headers["Authorization"] == "Bearer t0ken"

    result = platform.discoveries.discover("crm", asked._replace(store=True))
    assert result["entities"][0]["stored"]
    stored = platform.connections.get("crm").view["entities"]
    assert set(stored) == {"mine", "customers"} and stored["customers"]["path"] == "/customers"
    assert platform.discoveries.discover("crm", asked)["entities"][0]["state"] == "same"

    other = document({"/clients": {"get": {"operationId": "customers", "responses": answers(REFERENCE)}}})
    responses.replace("GET", f"{BASE}/openapi.json", json=other)
    result = platform.discoveries.discover("crm", asked._replace(store=True))
    assert result["entities"][0]["state"] == "changed" and result["entities"][0]["changed"] == ["path"]
    assert platform.connections.get("crm").view["entities"]["customers"]["path"] == "/customers"
    platform.discoveries.discover("crm", asked._replace(store=True, replace=True))
    assert platform.connections.get("crm").view["entities"]["customers"]["path"] == "/clients"


def kept(platform: Control) -> int:
    """How many compiled documents are in the archive."""
    return len(list((platform._archive.root / "compiled").iterdir()))


@responses.activate
def test_discovered_entities_can_be_called_and_checked(platform: Control) -> None:
    """What is stored is enough for a process: with ``check`` an answer that does not fit is refused."""
    responses.get(f"{BASE}/customers", json={"id": "five"})
    before = kept(platform)
    platform.discoveries.discover("crm", Asked(content=json.dumps(SMALL).encode()))
    assert kept(platform) == before
    platform.discoveries.discover("crm", Asked(content=json.dumps(SMALL).encode(), media_type=JSON, store=True))
    assert kept(platform) > before
    entities = platform.connections.get("crm").view["entities"]
    given = {"baseUrl": BASE, "check": "enforce"}
    connection = Connection("crm", read(given, Configuration), entities, platform._settings)
    with pytest.raises(Exception, match=r"the answer is not as the document says: \$.id does not meet `type`"):
        connection.entity("customers").get()


@responses.activate
def test_a_document_of_another_origin_is_fetched_without_the_credential(platform: Control) -> None:
    """The credential is for one system."""
    responses.get("https://docs.example/openapi.yaml", body=json.dumps(SMALL), content_type="text/plain")
    platform.discoveries.discover("crm", Asked(source="https://docs.example/openapi.yaml"))
    assert "Authorization" not in responses.calls[0].request.headers


@pytest.mark.parametrize("source", ["http://127.0.0.1:9/x", "http://169.254.169.254/latest", "https://[::1]/"])
def test_the_guard_stands_before_documents(platform: Control, source: str) -> None:
    """An internal address is not asked for a document."""
    with pytest.raises(Problem) as caught:
        platform.discoveries.discover("crm", Asked(source=source))
    assert caught.value.extra["cause"] == "forbidden-address"


@responses.activate
def test_a_hostile_document_is_refused_by_the_intake(platform: Control) -> None:
    """Aliases that would grow without end, a reference to a file: findings, nothing stored."""
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
    )
    responses.get(f"{BASE}/bomb", body=bomb, content_type="application/yaml")
    escaping = document({"/x": {"$ref": "file:///etc/passwd"}})
    responses.get(f"{BASE}/escape", json=escaping)
    for source in ("/bomb", "/escape"):
        with pytest.raises(DocumentRefused):
            platform.discoveries.discover("crm", Asked(source=source, store=True))
    assert set(platform.connections.get("crm").view["entities"]) == {"mine"}


@responses.activate
def test_a_document_that_is_too_long_is_not_read(platform: Control) -> None:
    """The cap of the connection counts here too."""
    platform.connections.replace("crm", {"baseUrl": BASE, "mostBytes": 100, "retries": {"count": 0}})
    responses.get(f"{BASE}/openapi.json", body=" " * 101)
    with pytest.raises(Problem) as caught:
        platform.discoveries.discover("crm", Asked(source="/openapi.json"))
    assert caught.value.extra["cause"] == "too-large"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        pytest.param(Asked(), "say where the document is", id="nowhere"),
        pytest.param(Asked(kind="odata"), "is discovered by openapi", id="kind"),
        pytest.param(Asked(source="//evil.example/x"), "two slashes", id="slashes"),
    ],
)
def test_what_cannot_be_discovered_is_told(platform: Control, asked: Asked, words: str) -> None:
    """With what to do."""
    with pytest.raises(Problem, match=words):
        platform.discoveries.discover("crm", asked)


def test_a_digest_is_what_is_kept_under(tmp_path: Path) -> None:
    """The digest that an entity refers to before its document is kept is the one that it is kept under."""
    assert api_digest(b"a", b"b") == Archive(tmp_path).put_api(b"a", b"b")
    assert msgspec.json.encode({}) == b"{}"
