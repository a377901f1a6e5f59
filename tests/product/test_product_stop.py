"""Ctrl-C or SIGTERM with requests under way: all of them are answered, whole, and nothing new is begun (R-13).

``PRODUCT_STOP_SECONDS=5`` is the long form: that is how long every request takes.
"""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import h11
import pytest
from product_platform import Product, wait
from product_wire import Answer, Wire, request

SECONDS = float(os.environ.get("PRODUCT_STOP_SECONDS", "2"))
REQUESTS = 50
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Slow", "version": "1"},
    "paths": {
        "/{milliseconds}": {
            "get": {
                "operationId": "slow",
                "parameters": [{"name": "milliseconds", "in": "path", "required": True, "schema": {"type": "integer"}}],
                "responses": {"200": {"description": "ok"}},
            }
        }
    },
}


def test_what_is_under_way_is_finished(tmp_path: Path) -> None:
    """50 requests, a signal, 50 complete answers; meanwhile nobody new is served; then nothing is left."""
    product = Product(tmp_path).start()
    product.upload("slow", DOCUMENT, basePath="/slow", authentication="none")
    product.bind("slow", {"slow": {"kind": "python", "function": "slow"}})
    processes = product.everything()
    asked = request("GET", f"/slow/{int(SECONDS * 1000)}")
    lines = [Wire(product.port) for _ in range(REQUESTS)]
    with ThreadPoolExecutor(REQUESTS) as threads:
        answers = [threads.submit(line.ask, asked) for line in lines]
        wait(lambda: (tmp_path / "slow").exists() and len(list((tmp_path / "slow").iterdir())) == REQUESTS)
        begun = time.monotonic()
        assert product.process is not None
        product.process.send_signal(signal.SIGTERM)
        wait(lambda: _refuses(product))
        assert not all(answer.done() for answer in answers), "the signal did not wait for what is under way"
        assert [_whole(answer).status for answer in answers] == [200] * REQUESTS
    assert product.process.wait(SECONDS + 5) == 0
    print(
        f"\n{REQUESTS} requests of {SECONDS:g} s finished, all ended {time.monotonic() - begun:.1f} s after the signal"
    )
    assert [one for one in processes if one.is_running()] == []
    with pytest.raises(OSError):
        Wire(product.port)


def _refuses(product: Product) -> bool:
    """Whether a new connection is not served: refused, ended without an answer, or 503."""
    try:
        with Wire(product.port) as line:
            line.socket.settimeout(0.3)
            answer = line.ask(request("GET", "/livez"))
    except (OSError, h11.RemoteProtocolError):
        return True
    return answer is None or answer.status == 503


def _whole(answer: Future[Answer | None]) -> Answer:
    """What a thread read: a complete answer, or h11 would have said so."""
    found = answer.result(SECONDS + 10)
    assert found is not None
    assert found.field("connection") == "close"
    assert found.json() == {"slow": True}
    return found
