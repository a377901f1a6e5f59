"""An authorization server and an API behind it, on real sockets, as strict as RFC 9700 wants them.

    with IdentityServer() as server:
        made(baseUrl=server.url, internalHosts=["127.0.0.1"], authentication=server.client()).get("/api")

It consents to every authorization request at once. Refresh tokens count once, and one that comes a second time ends all
that came of its sign-in; a code without its verifier, or with one that was never announced, is refused. Tokens live for
``lifetime`` seconds by ``clock``, None for ever; ``pause`` is how long the token endpoint takes. ``requests`` are the
forms that it was sent, ``calls`` the values of Authorization at the API; ``failing`` is answered instead while it is
set to ``(status, body)``. ``iss`` is what browsers are sent back with, None for nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

CLIENT, SECRET = "the client", "s3cr3t: +/%~ with all signs"


class IdentityServer:
    """The server; usable at once and closed at the end of ``with``."""

    def __init__(self, lifetime: float | None = 3600, clock: Callable[[], float] = time.time) -> None:
        self.lifetime = lifetime
        self.clock = clock
        self.pause = 0.0
        self.failing: tuple[int, str] | None = None
        self.rotates = True
        self.grants_refresh = True
        self.requests: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.calls: list[str] = []
        self.tokens: dict[str, float | None] = {}
        self._codes: dict[str, dict[str, str]] = {}
        self._refresh: dict[str, str] = {}
        self._used: dict[str, str] = {}
        self._lock = threading.Lock()
        self._server = Quiet(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.iss: str | None = self.url
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def client(self, kind: str = "oauth2ClientCredentials", **members: Any) -> dict[str, Any]:
        """The authentication of a connection that is a client of it."""
        own = {"kind": kind, "tokenUrl": f"{self.url}/token", "clientId": CLIENT, "clientSecret": SECRET}
        code = {"authorizeUrl": f"{self.url}/authorize"} if kind == "oauth2AuthorizationCode" else {}
        return {**own, **code, **members}

    def revoke(self) -> None:
        """All access tokens are refused from now on; what refreshes them is not."""
        self.tokens.clear()

    def revoke_all(self) -> None:
        """Nothing that was given out counts any more."""
        self.tokens.clear()
        self._refresh.clear()

    def authorize(self, url: str) -> str:
        """Where a browser that opens ``url`` is sent back to, with a code."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        code = secrets.token_urlsafe(8)
        with self._lock:
            self._codes[code] = query
        answer = {"code": code, "state": query.get("state", "")} | ({"iss": self.iss} if self.iss else {})
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    # ---- what the endpoints do -----------------------------------------------------------------------------------

    def token(self, form: dict[str, str], headers: dict[str, str]) -> tuple[int, Any]:
        """The token endpoint."""
        with self._lock:
            self.requests.append(form)
            self.headers.append(headers)
        time.sleep(self.pause)
        if self.failing is not None:
            return self.failing
        if not _is_client(form, headers.get("authorization", "")):
            return 401, {"error": "invalid_client", "error_description": f"not the client of {SECRET}"}
        with self._lock:
            if form.get("grant_type") == "client_credentials":
                return 200, self._given(form.get("scope", ""), None)
            if form.get("grant_type") == "authorization_code":
                return self._exchange(form)
            return self._renew(form.get("refresh_token", ""))

    def api(self, authorization: str) -> tuple[int, Any]:
        """What is behind the tokens."""
        with self._lock:
            self.calls.append(authorization)
            scheme, _, token = authorization.partition(" ")
            if scheme != "Bearer" or token not in self.tokens:
                return 401, {"error": "invalid_token"}
            end = self.tokens[token]
            return (200, {"ok": True}) if end is None or self.clock() < end else (401, {"error": "expired"})

    def _exchange(self, form: dict[str, str]) -> tuple[int, Any]:
        asked = self._codes.pop(form.get("code", ""), None)
        if asked is None or asked["redirect_uri"] != form.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        verifier = form.get("code_verifier", "")
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        # a verifier for which there was no challenge is a downgrade (RFC 9700 section 2.1.1)
        if asked.get("code_challenge_method") != "S256" or asked.get("code_challenge") != challenge:
            return 400, {"error": "invalid_grant"}
        return 200, self._given(asked.get("scope", ""), secrets.token_urlsafe(8))

    def _renew(self, refresh: str) -> tuple[int, Any]:
        if refresh in self._used:
            family = self._used[refresh]
            self._refresh = {text: own for text, own in self._refresh.items() if own != family}
        if refresh not in self._refresh:
            return 400, {"error": "invalid_grant"}
        family = self._refresh[refresh]
        if self.rotates:
            self._used[refresh] = self._refresh.pop(refresh)
        return 200, self._given("", family)

    def _given(self, scope: str, family: str | None) -> dict[str, Any]:
        access = f"at-{secrets.token_urlsafe(12)}"
        self.tokens[access] = None if self.lifetime is None else self.clock() + self.lifetime
        given: dict[str, Any] = {"access_token": access, "token_type": "Bearer"}
        if self.lifetime is not None:
            given["expires_in"] = self.lifetime
        if scope:
            given["scope"] = scope
        if family is not None and self.grants_refresh and (self.rotates or family not in self._refresh.values()):
            given["refresh_token"] = f"rt-{secrets.token_urlsafe(12)}"
            self._refresh[given["refresh_token"]] = family
        return given

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


class Quiet(ThreadingHTTPServer):
    """Takes many callers at once."""

    daemon_threads = True
    request_queue_size = 128


def _is_client(form: dict[str, str], authorization: str) -> bool:
    if authorization.startswith("Basic "):
        identity, _, secret = base64.b64decode(authorization[6:]).decode().partition(":")
        return (unquote_plus(identity), unquote_plus(secret)) == (CLIENT, SECRET)
    return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)


def _handler(server: IdentityServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One request."""

        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._answer(*server.token(form, {name.lower(): value for name, value in self.headers.items()}))

        def do_GET(self) -> None:
            if self.path.startswith("/authorize?"):
                self.send_response(302)
                self.send_header("Location", server.authorize(self.path))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self._answer(*server.api(self.headers.get("Authorization", "")))

        def _answer(self, status: int, value: Any) -> None:
            content = (value if isinstance(value, str) else json.dumps(value)).encode()
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", 'Bearer error="invalid_token"')
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
