"""Why a credential was refused: told apart as far as the other system lets it be known."""

from __future__ import annotations

import json
from typing import Any

import pytest
import responses
from connections.faults import Faults

import apimgmt.asgi  # noqa: F401  registers every kind
from apimgmt.connections import Reply
from apimgmt.connections.authentication.refusal import Challenge, parsed, told_apart
from apimgmt.connections.configuration import Configuration
from apimgmt.connections.connection import Connection
from apimgmt.control.diagnosis import diagnosed
from apimgmt.errors import ConnectionFailed
from apimgmt.reading import read
from apimgmt.settings import Settings

BASIC = {"kind": "basic", "username": "u", "password": "s3cret"}
BEARER = {"kind": "bearer", "token": "s3cret"}
KEY = {"kind": "apiKey", "name": "X-API-Key", "key": "s3cret"}
NONE = {"kind": "none"}


def refusal(
    authentication: dict[str, Any], *challenges: str, status: int = 401, body: Any = None, **members: Any
) -> Any:
    """What is told of an answer with these challenges and this body."""
    headers = [("www-authenticate", challenge) for challenge in challenges]
    if body is not None:
        headers.append(("content-type", "application/problem+json"))
    content = b"" if body is None else json.dumps(body).encode()
    configuration = read({"authentication": authentication, **members}, Configuration)
    return told_apart(Reply(status, tuple(headers), content), configuration)


CASES: dict[str, tuple[str, Any]] = {
    "nothing-sent": ("missing", refusal(NONE)),
    "nothing-sent-basic-wanted": ("missing", refusal(NONE, "Basic realm=x")),
    "wrong-kind": ("wrong-kind", refusal(BASIC, 'Bearer realm="api"')),
    "wrong-kind-digest": ("wrong-kind", refusal(BASIC, 'Digest realm="a", nonce="b", qop="auth, auth-int"')),
    "wrong-kind-key": ("wrong-kind", refusal(KEY, 'Basic realm="x"')),
    "wrong-kind-scheme": ("wrong-kind", refusal({"kind": "apiKey", "key": "k", "scheme": "Token"}, "Basic")),
    "right-kind-of-several": ("invalid", refusal(BASIC, "Negotiate", "Bearer", "basic realm=x")),
    "right-kind-in-one-field": ("invalid", refusal(BASIC, 'Negotiate, Bearer realm="a, Digest b", Basic realm="x"')),
    "key-as-basic": ("invalid", refusal({"kind": "apiKey", "key": "k"}, "Basic realm=x")),
    "expired-by-description": (
        "expired",
        refusal(BEARER, 'Bearer error="invalid_token", error_description="The access token expired"'),
    ),
    "invalid-token": ("invalid", refusal(BEARER, 'Bearer error="invalid_token"')),
    "invalid-though-something-is-missing": (
        "invalid",
        refusal(BEARER, 'Bearer error="invalid_token", error_description="the audience is missing"'),
    ),
    "expired-by-body": ("expired", refusal(BEARER, body={"error": {"code": "token_expired"}})),
    "expired-by-problem": ("expired", refusal(KEY, body={"title": "The credential has expired"})),
    "missing-by-body": ("missing", refusal(KEY, body={"message": "No API key found in request"})),
    "missing-by-problem": ("missing", refusal(KEY, body={"type": "/problems/credential-missing"})),
    "missing-in-list": ("missing", refusal(KEY, body={"errors": [{"message": "API key is missing"}]})),
    "other-members-say-nothing": ("invalid", refusal(KEY, body={"hint": "expired", "data": {"message": "missing"}})),
    "nothing-said": ("invalid", refusal(KEY)),
    "scope": ("forbidden", refusal(BEARER, 'Bearer error="insufficient_scope", scope="a"', status=403)),
    "forbidden": ("forbidden", refusal(BEARER, status=403)),
    "proxy": ("proxy", refusal(NONE, status=407)),
    "secret-header-without-kind": ("invalid", refusal(NONE, secretHeaders={"X-Key": "s3cret"})),
}


@pytest.mark.rows("C-074")
@pytest.mark.parametrize("name", CASES)
def test_a_refusal_is_told_apart(name: str) -> None:
    """Missing, of the wrong kind, expired, invalid, or good for something else."""
    reason, found = CASES[name]
    assert found.reason == reason and found.sentence


def test_the_sentence_names_what_is_wanted_and_what_to_do() -> None:
    """Schemes are named; nothing else of what the server wrote is said again."""
    told = refusal(BASIC, 'Bearer realm="s3cret"', body={"message": "s3cret expired"})
    assert told.sentence == "it wants Bearer, but was sent Basic; set another kind of `authentication`"
    assert "a scope" in CASES["scope"][1].sentence
    for _, found in CASES.values():
        assert "s3cret" not in found.sentence


@pytest.mark.parametrize("status", [200, 302, 400, 404, 429, 500])
def test_another_status_is_no_refusal(status: int) -> None:
    """Whatever its fields say."""
    assert refusal(BASIC, "Bearer", status=status) is None


@pytest.mark.parametrize(
    ("field", "challenges"),
    [
        pytest.param(
            'Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"',
            [
                Challenge("Newauth", {"realm": "apps", "type": "1", "title": 'Login to "apps"'}),
                Challenge("Basic", {"realm": "simple"}),
            ],
            id="rfc-9110",
        ),
        pytest.param(",, Basic ,", [Challenge("Basic", {})], id="empty-elements"),
        pytest.param('Bearer realm="a" error="b"', [Challenge("Bearer", {"realm": "a", "error": "b"})], id="no-comma"),
        pytest.param('realm="x"', [], id="no-scheme"),
        pytest.param('"Basic', [], id="open-quote"),
        pytest.param("é \x00 Bäsic", [], id="garbage"),
        pytest.param("", [], id="empty"),
    ],
)
def test_challenges_are_read_as_they_are_written(field: str, challenges: list[Challenge]) -> None:
    """Several in one field, texts with commas and quotes in them, and whatever is none."""
    assert parsed(field) == challenges


def test_a_long_field_takes_no_time() -> None:
    """Only its first bytes are looked at, and no part of them twice."""
    for field in ('a="' * 100_000, "a=" * 100_000, "," * 100_000, '"\\' * 100_000, "Basic " * 100_000):
        assert len(parsed(field)) < 3_000


@pytest.mark.rows("C-074")
@responses.activate
def test_the_error_of_a_call_says_why() -> None:
    """Whoever reads the failure of a process does not have to try the connection to know."""
    responses.add("GET", "https://crm.example/", status=401, headers={"WWW-Authenticate": "Bearer"})
    settings = read({"baseUrl": "https://crm.example", "authentication": BASIC}, Configuration)
    with pytest.raises(ConnectionFailed, match="answers 401: it wants Bearer, but was sent Basic"):
        Connection("", settings, {}, Settings()).get("/").raise_for_status()


def test_a_refusal_that_repeats_the_credential_is_told_without_it() -> None:
    """What the other system calls a scheme may be anything: neither the error nor the test of a connection says it."""
    key = "planted-key"
    answer = (
        f"HTTP/1.1 401 no\r\nConnection: close\r\nWWW-Authenticate: {key}\r\nContent-Type: x/{key}\r\n\r\n".encode()
    )
    with Faults(answer) as upstream:
        given = {
            "baseUrl": upstream.url,
            "internalHosts": ["127.0.0.1"],
            "authentication": {"kind": "apiKey", "name": "X-API-Key", "key": key},
        }
        connection = Connection("crm", read(given, Configuration), {}, Settings())
        with pytest.raises(ConnectionFailed, match=r"it wants \*\*\*") as refused:
            connection.get("/").raise_for_status()
        connection.close()
        found = diagnosed(given, Settings())
    assert found.failed == "authenticated" and "x/***" in found.sentence
    assert key not in f"{refused.value}{found}"
