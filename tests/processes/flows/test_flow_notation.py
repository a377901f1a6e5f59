"""The notation of references in flows behind operations: ``#trigger...`` in ``${ }``, in ``if`` and in ``when``."""

from __future__ import annotations

from typing import Any

import pytest
from processes.flows.flowing import definition
from tokensamples import ACCESS, token

from apimgmt.errors import SnapshotRefused
from harness import Client, serve

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "notation", "version": "1"},
    "components": {
        "securitySchemes": {"oauth": {"type": "http", "scheme": "bearer"}},
    },
    "paths": {
        "/user/{id}": {
            "post": {
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}},
                    {"name": "mode", "in": "query", "schema": {"type": "integer", "default": 1}},
                    {"name": "X-Id", "in": "header", "schema": {"type": "integer"}},
                ],
                "requestBody": {"content": {"application/json": {"schema": {}}, "text/plain": {"schema": {}}}},
                "responses": {"200": {"description": "ok"}},
            }
        },
        "/me": {"get": {"security": [{"oauth": []}], "responses": {"200": {"description": "ok"}}}},
    },
}


def api(key: str, *tasks: dict[str, Any], **options: Any) -> Client:
    """The document with one operation bound to a flow of these tasks."""
    return serve(DOCUMENT, bindings={key: {"kind": "flow", "definition": definition(*tasks)}}, **options)


def post(client: Client, identity: int = 7, body: Any = None, **headers: str) -> Any:
    """The JSON that a user's post is answered with."""
    answer = client.request("POST", f"/user/{identity}", headers=headers, json=body)
    assert answer.status == 200, answer.json()
    return answer.json()


@pytest.mark.rows("F-061", "F-062", "F-063", "F-064", "F-065", "F-066", "F-075", "F-077", "F-081", "F-087", "F-088")
def test_references_in_values() -> None:
    """Everything of the list, with its type; what is not there is null."""
    wanted = {
        "body": "${ #trigger.data.httpBody }",
        "ip": "${ #trigger.data.httpClientIp }",
        "cookie": "${ #trigger.data.httpCookies.session-id }",
        "method": "${ #trigger.data.httpMethod }",
        "uri": "${ #trigger.data.httpRequestUri }",
        "user": "${ #trigger.data.username }",
        "windows": "${ #trigger.data.body.house.windows }",
        "id": "${ #trigger.data.path.id }",
        "mode": "${ #trigger.data.query.mode }",
        "field": "${ #trigger.data.header.x-id }",
        "none": "${ #trigger.data.httpHeader.foo }",
        "text": "user ${ #trigger.data.path.id } of ${#trigger.data.query.mode}",
    }
    headers = {"X-Id": "5", "Cookie": "session-id=s"}
    answer = post(api("post /user/{id}", {"set": wanted}), body={"house": {"windows": 4}}, **headers)
    assert answer.pop("uri").endswith("/user/7")
    assert answer.pop("ip")
    assert answer == {
        "body": '{"house":{"windows":4}}',
        "cookie": "s",
        "method": "POST",
        "user": None,
        "windows": 4,
        "id": 7,
        "mode": 1,
        "field": 5,
        "none": None,
        "text": "user 7 of 1",
    }


@pytest.mark.rows("F-079")
@pytest.mark.parametrize(("identity", "expected"), [(3, "small"), (4, "large")])
def test_a_decision_compares_numbers(identity: int, expected: str) -> None:
    """In ``when`` and in ``if``, with ``${ }`` and without."""
    switch = {"switch": [{"large": {"when": "#trigger.data.path.id>3", "then": "b"}}, {"small": {"then": "c"}}]}
    large, small = {"set": {"is": "large"}, "then": "end"}, {"set": {"is": "small"}, "then": "end"}
    assert post(api("post /user/{id}", switch, large, small), identity) == {"is": expected}
    for condition in ("#trigger.data.path.id>3", "${ #trigger.data.path.id>3 }"):
        conditional = {"if": condition, **large}
        assert post(api("post /user/{id}", conditional, small), identity) == {"is": expected}


@pytest.mark.rows("F-076", "F-088")
def test_members_of_a_body_that_is_a_text_are_null() -> None:
    """Not an error."""
    client = api("post /user/{id}", {"set": {"x": "${ #trigger.data.body.house.windows }"}})
    answer = client.request("POST", "/user/7", headers={"Content-Type": "text/plain"}, body=b"hello")
    assert answer.json() == {"x": None}


@pytest.mark.rows("F-071", "F-072", "F-073", "F-074")
def test_claims_of_the_caller() -> None:
    """With a token they are there; a decision asks for a role."""
    shown = {
        "sub": "${ #trigger.claimsprincipal.Claims.sub }",
        "has": '${ #trigger.claimsprincipal.HasClaim("foo") }',
        "lacks": '${ #trigger.claimsprincipal.HasClaim("bar") }',
        "editor": '${ #trigger.claimsprincipal.IsInRole("editor") }',
        "reader": '${ #trigger.claimsprincipal.IsInRole("reader") }',
    }
    client = api("get /me", {"set": shown}, authentication="document", access=ACCESS)
    text = token(foo="x", roles=["editor"])
    answer = client.get("/me", {"Authorization": f"Bearer {text}"}).json()
    assert answer == {"sub": "ann", "has": True, "lacks": False, "editor": True, "reader": False}
    refused = {"status": 403, "type": "https://x.example/editors-only", "title": "Editors only"}
    guarded = {"if": '#trigger.claimsprincipal.IsInRole("editor") | not', "raise": {"error": refused}}
    client = api("get /me", guarded, {"set": {"welcome": True}}, authentication="document", access=ACCESS)
    assert client.get("/me", {"Authorization": f"Bearer {text}"}).json() == {"welcome": True}
    assert client.get("/me", {"Authorization": f"Bearer {token()}"}).status == 403


@pytest.mark.rows("F-071")
def test_without_oauth_the_principal_is_null() -> None:
    """And has no claim."""
    shown = {"all": "${ #trigger.claimsprincipal }", "has": '${ #trigger.claimsprincipal.HasClaim("sub") }'}
    assert post(api("post /user/{id}", {"set": shown})) == {"all": None, "has": False}


def test_a_reference_that_cannot_be_one_is_refused_when_it_is_bound() -> None:
    """With its place in the definition."""
    with pytest.raises(SnapshotRefused, match="takes a text in quotes"):
        api("post /user/{id}", {"if": "#trigger.claimsprincipal.HasClaim()", "set": {"a": 1}})
