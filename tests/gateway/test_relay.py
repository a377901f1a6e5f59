"""What the gateway passes on to the authorization server and back: only what is needed, and to nothing else (T21, T23).

The other side is a real HTTP server that writes down what it got.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest

import apimgmt.gateway.relay as relay
from apimgmt.gateway.app import Gateway
from apimgmt.gateway.relay import BODY_BYTES, ENDPOINTS, mounts
from apimgmt.gateway.runtime import build
from apimgmt.model import Snapshot
from apimgmt.settings import Settings
from harness import Answer, Client

TOKEN = "/oauth2/token"


class Got(NamedTuple):
    """One request as the authorization server sees it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Elsewhere(ThreadingHTTPServer):
    """A server that notes what comes and answers what the test says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[Got] = []
        self.status = 200
        self.answers = {"Content-Type": "text/plain"}
        self.hold = threading.Event()
        self.hold.set()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """Any method, any path."""

    protocol_version = "HTTP/1.1"
    server: Elsewhere

    def answer(self) -> None:
        """Note, wait if the test says so, answer."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.got.append(Got(self.command, self.path, headers, body))
        self.server.hold.wait(20)
        self.send_response(self.server.status)
        for name, value in self.server.answers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else b"ok")

    do_GET = do_HEAD = do_POST = answer  # noqa: N815  the names of the standard library

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """A server for the test."""
    server = Elsewhere()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.hold.set()
    server.shutdown()
    thread.join()
    server.server_close()


def gateway(elsewhere: Elsewhere, **settings: Any) -> Client:
    """A gateway without APIs that relays to the server."""
    made = Settings(authorization_url=elsewhere.url, **settings)
    snapshot = Snapshot(number=1, created="2026-01-01T00:00:00Z")

    def nothing(digest: str) -> Any:
        raise KeyError(digest)

    return Client(Gateway(build(snapshot, nothing, nothing, made, mounts=mounts(made))))


def test_the_request_arrives(elsewhere: Elsewhere) -> None:
    """Method, path, query as it was written, body and the fields that the server needs."""
    sent = {
        "Accept": "text/html",
        "Authorization": "Basic YTpi",
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": "https://gateway.example",
        "Sec-Fetch-Site": "same-origin",
        "User-Agent": "test",
    }
    answer = gateway(elsewhere).post("/oauth2/authorize?scope=a%20b&state=%26+%C3%A9", sent, b"decision=allow")
    (got,) = elsewhere.got
    assert (answer.status, answer.body) == (200, b"ok")
    assert got[:2] == ("POST", "/oauth2/authorize?scope=a%20b&state=%26+%C3%A9")
    assert got.body == b"decision=allow"
    assert {name: got.headers[name.lower()] for name in sent} == sent


def test_nothing_else_arrives(elsewhere: Elsewhere) -> None:
    """No cookies, no hop-by-hop fields, no certificates, and of addresses only the one that the gateway sees."""
    sent = {
        "Cookie": "session=1",
        "Connection": "x-one",
        "X-One": "1",
        "TE": "trailers",
        "Upgrade": "h2c",
        "Proxy-Authorization": "Basic eDp5",
        "X-Forwarded-For": "203.0.113.9",
        "Forwarded": "for=203.0.113.9",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Real-IP": "203.0.113.9",
        "Client-Cert": ":YQ==:",
        "X-API-Key": "apim_default_x",
        "X-HTTP-Method-Override": "DELETE",
    }
    assert gateway(elsewhere).get("/oauth2/jwks", sent).status == 200
    (got,) = elsewhere.got
    assert got.headers.pop("x-forwarded-for") == "192.0.2.7"
    assert got.headers.pop("host") == elsewhere.url.removeprefix("http://")
    assert not {name.lower() for name in sent} - {"connection"} & set(got.headers)
    assert got.headers["connection"] == "keep-alive"


def test_a_listed_proxy_is_believed(elsewhere: Elsewhere) -> None:
    """Then the address is the one that it names."""
    client = gateway(elsewhere, trusted_proxies="192.0.2.7")
    client.get("/oauth2/jwks", {"X-Forwarded-For": "203.0.113.9"})
    assert elsewhere.got[0].headers["x-forwarded-for"] == "203.0.113.9"


def test_only_what_is_listed_comes_back(elsewhere: Elsewhere) -> None:
    """Status, text and the fields of the protocol; no cookie, no name of a server, no CORS of its own."""
    elsewhere.status = 302
    elsewhere.answers = {
        "Location": "https://app.example/callback?code=x",
        "Cache-Control": "no-store",
        "WWW-Authenticate": 'Basic realm="x"',
        "Set-Cookie": "a=b",
        "X-Powered-By": "x",
        "Access-Control-Allow-Origin": "*",
        "Strict-Transport-Security": "max-age=1",
    }
    answer = gateway(elsewhere).get("/oauth2/authorize?a=b")
    assert answer.status == 302
    assert {name for name, _ in answer.headers} == {"location", "cache-control", "www-authenticate", "content-length"}
    assert answer.header("location") == "https://app.example/callback?code=x"


@pytest.mark.parametrize(
    "path",
    [
        "/oauth2",
        "/oauth2/",
        "/oauth2/users",
        "/oauth2/token/",
        "/oauth2/token/more",
        "/oauth2/Token",
        "/oauth2/%2e%2e/api/v1/users",
        "/oauth2/../api/v1/users",
        "/oauth2/..%2fapi/v1/users",
        "/oauth2/token%2f..%2f..%2fapi/v1/users",
        "/oauth2/token;/../users",
        "/oauth2/token%3fx",
        "/oauth2//token",
        "/.well-known/oauth-authorization-server/more",
    ],
)
def test_nothing_else_can_be_reached(elsewhere: Elsewhere, path: str) -> None:
    """The admin API is behind the same address: no other path and no spelling of one leads there."""
    for method in ("GET", "POST"):
        assert gateway(elsewhere).request(method, path).status in (400, 404)
    assert elsewhere.got == []


def test_the_spelling_of_a_path_does_not_matter(elsewhere: Elsewhere) -> None:
    """It is the canonical path that is looked up and sent on."""
    assert gateway(elsewhere).post("/oauth2/%74oken").status == 200
    assert elsewhere.got[0].target == TOKEN


@pytest.mark.parametrize("path", ENDPOINTS)
def test_methods(elsewhere: Elsewhere, path: str) -> None:
    """Those of the endpoint; the others are 405 with the list, and nobody is asked."""
    client = gateway(elsewhere)
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        elsewhere.got.clear()
        answer = client.request(method, path)
        if method in ENDPOINTS[path]:
            assert (answer.status, [got.method for got in elsewhere.got]) == (200, [method])
        else:
            assert (answer.status, answer.header("allow")) == (405, ", ".join(ENDPOINTS[path]))
            assert elsewhere.got == []


def test_a_body_has_a_limit(elsewhere: Elsewhere) -> None:
    """64 KiB go through, however they are cut; one byte more is 413, and nobody is asked."""
    client = gateway(elsewhere)
    most = b"x" * BODY_BYTES
    assert BODY_BYTES == 65_536
    assert client.request("POST", TOKEN, body=[most[:1], most[1:]]).status == 200
    assert elsewhere.got.pop().body == most
    for pieces in ([most + b"x"], [most, b"x"]):
        assert client.request("POST", TOKEN, body=pieces).status == 413
    assert elsewhere.got == []


def test_without_the_control_plane_there_are_no_tokens(elsewhere: Elsewhere) -> None:
    """503 with Retry-After, and no word about where it was looked for."""
    client = gateway(elsewhere)
    elsewhere.shutdown()
    elsewhere.server_close()
    answer = client.post(TOKEN)
    assert (answer.status, answer.header("retry-after")) == (503, "5")
    assert "127.0.0.1" not in answer.text


def test_a_control_plane_that_hangs_is_not_asked_without_end(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many wait for it, with threads of their own; whoever comes then is told at once, and later let in again."""
    monkeypatch.setattr(relay, "WAITING_MOST", 3)
    client = gateway(elsewhere)
    elsewhere.hold.clear()
    answers: list[Answer] = []
    threads = [threading.Thread(target=lambda: answers.append(client.post(TOKEN))) for _ in range(3)]
    for thread in threads:
        thread.start()
    while len(elsewhere.got) < 3:
        threading.Event().wait(0.01)
    assert client.post(TOKEN).status == 503
    elsewhere.hold.set()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert client.post(TOKEN).status == 200
