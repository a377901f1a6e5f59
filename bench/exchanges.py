"""The requests that every subject gets, and what each must answer.

Two of them are the load (``GET`` and ``POST``); the others show, before anything is timed, that a subject casts,
validates and checks the key.
"""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field, replace
from typing import Any

KEY = "bench-key-0123456789abcdef"
ITEM = "/items/42?active=true&sizes=38&sizes=40&sizes=42"
ORDER = {
    "customer": "Ada Lovelace",
    "express": True,
    "discount": 0.1,
    "lines": [{"sku": "A-1", "count": 2}, {"sku": "B-22", "count": 3}],
}


@dataclass(frozen=True)
class Exchange:
    """One request; ``statuses`` are the answers that are right, ``answer`` the JSON of a good one."""

    name: str
    method: str
    target: str
    statuses: tuple[int, ...]
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    answer: Any = None


GET = Exchange("get", "GET", ITEM, (200,), {"X-API-Key": KEY}, answer={"id": 42, "active": True, "sizes": [38, 40, 42]})
POST = Exchange(
    "post",
    "POST",
    "/orders",
    (200,),
    {"X-API-Key": KEY, "Content-Type": "application/json"},
    json.dumps(ORDER, separators=(",", ":")).encode(),
    {"customer": "Ada Lovelace", "lines": 2, "pieces": 5},
)
LOAD = (GET, POST)

OTHER_ITEM = replace(
    GET,
    name="get other values",
    target="/items/7?active=false&sizes=39",
    answer={"id": 7, "active": False, "sizes": [39]},
)
OTHER_ORDER = replace(
    POST,
    name="post other values",
    body=json.dumps({**ORDER, "customer": "Grace", "lines": [{"sku": "C-3", "count": 9}]}).encode(),
    answer={"customer": "Grace", "lines": 1, "pieces": 9},
)

INVALID = (400, 404, 422)
DENIED = (401, 403)


def _get(name: str, statuses: tuple[int, ...], target: str = ITEM, key: str | None = KEY) -> Exchange:
    return Exchange(name, "GET", target, statuses, {"X-API-Key": key} if key else {})


def _post(name: str, statuses: tuple[int, ...], body: Any, key: str | None = KEY) -> Exchange:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **({"X-API-Key": key} if key else {})}
    return Exchange(name, "POST", "/orders", statuses, headers, content)


REFUSED = (
    _get("get without key", DENIED, key=None),
    _get("get with wrong key", DENIED, key="wrong-key-0123456789abcdef"),
    _get("get id of wrong type", INVALID, "/items/abc?active=true&sizes=38"),
    _get("get boolean of wrong type", INVALID, "/items/42?active=perhaps&sizes=38"),
    _get("get array item of wrong type", INVALID, "/items/42?active=true&sizes=38&sizes=large"),
    _get("get without required query", INVALID, "/items/42?active=true"),
    _post("post without key", DENIED, ORDER, key=None),
    _post("post with wrong key", DENIED, ORDER, key="wrong-key-0123456789abcdef"),
    _post("post of wrong type", INVALID, {**ORDER, "lines": [{"sku": "A-1", "count": "two"}]}),
    _post("post without required property", INVALID, {"customer": "Ada", "express": True}),
    _post("post breaking a pattern", INVALID, {**ORDER, "lines": [{"sku": "a1", "count": 2}]}),
    _post("post that is not JSON", INVALID, b'{"customer":'),
)


def send(exchange: Exchange, port: int, timeout: float = 5.0) -> tuple[int, bytes]:
    """Send one request to 127.0.0.1; returns status and body. Raises OSError or HTTPException if there is no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(exchange.method, exchange.target, exchange.body or None, exchange.headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def fault(exchange: Exchange, port: int) -> str | None:
    """What is wrong with the answer to ``exchange``, or None."""
    status, body = send(exchange, port)
    if status not in exchange.statuses:
        return f"{exchange.name}: status {status}, wanted {' or '.join(map(str, exchange.statuses))}: {body[:200]!r}"
    if exchange.answer is not None and json.loads(body) != exchange.answer:
        return f"{exchange.name}: answered {body[:200]!r}, wanted {exchange.answer}"
    return None
