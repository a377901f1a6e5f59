"""A small ASGI application for the tests of the server; every path does one thing, `/__seen` tells what was asked."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from apimgmt.model import AuthorityEntry

SEEN: list[list[str]] = []
EVENTS: list[str] = []
LEFT: ContextVar[str] = ContextVar("left")


def make() -> Any:
    """The application factory."""
    return app


def make_slowly() -> Any:
    """An application factory that takes a second."""
    time.sleep(1.0)
    return app


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Dispatch by path; anything unknown is answered with 200 `ok` after the whole body was read."""
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
        return
    raw = scope["raw_path"].decode("latin-1")
    if raw == "/__seen":
        seen, SEEN[:] = list(SEEN), []
        await answer(send, json.dumps(seen).encode())
        return
    SEEN.append([scope["method"], raw])
    query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
    await HANDLERS.get(raw, whole)(scope, receive, send, query)


def make_failing() -> Any:
    """An application factory whose application does not start."""

    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no snapshot"})

    return failing


async def lifespan(scope: Any, receive: Any, send: Any) -> None:
    scope["state"]["started"] = "yes"
    if "APIMGMT_TEST_AUTHORITIES" in os.environ:
        pem = Path(os.environ["APIMGMT_TEST_AUTHORITIES"]).read_text()
        scope["extensions"]["tls"].trust([AuthorityEntry(id="a", name="a", certificates=pem)])
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def answer(send: Any, body: bytes, status: int = 200, headers: Any = ()) -> None:
    fields = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def read(receive: Any) -> tuple[bytes, bool]:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return body, False
        body += message["body"]
        if not message["more_body"]:
            return body, True


async def whole(scope: Any, receive: Any, send: Any, query: Any) -> None:
    _, complete = await read(receive)
    EVENTS.append("complete" if complete else "disconnect")
    await answer(send, b"ok")


async def events(scope: Any, receive: Any, send: Any, query: Any) -> None:
    found, EVENTS[:] = list(EVENTS), []
    await answer(send, json.dumps(found).encode())


async def scope_seen(scope: Any, receive: Any, send: Any, query: Any) -> None:
    body, _ = await read(receive)
    text = {
        name: value
        for name, value in scope.items()
        if name in ("type", "asgi", "http_version", "method", "scheme", "path")
    }
    text |= {name: scope[name].decode("latin-1") for name in ("raw_path", "query_string")}
    text["headers"] = [[name.decode(), value.decode("latin-1")] for name, value in scope["headers"]]
    text |= {name: scope[name] for name in ("client", "server", "root_path", "state")}
    tls = scope["extensions"].get("tls")
    text["tls"] = tls and [hashlib.sha256(der).hexdigest() for der in tls["client_certificates"]]
    text["body"] = body.decode("latin-1")
    await answer(send, json.dumps(text).encode())


async def context(scope: Any, receive: Any, send: Any, query: Any) -> None:
    """What an earlier request left behind for this one."""
    found = LEFT.get("nothing")
    LEFT.set("something")
    await answer(send, found.encode())


async def early(scope: Any, receive: Any, send: Any, query: Any) -> None:
    await answer(send, b"early")


async def slow(scope: Any, receive: Any, send: Any, query: Any) -> None:
    await asyncio.sleep(float(query.get("seconds", "1")))
    await answer(send, b"slow")


async def stream(scope: Any, receive: Any, send: Any, query: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    for piece in (b"one", b"", b"two", b"three"):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


async def large(scope: Any, receive: Any, send: Any, query: Any) -> None:
    """Send `megabytes` in one piece each; `/__seen` shows how many pieces got through."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(int(query["megabytes"])):
        await send({"type": "http.response.body", "body": b"x" * 1_048_576, "more_body": True})
        SEEN.append(["piece", ""])
    await send({"type": "http.response.body"})


async def status(scope: Any, receive: Any, send: Any, query: Any) -> None:
    await answer(send, b"body", int(query["code"]))


async def unsized(scope: Any, receive: Any, send: Any, query: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"unsized"})


async def fields(scope: Any, receive: Any, send: Any, query: Any) -> None:
    await answer(send, b"ok", headers=[(query["name"].encode("latin-1"), query["value"].encode("latin-1"))])


async def fail(scope: Any, receive: Any, send: Any, query: Any) -> None:
    raise ValueError("secret detail")


async def nothing(scope: Any, receive: Any, send: Any, query: Any) -> None:
    return


async def half(scope: Any, receive: Any, send: Any, query: Any) -> None:
    fields = [(b"content-length", b"10")] if "sized" in query else []
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    if "sized" not in query:
        raise ValueError("in the middle")
    await send({"type": "http.response.body"})


async def disorder(scope: Any, receive: Any, send: Any, query: Any) -> None:
    """Send things in the wrong order and answer with the errors that this gives."""
    errors = []
    for message in ({"type": "http.response.body", "body": b""}, {"type": "websocket.accept"}):
        try:
            await send(message)
        except RuntimeError as error:
            errors.append(str(error))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    try:
        await send({"type": "http.response.start", "status": 200, "headers": []})
    except RuntimeError as error:
        errors.append(str(error))
    await send({"type": "http.response.body", "body": json.dumps(errors).encode()})


async def wait(scope: Any, receive: Any, send: Any, query: Any) -> None:
    """Wait until the caller is gone."""
    await read(receive)
    EVENTS.append((await receive())["type"])


async def pid(scope: Any, receive: Any, send: Any, query: Any) -> None:
    await answer(send, str(os.getpid()).encode())


HANDLERS: dict[str, Any] = {
    "/events": events, "/scope": scope_seen, "/early": early, "/slow": slow, "/stream": stream, "/large": large,
    "/status": status, "/unsized": unsized, "/fields": fields, "/fail": fail, "/nothing": nothing, "/half": half,
    "/disorder": disorder, "/wait": wait, "/pid": pid, "/context": context,
}  # fmt: skip
