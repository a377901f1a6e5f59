"""The examples of the pages on calling other systems run, as they stand there."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import responses
from connections.faults import Faults

import apimgmt.asgi  # noqa: F401  registers every plug-in
from apimgmt.connections.known import connections
from apimgmt.model import ConnectionEntry
from apimgmt.settings import Settings

DOCS = Path(__file__).resolve().parents[2] / "docs"


def functions(page: str) -> dict[str, Any]:
    """Everything that the Python examples of a page define."""
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL):
        exec(compile(block, page, "exec"), names)
    return names


@pytest.fixture(autouse=True)
def known(tmp_path: Path) -> Iterator[None]:
    """The connections ``crm`` and ``erp``, which wait for nothing."""
    stored = [
        ConnectionEntry(id=name, name=name, settings={"baseUrl": f"http://{name}.example", "retries": {"delay": 0}})
        for name in ("crm", "erp")
    ]
    connections.prepared(stored, Settings(data=str(tmp_path)))()
    yield
    connections.prepared((), Settings())()
    logging.getLogger("apimgmt.connections").setLevel(logging.NOTSET)


@responses.activate
def test_the_examples_of_calling() -> None:
    """Each function, with an other system that answers as the example expects."""
    page = functions("calling.md")
    responses.add("GET", "http://crm.example/customers/1", json={"name": "Ada"})
    responses.add("GET", "http://crm.example/customers/2", status=404)
    responses.add("GET", "http://crm.example/customers/1/orders", json=[5])
    responses.add("GET", "http://erp.example/stock", json={})
    responses.add("POST", "http://crm.example/orders/7/files", status=201)
    responses.add("POST", "http://crm.example/orders", status=503)
    responses.add("POST", "http://crm.example/orders", json={"id": 7})
    assert (page["customer"](1), page["customer"](2)) == ({"name": "Ada"}, {"HttpStatusCode": 404})
    assert page["attach"](7, b"%PDF") == {"status": 201, "outcome": "success"}
    assert page["order"](7, ["x"]) == {"id": 7}
    assert responses.calls[-1].request.headers["Idempotency-Key"] == "order-7"
    assert page["dashboard"](1) == {"customer": {"name": "Ada"}, "orders": [5]}
    assert page["both"](1) == [200, 200]


async def test_the_async_example(tmp_path: Path) -> None:
    """Several customers at a time."""
    with Faults(body=b'{"name": "Ada"}') as upstream:
        settings = {"baseUrl": upstream.url, "internalHosts": ["127.0.0.1"]}
        connections.prepared([ConnectionEntry(id="crm", name="crm", settings=settings)], Settings(data=str(tmp_path)))()
        assert await functions("calling.md")["names"]([1, 2, 3]) == ["Ada"] * 3
        await connections.find("crm").streaming().close()


@responses.activate
def test_the_examples_of_the_connector() -> None:
    """Each function."""
    page = functions("connector.md")
    responses.add("GET", "https://rates.example/latest?base=EUR&tag=a&tag=b", json={"USD": 1.1})
    responses.add("POST", "http://crm.example/reports", status=503)
    responses.add("POST", "http://crm.example/reports", status=201)
    responses.add("POST", "https://files.example/in", json={"stored": True})
    assert page["rates"]("EUR") == {"USD": 1.1}
    assert page["upload"](b"%PDF") == {"stored": True}
    assert page["report"]({"id": 1}) == 201
