"""Systems that say again what they were sent, and the calls of a running product to them: while it logs all it can.

The worst that can be called without being an attack: every answer is a failure, and has the credential in its header
fields, its body and its description of the error.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import pki
import requests
from product_platform import TOKEN
from product_secrets import Planted

# what the workers load: everything is logged, and calls go wrong in each way
HANDLERS = """
import logging

from apimgmt import connection
from apimgmt.connections import connector
from apimgmt.connections.known import connections
from apimgmt.errors import ConnectionFailed

logging.basicConfig(level=logging.DEBUG)
logging.getLogger().setLevel(logging.DEBUG)
for one in logging.getLogger().handlers:
    one.filters.clear()  # every line is written
for one in list(logging.root.manager.loggerDict):
    if one.startswith("apimgmt"):
        logging.getLogger(one).setLevel(logging.DEBUG)


def everybody():
    told = {}
    for name in connections.names():
        for ask in (lambda: connection(name).post("/x", json={"a": 1}, idempotency_key="k").raise_for_status(),
                    lambda: connector.get("/x", connection=name, debug_request=True),
                    lambda: connection(name).webhook("order.created", {}),
                    lambda: list(connection(name).entity("customers").list())):
            try:
                ask()
            except ConnectionFailed as failed:
                told[name] = [failed.cause, str(failed), failed.remedy, repr(failed)]
            except Exception as failed:
                told[name] = [repr(failed)]
    return told


async def on_the_loop():
    for name in connections.names():
        try:
            await connection(name).acall("GET", "/x")
        except ConnectionFailed as failed:
            logging.getLogger("of.the.process").exception("it failed")
    return {}


def escapes():
    connection("bearer").get("/x").raise_for_status()


def breaks():
    reply = connection("bearer").get("/x")
    raise RuntimeError(reply)
"""
FLOW = {
    "document": {"dsl": "1.0.3", "namespace": "test", "name": "test", "version": "1.0.0"},
    "do": [{"a": {"call": "connection", "with": {"connection": "bearer", "path": "/x", "output": "response"}}}],
}
BINDINGS: dict[str, Any] = {
    **{name: {"kind": "python", "function": name} for name in ("everybody", "on_the_loop", "escapes", "breaks")},
    "passes": {"kind": "proxy", "connection": "bearer", "path": "/x", "validate": "enforce"},
    "reports": {"kind": "proxy", "connection": "bearer", "path": "/reset", "validate": "report"},
    "cut": {"kind": "proxy", "connection": "basic", "path": "/reset"},
    "flow": {"kind": "flow", "definition": FLOW},
}
OK = {"200": {"description": "ok", "content": {"application/json": {"schema": {"type": "integer"}}}}}
DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "Echo", "version": "1"},
    "paths": {f"/{name}": {"get": {"operationId": name, "responses": OK}} for name in BINDINGS},
}


class Echo:
    """The system: ``/token`` gives what is in ``tokens`` once, then refuses; ``/authorize`` gives ``code``."""

    def __init__(self) -> None:
        self.tokens: list[dict[str, Any]] = []
        self.code = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(echo: Echo) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("latin-1")
            place = urlsplit(self.path)
            if place.path.endswith("/reset"):
                return
            if place.path == "/authorize":
                asked = {name: one[0] for name, one in parse_qs(place.query).items()}
                back = urlencode({"code": echo.code, "state": asked["state"]})
                self._give(302, b"", Location=f"{asked['redirect_uri']}?{back}")
                return
            if place.path == "/token" and echo.tokens:
                self._give(200, json.dumps(echo.tokens.pop(0)).encode())
                return
            seen = f"{self.path} {body} " + " ".join(f"{name}: {value}" for name, value in self.headers.items())
            told = {"error": "invalid_request", "error_description": seen, "message": seen, "seen": seen}
            status = 400 if place.path == "/token" else 401 if place.path.startswith("/401") else 500
            field = seen.replace("\n", " ").encode("latin-1", "replace").decode("latin-1")
            if place.path.startswith("/binary"):
                self._give(500, b"\xff\xfe" + seen.encode(), "application/octet-stream")
                return
            if status == 401:
                credential = (self.headers["Authorization"] or self.headers["X-API-Key"]).rpartition(" ")[2]
                self._give(401, b"{}", f"x/{credential}", **{"WWW-Authenticate": credential})
                return
            self._give(status, json.dumps(told).encode(), Seen=field, Location=f"{echo.url}/?{urlencode({'q': seen})}")

        do_POST = do_GET  # noqa: N815

        def _give(self, status: int, content: bytes, kind: str = "application/json", **fields: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **fields}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            pass

    return Handler


def handlers(folder: Path) -> Path:
    """The file that the workers load."""
    path = folder / "echo_handlers.py"
    path.write_text(HANDLERS)
    return path


def connections(planted: Planted, echo: Echo, fresh: Any, plain: Any) -> list[dict[str, Any]]:
    """Connections with a secret of every kind."""
    plant = planted.plant
    partner = pki.authority("Root of an echo").issue("echo partner")
    plant("key of a client certificate", partner.secret.splitlines()[2][:24])
    client = {"clientId": "c", "tokenUrl": f"{echo.url}/token"}
    kinds: dict[str, dict[str, Any]] = {
        "key": {"kind": "apiKey", "name": "X-API-Key", "key": plant("API key of an echo", plain())},
        "query": {"kind": "apiKey", "in": "query", "name": "q", "key": plant("key in a query of an echo", plain())},
        "basic": {"kind": "basic", "username": "svc", "password": plant("password of an echo", fresh())},
        "bearer": {"kind": "bearer", "token": plant("bearer token of an echo", plain())},
        "refused": {
            "kind": "oauth2ClientCredentials",
            **client,
            "clientSecret": plant("client secret of an echo", fresh()),
            "clientAuthentication": "client_secret_post",
            "headers": {"X-Own": plant("field of a token request", plain())},
        },
        "granted": {
            "kind": "oauth2ClientCredentials",
            **client,
            "clientSecret": plant("second client secret", plain()),
        },
        "signed": {
            "kind": "oauth2AuthorizationCode",
            **client,
            "authorizeUrl": f"{echo.url}/authorize",
            "clientSecret": plant("third client secret", plain()),
        },
    }
    made = [{"name": name, "baseUrl": f"{echo.url}/500", "authentication": kind} for name, kind in kinds.items()]
    made[0]["baseUrl"], made[3]["baseUrl"] = f"{echo.url}/401", f"{echo.url}/binary"
    made[1]["secretHeaders"] = {"X-Secret": plant("secret header of an echo", plain())}
    made[2]["tls"] = {"certificate": partner.pem, "key": partner.secret}
    proxy = {"url": echo.url, "username": "px", "password": plant("password of an echo that is a proxy", fresh())}
    made.append({"name": "proxied", "baseUrl": "http://127.0.0.1:9", "proxy": proxy})
    secret = plant("secret of webhooks", base64.b64encode(os.urandom(32)).decode())
    signature = {"kind": "signature", "secret": f"whsec_{secret}"}
    field = {"X-Secret": plant("secret header of webhooks", plain())}
    hooks = {"name": "hooks", "type": "webhook", "authentication": signature, "secretHeaders": field}
    made.append({**hooks, "baseUrl": f"{echo.url}/500"})
    return [{"internalHosts": ["127.0.0.1"], "retries": {"count": 1, "delay": 0.01}, **one} for one in made]


def through_echoes(planted: Planted, echo: Echo, fresh: Any, plain: Any) -> None:
    """Set them up, sign in, try, call, discover, deliver; as a person, at the command line, and in each process."""
    plant, ask, call = planted.plant, planted.ask, planted.call
    entities = {"customers": {"path": "/customers"}}
    made = connections(planted, echo, fresh, plain)
    for body in made:
        body = {**body, "entities": entities} if "type" not in body else body
        assert ask("POST", "/connections?untested=true", body).status_code == 201
        assert ask("POST", "/connection-tests", body).json()["ok"] is False
    echo.code = plant("code of an echo", plain())
    granted = {"access_token": plant("access token of an echo", plain()), "token_type": "Bearer", "expires_in": 2}
    echo.tokens.append({**granted, "refresh_token": plant("refresh token of an echo", plain())})
    sign_in(planted)
    echo.tokens += [
        {**granted, "access_token": plant(f"access token {n}", plain()), "expires_in": 3600} for n in (1, 2)
    ]
    planted.product.upload("echo", DOCUMENT, basePath="/echo")
    planted.product.ask("PUT", "/apis/echo/triggers", {"*": {"authentication": "none"}}, publish="true")
    planted.product.bind("echo", BINDINGS)
    for name in BINDINGS:
        assert call("GET", f"/echo/{name}").status_code in (200, 500, 502, 504)
    for name in (body["name"] for body in made):
        assert ask("POST", f"/connections/{name}/test").status_code == 200
        for wanted in ({"path": "/x"}, {"path": "/x", "method": "POST", "json": {}}, {"entity": "customers"}):
            assert ask("POST", f"/connections/{name}/call", wanted).status_code in (200, 400, 422)
        ask("POST", f"/connections/{name}/discovery", {"source": "/openapi.json"})
        command_line(planted, "show", name)
        command_line(planted, "test", name)
        command_line(planted, "call", name, "GET", "/x")
    command_line(planted, "list")
    sent = ask("GET", "/connections/hooks/deliveries").json()
    assert sent and sent[0]["state"] == "failed" and sent[0]["answer"]
    assert ask("POST", f"/connections/hooks/deliveries/{sent[0]['id']}/attempts").status_code == 200
    command_line(planted, "deliveries", "hooks")


def sign_in(planted: Planted) -> None:
    """What a browser does."""
    url = planted.ask("POST", "/connections/signed/authorize", shows=("ticket",)).json()["url"]
    planted.plant("ticket", parse_qs(urlsplit(url).query)["ticket"][0])
    browser = requests.Session()
    while url:
        answer = browser.get(url, allow_redirects=False, timeout=60)
        url = answer.headers.get("Location", "")
    assert "signed in" in answer.text, answer.text
    planted.answers.append(("callback", answer.content, ()))


def command_line(planted: Planted, *arguments: str) -> None:
    """One command of ``apimgmt connections``, its whole output kept."""
    program = str(Path(sys.executable).with_name("apimgmt"))
    url = planted.product.admin.removesuffix("/api/v1")
    command = [program, "connections", *arguments]
    done = subprocess.run(command, env={"APIMGMT_URL": url, "APIMGMT_TOKEN": TOKEN}, capture_output=True)
    assert b"Traceback" not in done.stderr, done.stderr
    planted.answers.append((" ".join(arguments), done.stdout + done.stderr, ()))
