"""The example of docs/backoff.md, run against a server that asks for patience."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from time import time
from typing import Any, ClassVar

import pytest
import requests

PAGE = Path(__file__).resolve().parents[1] / "docs" / "backoff.md"


class Busy(BaseHTTPRequestHandler):
    """Answers what ``answers`` says, one after the other: a status and a Retry-After; the last one for ever."""

    answers: ClassVar[list[tuple[int, str]]] = []
    seen: ClassVar[list[str]] = []

    def _answer(self) -> None:
        self.seen.append(self.command)
        status, after = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.send_response(status)
        if after:
            self.send_header("Retry-After", after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PUT = _answer  # noqa: N815  names of the standard library

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where the server is."""
    server = HTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """The names of the example."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {"__name__": "example"}
    exec(code, names)
    return names


def run(example: dict[str, Any], url: str, method: str, *answers: tuple[int, str]) -> tuple[int, list[float]]:
    """The last status, and how long it would have waited before each further attempt."""
    Busy.answers, Busy.seen, waits = [*answers], [], []
    status = example["call"](method, url, sleep=waits.append).status_code
    assert len(Busy.seen) == len(waits) + 1
    return status, waits


@pytest.mark.rows("H-101")
def test_the_example_waits_as_long_as_it_is_told(example: dict[str, Any], url: str) -> None:
    """Seconds or a date; never less."""
    status, waits = run(example, url, "GET", (429, "7"), (503, "3"), (200, ""))
    assert status == 200 and 7 <= waits[0] <= 7.5 and 3 <= waits[1] <= 3.5
    status, waits = run(example, url, "GET", (503, formatdate(time() + 100, usegmt=True)), (200, ""))
    assert status == 200 and 95 < waits[0] <= 101


@pytest.mark.rows("H-101")
def test_the_example_waits_twice_as_long_each_time_and_gives_up(example: dict[str, Any], url: str) -> None:
    """With some chance in it, so that clients do not come back together."""
    status, waits = run(example, url, "PUT", (503, ""))
    assert status == 503 and len(waits) == 5
    assert all(0.25 * 2**n <= wait <= 0.5 * 2**n for n, wait in enumerate(waits))
    assert run(example, url, "PUT", (503, ""))[1] != waits


@pytest.mark.parametrize(("method", "status"), [("GET", 401), ("GET", 403), ("GET", 404), ("POST", 503), ("POST", 504)])
def test_the_example_does_not_repeat_what_must_not_be(
    example: dict[str, Any], url: str, method: str, status: int
) -> None:
    """Refusals, and what may have run; 429 is for any method."""
    assert run(example, url, method, (status, "1"), (200, "")) == (status, [])
    assert run(example, url, "POST", (429, "0"), (200, ""))[0] == 200


def test_a_connection_that_breaks_is_tried_again(example: dict[str, Any]) -> None:
    """Nobody listens on port 9 of this machine: five pauses, then the error; a POST fails at once."""
    for method, pauses in (("GET", 5), ("POST", 0)):
        waits: list[float] = []
        with pytest.raises(requests.ConnectionError):
            example["call"](method, "http://127.0.0.1:9/", sleep=waits.append)
        assert len(waits) == pauses
