"""Limits over the workers of the real product: exactly as many as allowed, without any server and with Redis."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest
from product_platform import Product

DOCUMENT = """
openapi: 3.0.3
info: {title: Counted, version: '1'}
paths:
  /who: {get: {operationId: ran, responses: {'200': {description: which worker answers}}}}
"""
REQUESTS, LIMIT, CONNECTIONS = 10_000, 1_000, 16


def counted(folder: Path, **settings: object) -> Product:
    """The product with one operation, 1,000 requests a minute for each address."""
    product = Product(folder, **settings)
    product.start()
    product.upload("counted", DOCUMENT, authentication="none")
    limits = [{"requests": LIMIT, "seconds": 60, "by": "address"}]
    product.bind("counted", {"ran": {"kind": "python", "function": "ran"}})
    triggers = {"ran": {"policies": {"rateLimit": {"limits": limits}}}}
    product.ask("PUT", "/apis/counted/triggers", triggers, publish="true")
    return product


def many(port: int, requests: int) -> tuple[int, int, int]:
    """So many requests on one connection, one after another: how many were 200, how many 429, and who answered."""
    statuses = []
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line, line.makefile("rb") as stream:
        for _ in range(requests):
            line.sendall(b"GET /who HTTP/1.1\r\nHost: a\r\n\r\n")
            statuses.append(int(stream.readline().split()[1]))
            length = 0
            while (field := stream.readline()) != b"\r\n":
                if field.lower().startswith(b"content-length:"):
                    length = int(field.split(b":")[1])
            stream.read(length)
    return statuses.count(200), statuses.count(429), len(statuses)


def allowed(product: Product) -> tuple[int, int, int]:
    """10,000 requests over some connections at once."""
    found: list[tuple[int, int, int]] = []
    lines = [
        threading.Thread(target=lambda: found.append(many(product.port, REQUESTS // CONNECTIONS)))
        for _ in range(CONNECTIONS)
    ]
    for line in lines:
        line.start()
    for line in lines:
        line.join()
    served, refused, sent = (sum(column) for column in zip(*found, strict=True))
    return served, refused, sent


def workers_that_served(product: Product) -> int:
    """How many workers used processor time for it."""
    return sum(sum(worker.cpu_times()[:2]) > 0.2 for worker in product.workers())


@pytest.mark.rows("H-051")
@pytest.mark.parametrize("redis", [False, True], ids=["shared memory", "redis"])
def test_two_workers_allow_exactly_the_limit(tmp_path: Path, redis: bool, request: pytest.FixtureRequest) -> None:
    """10,000 requests at a limit of 1,000 a minute, to both workers at once; killing the workers changes nothing."""
    settings = {"redis_url": request.getfixturevalue("redis_server").url} if redis else {}
    product = counted(tmp_path, workers=2, **settings)
    try:
        begun = time.monotonic()
        assert allowed(product) == (LIMIT, REQUESTS - LIMIT, REQUESTS)
        took = time.monotonic() - begun
        assert took < 55, "the window was over before the requests were"
        assert workers_that_served(product) == 2
        for worker in product.workers():
            worker.kill()
        while time.monotonic() - begun < 55 and len(product.workers()) < 2:
            time.sleep(0.05)
        assert many(product.port, 1) == (0, 1, 1)
    finally:
        product.stop()
