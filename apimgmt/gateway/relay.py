"""What belongs to the authorization server and not to an API: passed on to the control plane, for people and clients.

So there is one public address, and "Authorize" in Swagger UI needs no CORS. Only what is needed is passed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from apimgmt.errors import Disconnected, Problem
from apimgmt.gateway.pages import Pages
from apimgmt.gateway.stack import Stack
from apimgmt.model import ApiEntry
from apimgmt.origin import Proxies
from apimgmt.request import SCOPE_KEY, Request
from apimgmt.settings import Settings

BASES = ("/oauth2", "/.well-known/oauth-authorization-server")
# What is there, and with which methods: nothing else of the control plane can be reached from here.
ENDPOINTS = {
    "/.well-known/oauth-authorization-server": ("GET", "HEAD"),
    "/oauth2/authorize": ("GET", "HEAD", "POST"),
    "/oauth2/introspect": ("POST",),
    "/oauth2/jwks": ("GET", "HEAD"),
    "/oauth2/revoke": ("POST",),
    "/oauth2/token": ("POST",),
}
PASSED = (b"accept", b"authorization", b"content-type", b"origin", b"sec-fetch-site", b"user-agent")
RETURNED = frozenset(
    {
        "allow",
        "cache-control",
        "content-security-policy",
        "content-type",
        "location",
        "pragma",
        "referrer-policy",
        "retry-after",
        "www-authenticate",
        "x-content-type-options",
        "x-frame-options",
    }
)
BODY_BYTES = 65_536
TIMEOUT_SECONDS = 15.0
# Threads of its own: a control plane that hangs must not take those that others need.
THREADS = 8
WAITING_MOST = 64


class Relay:
    """An ASGI application that asks the authorization server the same and returns its answer."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.authorization_url.rstrip("/") or _own(settings)
        self._proxies = Proxies(settings.trusted_proxies)
        self._threads = ThreadPoolExecutor(THREADS, "relay")
        self._waiting = 0

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        request: Request = scope[SCOPE_KEY]
        path = "/".join(request.segments)
        if path not in ENDPOINTS:
            raise Problem("not-found")
        if scope["method"] not in ENDPOINTS[path]:
            raise Problem("method-not-allowed", headers=[("allow", ", ".join(ENDPOINTS[path]))])
        body = await _body(receive)
        headers = {name.decode(): request.headers[name].decode("latin-1") for name in PASSED if name in request.headers}
        headers["x-forwarded-for"] = self._proxies.address(request)
        query = request.query_string.decode("latin-1")
        answer = await self._answer(scope["method"], path + (f"?{query}" if query else ""), headers, body)
        returned = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in answer.headers.items()
            if name.lower() in RETURNED
        ]
        returned.append((b"content-length", str(len(answer.content)).encode()))
        await send({"type": "http.response.start", "status": answer.status_code, "headers": returned})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.content})

    async def _answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> requests.Response:
        if self._waiting >= WAITING_MOST:
            raise _away()
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._ask, method, target, headers, body)
        finally:
            self._waiting -= 1

    def _ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            try:
                return session.request(
                    method,
                    self._url + target,
                    headers=headers,
                    data=body,
                    timeout=TIMEOUT_SECONDS,
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                raise _away() from error


def mounts(settings: Settings) -> dict[str, Stack]:
    """The relay at each of its places, as a runtime takes it."""
    relay = Relay(settings)
    return {path: Stack(_entry(path), relay, Pages(_no_document), 0, {}) for path in BASES}


def _entry(path: str) -> ApiEntry:
    return ApiEntry(id="oauth2", name="oauth2", base_path=path, revision=0, digest="")


def _away() -> Problem:
    detail = "The authorization server cannot be reached now."
    return Problem("unavailable", detail, headers=[("retry-after", "5")])


def _no_document() -> Any:
    raise Problem("not-found")


async def _body(receive: Any) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
        if size > BODY_BYTES:
            raise Problem("too-large", f"This takes at most {BODY_BYTES} bytes.")
    return b"".join(parts)


def _own(settings: Settings) -> str:
    """The control plane of this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(settings.admin_host, settings.admin_host)
    return f"http://[{host}]:{settings.admin_port}" if ":" in host else f"http://{host}:{settings.admin_port}"
