"""A storm of faults behind a proxy: every answer is the right one, none is late, nothing is left over (R-17).

The long form, 100 requests for each fault, is run with APIMGMT_LONG=1, and looks at the clock as well.
"""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from connections.faults import Faults
from processes.proxied import proxied, until

from harness import Client

LONG = bool(os.environ.get("APIMGMT_LONG"))
REQUESTS = 100 if LONG else 10
SECONDS = 1.0 if LONG else 0.3
LATE_SECONDS = 0.25
FAULTS = {
    "refuse": 502,
    "reset": 502,
    "reset-before-headers": 502,
    "reset-after-headers": 502,
    "reset-mid-body": 502,
    "black-hole": 504,
    "delay": 504,
    "drip-headers": 504,
    "longer-length": 502,
    "bad-chunk": 502,
    "endless-headers": 502,
    "garbage": 502,
    "http10": 200,
}


def ask(client: Client) -> tuple[int, float]:
    """The status of one request, and the seconds that it took."""
    began = time.monotonic()
    return client.get("/shop/items/1").status, time.monotonic() - began


@pytest.mark.rows("C-073")
@pytest.mark.parametrize("fault", FAULTS)
def test_every_answer_is_the_right_one_and_nothing_is_left(fault: str) -> None:
    """Ten at a time; afterwards there are as many sockets and threads as before."""
    with Faults("good") as upstream, proxied(upstream.url) as client:
        ask(client)  # what is made once is made
    gc.collect()
    sockets, threads = open_sockets(), threading.active_count()
    settings = {"timeout": SECONDS, "breaker": None}
    with Faults(fault, pause=0.1) as upstream, proxied(upstream.url, settings) as client:
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda _: ask(client), range(REQUESTS)))
        assert {status for status, _ in answers} == {FAULTS[fault]}
        if LONG:
            assert max(seconds for _, seconds in answers) <= SECONDS + LATE_SECONDS
    gc.collect()
    until(lambda: open_sockets() <= sockets)
    until(lambda: threading.active_count() <= threads)


def open_sockets() -> int:
    """How many sockets this process has open."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return count
