"""Who may call an operation: what the document demands, through Connexion (gateway/security.py, skeleton.py)."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.gateway.security import challenge
from apimgmt.model import Rule
from harness import Client, api_key, serve

SCHEMES = {
    "header": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "key"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "Basic"},
    "oauth": {
        "type": "oauth2",
        "flows": {"clientCredentials": {"tokenUrl": "https://x.example/t", "scopes": {"a": ""}}},
    },
}
HEADER = {"X-Key": "secret"}
WRONG = {"X-Key": "wrong"}


def api(security: Any = None, **options: Any) -> Client:
    """An API with one operation that has this ``security``; None leaves it out."""
    operation: dict[str, Any] = {"responses": {"200": {"description": "ok"}}}
    if security is not None:
        operation["security"] = security
    document = {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "components": {"securitySchemes": SCHEMES},
        "paths": {"/x": {"get": operation}},
    }
    return serve(document, authentication="document", keys=[api_key("secret", name="crm")], **options)


@pytest.mark.rows("H-013", "H-014", "H-015", "F-037")
@pytest.mark.parametrize(
    ("security", "target", "headers", "status"),
    [
        ([{"header": []}], "/x", HEADER, 200),
        ([{"header": []}], "/x", WRONG, 401),
        ([{"header": []}], "/x", {}, 401),
        ([{"query": []}], "/x?key=secret", {}, 200),
        ([{"query": []}], "/x?key=wrong", {}, 401),
        ([{"query": []}], "/x", HEADER, 401),
        ([{"bearer": []}], "/x", {"Authorization": "Bearer secret"}, 200),
        ([{"bearer": []}], "/x", {"Authorization": "Basic c2VjcmV0"}, 401),
        # any alternative is enough, and all of one alternative are needed
        ([{"header": []}, {"query": []}], "/x?key=secret", {}, 200),
        ([{"header": [], "query": []}], "/x?key=secret", {}, 401),
        ([{"header": [], "query": []}], "/x?key=secret", HEADER, 200),
        ([{"header": [], "query": []}], "/x?key=secret", WRONG, 401),
        # what cannot be checked here lets nobody in
        ([{"basic": []}], "/x", {"Authorization": "Basic c2VjcmV0OnNlY3JldA=="}, 401),
        ([{"oauth": ["a"]}], "/x", {"Authorization": "Bearer secret"}, 401),
        ([{"oauth": ["a"]}, {"header": []}], "/x", HEADER, 200),
    ],
)
def test_an_operation_takes_the_credentials_of_its_document(
    security: Any, target: str, headers: Any, status: int
) -> None:
    """Right is served, wrong and missing are 401."""
    assert api(security).get(target, headers).status == status


@pytest.mark.rows("F-016")
def test_silence_is_not_public() -> None:
    """An operation about whose security the document says nothing needs an API key, in one of three places."""
    client = api()
    assert client.get("/x").status == 401
    assert client.get("/x", {"X-API-Key": "secret"}).status == 200
    assert client.get("/x", {"Authorization": "Bearer secret"}).status == 200
    assert client.get("/x?api_key=secret").status == 200


@pytest.mark.parametrize("security", [[], [{}], [{}, {"header": []}], [{"header": []}, {}]])
def test_public_must_be_said_twice(security: Any) -> None:
    """``security: []`` or ``{}`` is public only if the trigger says so too (T10)."""
    client = api(security)
    assert client.get("/x").status == 401
    key = {"X-API-Key": "secret"} if {"header": []} not in security else HEADER
    assert client.get("/x", key).status == 200
    assert api(security, trigger={"public": True}).get("/x").status == 200


@pytest.mark.parametrize("security", [[{}, {"header": []}], [{"header": []}, {}]])
def test_a_wrong_credential_is_not_forgotten(security: Any) -> None:
    """Who sends a wrong key is refused even where no key would do."""
    client = api([{"header": []}, {}], trigger={"public": True})
    assert client.get("/x", WRONG).status == 401
    assert client.get("/x", HEADER).status == 200
    assert client.get("/x").status == 200


def test_a_known_key_without_a_rule_is_forbidden() -> None:
    """No rule, no access: 403, which counts before the 401 of another alternative."""
    client = serve(
        {
            "openapi": "3.0.3",
            "info": {"title": "t", "version": "1"},
            "components": {"securitySchemes": SCHEMES},
            "paths": {"/x": {"get": {"security": [{"header": []}, {"query": []}], "responses": {}}}},
        },
        authentication="document",
        keys=[api_key("secret", rules=[Rule(path="/y")])],
    )
    assert client.get("/x?key=wrong", HEADER).status == 403


@pytest.mark.rows("H-016", "F-028", "F-066")
def test_authentication_none_asks_for_nothing() -> None:
    """Switched off, the caller has no name."""
    client = serve(
        {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {"/x": {"get": {"responses": {}}}}}
    )
    answer = client.get("/x", WRONG)
    assert answer.status == 200
    assert answer.json()["trigger"]["username"] is None


@pytest.mark.rows("F-067")
def test_the_name_of_the_key_is_the_user_name() -> None:
    """``#trigger.data.username`` with an API key."""
    assert api([{"header": []}]).get("/x", HEADER).json()["trigger"]["username"] == "crm"


def test_a_401_names_every_way_in() -> None:
    """WWW-Authenticate has one challenge per scheme, and none can be broken out of by a name from a document."""
    answer = api([{"header": []}, {"basic": []}, {"bearer": []}]).get("/x")
    assert answer.header("www-authenticate") == (
        'ApiKey realm="api", in="header", name="X-Key", Basic realm="api", charset="UTF-8", Bearer realm="api"'
    )
    assert challenge([{"k": []}], {"k": {"type": "apiKey", "in": "query", "name": 'a"b\r\nX: y\\'}}) == (
        'ApiKey realm="api", in="query", name="abX: y"'
    )


def test_two_operations_with_one_operation_id_keep_their_own_security() -> None:
    """Stock Connexion gives both the rule that was registered last (reliability.md F4)."""
    document = {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "components": {"securitySchemes": SCHEMES},
        "paths": {
            "/a": {"get": {"operationId": "same", "security": [{"header": []}], "responses": {}}},
            "/b": {"get": {"operationId": "same", "security": [], "responses": {}}},
        },
    }
    client = serve(document, authentication="document", trigger={"public": True})
    assert client.get("/a").status == 401
    assert client.get("/b").json()["operation"]["path"] == "/b"


def test_a_scheme_that_is_not_declared_lets_nobody_in() -> None:
    """A typing error in a security requirement must not open an operation; another alternative still counts."""
    assert api([{"nowhere": []}]).get("/x", HEADER).status == 401
    assert api([{"nowhere": []}, {"header": []}]).get("/x", HEADER).status == 200
    assert api([{"nowhere": []}], trigger={"public": True}).get("/x").status == 401
