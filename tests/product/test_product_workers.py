"""Two workers are one platform: what limits, caches, keys and tokens say holds in each, and outlives one (H-107)."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from product_platform import Product, wait
from product_wire import Answer, Wire, request
from tokensamples import AUDIENCE, EC, JWKS, token

LIMIT, WINDOW_SECONDS, TOOK_MOST_SECONDS = 100, 60, 55
WITHIN_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
SCHEMES = {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}, "token": {"type": "oauth2", "flows": {}}}
HANDLERS = """
import os
from pathlib import Path

async def who():
    return {"pid": os.getpid()}

async def stored():
    return {"stored": Path(__file__).with_name("stored").read_text()}
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Two workers; operations that are limited, cached, open, for keys and for tokens."""
    folder = tmp_path_factory.mktemp("workers")
    handlers = folder / "workers_handlers.py"
    handlers.write_text(HANDLERS)
    (folder / "stored").write_text("first")
    product = Product(folder, workers=2, handlers=handlers)
    try:
        product.start()
        publish(product, "open", {"/who": "who", "/limited": "who", "/stored": "stored"}, authentication="none")
        limits = [{"requests": LIMIT, "seconds": WINDOW_SECONDS, "by": "address"}]
        triggers = {
            "get /limited": {"policies": {"rateLimit": {"limits": limits}}},
            "get /stored": {"policies": {"cache": {"seconds": 600}}},
        }
        product.ask("PUT", "/apis/open/triggers", triggers, publish="true")
        publish(product, "keys", {"/who": "who"}, security=[{"key": []}])
        publish(product, "tokens", {"/who": "who"}, security=[{"token": []}])
        yield product
    finally:
        product.stop()


def publish(product: Product, name: str, functions: dict[str, str], security: Any = None, **query: Any) -> None:
    """An API whose paths run functions."""
    responses = {"200": {"description": "ok"}}
    paths = {path: {"get": {"responses": responses}} for path in functions}
    document: dict[str, Any] = {"openapi": "3.1.0", "info": {"title": name, "version": "1"}, "paths": paths}
    if security is not None:
        document |= {"security": security, "components": {"securitySchemes": SCHEMES}}
    product.upload(name, document, basePath=f"/{name}", **query)
    product.bind(name, {f"get {path}": {"kind": "python", "function": one} for path, one in functions.items()})


class Lines:
    """A connection to each worker of a platform."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._lines: dict[int, Wire] = {}
        self.renew()

    def renew(self) -> None:
        """Have a connection to each of the two workers that are there now."""
        wait(lambda: len(self._product.pids()) == 2, PATIENCE_SECONDS)
        deadline = time.monotonic() + PATIENCE_SECONDS
        for pid in set(self._lines) - self._product.pids():
            self._lines.pop(pid).socket.close()
        while set(self._lines) != self._product.pids():
            assert time.monotonic() < deadline, "a worker takes no connection"
            line = Wire(self._product.port)
            answer = line.ask(request("GET", "/open/who"))
            assert answer is not None
            pid = answer.json()["pid"]
            if pid in self._lines:
                line.socket.close()
                # the other one has its turn only if this one is not always faster
                time.sleep(0.01)
            else:
                self._lines[pid] = line

    def kill_one(self) -> None:
        """``kill -9`` of one worker; afterwards there is a connection to its successor."""
        victim = next(iter(self._lines))
        psutil.Process(victim).kill()
        wait(lambda: victim not in self._product.pids(), PATIENCE_SECONDS)
        self.renew()

    def ask(self, path: str, *fields: str) -> list[Answer]:
        """The answer of each worker."""
        answers = [line.ask(request("GET", path, *fields)) for line in self._lines.values()]
        return [answer for answer in answers if answer is not None]

    def statuses(self, path: str, *fields: str) -> list[int]:
        """The status from each worker."""
        return [answer.status for answer in self.ask(path, *fields)]

    def close(self) -> None:
        """Close the connections."""
        for line in self._lines.values():
            line.socket.close()


@pytest.fixture
def lines(platform: Product) -> Iterator[Lines]:
    """A connection to each worker."""
    with contextlib.closing(Lines(platform)) as made:
        yield made


@pytest.mark.rows("H-107")
def test_a_limit_counts_over_both_workers_and_over_the_death_of_one(lines: Lines) -> None:
    """As many as allowed are served, however they are spread; what the dead worker let through stays counted."""
    began = time.monotonic()
    found: Counter[int] = Counter()
    for _ in range(LIMIT // 4):
        found.update(lines.statuses("/open/limited"))
    assert found == {200: LIMIT // 2}
    lines.kill_one()
    for _ in range(LIMIT // 2):
        found.update(lines.statuses("/open/limited"))
    assert time.monotonic() - began < TOOK_MOST_SECONDS, "the window was over before the requests were"
    assert found == {200: LIMIT, 429: LIMIT // 2}


@pytest.mark.rows("H-107")
def test_both_workers_forget_what_is_cleared_from_the_cache(platform: Product, lines: Lines) -> None:
    """What is stored is kept while it counts; a second after it was cleared none has it, nor does a new worker."""
    assert _stored(lines) == ["first", "first"]
    (platform.folder / "stored").write_text("second")
    assert _stored(lines) == ["first", "first"], "it is cached"
    platform.ask("DELETE", "/apis/open/cache")
    time.sleep(WITHIN_SECONDS)
    assert _stored(lines) == ["second", "second"]
    lines.kill_one()
    assert _stored(lines) == ["second", "second"]


def _stored(lines: Lines) -> list[str]:
    return [answer.json()["stored"] for answer in lines.ask("/open/stored")]


@pytest.mark.rows("H-107", "H-098")
def test_a_revoked_key_is_refused_by_both_workers_and_by_a_new_one(platform: Product, lines: Lines) -> None:
    """Within a second of the answer; a key that counts is taken by all of them."""
    kept, revoked = (f"X-API-Key: {platform.key(name)}" for name in ("kept", "revoked"))
    assert lines.statuses("/keys/who", kept) == lines.statuses("/keys/who", revoked) == [200, 200]
    platform.ask("DELETE", "/keys/revoked")
    time.sleep(WITHIN_SECONDS)
    assert lines.statuses("/keys/who", revoked) == [401, 401]
    lines.kill_one()
    assert lines.statuses("/keys/who", revoked) == [401, 401]
    assert lines.statuses("/keys/who", kept) == [200, 200]


@pytest.mark.rows("H-107")
def test_a_token_is_taken_by_both_workers_and_by_a_new_one(platform: Product, lines: Lines) -> None:
    """As long as its application may call; a second after the policy went it is refused by all of them."""
    issuer = "https://workers.example"
    platform.ask("POST", "/issuers", {"name": "workers", "issuer": issuer, "audiences": [AUDIENCE], "jwks": JWKS})
    platform.ask("POST", "/applications", {"name": "workers-shop", "client": "shop-client", "issuer": "workers"})
    rule = {"methods": ["GET"], "path": "/tokens/**"}
    platform.ask("POST", "/access-policies", {"name": "workers-x", "targets": [rule], "applications": ["workers-shop"]})
    time.sleep(WITHIN_SECONDS)
    field = f"Authorization: Bearer {token(EC, iss=issuer)}"
    assert lines.statuses("/tokens/who", field) == [200, 200]
    lines.kill_one()
    assert lines.statuses("/tokens/who", field) == [200, 200]
    platform.ask("DELETE", "/access-policies/workers-x")
    time.sleep(WITHIN_SECONDS)
    assert lines.statuses("/tokens/who", field) == [403, 403]
