"""The three worked examples of HTTP triggers: each is started by one command, called, and looked into."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from product_platform import PROGRAM

PATIENCE_SECONDS = 60.0


class Started:
    """What ``apimgmt start --sample ...`` said."""

    def __init__(self, said: dict[str, Any], data: Path) -> None:
        self.said = said
        self.data = data
        curls = [said["curl"], *said["more"]]
        # the whole curl lines, taken apart as a shell would
        self.words = {line.split("/flows/")[1].split("/")[0]: shlex.split(line) for line in curls}

    def call(self, sample: str, path: str, **more: Any) -> requests.Response:
        """A request to the endpoint of a sample, with its key."""
        key = self.words[sample][2].partition(": ")[2]
        url = f"{self.said['gateway']}/v1/default/flows/{sample}{path}"
        headers = {"Authorization": f"Bearer {key}"}
        method = "POST" if "json" in more else "GET"
        return requests.request(method, url, headers=headers, timeout=PATIENCE_SECONDS, **more)

    def rows(self, sample: str, query: str) -> list[Any]:
        """What is in the database of a sample."""
        with contextlib.closing(sqlite3.connect(self.data / "databases" / f"{sample}.db")) as session:
            return session.execute(query).fetchall()


@contextlib.contextmanager
def start(folder: Path, *samples: str) -> Iterator[dict[str, Any]]:
    """The command, and what it prints."""
    options = [part for sample in samples for part in ("--sample", sample)]
    ports = ["--gateway-port", "0", "--admin-port", "0", "--workers", "1"]
    process = subprocess.Popen(
        [PROGRAM, "start", *options, *ports, "--data", str(folder / "data"), "--output", "json"],
        env={name: value for name, value in os.environ.items() if not name.startswith("APIMGMT_")},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        text = ""
        for line in process.stdout:
            text += line
            if line == "}\n":
                break
        yield json.loads(text)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """All three in one platform."""
    folder = tmp_path_factory.mktemp("samples")
    with start(folder, "customer-lookup", "create-order", "product-search") as said:
        yield Started(said, folder / "data")


@pytest.mark.rows("H-113", "H-069", "H-070", "H-072", "H-073", "H-076")
def test_customer_lookup(started: Started) -> None:
    """The row with that id, without the field that is not returned; or 404 in the shape of an error response."""
    answer = started.call("customer-lookup", "/customers/C124")
    assert (answer.status_code, answer.json()) == (
        200,
        {"id": "C124", "name": "Grace Hopper", "email": "grace@example.com", "city": "New York"},
    )
    answer = started.call("customer-lookup", "/customers/C9'%20OR%201=1")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    error = {"code": "NOT_FOUND", "message": "There is no customer C9' OR 1=1", "details": {"id": "C9' OR 1=1"}}
    assert answer.json() == {"error": error}


@pytest.mark.rows("H-114", "H-001", "H-036", "H-070", "H-072", "H-077")
def test_create_order(started: Started) -> None:
    """Totals are computed, a row is written, 201 confirms it; what is wrong is 400 and writes nothing."""
    items = [{"productId": "P456", "quantity": 2}, {"productId": "P457", "quantity": 1}]
    answer = started.call("create-order", "/orders", json={"customerId": "C123", "items": items})
    lines = [
        {"productId": "P456", "name": "Lamp", "quantity": 2, "price": 12.5, "total": 25},
        {"productId": "P457", "name": "Desk", "quantity": 1, "price": 180, "total": 180},
    ]
    assert answer.status_code == 201
    assert answer.json() == {"orderId": 1, "customerId": "C123", "items": lines, "total": 205}
    [(customer, written, total)] = started.rows("create-order", "SELECT customer_id, lines, total FROM orders")
    assert (customer, json.loads(written), total) == ("C123", lines, 205)
    for body in (
        {"customerId": "C9", "items": items},
        {"customerId": "C123", "items": [{**items[0], "productId": "P"}]},
    ):
        answer = started.call("create-order", "/orders", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_INPUT")
    assert started.call("create-order", "/orders", json={"customerId": "C123"}).status_code == 400
    assert len(started.rows("create-order", "SELECT id FROM orders")) == 1


@pytest.mark.rows("H-115", "H-071")
def test_product_search(started: Started) -> None:
    """Filtered, without duplicates, in pages with the right numbers; a page that cannot be is 400."""
    found = started.call("product-search", "/products?search=lamp&page=1&pageSize=2").json()
    names = [
        {"sku": "P1", "name": "Desk lamp"},
        {"sku": "P2", "name": "Floor lamp"},
        {"sku": "P4", "name": "Wall lamp"},
    ]
    assert found == {"items": names[:2], "total": 3, "page": 1, "pageSize": 2}
    found = started.call("product-search", "/products?search=lamp&page=2&pageSize=2").json()
    assert found == {"items": names[2:], "total": 3, "page": 2, "pageSize": 2}
    every = started.call("product-search", "/products").json()
    assert (len(every["items"]), every["total"], every["page"], every["pageSize"]) == (5, 5, 1, 25)
    assert started.call("product-search", "/products?search=sofa").json()["items"] == []
    assert started.call("product-search", "/products?page=0").status_code == 400


@pytest.mark.rows("H-015", "X-006")
def test_the_samples_need_their_key_and_are_in_swagger_ui(started: Started) -> None:
    """Each key opens its own sample; the page of all endpoints shows the three."""
    url = f"{started.said['gateway']}/v1/default/flows"
    assert requests.get(f"{url}/product-search/products", timeout=PATIENCE_SECONDS).status_code == 401
    key = started.words["create-order"][2].partition(": ")[2]
    other = requests.get(f"{url}/product-search/products", headers={"X-API-Key": key}, timeout=PATIENCE_SECONDS)
    assert other.status_code == 403
    assert [api["ui"] for api in started.said["apis"]] == [f"{url}/ui/"]
    assert requests.get(f"{url}/ui/", timeout=PATIENCE_SECONDS).status_code == 200
    paths = requests.get(f"{url}/openapi.json", timeout=PATIENCE_SECONDS).json()["paths"]
    assert sorted(paths) == ["/create-order/orders", "/customer-lookup/customers/{id}", "/product-search/products"]


@pytest.mark.rows("H-075")
def test_an_endpoint_is_tested_through_the_admin_api(started: Started) -> None:
    """With entered parameters; the answer shows request and response, and no key."""
    key = started.words["customer-lookup"][2].partition(": ")[2]
    headers = {"Authorization": f"Bearer {started.said['adminToken']}"}
    url = f"{started.said['admin']}/endpoints/customer-lookup/test"
    body = {"path": {"id": "C123"}, "key": key}
    shown = requests.post(url, json=body, headers=headers, timeout=PATIENCE_SECONDS).json()
    assert shown["request"]["url"] == f"{started.said['gateway']}/v1/default/flows/customer-lookup/customers/C123"
    assert shown["response"]["status"] == 200
    assert json.loads(shown["response"]["body"])["name"] == "Ada Lovelace"
    assert key not in json.dumps(shown)
    refused = requests.post(url, json={"key": key}, headers=headers, timeout=PATIENCE_SECONDS)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/path/id")


@pytest.mark.parametrize("sample", ["customer-lookup", "create-order", "product-search"])
def test_each_sample_is_one_command_and_its_curl_works(tmp_path: Path, sample: str) -> None:
    """And the same command again goes on where the first stopped, with the same key."""
    with start(tmp_path, sample) as said:
        words = shlex.split(said["curl"])
        assert subprocess.run([*words, "--fail", "--silent"], capture_output=True, timeout=60).returncode == 0
    with start(tmp_path, sample) as again:
        assert "key" not in again
        words = [word.replace(said["gateway"], again["gateway"]) for word in words]
        assert subprocess.run([*words, "--fail", "--silent"], capture_output=True, timeout=60).returncode == 0
