"""Credentials that never change: each is sent as its kind says, to the other system alone, and shown nowhere."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import responses

import apimgmt.asgi  # noqa: F401  registers every kind
from apimgmt.connections import Call
from apimgmt.connections.configuration import Configuration, with_secrets
from apimgmt.connections.connection import Connection
from apimgmt.errors import SettingInvalid
from apimgmt.reading import read
from apimgmt.registry import find, names
from apimgmt.settings import Settings

SECRET = "pl4nted-s3cret"


def connected(authentication: dict[str, Any], base: str = "https://crm.example/v2") -> Connection:
    """A connection with that authentication."""
    return Connection("", read({"baseUrl": base, "authentication": authentication}, Configuration), {}, Settings())


def sent(authentication: dict[str, Any], path: str = "/") -> Any:
    """The request that a call becomes."""
    with responses.RequestsMock() as mock:
        mock.add("GET", f"https://crm.example/v2{path.partition('?')[0]}", json=[])
        connected(authentication).get(path)
        return mock.calls[0].request


@pytest.mark.rows("C-010")
def test_none_sends_no_credential() -> None:
    """Neither a header field nor a parameter."""
    request = sent({"kind": "none"})
    assert "Authorization" not in request.headers and request.url == "https://crm.example/v2/"


@pytest.mark.rows("C-011")
def test_a_key_goes_into_the_header_field_that_is_named() -> None:
    """As it is, without a scheme; with one if one is set."""
    assert sent({"kind": "apiKey", "name": "X-API-Key", "key": "k 1"}).headers["X-API-Key"] == "k 1"
    named = {"kind": "apiKey", "name": "X-Auth", "scheme": "Token", "key": "k"}
    assert sent(named).headers["X-Auth"] == "Token k"


@pytest.mark.rows("C-012")
def test_a_key_goes_into_the_query_parameter_that_is_named() -> None:
    """Encoded, behind what is there, and instead of a parameter of the same name however that is written."""
    key = {"kind": "apiKey", "in": "query", "name": "api_key", "key": "a&b=c/é"}
    assert sent(key).url == "https://crm.example/v2/?api_key=a%26b%3Dc%2F%C3%A9"
    assert sent(key, "/?a=1&api%5Fkey=mine&b=").url == "https://crm.example/v2/?a=1&b=&api_key=a%26b%3Dc%2F%C3%A9"


@pytest.mark.rows("P-001", "P-002")
def test_a_key_without_a_name_is_sent_with_its_scheme() -> None:
    """``Authorization: <scheme> <key>``, where the scheme is Basic unless another is set."""
    assert sent({"kind": "apiKey", "key": "dXNlcjpwYXNz"}).headers["Authorization"] == "Basic dXNlcjpwYXNz"
    assert sent({"kind": "apiKey", "key": "k", "scheme": "Bearer"}).headers["Authorization"] == "Bearer k"


@pytest.mark.rows("C-013", "P-003")
@pytest.mark.parametrize(
    ("username", "password", "pair"),
    [
        pytest.param("Aladdin", "open sesame", "Aladdin:open sesame", id="rfc-7617"),
        pytest.param("", "", ":", id="empty"),
        pytest.param("test", "123£:x", "test:123£:x", id="utf-8-and-colon"),
        pytest.param("u", "e\u0301", "u:\u00e9", id="normal-form"),
    ],
)
def test_basic_is_base64_of_both(username: str, password: str, pair: str) -> None:
    """In UTF-8, with one colon between them."""
    header = sent({"kind": "basic", "username": username, "password": password}).headers["Authorization"]
    assert base64.b64decode(header.removeprefix("Basic ")).decode() == pair


@pytest.mark.rows("C-014")
def test_bearer_is_sent_as_it_was_given_out() -> None:
    """``Authorization: Bearer <token>``."""
    assert sent({"kind": "bearer", "token": "mF_9.B5f-4.1JqM"}).headers["Authorization"] == "Bearer mF_9.B5f-4.1JqM"


REFUSED = [
    ("apiKey", {"key": ""}, "/authentication/key"),
    ("apiKey", {"key": f"{SECRET}\r\nX: y"}, "/authentication/key"),
    ("apiKey", {"key": f" {SECRET}"}, "/authentication/key"),
    ("apiKey", {"key": f"{SECRET}é"}, "/authentication/key"),
    ("apiKey", {"key": SECRET, "name": "X Key"}, "/authentication/name"),
    ("apiKey", {"key": SECRET, "scheme": "a b"}, "/authentication/scheme"),
    ("apiKey", {"key": SECRET, "in": "query"}, "/authentication/name"),
    ("apiKey", {"key": SECRET, "in": "query", "name": "k", "scheme": "Basic"}, "/authentication/scheme"),
    ("basic", {"username": "a:b", "password": SECRET}, "/authentication/username"),
    ("basic", {"username": "a", "password": f"{SECRET}\n"}, "/authentication/password"),
    ("bearer", {"token": ""}, "/authentication/token"),
    ("bearer", {"token": f"{SECRET}\n"}, "/authentication/token"),
]


@pytest.mark.parametrize(
    ("kind", "members", "pointer"), REFUSED, ids=[f"{kind}-{n}" for n, (kind, _, _) in enumerate(REFUSED)]
)
def test_what_cannot_be_sent_is_refused_with_its_place(kind: str, members: dict[str, Any], pointer: str) -> None:
    """When it is configured, not when it is called; the secret is not said again."""
    with pytest.raises(SettingInvalid) as caught:
        connected({"kind": kind, **members})
    assert caught.value.pointer == pointer
    assert SECRET not in str(caught.value)


OAUTH = {"tokenUrl": "https://id.example/token", "clientId": "me", "clientSecret": SECRET, "headers": {"X-Key": SECRET}}
WHOLE = {
    "apiKey": {"key": SECRET},
    "basic": {"username": "u", "password": SECRET},
    "bearer": {"token": SECRET},
    "oauth2ClientCredentials": OAUTH,
    "oauth2AuthorizationCode": {**OAUTH, "authorizeUrl": "https://id.example/authorize"},
}


@pytest.mark.rows("C-018")
@pytest.mark.parametrize("kind", WHOLE)
def test_a_secret_is_marked_and_stands_in_no_text(kind: str) -> None:
    """It is masked with the others, and the text of a kind or of a signed call does not have it."""
    masked = with_secrets({"authentication": {"kind": kind, **WHOLE[kind]}}, lambda text: "***")
    assert SECRET not in str(masked) and "***" in str(masked)
    made = read(WHOLE[kind], find("connection authentication", kind))
    assert SECRET not in f"{made!r} {made} {made.build(connected({'kind': 'none'}))!r}"
    call = Call(method="GET", url=f"https://crm.example/?key={SECRET}", headers=(("Authorization", SECRET),))
    assert SECRET not in repr(call)


def test_every_kind_with_a_secret_is_in_that_table() -> None:
    """A new kind of ours needs a row above; kinds of signatures have their own tests."""
    assert set(WHOLE) | {"none"} <= set(names("connection authentication"))
