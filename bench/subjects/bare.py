"""The limit: an ASGI application that reads the request and answers with ready bytes; nothing is cast or checked."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from bench.exchanges import GET, POST

Message = MutableMapping[str, Any]

BODIES = {"GET": json.dumps(GET.answer).encode(), "POST": json.dumps(POST.answer).encode()}
STARTS = {
    method: {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
    }
    for method, body in BODIES.items()
}


async def app(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Answer every request of a method with the same bytes."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    method = scope["method"]
    while (await receive()).get("more_body"):
        pass
    await send(STARTS[method])
    await send({"type": "http.response.body", "body": BODIES[method]})


async def _lifespan(receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
