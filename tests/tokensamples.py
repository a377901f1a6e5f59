"""An issuer for tests: its keys, its entry, the tokens that it signs, and a server on loopback that publishes keys."""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from apimgmt.model import AccessPolicyEntry, ApplicationEntry, IssuerEntry, Rule

ISSUER = "https://id.example"
AUDIENCE = "https://api.example"
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
STRANGER = ECKey.generate_key("P-256", {"kid": "ec"})
JWKS = {"keys": [key.as_dict(private=False) for key in (RSA, EC, ED)]}

ENTRY = IssuerEntry(id="iss1", name="id", issuer=ISSUER, audiences=(AUDIENCE,), jwks=JWKS)
APPLICATION = ApplicationEntry(id="app1", name="shop", client="shop-client", issuer="iss1")
POLICY = AccessPolicyEntry(id="pol1", name="everything", targets=(Rule(),))
ACCESS: dict[str, Any] = {"issuers": (ENTRY,), "applications": (APPLICATION,), "access_policies": (POLICY,)}


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good access token; a change to None leaves the claim out."""
    now = int(time.time())
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ann",
        "client_id": "shop-client",
        "iat": now,
        "exp": now + 300,
        "jti": "t1",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(key: Any = EC, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
    """A token, signed as ``header`` says, which overrides ``{"alg": ..., "kid": ..., "typ": "at+jwt"}``."""
    return signed(json.dumps(claims(**changes)).encode(), key, header)


def signed(payload: bytes, key: Any = EC, header: Mapping[str, Any] | None = None) -> str:
    """Any bytes, signed; a key that is bytes is a shared secret; the header may say what no library would write."""
    algorithm = "HS256" if isinstance(key, bytes) else {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}[key.key_type]
    kid = "rsa" if isinstance(key, bytes) else key.kid
    whole = {"alg": algorithm, "kid": kid, "typ": "at+jwt", **(header or {})}
    head = json.dumps({name: value for name, value in whole.items() if value is not None})
    start = f"{b64(head.encode())}.{b64(payload)}"
    return f"{start}.{b64(_signature(algorithm, key, start.encode()))}"


def _signature(algorithm: str, key: Any, start: bytes) -> bytes:
    # no library would sign with a public key as the secret
    if isinstance(key, bytes):
        return hmac.digest(key, start, "sha256")
    return JWSRegistry.algorithms[algorithm].sign(start, key)


def b64(data: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Site:
    """A web server on loopback: ``pages`` maps a path to JSON, bytes, or a function of the handler that answers."""

    def __init__(self, address: str) -> None:
        self.url = address
        self.pages: dict[str, Any] = {}
        self.asked: list[str] = []

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        self.asked.append(handler.path)
        page = self.pages.get(handler.path)
        if callable(page):
            page(handler)
            return
        body = page if isinstance(page, bytes) else json.dumps(page).encode()
        handler.send_response(404 if page is None else 200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


@contextmanager
def site() -> Iterator[Site]:
    """A running one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here.answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield here
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def redirect(to: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """A page that sends elsewhere."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer
