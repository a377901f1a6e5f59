"""Lists in the real product, as ``docs/flows.md`` shows one: callers choose fields and page, sources filter."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import yaml
from connections.faults import Faults
from processes.flows.flowing import definition
from product_platform import Product

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "flows.md"
QUERY = [
    {"name": "state", "required": True},
    {"name": "fields"},
    {"name": "page", "type": "integer", "default": 1},
    {"name": "pageSize", "type": "integer", "default": 25},
]
# more than an entity gives at most, so that a filter that is not worked out in the database is an error
CLOSED, OPEN = 10_001, 60
ORDERS = f"""
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, state TEXT, total REAL, margin REAL);
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {CLOSED + OPEN})
INSERT INTO orders SELECT n, 'C' || n, iif(n <= {OPEN}, 'open', 'closed'), n * 10, 0.5 FROM numbers;
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A platform with a database of orders; systems on this machine may be called."""
    product = Product(tmp_path_factory.mktemp("listing"), workers=1, egress_allow="127.0.0.1")
    try:
        product.start()
        (product.data / "databases").mkdir(exist_ok=True)
        with contextlib.closing(sqlite3.connect(product.data / "databases" / "shop.db")) as session:
            session.executescript(ORDERS)
        entities = {"orders": {"table": "orders"}}
        product.ask(
            "POST",
            "/connections",
            {"name": "shop", "type": "sql", "baseUrl": "sqlite:///shop.db", "entities": entities},
        )
        yield product
    finally:
        product.stop()


def serve(product: Product, name: str, flow: dict[str, Any]) -> None:
    """A flow behind an endpoint with the parameters of a list, for everybody."""
    product.ask("POST", "/flows", {"name": name, "definition": flow})
    product.ask(
        "POST", "/endpoints", {"name": name, "flow": name, "path": "/orders", "methods": ["GET"], "query": QUERY}
    )
    product.ask("PUT", "/apis/flows/triggers", {"*": {"authentication": "none"}}, publish="true")


def asked(product: Product, name: str, query: str) -> requests.Response:
    """The answer to a query."""
    return requests.get(f"{product.gateway}/v1/default/flows/{name}/orders?{query}", timeout=60)


def documented() -> dict[str, Any]:
    """The flow of the page, word for word."""
    text = DOCUMENTATION.read_text("utf-8").partition("<!-- listing -->")[2]
    tasks = yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])
    return {**definition(), "do": tasks}


@pytest.mark.rows("H-104", "H-105")
def test_callers_choose_fields_and_page(shop: Product) -> None:
    """Only the fields that are asked for, only a page of the rows, with the number of all; the database filters."""
    serve(shop, "listing", documented())
    answer = asked(shop, "listing", "state=open&fields=id,total&page=2&pageSize=25")
    assert (answer.status_code, answer.json()) == (
        200,
        {"items": [{"id": n, "total": n * 10} for n in range(26, 51)], "total": OPEN, "page": 2, "pageSize": 25},
    )
    every = asked(shop, "listing", "state=open").json()
    assert every["items"][0] == {"id": 1, "customer": "C1", "state": "open", "total": 10}
    assert (len(every["items"]), every["page"], every["pageSize"]) == (25, 1, 25)
    last = asked(shop, "listing", "state=open&page=3").json()
    assert [row["id"] for row in last["items"]] == list(range(51, OPEN + 1))
    assert asked(shop, "listing", "state=open&page=4").json()["items"] == []
    assert asked(shop, "listing", "state=nothing").json() == {"items": [], "total": 0, "page": 1, "pageSize": 25}
    # what the flow does not load cannot be asked for
    assert asked(shop, "listing", "state=open&fields=id,margin&pageSize=1").json()["items"] == [
        {"id": 1, "margin": None}
    ]
    assert asked(shop, "listing", "state=' OR 1=1 --").json()["total"] == 0


@pytest.mark.rows("H-105")
def test_a_filter_that_is_not_pushed_down_loads_everything(shop: Product) -> None:
    """The mutant: with ``where`` in the flow more rows come than an entity gives, and the list fails."""
    load = {"call": "entity", "with": {"connection": "shop", "entity": "orders"}}
    serve(shop, "naive", definition(load, {"set": "${ where(.state == #trigger.data.query.state) | page(1; 25) }"}))
    assert asked(shop, "naive", "state=open").status_code >= 400


@pytest.mark.rows("H-105")
def test_another_system_is_asked_for_what_is_wanted(shop: Product) -> None:
    """The caller's filter is in the query of the request to the other system."""
    with Faults("good", body=b'[{"id": 7, "state": "open"}]') as upstream:
        entities = {"Orders": {"path": "/orders", "query": {"status": "{state}"}}}
        shop.ask(
            "POST", "/connections", {"name": "erp", "baseUrl": upstream.url, "entities": entities}, untested="true"
        )
        load = {"connection": "erp", "entity": "Orders", "parameters": {"state": "${state}"}}
        serve(shop, "remote", definition({"call": "entity", "with": load}))
        assert asked(shop, "remote", "state=a%26b").json() == [{"id": 7, "state": "open"}]
        found = [parse_qs(urlsplit(seen.target).query) for seen in upstream.requests if "/orders" in seen.target]
        assert found == [{"status": ["a&b"]}]
