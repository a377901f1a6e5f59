"""Spellings of paths through nginx and haproxy: what a proxy refuses is not reached by writing it otherwise (S-21)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from product_fronts import FRONTS, front
from product_platform import Product
from product_spellings import spellings
from product_wire import request
from test_product_paths import Client, ran

PATHS = {"/orders": "/orders", "/orders/{id}": "/orders/7", "/admin/users/all": "/admin/users/all"}
ADMIN = "get /admin/users/all"
SPELLED_LEAST = 120


def document() -> dict[str, Any]:
    """Operations that all want a key."""
    number = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
    answers: dict[str, Any] = {"responses": {"200": {"description": "ok"}}}
    return {
        "openapi": "3.0.3",
        "info": {"title": "Fronted", "version": "1"},
        "servers": [{"url": "/fronted"}],
        "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}},
        "security": [{"key": []}],
        "paths": {path: {"get": {**answers, "parameters": [number] if "{" in path else []}} for path in PATHS},
    }


@pytest.fixture(scope="module")
def key(product: Product) -> str:
    """The platform with these operations, bound to a function that says that it ran."""
    api = product.upload("fronted", document())
    product.bind("fronted", {one["key"]: {"kind": "python", "function": "ran"} for one in api["operations"]})
    return product.key("fronted")


@pytest.mark.parametrize("name", FRONTS)
def test_a_proxy_and_the_gateway_read_a_path_alike_or_the_gateway_refuses_it(
    product: Product, key: str, name: str, tmp_path: Path
) -> None:
    """Without the key nothing runs; with it, never what the proxy refuses; no fault of ours, no redirect."""
    counts: Counter[str] = Counter()
    with front(name, product.port, tmp_path) as port:
        client = Client(port)
        assert ran(client.ask(request("GET", "/fronted/orders/7", f"X-API-Key: {key}"))) == "get /orders/{id}"
        assert client.ask(request("GET", "/fronted/admin/users/all", f"X-API-Key: {key}")).status == 403
        for path in PATHS.values():
            every = list(spellings(f"/fronted{path}"))
            assert len(every) >= SPELLED_LEAST
            for spelling in every:
                bare = client.ask(request("GET", spelling))
                keyed = client.ask(request("GET", spelling, f"X-API-Key: {key}"))
                assert not ran(bare) and bare.status in (400, 401, 403, 404, 405), (spelling, bare)
                assert ran(keyed) != ADMIN and keyed.status in (200, 400, 403, 404, 405), (spelling, keyed)
                counts[f"{bare.status}/{keyed.status}"] += 1
    print(f"\n{name}: without/with the key: {dict(counts)}")
    assert counts["401/200"] > 0


def test_the_spellings_would_reach_what_a_naive_gateway_serves(product: Product, key: str) -> None:
    """The mutant: the gateway without its proxy does run the operation for another spelling, so that one is there."""
    client = Client(product.port)
    reached = [
        spelling
        for spelling in spellings("/fronted/admin/users/all")
        if ran(client.ask(request("GET", spelling, f"X-API-Key: {key}"))) == ADMIN
    ]
    assert any("%" in spelling for spelling in reached)
