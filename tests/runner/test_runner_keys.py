"""What a step sent before it was killed, and sends again afterwards, has the same idempotency key (apimgmt/runner)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from runner_place import FLOW, PATIENCE, Place, ended, step, until

from apimgmt.model import Binding, ConnectionEntry, Snapshot


class Ledger(ThreadingHTTPServer):
    """Another system: notes the key of each request, and does not answer before it is allowed to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Row)
        self.keys: list[str | None] = []
        self.may_answer = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Row(BaseHTTPRequestHandler):
    """One request to it."""

    server: Ledger

    def do_POST(self) -> None:
        """Note it, and answer later."""
        self.rfile.read(int(self.headers["content-length"]))
        self.server.keys.append(self.headers["idempotency-key"])
        self.server.may_answer.wait(PATIENCE)
        self.send_response(201)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    """The other system."""
    made = Ledger()
    yield made
    made.may_answer.set()
    made.shutdown()
    made.server_close()


@pytest.mark.rows("H-106")
def test_a_call_that_was_killed_is_made_again_with_the_same_key(tmp_path: Path, ledger: Ledger) -> None:
    """``kill -9`` after the request was sent and before it was answered: twice the same key; another call has another
    one, and so has another run."""
    place = Place(tmp_path, settings={"egress_allow": "127.0.0.1"})
    stored = {"baseUrl": f"http://127.0.0.1:{ledger.server_port}", "idempotencyKey": "Idempotency-Key"}
    entry = ConnectionEntry(id="c1", name="ledger", settings=stored)
    place.archive.make_current(place.archive.put_snapshot(Snapshot(number=1, created="", connections=(entry,))))
    book = {"call": "connection", "with": {"connection": "ledger", "method": "POST", "path": "/rows", "body": {"a": 1}}}
    binding = Binding(kind="flow", config={"definition": {**FLOW, "do": [step(1), {"book": book}, {"again": book}]}})
    try:
        identity = place.order(1, binding)
        place.start()
        until(lambda: ledger.keys)
        place.kill_child()
        until(lambda: len(ledger.keys) >= 2)
        ledger.may_answer.set()
        assert ended(place, identity) == "succeeded"
        first, second, third = ledger.keys
        assert first == second and first and third and third != first
        assert place.lines()["1 1 begin"] == 1
        other = place.order(2, binding)
        assert ended(place, other) == "succeeded"
        assert len({*ledger.keys}) == 4 and len(ledger.keys) == 5
    finally:
        place.close()
