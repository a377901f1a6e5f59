"""Publishing under load: no failed request, no mixed answer, no way back, no growth (R-09, R-11).

``PRODUCT_PUBLISHES=1000`` is the long form.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import time

import pytest
from product_load import Load, Seen
from product_platform import Product
from product_revisions import document, faults, number_of

PUBLISHES = int(os.environ.get("PRODUCT_PUBLISHES", "50"))
# an upload with its publish takes 0.2 s on a quiet machine; the rest is for one that has other things to do
SECONDS_USUAL, SECONDS_MOST = 1.0, 3.0
WARM = 20
ROUTE = "GET /revisions/number HTTP/1.1\r\nHost: gateway\r\n"
GROWTH_MB = 10.0


def test_publishing_under_load_is_never_seen(product: Product) -> None:
    """50 publishes under 150 requests a second, half of them on fresh connections; every worker has each at once."""
    product.upload("revisions", document(1), basePath="/revisions", authentication="none")
    pids, waits, memory = product.pids(), [], {}
    with Load(product.port, ROUTE, fresh=75, kept=75) as load:
        for number in range(2, PUBLISHES + 2):
            begun = time.monotonic()
            assert product.ask("PUT", "/apis/revisions", document(number), publish="true")["published"]
            waits.append(time.monotonic() - begun)
            if number == WARM:
                memory = product.memory()
    grown = {pid: after - memory[pid] for pid, after in product.memory().items()}
    usual, slowest = statistics.median(waits), max(waits)
    print(
        f"\n{PUBLISHES} publishes, median {usual:.2f} s, slowest {slowest:.2f} s; {load.figures()}; grown by {grown} MB"
    )
    assert faults(load.seen) == []
    assert len({number_of(seen) for seen in load.seen}) >= PUBLISHES * 0.9, "the load did not see the revisions"
    assert usual <= SECONDS_USUAL and slowest <= SECONDS_MOST
    assert product.pids() == pids
    assert max(grown.values()) <= GROWTH_MB


def test_a_publish_is_seen_on_every_connection_once_it_is_answered(product: Product) -> None:
    """After the answer no worker shows the revision before, on any connection."""
    product.upload("seen", document(1), basePath="/seen", authentication="none")
    for number in range(2, 8):
        answer = product.ask("PUT", "/apis/seen", document(number), publish="true")
        assert answer["published"]
        with Load(product.port, ROUTE.replace("revisions", "seen"), fresh=300, kept=0) as load:
            time.sleep(0.15)
        assert {number_of(seen) for seen in load.seen} == {number}


class TwoReferences:
    """The naive gateway: what makes the head and what makes the body are swapped one after the other."""

    def __init__(self) -> None:
        self.head = self.body = 1

    async def swap(self, number: int) -> None:
        """Publish; between the two references the loop runs."""
        self.head = number
        await asyncio.sleep(0)
        self.body = number

    async def answer(self, connection: str) -> Seen:
        """One answer, as the load sees it."""
        number = self.head
        body = {"revision": self.body, "again": self.body, "text": f"revision {self.body}"}
        await asyncio.sleep(0)
        fields = {"x-revision": str(number)}
        return Seen(connection, time.monotonic(), 0.0, 201 if number % 2 else 200, fields, json.dumps(body).encode())


async def test_the_check_finds_a_gateway_that_swaps_two_references() -> None:
    """The mutant of R-09: the same check of the same kind of history finds mixed answers."""
    mutant = TwoReferences()
    seen = []
    for number in range(2, 50):
        swapping = asyncio.create_task(mutant.swap(number))
        seen += await asyncio.gather(*(mutant.answer(str(one)) for one in range(3)))
        await swapping
    assert any(fault.startswith("mixed") for fault in faults(seen))


@pytest.mark.parametrize(
    ("numbers", "fault"), [([3, 4, 4, 9], ""), ([3, 4, 3], "back: 3 after 4"), ([3, 0, 3], "failed: 0")]
)
def test_the_check_finds_failures_and_ways_back(numbers: list[int], fault: str) -> None:
    """A history that goes up is right, one that goes down or has a hole is not."""
    history = []
    for place, number in enumerate(numbers):
        body = json.dumps({"revision": number, "again": number, "text": f"revision {number}"}).encode()
        status = (201 if number % 2 else 200) if number else 0
        history.append(Seen("one", place, 0.0, status, {"x-revision": str(number)}, body))
    assert "; ".join(faults(history))[: len(fault)] == fault and bool(faults(history)) is bool(fault)
