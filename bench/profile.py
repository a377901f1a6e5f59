"""``python -m bench profile``: the request path in this process, without a server: how long it takes, and where."""

from __future__ import annotations

import asyncio
import contextlib
import cProfile
import io
import json
import os
import pstats
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from bench.exchanges import LOAD, Exchange
from bench.subjects import Place, bare, product

BATCHES = 5


def lines(requests: int, functions: int, sort: str) -> Iterator[str]:
    """Microseconds a request for each request of the load, then the ``functions`` that take most."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        command = product.gateway("python", "handlers.py")(Place(0, Path(folder)))
        os.environ.update(command.environment)
        yield from asyncio.run(_profile(requests, functions, sort))


async def _profile(requests: int, functions: int, sort: str) -> list[str]:
    from apimgmt.asgi import gateway  # reads the environment when it is called

    application = gateway()
    driving = await _best(bare.app, LOAD[0], requests)
    said = [f"bare application: {driving:.1f} µs a request: what driving it costs, in the other figures too"]
    async with _alive(application):
        for exchange in LOAD:
            await _check(application, exchange)
            best = await _best(application, exchange, requests)
            said.append(f"{exchange.method}: {best:.1f} µs a request (best of {BATCHES} batches)")
            said.append(await _top(application, exchange, requests, functions, sort))
    return said


async def _best(application: Any, exchange: Exchange, requests: int) -> float:
    """Microseconds a request, in the fastest of the batches: the one that the machine disturbed least."""
    batch = max(1, requests // BATCHES)
    times = []
    for _ in range(BATCHES):
        started = time.perf_counter()
        for _ in range(batch):
            await _call(application, exchange, _ignore)
        times.append((time.perf_counter() - started) / batch * 1e6)
    return min(times)


async def _top(application: Any, exchange: Exchange, requests: int, functions: int, sort: str) -> str:
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(requests):
        await _call(application, exchange, _ignore)
    profile.disable()
    text = io.StringIO()
    pstats.Stats(profile, stream=text).strip_dirs().sort_stats(sort).print_stats(functions)
    return text.getvalue().rstrip() + "\n"


async def _check(application: Any, exchange: Exchange) -> None:
    """Raises ValueError if the answer is not the one of the exchange: a fast refusal is not worth a profile."""
    messages: list[dict[str, Any]] = []

    async def keep(message: dict[str, Any]) -> None:
        messages.append(message)

    await _call(application, exchange, keep)
    body = b"".join(message.get("body", b"") for message in messages)
    if messages[0]["status"] != 200 or json.loads(body) != exchange.answer:
        raise ValueError(f"{exchange.name} answered {messages[0]['status']}: {body[:500]!r}")


async def _call(application: Any, exchange: Exchange, send: Any) -> None:
    message = {"type": "http.request", "body": exchange.body, "more_body": False}

    async def receive() -> dict[str, Any]:
        return message

    await application(_scope(exchange), receive, send)


def _scope(exchange: Exchange) -> dict[str, Any]:
    """What a server says about the request, with the header fields that wrk sends."""
    path, _, query = exchange.target.partition("?")
    headers = [(b"host", b"127.0.0.1:8080")]
    headers += [(name.lower().encode(), value.encode()) for name, value in exchange.headers.items()]
    if exchange.body:
        headers.append((b"content-length", str(len(exchange.body)).encode()))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": exchange.method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8080),
        "state": {},
    }


async def _ignore(message: dict[str, Any]) -> None:
    """Send to nobody."""


@contextlib.asynccontextmanager
async def _alive(application: Any) -> AsyncIterator[None]:
    """The lifespan of an application: started up inside the block, shut down after it."""
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    task = asyncio.create_task(application({"type": "lifespan", "asgi": {"version": "3.0"}}, inbox.get, outbox.put))
    await inbox.put({"type": "lifespan.startup"})
    await outbox.get()
    try:
        yield
    finally:
        await inbox.put({"type": "lifespan.shutdown"})
        await outbox.get()
        await task
