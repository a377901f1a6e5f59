"""Refusals of the running product: the caller gets an id, and the operator finds the full reason under it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import requests
from product_platform import Product, wait

DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "Refusing", "version": "1"},
    "servers": [{"url": "/refusing"}],
    "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}},
    "security": [{"key": []}],
    "paths": {
        "/orders": {"get": {"operationId": "listOrders", "responses": {"200": {"description": "ok"}}}},
        "/secure": {"get": {"operationId": "secure", "responses": {"200": {"description": "ok"}}}},
    },
}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Product]:
    """A platform that can be stopped."""
    product = Product(tmp_path)
    try:
        yield product.start()
    finally:
        product.stop()


@pytest.mark.rows("F-004", "F-022", "F-026", "F-052", "H-112")
def test_policies_hold_and_the_log_says_why(own: Product) -> None:
    """Set over REST and published, they hold at once, and after everything was started again."""
    own.upload("refusing", DOCUMENT)
    key = own.key("refusing")
    settings = {
        "*": {"policies": {"cors": {"origins": "https://a.example"}}},
        "secure": {"policies": {"protocols": {"allow": "https"}}},
    }
    own.ask("PUT", "/apis/refusing/triggers", settings, publish="true")
    page = {"Origin": "https://b.example", "Access-Control-Request-Method": "GET"}
    reason = "cors-not-allowed: get /orders: CORS does not allow the origin 'https://b.example'"
    why = "protocol-not-allowed: get /secure was called by http; 127.0.0.1 is not a trusted proxy"
    for _ in range(2):
        wait(lambda: reason in logged(own, "OPTIONS", "/orders", page))
        wait(lambda: why in logged(own, "GET", "/secure", {"X-API-Key": key}))
        page_of_ours = {**page, "Origin": "https://a.example"}
        allowed = requests.options(f"{own.gateway}/refusing/orders", headers=page_of_ours, timeout=10)
        assert allowed.headers["access-control-allow-origin"] == "https://a.example"
        own.stop()
        own.start()
    assert key not in own.log()


def logged(product: Product, method: str, path: str, fields: Mapping[str, str]) -> str:
    """What the log says under the id of a refusal; not every one is in it while there are many."""
    answer = requests.request(method, f"{product.gateway}/refusing{path}", headers=fields, timeout=10)
    assert answer.status_code == 403
    identity = answer.json()["instance"].removeprefix("urn:apimgmt:request:")
    return "".join(line for line in product.log().splitlines() if identity in line)
