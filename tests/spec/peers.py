"""What openapi-core and stock Connexion make of a request: ("value", v), ("refused",) or ("crash",)."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Callable
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl, unquote

REFUSED = ("refused",)
CRASH = ("crash",)
ANSWERS = {"200": {"description": "ok"}}


class Sent(NamedTuple):
    """A request to the operation ``/name`` (or ``/name/{p}``, where ``path`` is its undecoded segment)."""

    name: str
    where: Literal["query", "path", "header", "cookie", "body"] = "query"
    query: str = ""
    path: str = ""
    headers: tuple[tuple[str, bytes], ...] = ()
    body: bytes = b""
    key: str = "p"
    path_key: str = "p"


Peer = Callable[[Sent], Any]


def value(of: Any) -> Any:
    """The answer of whoever accepts."""
    return ("value", of)


def same(first: Any, second: Any) -> bool:
    """Whether two answers are the same JSON: 1 is neither true nor 1.0 here."""
    return _text(first) == _text(second)


def _text(answer: Any) -> str:
    return json.dumps(answer, sort_keys=True, default=str)


def asking(name: str, parameter: dict[str, Any]) -> dict[str, Any]:
    """The path item of a get with one parameter."""
    path = f"/{name}/{{p}}" if parameter["in"] == "path" else f"/{name}"
    return {path: {"get": {"operationId": name, "parameters": [parameter], "responses": ANSWERS}}}


def taking(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The path item of a post with a JSON body."""
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {f"/{name}": {"post": {"operationId": name, "requestBody": body, "responses": ANSWERS}}}


def whole(paths: dict[str, Any]) -> dict[str, Any]:
    """A document with these paths."""
    return {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths}


def openapi_core(root: dict[str, Any]) -> Peer:
    """openapi-core, given what a framework gives it: decoded path values, parsed cookies, text of headers."""
    from openapi_core import OpenAPI
    from openapi_core.testing import MockRequest
    from starlette.requests import cookie_parser

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        api = OpenAPI.from_dict(root)

    def answer(sent: Sent) -> Any:
        method, path = ("post" if sent.where == "body" else "get"), f"/{sent.name}" + ("/x" if sent.path else "")
        request = MockRequest("http://localhost", method, path, data=sent.body or None)
        given = request.parameters
        # A plain dictionary would lose repeated names.
        given.query = type(given.query)(parse_qsl(sent.query, keep_blank_values=True))
        given.path = {sent.path_key: unquote(sent.path)} if sent.path else {}
        texts = [(name, text.decode("latin-1")) for name, text in sent.headers]
        given.header = type(given.header)(texts)
        given.cookie = type(given.cookie)(cookie_parser("; ".join(text for name, text in texts if name == "cookie")))
        try:
            result = api.unmarshal_request(request)
        except Exception:
            return CRASH
        if result.errors:
            return REFUSED
        return value(result.body if sent.where == "body" else getattr(result.parameters, sent.where).get(sent.key))

    return answer


def connexion(root: dict[str, Any]) -> Peer:
    """Connexion as it comes, asked over ASGI; the value is the argument of the handler."""
    from connexion import AsyncApp
    from connexion.resolver import Resolution, Resolver

    seen: dict[str, Any] = {}

    async def handler(**arguments: Any) -> tuple[str, int]:
        seen.update(arguments)
        return "ok", 200

    class Everything(Resolver):  # type: ignore[misc]
        def resolve(self, operation: Any) -> Any:
            return Resolution(handler, operation.operation_id)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        app = AsyncApp("differential")
        app.add_api(root, resolver=Everything(), strict_validation=False)
    loop = asyncio.new_event_loop()

    def answer(sent: Sent) -> Any:
        seen.clear()
        status = loop.run_until_complete(_status(app, sent))
        if status >= 500:
            return CRASH
        return value(seen.get("body" if sent.where == "body" else sent.key)) if status == 200 else REFUSED

    return answer


async def _status(app: Any, sent: Sent) -> int:
    statuses: list[int] = []
    raw = f"/{sent.name}" + (f"/{sent.path}" if sent.path else "")
    headers = [(name.lower().encode(), text) for name, text in sent.headers]
    if sent.where == "body":
        headers += [(b"content-type", b"application/json"), (b"content-length", str(len(sent.body)).encode())]
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "headers": headers}
    scope |= {"path": unquote(raw), "raw_path": raw.encode(), "root_path": "", "query_string": sent.query.encode()}
    scope |= {"server": ("localhost", 80), "client": ("127.0.0.1", 1)}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": sent.body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app({**scope, "method": "POST" if sent.where == "body" else "GET"}, receive, send)
    return statuses[0]
