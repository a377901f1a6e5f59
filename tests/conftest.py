"""What all tests share: the acceptance rows that a test shows travel with its report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis_server import RedisServer


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Write the ids of ``@pytest.mark.rows`` into the report of each test (``tests/acceptance.py`` reads them)."""
    for item in items:
        for mark in item.iter_markers("rows"):
            item.user_properties.append(("rows", list(mark.args)))


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """An empty Redis of its own; the test is skipped, with the reason, where there is none."""
    server = RedisServer(tmp_path)
    try:
        yield server
    finally:
        server.stop()
