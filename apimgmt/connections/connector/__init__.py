"""The HTTP connector: one request to any URL, with or without a connection (P-010 to P-047).

    from apimgmt.connections import connector
    from apimgmt.connections.connector.actions import Output

    connector.get("https://api.example.com/items", query_parameter=[("tag", "a"), ("tag", "b")])
    connector.post("/orders", connection="shop", data=Output({"id": 1}), max_retry_count=3, retry_delay=500)

Each of the six actions is a struct whose fields are its inputs (``actions.py``), and a function here that fills it in
and performs it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import msgspec

from apimgmt.connections import Call, Exchange, Reply
from apimgmt.connections.address import origin
from apimgmt.connections.configuration import Retries
from apimgmt.connections.connection import Connection
from apimgmt.connections.connector.actions import Action, Delete, FormData, Get, Patch, Post, Put, made, pairs_of
from apimgmt.connections.connector.ignoring import check_ignoring, unverified
from apimgmt.connections.known import connections
from apimgmt.connections.layers.budget import Budget
from apimgmt.connections.layers.exchange import Policy, authenticated
from apimgmt.errors import ConnectionFailed
from apimgmt.settings import Settings

FIRST_DELAY_SECONDS = 1.0
Finding = Callable[[str], Connection]


def delete(url: str, **inputs: Any) -> Any:
    """Perform DELETE: the data of the answer, or all of it with ``include_full_response``."""
    return perform(made(Delete, url=url, **inputs))


def get(url: str, **inputs: Any) -> Any:
    """Perform GET."""
    return perform(made(Get, url=url, **inputs))


def patch(url: str, **inputs: Any) -> Any:
    """Perform PATCH."""
    return perform(made(Patch, url=url, **inputs))


def post(url: str, **inputs: Any) -> Any:
    """Perform POST."""
    return perform(made(Post, url=url, **inputs))


def put(url: str, **inputs: Any) -> Any:
    """Perform PUT."""
    return perform(made(Put, url=url, **inputs))


def form_data(url: str, **inputs: Any) -> Any:
    """Perform POST or PUT of a form."""
    return perform(made(FormData, url=url, **inputs))


def perform(action: Action, find: Finding = connections.find, settings: Settings | None = None) -> Any:
    """The result of an action; raises ConnectionFailed. ``find`` knows the connections by name."""
    connection, exchange = begun(action, find, settings or connections.settings)
    return result(action, connection.run(exchange))


async def aperform(action: Action, find: Finding = connections.find, settings: Settings | None = None) -> Any:
    """The same on the event loop."""
    connection, exchange = begun(action, find, settings or connections.settings)
    return result(action, await connection.arun(exchange))


def result(action: Action, reply: Reply) -> Any:
    """The data of a success, or ``{"status", "headers", "data"}`` of any answer; otherwise raises ConnectionFailed.

    In the headers a field that comes several times has its values joined by a comma; ``set-cookie`` is a list.
    """
    if not action.include_full_response:
        return _data(action, reply.raise_for_status())
    headers: dict[str, Any] = {}
    for name, value in reply.headers:
        if name == "set-cookie":
            headers.setdefault(name, []).append(value)
        else:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return {"status": reply.status, "headers": headers, "data": _data(action, reply)}


def _data(action: Action, reply: Reply) -> Any:
    if action.response_type == "binary":
        return reply.content
    if action.response_type == "text":
        return reply.text
    if not reply.content:
        return None
    try:
        return reply.json()
    except ConnectionFailed:
        # the page of a proxy that answers 502, say: what matters is the status
        if reply.outcome == "success":
            raise
        return reply.text


def begun(action: Action, find: Finding, settings: Settings) -> tuple[Connection, Exchange]:
    """The exchange of an action, not yet driven, and the connection that drives it; raises ConnectionFailed."""
    connection = find(action.connection) if action.connection else None
    if action.ignore_ssl_errors:
        check_ignoring(action, connection, settings)
    if connection is None:
        connection = connections.anonymous(base_of(action.url), not action.ignore_ssl_errors, settings)
    elif action.ignore_ssl_errors and connection.configuration.tls.verify:
        connection = unverified(connection)
    call = _call(action, connection)
    return connection, authenticated(call, _policy(action, connection.policy))


def _call(action: Action, connection: Connection) -> Call:
    method, content, kind = action.content()
    seconds = None if action.timeout is None else action.timeout / 1000
    headers = pairs_of(action.header)
    if kind and (isinstance(action, FormData) or all(name.lower() != "content-type" for name, _ in headers)):
        # the boundary of a form is ours to say
        headers = [*(pair for pair in headers if pair[0].lower() != "content-type"), ("Content-Type", kind)]
    query = pairs_of(action.query_parameter)
    call = connection.prepared(method, action.url, query=query, headers=headers, content=content, timeout=seconds)
    # who sets a number of retries has asked for them, also of a POST
    repeatable = call.repeatable or action.max_retry_count > 0
    timeout = call.timeout if action.connection else seconds
    return msgspec.structs.replace(call, repeatable=repeatable, timeout=timeout)


def _policy(action: Action, policy: Policy) -> Policy:
    """The connection's own, but the retries are those of the action; without a connection there is nothing to spare."""
    backoff = action.use_exponential_backoff
    retries = Retries(
        count=action.max_retry_count,
        delay=FIRST_DELAY_SECONDS if backoff else action.retry_delay / 1000,
        backoff=backoff,
        statuses=tuple(range(500, 600)),
        all_errors=action.retry_on_all_errors,
    )
    policy = replace(policy, retries=retries, debug=action.debug_request)
    if action.connection:
        return policy
    return replace(policy, budget=Budget(reserve=float(action.max_retry_count)), deadline=math.inf)


def base_of(url: str) -> str:
    """The origin of a whole URL; raises ConnectionFailed for anything else."""
    scheme, host, _ = origin(url)
    if scheme not in ("http", "https") or not host:
        raise ConnectionFailed("address", "without a connection the URL must be whole: http or https, and a host")
    return f"{scheme}://{urlsplit(url).netloc}"
