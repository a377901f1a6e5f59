"""A double of petstore.swagger.io and httpbin.org on this machine, as far as flows of the conformance kit call them."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

PETS = [{"id": 1, "name": "Rex", "status": "available"}, {"id": 2, "name": "Tom", "status": "sold"}]
DOCUMENT: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "Pets", "version": "1"},
    "basePath": "/v2",
    "schemes": ["https", "http"],
    "paths": {
        "/pet/findByStatus": {
            "get": {
                "operationId": "findPetsByStatus",
                "parameters": [{"name": "status", "in": "query", "required": True, "type": "string"}],
                "responses": {"200": {"description": "pets"}},
            }
        },
        "/pet/{petId}": {
            "get": {
                "operationId": "getPetById",
                "parameters": [{"name": "petId", "in": "path", "required": True, "type": "integer"}],
                "responses": {"200": {"description": "a pet"}},
            }
        },
    },
}


class Seen(NamedTuple):
    """One request; ``headers`` with names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Petstore:
    """The server: ``documents`` are what it has besides pets, by path; everything below /echo is answered with what
    came."""

    def __init__(self, documents: dict[str, bytes] | None = None) -> None:
        self.documents = {"/v2/swagger.json": json.dumps(DOCUMENT).encode(), **(documents or {})}
        self.requests: list[Seen] = []
        double = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                seen = Seen(self.command, self.path, headers, body)
                double.requests.append(seen)
                status, content = double.answer(seen)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                if status == 302:
                    self.send_header("Location", "/v2/pet/1")
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any  # noqa: N815  names of the library

            def log_message(self, *_: object) -> None:
                """Nothing is said."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, seen: Seen) -> tuple[int, bytes]:
        """Status and body."""
        target = urlsplit(seen.target)
        steps = target.path.split("/")[1:]
        if target.path in self.documents:
            return 200, self.documents[target.path]
        if steps[0] == "echo":
            return 200, json.dumps([seen.method, seen.target, seen.body.decode()]).encode()
        if steps[0] == "moved":
            return 302, b""
        if steps[0] == "basic-auth":
            pair = base64.b64encode(":".join(steps[1:3]).encode()).decode()
            return (200, b"{}") if seen.headers.get("authorization") == f"Basic {pair}" else (401, b"")
        if target.path == "/v2/pet/findByStatus":
            wanted = parse_qs(target.query).get("status")
            return 200, json.dumps([pet for pet in PETS if [pet["status"]] == wanted]).encode()
        found = [pet for pet in PETS if target.path == f"/v2/pet/{pet['id']}"]
        return (200, json.dumps(found[0]).encode()) if found else (404, b'{"message": "Pet not found"}')
