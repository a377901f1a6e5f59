"""Our own authorization server on the real product: through the gateway, with a person in a real browser, revoked."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from product_browser import browser
from product_platform import TOKEN, Product

SECONDS_MOST = 1.0
SCHEME = {
    "type": "oauth2",
    "flows": {"clientCredentials": {"tokenUrl": "/nowhere", "scopes": {"read": "", "write": ""}}},
}
DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "Granted", "version": "1"},
    "components": {"securitySchemes": {"elsewhere": SCHEME}},
    "paths": {"/x": {"get": {"security": [{"elsewhere": ["read"]}], "responses": {"200": {"description": "ok"}}}}},
}
ALICE = {"name": "alice", "password": "right horse"}


class Callback(ThreadingHTTPServer):
    """An application's own address: what the browser brings there."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.brought: list[dict[str, list[str]]] = []

    @property
    def url(self) -> str:
        """Where the browser is sent."""
        return f"http://127.0.0.1:{self.server_address[1]}/callback"


class Handler(BaseHTTPRequestHandler):
    """Notes the query."""

    server: Callback

    def do_GET(self) -> None:
        """A page that says nothing."""
        self.server.brought.append(parse_qs(urlsplit(self.path).query))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def callback() -> Iterator[Callback]:
    """An application that waits for its code."""
    server = Callback()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


class Shop:
    """An application for people (public, PKCE), and one operation that a policy lets it call."""

    def __init__(self, product: Product, callback: str, name: str) -> None:
        self.product = product
        self.callback = callback
        self.name = name
        grants = ["authorization_code", "refresh_token"]
        body = {"name": name, "grants": grants, "redirects": [callback], "scopes": ["read", "write"], "public": True}
        self.identity = product.ask("POST", "/clients", body)["clientId"]
        product.ask(
            "POST", "/access-policies", {"name": name, "targets": [{"path": "/granted/**"}], "applications": [name]}
        )
        self.verifier = secrets.token_urlsafe(48)

    @property
    def consent_url(self) -> str:
        """Where the application sends a person."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.identity,
            "redirect_uri": self.callback,
            "scope": "read",
            "state": "s1",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return f"{self.product.gateway}/oauth2/authorize?{urlencode(query)}"

    def consent(self, person: dict[str, str] = ALICE) -> str:
        """A person looks at the page and allows it; the code."""
        page = requests.get(self.consent_url, timeout=30)
        assert (page.status_code, self.name in page.text) == (200, True)
        form = {"decision": "allow", "username": person["name"], "password": person["password"]}
        headers = {"Origin": self.product.gateway}
        sent = requests.post(self.consent_url, data=form, headers=headers, allow_redirects=False, timeout=30)
        assert sent.status_code == 302, sent.text
        query = parse_qs(urlsplit(sent.headers["Location"]).query)
        assert sent.headers["Location"].startswith(self.callback)
        assert (query["state"], query["iss"]) == (["s1"], [self.product.gateway])
        return query["code"][0]

    def token(self, **form: str) -> requests.Response:
        """The token endpoint."""
        return self.post("token", **form)

    def exchange(self, code: str) -> Any:
        """Tokens for a code."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.callback}
        answer = self.token(**form, code_verifier=self.verifier)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, endpoint: str, **form: str) -> requests.Response:
        """A form to an endpoint, through the gateway."""
        url = f"{self.product.gateway}/oauth2/{endpoint}"
        return requests.post(url, data={"client_id": self.identity, **form}, timeout=30)

    def call(self, token: str) -> requests.Response:
        """The operation, with a token."""
        return call(self.product, token)


def call(product: Product, token: str) -> requests.Response:
    """The operation, with a token."""
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{product.gateway}/granted/x", headers=headers, timeout=30)


def who_can(product: Product) -> list[str]:
    """Who may call the operation, as the platform answers before anybody calls."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    query = {"method": "GET", "path": "/granted/x"}
    answer = requests.get(f"{product.admin}/access", params=query, headers=headers, timeout=30)
    return [one["who"] for one in answer.json()["decisions"]]


def last_accepted(product: Product, token: str) -> float:
    """The seconds from now to the end of the last request that was accepted; it is refused for good afterwards."""
    acknowledged = time.monotonic()
    last = 0.0
    while time.monotonic() < acknowledged + 1.5:
        status = call(product, token).status_code
        if status == 200:
            last = time.monotonic() - acknowledged
    assert status in (401, 403)
    return last


@pytest.fixture(scope="module")
def granted(product: Product) -> Product:
    """The platform has an operation that takes OAuth2 tokens, and a user alice."""
    product.upload("granted", DOCUMENT, basePath="/granted", bind="echo")
    product.ask("PUT", "/apis/granted/triggers", {"*": {"authentication": "oauth2"}}, publish="true")
    product.ask("POST", "/users", ALICE)
    return product


@pytest.mark.rows("F-038", "F-039")
def test_a_person_allows_an_application(granted: Product, callback: Callback) -> None:
    """Page, form, code, tokens, a call, a refresh, a revocation; everything over the gateway's own address."""
    shop = Shop(granted, callback.url, "web-shop")
    told = requests.get(f"{granted.gateway}/.well-known/oauth-authorization-server", timeout=30).json()
    assert told["token_endpoint"] == f"{granted.gateway}/oauth2/token"
    tokens = shop.exchange(shop.consent())
    answer = shop.call(tokens["access_token"])
    assert (answer.status_code, answer.json()["trigger"]["username"]) == (200, "alice")
    refreshed = shop.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"]).json()
    assert shop.call(refreshed["access_token"]).status_code == 200
    assert shop.post("revoke", token=refreshed["access_token"]).status_code == 200
    late = last_accepted(granted, refreshed["access_token"])
    print(f"\nrevoked: last accepted {late:.3f} s after")
    assert late <= SECONDS_MOST
    assert shop.call(refreshed["access_token"]).json()["type"].endswith("credential-revoked")
    assert shop.call(tokens["access_token"]).status_code == 200
    again = shop.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert again.json()["error"] == "invalid_grant"
    assert last_accepted(granted, tokens["access_token"]) <= SECONDS_MOST


def test_without_a_policy_nothing_opens(granted: Product) -> None:
    """A machine's token is good and forbidden until a policy names it, and again when the client has another name."""
    body = {"name": "machine", "grants": ["client_credentials"], "scopes": ["read"]}
    made = granted.ask("POST", "/clients", body)
    form = {"grant_type": "client_credentials", "client_id": made["clientId"], "client_secret": made["clientSecret"]}
    token = requests.post(f"{granted.gateway}/oauth2/token", data=form, timeout=30).json()["access_token"]
    assert call(granted, token).status_code == 403
    policy = {"name": "machine", "targets": [{"path": "/granted/**"}], "applications": ["machine"]}
    granted.ask("POST", "/access-policies", policy)
    assert call(granted, token).status_code == 200
    assert "application:machine" in who_can(granted)
    granted.ask("PUT", "/clients/machine", {**body, "name": "other"})
    assert last_accepted(granted, token) <= SECONDS_MOST
    assert call(granted, token).status_code == 403


@pytest.mark.parametrize("ended", ["client", "user"])
def test_tokens_end_with_their_client_and_their_user(granted: Product, callback: Callback, ended: str) -> None:
    """Refused within a second of the answer; who-can names nobody who is gone; no refresh brings them back."""
    person = {"name": f"person-{ended}", "password": "x y z"}
    granted.ask("POST", "/users", person)
    shop = Shop(granted, callback.url, f"short-lived-{ended}")
    tokens = shop.exchange(shop.consent(person))
    assert shop.call(tokens["access_token"]).status_code == 200
    granted.ask("DELETE", f"/clients/{shop.name}" if ended == "client" else f"/users/{person['name']}")
    late = last_accepted(granted, tokens["access_token"])
    print(f"\n{ended} removed: last accepted {late:.3f} s after")
    assert late <= SECONDS_MOST
    refused = shop.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert refused.json()["error"] == ("invalid_client" if ended == "client" else "invalid_grant")
    assert (f"application:{shop.name}" in who_can(granted)) is (ended == "user")


def test_the_consent_page_in_a_browser(granted: Product, callback: Callback, tmp_path: Any) -> None:
    """A wrong password is told, the right one leads back with a code that is good; the page's policy stops nothing."""
    shop = Shop(granted, callback.url, "shop in a browser")
    callback.brought.clear()
    with browser(tmp_path / "profile") as page:
        page.open(shop.consent_url)
        assert page.run("return document.querySelector('h1').textContent").startswith("shop in a browser asks")
        page.type("[name=username]", "alice")
        page.type("[name=password]", "wrong")
        page.click("button[value=allow]")
        assert "wrong" in page.wait("return document.querySelector('.wrong')?.textContent")
        page.type("[name=username]", "alice")
        page.type("[name=password]", ALICE["password"])
        page.click("button[value=allow]")
        page.wait("return location.pathname === '/callback'")
        assert page.run("return window.__reports") == []
    (query,) = [one for one in callback.brought if "code" in one]
    assert query["state"] == ["s1"]
    assert shop.call(shop.exchange(query["code"][0])["access_token"]).status_code == 200
