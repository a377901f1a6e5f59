"""The product without sockets: a document goes in, a client that calls its operations comes out.

    client = serve("petstore.yaml", bindings={"get /pets/{id}": {"kind": "echo"}})
    answer = client.request("GET", "/pets/5?tag=a", headers={"Accept": "application/json"})
    assert answer.status == 200 and answer.json()["parameters"]["path"] == {"id": 5}

Everything from the loader to the response runs as in a worker; only the intake's child process, the data folder and the
server are left out. ``serve`` takes a path below ``specs/documents``, YAML or JSON text, or a dictionary.
"""

from __future__ import annotations

import asyncio
import atexit
import hashlib
import itertools
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

import msgspec

import apimgmt.asgi  # noqa: F401  registers every plug-in
from apimgmt.gateway.app import Gateway
from apimgmt.gateway.runtime import build
from apimgmt.model import ApiEntry, Binding, CompiledApi, KeyEntry, Rule, Snapshot, Trigger
from apimgmt.processes import python
from apimgmt.settings import Settings
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.intake.loader import load

# What a gateway counts is kept in its data folder; each gets one of its own, made when it is first written to.
FOLDERS = TemporaryDirectory(prefix="apimgmt-test-")
NUMBERS = itertools.count()
DOCUMENTS = Path(__file__).resolve().parents[1] / "specs" / "documents"
PATIENCE_SECONDS = 60.0

Headers = Mapping[str, str] | Sequence[tuple[str, str]]


class Answer:
    """What came back: ``status``, ``headers`` as pairs with names in lower case, ``body`` as bytes."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self) -> str:
        """The body as text; its charset is the one of the Content-Type, UTF-8 if it names none."""
        _, _, charset = (self.header("content-type") or "").partition("charset=")
        return self.body.decode(charset.split(";")[0].strip('" ') or "utf-8")

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        """The first header field of that name, or None."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> list[str]:
        """Every header field of that name."""
        return [value for field, value in self.headers if field == name.lower()]

    def __repr__(self) -> str:
        return f"<{self.status} {self.body[:300]!r}>"


class Client:
    """Calls an ASGI application in this process, one request after another.

    ``certificates`` is what it shows in TLS (DER), its own certificate first.
    """

    certificates: tuple[bytes, ...] = ()

    def __init__(
        self, app: Any, scheme: str = "http", host: str = "gateway.example", address: str = "192.0.2.7"
    ) -> None:
        self.app = app
        self.scheme = scheme
        self.host = host
        self.address = address

    def request(
        self,
        method: str,
        target: str,
        headers: Headers = (),
        body: bytes | str | Sequence[bytes] = b"",
        *,
        json: Any = None,
    ) -> Answer:
        """One request. ``target`` is path and query as on the wire; a sequence of bytes is sent in such pieces."""
        fields = _fields(headers)
        if json is not None:
            body = msgspec.json.encode(json)
            fields.setdefault("content-type", ["application/json"])
        pieces = [body.encode()] if isinstance(body, str) else [body] if isinstance(body, bytes) else list(body)
        if any(pieces):
            fields.setdefault("content-length", [str(sum(map(len, pieces)))])
        scope = self.scope(method, target, fields)
        return asyncio.run_coroutine_threadsafe(_exchange(self.app, scope, pieces), _loop()).result(PATIENCE_SECONDS)

    def get(self, target: str, headers: Headers = ()) -> Answer:
        """A GET."""
        return self.request("GET", target, headers)

    def post(self, target: str, headers: Headers = (), body: bytes | str = b"", *, json: Any = None) -> Answer:
        """A POST."""
        return self.request("POST", target, headers, body, json=json)

    def scope(self, method: str, target: str, fields: dict[str, list[str]] | None = None) -> dict[str, Any]:
        """The ASGI scope of a request; ``fields`` are its header fields by name."""
        fields = {} if fields is None else fields
        path, _, query = target.partition("?")
        fields.setdefault("host", [self.host])
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": self.scheme,
            "path": unquote(path),
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "root_path": "",
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name in fields for value in fields[name]],
            "client": (self.address, 50000),
            "server": (self.host, 8080),
            "state": {},
            "extensions": {"tls": {"client_certificates": self.certificates}} if self.certificates else {},
        }


def serve(
    document: str | bytes | dict[str, Any],
    *,
    bindings: Mapping[str, Mapping[str, Any]] | None = None,
    bind: str = "echo",
    authentication: str = "none",
    trigger: Mapping[str, Any] | None = None,
    triggers: Mapping[str, Mapping[str, Any]] | None = None,
    base_path: str | None = None,
    keys: Sequence[KeyEntry] = (),
    access: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
    name: str = "sample",
    functions: Mapping[str, Callable[..., Any]] | None = None,
) -> Client:
    """Publish a document to a gateway of its own; ``functions`` are what ``python`` bindings can name.

    ``bindings`` maps an operation's key or operationId to ``{"kind": ..., field: value}``, every other operation runs
    ``bind``; ``trigger`` are the settings of the API in the spelling of the REST API, ``triggers`` those of operations;
    ``access`` are more fields of the snapshot (``issuers``, ``users`` ...).
    """
    settings = settings or Settings(data=f"{FOLDERS.name}/{next(NUMBERS)}")
    python.functions.update(functions or {})
    compiled, shown = _take_in(document, settings)
    ids = {operation.operation_id: operation.key for operation in compiled.operations if operation.operation_id}
    bound = {operation.key: Binding(kind=bind) for operation in compiled.operations}
    for key, fields in (bindings or {}).items():
        bound[ids.get(key, key)] = to_binding(fields)
    entry = ApiEntry(
        id="api_sample",
        name=name,
        base_path=compiled.base_path if base_path is None else base_path,
        revision=1,
        digest="sample",
        trigger=to_trigger({"authentication": authentication, **(trigger or {})}),
        bindings=bound,
        triggers={
            ids.get(key, key): to_trigger({"authentication": authentication, **(trigger or {}), **fields})
            for key, fields in (triggers or {}).items()
        },
    )
    snapshot = Snapshot(number=1, created="2026-01-01T00:00:00Z", apis=(entry,), keys=tuple(keys), **(access or {}))
    return Client(Gateway(build(snapshot, lambda digest: compiled, lambda digest: shown, settings)))


def api_key(text: str, name: str = "tester", rules: Sequence[Rule] = (Rule(),)) -> KeyEntry:
    """A key as the gateway knows it, for the text that a caller sends."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return KeyEntry(id=f"key_{name}", name=name, digest=digest, rules=tuple(rules))


def to_binding(fields: Mapping[str, Any]) -> Binding:
    """``{"kind": "python", "function": "f"}`` as a binding."""
    return Binding(kind=fields["kind"], config={name: value for name, value in fields.items() if name != "kind"})


def to_trigger(fields: Mapping[str, Any]) -> Trigger:
    """A trigger in the spelling of the REST API (camelCase)."""
    return msgspec.convert(fields, Trigger)


def _take_in(document: str | bytes | dict[str, Any], settings: Settings) -> tuple[CompiledApi, bytes]:
    content = _content(document)
    media_type = "application/json" if content.lstrip().startswith(b"{") else "application/yaml"
    loaded = load(content, media_type, settings)
    return compile_document(loaded), msgspec.json.encode(loaded.root)


def _content(document: str | bytes | dict[str, Any]) -> bytes:
    if isinstance(document, dict):
        return msgspec.json.encode(document)
    if isinstance(document, bytes):
        return document
    return document.encode() if "\n" in document else (DOCUMENTS / document).read_bytes()


def _fields(headers: Headers) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        fields.setdefault(name.lower(), []).append(value)
    return fields


async def _exchange(app: Any, scope: dict[str, Any], pieces: list[bytes]) -> Answer:
    waiting = list(pieces) or [b""]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, *parts = sent
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in start["headers"]]
    # the server sends no body in answer to a HEAD
    body = b"" if scope["method"] == "HEAD" else b"".join(part.get("body", b"") for part in parts)
    return Answer(start["status"], headers, body)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """One event loop in a thread for all clients, so that what a runtime keeps between requests stays on its loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="gateway", daemon=True)
    thread.start()
    atexit.register(_end, loop, thread)
    return loop


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    stop: Callable[[], None] = loop.stop
    loop.call_soon_threadsafe(stop)
    thread.join()
    loop.close()
