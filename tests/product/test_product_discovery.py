"""From a database to an answer: a connection is made, its tables are discovered, a function reads and writes them."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from product_platform import PROGRAM, TOKEN, Product

FUNCTIONS = """
from apimgmt import connection

def adults(trigger):
    customers = connection("shop").entity("customers")
    return list(customers.list(where={"age": {"ge": trigger.data.query.age}}, order="name"))

def join(trigger):
    return connection("shop").entity("customers").create(dict(trigger.data.body))
"""
DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "Customers", "version": "1"},
    "servers": [{"url": "/customers"}],
    "paths": {
        "/": {
            "get": {
                "operationId": "adults",
                "parameters": [{"name": "age", "in": "query", "required": True, "schema": {"type": "integer"}}],
                "responses": {"200": {"description": "rows"}},
            },
            "post": {
                "operationId": "join",
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                "responses": {"200": {"description": "the row"}},
            },
        }
    },
}
DAY = {"id": 3, "name": "Day'; DROP TABLE customers; --", "age": 50}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A platform with these functions and a database in its data folder."""
    folder = tmp_path_factory.mktemp("discovery")
    (folder / "functions.py").write_text(FUNCTIONS)
    started = Product(folder, handlers=str(folder / "functions.py"), workers=1)
    (started.data / "databases").mkdir(parents=True)
    session = sqlite3.connect(started.data / "databases" / "shop.db")
    session.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, age INTEGER)")
    session.execute("INSERT INTO customers VALUES (1, 'Ada', 36), (2, 'Bob', 17)")
    session.commit()
    session.close()
    try:
        yield started.start()
    finally:
        started.stop()


def run(platform: Product, *arguments: str) -> str:
    """The command line as an administrator uses it."""
    environment = {
        "APIMGMT_URL": platform.admin.removesuffix("/api/v1"),
        "APIMGMT_TOKEN": TOKEN,
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run([PROGRAM, *arguments], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_database_is_discovered_and_used(platform: Product, tmp_path: Path) -> None:
    """Discovered at the command line, listed and written by a function in a worker; hostile values are stored."""
    platform.ask("POST", "/connections", {"name": "shop", "type": "sql", "baseUrl": "sqlite:///shop.db"})
    assert "customers" in run(platform, "connections", "discover", "shop", "--store")
    platform.upload("customers", DOCUMENT, authentication="none")
    platform.bind("customers", {name: {"kind": "python", "function": name} for name in ("adults", "join")})
    url = f"{platform.gateway}/customers/"
    assert requests.post(url, json=DAY, timeout=20).json() == DAY
    assert requests.get(url, params={"age": 18}, timeout=20).json() == [{"id": 1, "name": "Ada", "age": 36}, DAY]
    again = requests.post(url, json=DAY, timeout=20)
    assert again.status_code == 502 and "DROP" not in again.text


def test_a_document_is_discovered_from_a_file(platform: Product, tmp_path: Path) -> None:
    """Taken in by the bounded child of the running platform."""
    platform.ask("POST", "/connections", {"name": "crm", "baseUrl": "https://crm.example"}, untested="true")
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(DOCUMENT))
    lines = run(platform, "connections", "discover", "crm", "--from", str(file), "--store").splitlines()
    assert [line.split()[:3] for line in lines[1:3]] == [["adults", "new", "yes"], ["join", "new", "yes"]]
    entities = platform.ask("GET", "/connections/crm/entities")
    assert {one["name"]: one["definition"]["path"] for one in entities} == {
        "adults": "/customers/",
        "join": "/customers/",
    }
