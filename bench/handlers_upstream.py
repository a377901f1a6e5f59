"""The same call to another system, made in five ways from process functions; ``BENCH_UPSTREAM`` is where it is."""

from __future__ import annotations

import os
import threading
from typing import Any

import aiohttp
import httpx
import requests

import apimgmt
from apimgmt.processes import Envelope, Invocation

UPSTREAM = os.environ["BENCH_UPSTREAM"]
JSON = "application/json"
_local = threading.local()
_clients: dict[str, Any] = {}


def _parts(trigger: Invocation) -> tuple[str, str, bytes, dict[str, str]]:
    scope = trigger.scope
    query = scope["query_string"].decode()
    target = f"{scope['raw_path'].decode()}?{query}" if query else scope["raw_path"].decode()
    headers = {"Content-Type": JSON} if trigger.data.content else {}
    return scope["method"], target, trigger.data.content, headers


def plain_requests(trigger: Invocation) -> Envelope:
    """As the documentation of requests shows it."""
    method, target, body, headers = _parts(trigger)
    response = requests.request(method, UPSTREAM + target, data=body or None, headers=headers, timeout=30)
    return Envelope(response.status_code, response.content, JSON)


def session_requests(trigger: Invocation) -> Envelope:
    """With a session of its own for each thread, so that connections are kept open."""
    method, target, body, headers = _parts(trigger)
    session = getattr(_local, "session", None)
    if session is None:
        session = _local.session = requests.Session()
    response = session.request(method, UPSTREAM + target, data=body or None, headers=headers, timeout=30)
    return Envelope(response.status_code, response.content, JSON)


async def async_httpx(trigger: Invocation) -> Envelope:
    """With one AsyncClient for all."""
    method, target, body, headers = _parts(trigger)
    client = _clients.get("httpx")
    if client is None:
        client = _clients["httpx"] = httpx.AsyncClient(timeout=30)
    response = await client.request(method, UPSTREAM + target, content=body or None, headers=headers)
    return Envelope(response.status_code, response.content, JSON)


async def async_aiohttp(trigger: Invocation) -> Envelope:
    """With one ClientSession for all."""
    method, target, body, headers = _parts(trigger)
    client = _clients.get("aiohttp")
    if client is None:
        client = _clients["aiohttp"] = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
    async with client.request(method, UPSTREAM + target, data=body or None, headers=headers) as response:
        return Envelope(response.status, await response.read(), JSON)


def through_connection(trigger: Invocation) -> Envelope:
    """Through a connection, which retries, counts and guards, in a thread."""
    method, target, body, headers = _parts(trigger)
    reply = apimgmt.connection("upstream").call(method, target, content=body or None, headers=headers)
    return Envelope(reply.status, reply.content, JSON)


async def through_connection_async(trigger: Invocation) -> Envelope:
    """The same without a thread."""
    method, target, body, headers = _parts(trigger)
    reply = await apimgmt.connection("upstream").acall(method, target, content=body or None, headers=headers)
    return Envelope(reply.status, reply.content, JSON)
