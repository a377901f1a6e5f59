"""Which retries count where several things say something about them (X-001)."""

from __future__ import annotations

from pathlib import Path

import pytest
from connections.faults import Faults

from apimgmt.connections.configuration import Configuration, Retries
from apimgmt.connections.connection import Connection
from apimgmt.connections.connector import perform
from apimgmt.connections.connector.actions import Get
from apimgmt.errors import ConnectionFailed
from apimgmt.settings import Settings

BUSY = b"HTTP/1.1 503 no\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.rows("X-001")
def test_a_connection_repeats_by_itself_an_action_does_not(tmp_path: Path) -> None:
    """3 repetitions at 1, 2 and 4 s for a connection, none for an action; what an action says wins over its
    connection."""
    assert Retries() == Retries(count=3, delay=1.0, backoff=True, statuses=(429, 500, 502, 503, 504), all_errors=False)
    assert Get(url="https://api.example.com").max_retry_count == 0
    settings = Settings(data=str(tmp_path), egress_allow="127.0.0.1")
    with Faults(BUSY) as upstream:
        quick = Configuration(base_url=upstream.url, retries=Retries(delay=0), breaker=None)
        connection = Connection("crm", quick, {}, settings)
        assert connection.get("/").attempts == 4
        for count in (0, 1):
            before = len(upstream.requests)
            with pytest.raises(ConnectionFailed):
                perform(Get(url="/", connection="crm", max_retry_count=count), lambda name: connection, settings)
            assert len(upstream.requests) - before == count + 1
        before = len(upstream.requests)
        with pytest.raises(ConnectionFailed):
            perform(Get(url=upstream.url), settings=settings)
        assert len(upstream.requests) - before == 1
