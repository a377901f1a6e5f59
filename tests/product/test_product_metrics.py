"""Metrics of the running product: every request counts once, whatever becomes of the worker that served it."""

from __future__ import annotations

import signal

import requests
from product_platform import TOKEN, Product, wait

DOCUMENT = """
openapi: 3.1.0
info: {title: counted, version: '1'}
paths:
  /things/{id}:
    get:
      parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
      responses: {'200': {description: ok}}
"""
ROUTE = "/counted/things/{id}"


def counted(product: Product) -> dict[str, float]:
    """Requests of the operation by status."""
    text = requests.get(f"{product.admin}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30).text
    found: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("http_server_request_duration_seconds_count") and ROUTE in line:
            status = line.partition('http_response_status_code="')[2][:3]
            found[status] = float(line.rpartition(" ")[2])
    return found


def test_every_request_counts_once_also_when_its_worker_is_replaced(product: Product) -> None:
    """30 good and 10 bad requests, then every worker is told to stop: the same figures, and they go on."""
    product.upload("counted", DOCUMENT, basePath="/counted", authentication="none")
    url = f"{product.gateway}/counted/things"
    for number in range(30):
        assert requests.get(f"{url}/{number}", timeout=30).status_code == 200
    for _ in range(10):
        assert requests.get(f"{url}/1", params={"x": "1"}, headers={"Accept": "*/*"}, timeout=30).status_code == 200
        assert requests.get(f"{url}/abc", timeout=30).status_code == 404
    wait(lambda: counted(product).get("200") == 40)
    for worker in product.workers():
        worker.send_signal(signal.SIGTERM)
        worker.wait(30)
    wait(lambda: len(product.workers()) == 2)
    assert counted(product)["200"] == 40
    assert requests.get(f"{url}/1", timeout=30).status_code == 200
    wait(lambda: counted(product).get("200") == 41)
