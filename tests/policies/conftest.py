"""What the tests of policies share: a Redis of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis_server import RedisServer


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """An empty Redis; the test is skipped, with the reason, where there is none."""
    server = RedisServer(tmp_path)
    try:
        yield server
    finally:
        server.stop()
