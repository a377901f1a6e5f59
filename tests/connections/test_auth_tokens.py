"""OAuth 2 client credentials: how a token is asked for, until when it counts, and what becomes of refusals."""

from __future__ import annotations

import base64
import json
import logging
import socket
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest
import responses
from connections.identityserver import CLIENT, SECRET, IdentityServer

import apimgmt.asgi  # noqa: F401  registers every kind
from apimgmt.connections import Call, Do
from apimgmt.connections.authentication.clientcredentials import ClientCredentials, Grant
from apimgmt.connections.authentication.renewing import REFUSED_SECONDS, REST_SECONDS, Renewed
from apimgmt.connections.authentication.tokenendpoint import REFUSALS, TokenEndpoint
from apimgmt.connections.authentication.tokens import Token
from apimgmt.connections.authentication.tokenstore import Memory
from apimgmt.connections.configuration import Configuration
from apimgmt.connections.connection import Connection
from apimgmt.connections.egress.guard import Guard
from apimgmt.errors import ConnectionFailed, SettingInvalid
from apimgmt.reading import read
from apimgmt.settings import Settings

TOKEN_URL = "https://id.example/token"
CALL = Call(method="GET", url="https://crm.example/")


def connected(authentication: dict[str, Any], folder: Path | None = None, **members: Any) -> Connection:
    """A connection with that authentication, which keeps its tokens in a folder if there is one."""
    given = {"baseUrl": "https://crm.example", "retries": {"count": 0}, "authentication": authentication, **members}
    name = "crm" if folder is not None else ""
    return Connection(name, read(given, Configuration), {}, Settings(data=str(folder or "none")))


def credentials(**members: Any) -> dict[str, Any]:
    """Client credentials at ``TOKEN_URL``."""
    own = {"tokenUrl": TOKEN_URL, "clientId": "me", "clientSecret": "s3cret"}
    return {"kind": "oauth2ClientCredentials", **own, **members}


def asked(**members: Any) -> Any:
    """The request for a token that the first call of a connection leads to."""
    with responses.RequestsMock() as mock:
        mock.add("POST", TOKEN_URL, json={"access_token": "t", "token_type": "Bearer", "expires_in": 3600})
        mock.add("GET", "https://crm.example/", json=[])
        connected(credentials(**members)).get("/")
        assert mock.calls[1].request.headers["Authorization"] == "Bearer t"
        return mock.calls[0].request


def form(request: Any) -> dict[str, str]:
    """The members of the body of a request."""
    return {name: values[0] for name, values in parse_qs(request.body.decode(), keep_blank_values=True).items()}


def refused(answer: dict[str, Any], **members: Any) -> ConnectionFailed:
    """What a call fails with when the token endpoint answers so."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock, pytest.raises(ConnectionFailed) as caught:
        mock.add("POST", TOKEN_URL, **answer)
        connected(credentials(**members)).get("/")
    return caught.value


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Driven:
    """A renewed token over a real token endpoint, its steps counted: what blocks is a step."""

    def __init__(self, server: IdentityServer, clock: Clock) -> None:
        connection = connected(server.client(), internalHosts=["127.0.0.1"])
        settings = read({n: v for n, v in server.client().items() if n != "kind"}, ClientCredentials)
        self.renewed = Renewed(Grant(settings, TokenEndpoint(settings, connection, clock)), Memory(), clock)
        self.steps = 0

    def sign(self) -> Call:
        """A signed call."""
        call: Call = self._driven(self.renewed.sign(CALL))
        return call

    def renew(self, signed: Call) -> Call | None:
        """Another one after that was refused."""
        call: Call | None = self._driven(self.renewed.renew(CALL, signed))
        return call

    def _driven(self, signing: Generator[Any, Any, Any]) -> Any:
        try:
            step = next(signing)
            while True:
                assert isinstance(step, Do)
                self.steps += 1
                step = signing.send(step.function())
        except StopIteration as end:
            return end.value


# ---- how a token is asked for ------------------------------------------------------------------------------------


@pytest.mark.rows("C-015", "P-008", "P-005")
def test_the_client_says_who_it_is_in_the_header() -> None:
    """The grant and the scopes as one text in the body, id and secret in Authorization, each encoded first."""
    request = asked(scopes="read write", clientId="a:b c", clientSecret="s/+é")
    assert form(request) == {"grant_type": "client_credentials", "scope": "read write"}
    assert b"scope=read+write" in request.body
    scheme, _, pair = request.headers["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(pair)) == ("Basic", b"a%3Ab+c:s%2F%2B%C3%A9")
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_the_client_says_who_it_is_in_the_body() -> None:
    """For servers that know only that; one without a secret says its id alone."""
    request = asked(clientAuthentication="client_secret_post")
    assert form(request) == {"grant_type": "client_credentials", "client_id": "me", "client_secret": "s3cret"}
    assert "Authorization" not in request.headers
    assert form(asked(clientSecret="")) == {"grant_type": "client_credentials", "client_id": "me"}


@pytest.mark.rows("P-009")
def test_headers_and_parameters_go_with_the_request_for_a_token() -> None:
    """``headers`` as fields, ``parameters`` in the body."""
    request = asked(headers={"X-Tenant": "7"}, parameters={"audience": "https://api.example", "resource": "r"})
    assert request.headers["X-Tenant"] == "7"
    assert form(request) == {
        "grant_type": "client_credentials",
        "audience": "https://api.example",
        "resource": "r",
    }


def test_nothing_else_of_the_connection_goes_to_the_token_endpoint() -> None:
    """Its header fields and its secret ones are for the other system alone, and so is its certificate."""
    with responses.RequestsMock() as mock:
        mock.add("POST", TOKEN_URL, json={"access_token": "t"})
        mock.add("GET", "https://crm.example/", json=[])
        connected(credentials(), headers={"X-A": "a"}, secretHeaders={"X-B": "b"}).get("/")
        token, call = (one.request.headers for one in mock.calls)
    assert (call["X-A"], call["X-B"]) == ("a", "b")
    assert "X-A" not in token and "X-B" not in token


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        pytest.param({"tokenUrl": "http://id.example/token"}, "/authentication/tokenUrl", id="http"),
        pytest.param({"tokenUrl": "https://u:p@id.example/"}, "/authentication/tokenUrl", id="user-name"),
        pytest.param({"tokenUrl": "file:///etc/passwd"}, "/authentication/tokenUrl", id="file"),
        pytest.param({"tokenUrl": "https://127.0.0.1/token"}, "/authentication/tokenUrl", id="loopback"),
        pytest.param({"tokenUrl": "https://[::ffff:169.254.169.254]/"}, "/authentication/tokenUrl", id="metadata"),
        pytest.param({"tokenUrl": "https://id.example/#x"}, "/authentication/tokenUrl", id="fragment"),
        pytest.param({"tokenUrl": ""}, "/authentication/tokenUrl", id="empty"),
        pytest.param({"clientId": ""}, "/authentication/clientId", id="no-client"),
        pytest.param({"parameters": {"grant_type": "password"}}, "/authentication/parameters", id="grant"),
        pytest.param({"parameters": {"body": "x"}}, "/authentication/parameters", id="argument-of-oauthlib"),
        pytest.param({"headers": {"X": "a\r\nY: b"}}, "/authentication/headers/X", id="header-injection"),
    ],
)
def test_settings_that_cannot_work_are_refused(members: dict[str, Any], pointer: str) -> None:
    """With their place, before anything is sent."""
    with pytest.raises(SettingInvalid) as caught:
        connected(credentials(**members))
    assert caught.value.pointer == pointer


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        pytest.param("http://id.internal/token", ["id.internal"], id="name"),
        pytest.param("http://a.corp.example:8080/token", ["*.corp.example"], id="below-a-name"),
        pytest.param("http://10.1.2.3/token", ["10.1.0.0/16"], id="network"),
    ],
)
def test_http_is_for_hosts_that_an_administrator_listed(url: str, hosts: list[str]) -> None:
    """A name, a suffix or a network; without it the same URL is refused."""
    connected(credentials(tokenUrl=url), internalHosts=hosts).close()
    with pytest.raises(SettingInvalid):
        connected(credentials(tokenUrl=url))


@pytest.mark.parametrize("name", ["localtest.example", "metadata.internal"])
def test_a_token_url_that_leads_to_a_forbidden_address_is_not_called(name: str) -> None:
    """The name is only resolved when it is called; the server that listens there sees no connection (T43)."""
    with IdentityServer() as server:
        port = server.url.rpartition(":")[2]
        url = f"https://{name}:{port}/token"
        settings = ClientCredentials(token_url=url, client_id="me")
        guard = Guard((), lambda host, at: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", at))])
        endpoint = TokenEndpoint(settings, SimpleNamespace(guard=guard, configuration=Configuration()))
        with pytest.raises(ConnectionFailed, match="forbidden-address") as caught:
            endpoint.ask(url, "", repeatable=True)
        assert caught.value.cause == "token" and server.requests == []


# ---- what is answered --------------------------------------------------------------------------------------------


@pytest.mark.rows("C-060")
@pytest.mark.parametrize("error", REFUSALS)
def test_the_code_of_a_refusal_is_said_and_nothing_else(error: str) -> None:
    """What the server writes beside it could be anything, even the secret."""
    body = {"error": error, "error_description": "s3cret of me", "error_uri": "https://evil.example/s3cret"}
    failure = refused({"json": body, "status": 400})
    assert failure.cause == "token" and f"refuses: {error} (" in str(failure)
    assert "s3cret" not in str(failure) and "evil" not in str(failure)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"json": {"error": "s3cret"}, "status": 400}, id="unknown-code"),
        pytest.param({"json": {"error": ["s3cret"]}, "status": 400}, id="list-as-code"),
        pytest.param({"json": ["s3cret"], "status": 400}, id="list"),
        pytest.param({"body": "<h1>s3cret</h1>", "status": 502}, id="page"),
        pytest.param({"json": {"access_token": "s3cret"}, "status": 302}, id="redirect"),
        pytest.param({"json": {"access_token": 5}}, id="number"),
        pytest.param({"json": {"access_token": ""}}, id="empty"),
        pytest.param({"json": {"access_token": "s3cret\r\nX: y"}}, id="line-end"),
        pytest.param({"json": {"access_token": "s3cret é"}}, id="not-ascii"),
        pytest.param({"json": {"access_token": "s3cret", "token_type": "mac"}}, id="other-kind"),
        pytest.param({"json": {"access_token": "s3cret", "scope": 5}}, id="scope-as-number"),
        pytest.param({"body": '{"access_token": "s3cret", "expires_in": 1e400}'}, id="for-ever-and-ever"),
        pytest.param({"body": b"\xff\xfe\x00s3cret"}, id="bytes"),
        pytest.param({"body": ""}, id="nothing"),
    ],
)
def test_an_answer_that_is_no_token_is_a_failure(answer: dict[str, Any]) -> None:
    """Whatever a server writes: cause ``token``, without any of it."""
    failure = refused(answer)
    assert failure.cause == "token" and "s3cret" not in str(failure)


def test_a_token_endpoint_that_is_overloaded_says_when_to_come_back() -> None:
    """Its Retry-After is handed on; a request that does no harm was sent three times before."""
    with responses.RequestsMock() as mock:
        mock.add("POST", TOKEN_URL, status=503, headers={"Retry-After": "7"})
        with pytest.raises(ConnectionFailed) as caught:
            connected(credentials()).get("/")
        assert caught.value.retry_after == 7.0 and len(mock.calls) == 3


@pytest.mark.rows("C-018")
def test_no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """At any level, by any library: neither the client's secret nor tokens nor codes."""
    with caplog.at_level(logging.DEBUG), IdentityServer() as server:
        connection = connected(server.client(), baseUrl=server.url, internalHosts=["127.0.0.1"])
        assert connection.get("/api").status == 200
        server.failing = (400, json.dumps({"error": "invalid_client", "error_description": SECRET}))
        server.revoke()
        with pytest.raises(ConnectionFailed):
            connection.get("/api")
    tokens = [call.partition(" ")[2] for call in server.calls]
    assert tokens and not any(secret in caplog.text for secret in (SECRET, *tokens))


def test_a_token_endpoint_that_does_not_answer_holds_up_a_call_no_longer_than_its_deadline() -> None:
    """All attempts together; whoever waits for another call's attempt waits no longer either."""
    with IdentityServer() as server:
        server.pause = 20.0
        limits = {"deadline": 1.5, "timeout": 1.0}
        connection = connected(server.client(), baseUrl=server.url, internalHosts=["127.0.0.1"], **limits)
        started = time.monotonic()
        with ThreadPoolExecutor(5) as pool:
            failures = list(pool.map(lambda _: _failure(connection), range(5)))
        assert time.monotonic() - started < 15
        assert {failure.cause for failure in failures} == {"token"}
        assert "timeout" in str(failures[0])


def _failure(connection: Connection) -> ConnectionFailed:
    with pytest.raises(ConnectionFailed) as caught:
        connection.get("/api")
    return caught.value


# ---- until when it counts ----------------------------------------------------------------------------------------


@pytest.mark.rows("C-055", "C-056")
@pytest.mark.parametrize(
    ("lifetime", "due"),
    [(3600, 2880), (300, 240), (150, 120), (149, 119), (100, 70), (60, 30), (59, 29.5), (2, 1)],
)
def test_a_token_is_renewed_before_it_ends(lifetime: int, due: float) -> None:
    """At four fifths of its life, half a minute before its end, and for the shortest at half of their life."""
    clock = Clock()
    with IdentityServer(lifetime, clock) as server:
        driven = Driven(server, clock)
        first = driven.sign()
        clock.now += due - 0.01
        assert driven.sign() == first and len(server.requests) == 1
        clock.now += 0.01
        assert driven.sign() != first and len(server.requests) == 2


@pytest.mark.rows("C-015")
def test_a_good_token_costs_no_step() -> None:
    """It is fetched once and reused; while it is good nothing blocks."""
    clock = Clock()
    with IdentityServer(3600, clock) as server:
        driven = Driven(server, clock)
        driven.sign()
        assert driven.steps == 1
        assert len({driven.sign().headers for _ in range(100)}) == 1
        assert (driven.steps, len(server.requests)) == (1, 1)


def test_a_token_without_an_end_lasts_until_it_is_refused() -> None:
    """``expires_in`` may be left out (RFC 6749 section 5.1)."""
    clock = Clock()
    with IdentityServer(None, clock) as server:
        driven = Driven(server, clock)
        first = driven.sign()
        clock.now += 10**9
        assert driven.sign() == first
        assert driven.renew(first) != first


def test_an_early_renewal_that_fails_does_no_harm() -> None:
    """The token at hand is used until its end, and the next attempt waits a little; then the failure is raised."""
    clock = Clock()
    with IdentityServer(3600, clock) as server:
        driven = Driven(server, clock)
        first = driven.sign()
        server.failing = (400, '{"error": "unauthorized_client"}')
        clock.now += 2880
        assert driven.sign() == first and len(server.requests) == 2
        clock.now += REST_SECONDS - 0.1
        assert driven.sign() == first and len(server.requests) == 2
        clock.now += 0.1
        assert driven.sign() == first and len(server.requests) == 3
        clock.now += 3600
        with pytest.raises(ConnectionFailed, match="unauthorized_client"):
            driven.sign()


def test_a_failure_is_the_answer_for_a_second() -> None:
    """Every call fails with it meanwhile, and the token endpoint is asked once; then it is asked again."""
    clock = Clock()
    with IdentityServer(3600, clock) as server:
        driven = Driven(server, clock)
        server.failing = (401, '{"error": "invalid_client"}')
        for moment, requests in ((0.0, 1), (0.9, 1), (0.2, 2), (0.9, 2)):
            clock.now += moment
            with pytest.raises(ConnectionFailed, match="invalid_client"):
                driven.sign()
            assert len(server.requests) == requests
        server.failing = None
        clock.now += 1
        driven.sign()


@pytest.mark.rows("C-058")
def test_after_a_401_another_token_is_fetched_but_not_again_and_again() -> None:
    """If that one is refused at once, the token is not what is wrong: the token endpoint is left alone for a while."""
    clock = Clock()
    with IdentityServer(3600, clock) as server:
        driven = Driven(server, clock)
        second = driven.renew(driven.sign())
        assert second is not None and len(server.requests) == 2
        assert driven.renew(second) is None and len(server.requests) == 2
        clock.now += REFUSED_SECONDS
        third = driven.renew(second)
        assert third not in (None, second) and len(server.requests) == 3


def test_a_call_that_was_refused_with_the_token_of_before_takes_the_present_one() -> None:
    """Somebody else has renewed it meanwhile: nothing is asked for."""
    clock = Clock()
    with IdentityServer(3600, clock) as server:
        driven = Driven(server, clock)
        first = driven.sign()
        second = driven.renew(first)
        steps = driven.steps
        assert driven.renew(first) == second and driven.steps == steps


@pytest.mark.rows("C-057", "C-058", "C-059")
def test_a_refused_call_is_repeated_once_with_another_token(tmp_path: Path) -> None:
    """The process sees the good answer alone."""
    with IdentityServer() as server:
        connection = connected(server.client(), tmp_path, baseUrl=server.url, internalHosts=["127.0.0.1"])
        assert connection.get("/api").status == 200
        server.revoke()
        assert connection.get("/api").status == 200
        assert (len(server.calls), len(server.requests)) == (3, 2)
        assert server.calls[0] == server.calls[1] != server.calls[2]


@pytest.mark.rows("C-059", "C-060")
def test_a_system_that_refuses_every_token_is_asked_twice(tmp_path: Path) -> None:
    """No loop: the second 401 is the answer."""
    with IdentityServer(lifetime=0) as server:
        server.clock = lambda: 9e12  # to the API every token has ended
        connection = connected(server.client(), tmp_path, baseUrl=server.url, internalHosts=["127.0.0.1"])
        assert connection.get("/api").status == 401
        assert (len(server.calls), len(server.requests)) == (2, 2)


@pytest.mark.rows("C-060")
def test_a_renewal_that_fails_after_a_401_is_what_the_call_fails_with(tmp_path: Path) -> None:
    """With what the token endpoint said, in our words."""
    with IdentityServer() as server:
        connection = connected(server.client(), tmp_path, baseUrl=server.url, internalHosts=["127.0.0.1"])
        connection.get("/api")
        server.revoke()
        server.failing = (401, '{"error": "invalid_client"}')
        with pytest.raises(ConnectionFailed, match="invalid_client") as caught:
            connection.get("/api")
        assert caught.value.cause == "token" and "client id" in str(caught.value)
        assert len(server.calls) == 2


# ---- who else may use it -----------------------------------------------------------------------------------------

CHANGES: list[tuple[str, Callable[[IdentityServer], dict[str, Any]]]] = [
    ("client-id", lambda server: {"authentication": server.client(clientId=f"{CLIENT}2")}),
    ("secret", lambda server: {"authentication": server.client(clientSecret=f"{SECRET}2")}),
    ("token-url", lambda server: {"authentication": server.client(tokenUrl=f"{server.url}/other")}),
    ("scopes", lambda server: {"authentication": server.client(scopes="more")}),
    ("other-system", lambda server: {"baseUrl": "https://other.example"}),
]


@pytest.mark.parametrize("change", [change for _, change in CHANGES], ids=[name for name, _ in CHANGES])
def test_a_connection_that_was_changed_does_not_use_the_tokens_of_before(
    change: Callable[[IdentityServer], dict[str, Any]], tmp_path: Path
) -> None:
    """Neither for another client nor at another system; what stays the same finds them without asking."""
    with IdentityServer() as server:
        own = {"baseUrl": server.url, "internalHosts": ["127.0.0.1"], "authentication": server.client()}

        def signed(**members: Any) -> Any:
            made = {**own, **members}
            connection = connected(made.pop("authentication"), tmp_path, **made)
            return connection.run(_signature(connection))

        def _signature(connection: Connection) -> Any:
            return (yield from connection.policy.authentication.sign(CALL))

        first = signed()
        assert signed(headers={"X": "y"}) == first and len(server.requests) == 1
        try:
            assert signed(**change(server)) != first
        except ConnectionFailed as refusal:
            assert "invalid_client" in str(refusal)
        assert len(server.requests) == 2
        assert signed() == first


def test_what_is_kept_is_encrypted_and_nobody_else_s(tmp_path: Path) -> None:
    """The file has no token in it, and only its owner reads it; its name tells nothing."""
    with IdentityServer() as server:
        connection = connected(server.client(), tmp_path, baseUrl=server.url, internalHosts=["127.0.0.1"])
        connection.get("/api")
    files = list((tmp_path / "connections").iterdir())
    assert sorted(path.suffix for path in files) == [".lock", ".token"]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (tmp_path / "connections").stat().st_mode & 0o777 == 0o700
    token = server.calls[0].partition(" ")[2].encode()
    assert not any(token in path.read_bytes() or SECRET.encode() in path.read_bytes() for path in files)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\xfe", b"gAAAAABnonsense"], ids=range(4))
def test_a_file_that_is_damaged_is_as_good_as_absent(content: bytes, tmp_path: Path) -> None:
    """Another token is fetched and kept instead."""
    with IdentityServer() as server:
        own = {"baseUrl": server.url, "internalHosts": ["127.0.0.1"]}
        connected(server.client(), tmp_path, **own).get("/api")
        (path,) = (tmp_path / "connections").glob("*.token")
        path.write_bytes(content)
        assert connected(server.client(), tmp_path, **own).get("/api").status == 200
        assert connected(server.client(), tmp_path, **own).get("/api").status == 200
        assert len(server.requests) == 2


def test_tokens_that_cannot_be_kept_are_used_all_the_same(tmp_path: Path) -> None:
    """A client by itself can always get another one, so a folder that cannot be written stops nobody."""
    (tmp_path / "connections").write_text("in the way")
    with IdentityServer() as server:
        connection = connected(server.client(), tmp_path, baseUrl=server.url, internalHosts=["127.0.0.1"])
        assert connection.get("/api").status == connection.get("/api").status == 200
        assert len(server.requests) == 1


def test_the_text_of_a_token_shows_nothing_of_it() -> None:
    """It ends up in tracebacks."""
    assert repr(Token(access="secret", issued=0, proof="secret", expires=5, refresh="secret")) == "<Token until 5>"
