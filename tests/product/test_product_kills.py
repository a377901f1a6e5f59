"""``kill -9`` of everything there is, at random moments: callers hardly see it and nothing acknowledged is lost
(R-01, R-02, R-15).

``PRODUCT_KILL_SECONDS=60`` and ``PRODUCT_KILL_ROUNDS=100`` are the long forms.
"""

from __future__ import annotations

import contextlib
import os
import random
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests
from product_load import Load
from product_platform import TOKEN, Product, wait
from product_revisions import document, faults

from apimgmt.archive import Archive

SECONDS = int(os.environ.get("PRODUCT_KILL_SECONDS", "6"))
ROUNDS = int(os.environ.get("PRODUCT_KILL_ROUNDS", "5"))
FRESH_FAILED_MOST = 0.001
BACK_SECONDS_MOST = 2.0
ROUTE = "GET /killed/number HTTP/1.1\r\nHost: gateway\r\n"


def test_a_worker_dies_every_second(product: Product) -> None:
    """At 100 requests a second: of the fresh connections one in a thousand may break; a client that sends a request
    again when its kept connection broke sees nothing; a worker is replaced within two seconds."""
    product.upload("killed", document(2), basePath="/killed", authentication="none")
    chance, back = random.Random(1), []
    with Load(product.port, ROUTE, fresh=50, kept=50, retry=True) as load:
        for _ in range(SECONDS):
            begun = time.monotonic()
            before = product.pids()
            victim = chance.choice(sorted(before))
            psutil.Process(victim).kill()
            back.append(_replaced(product, victim, len(before)))
            time.sleep(max(0.0, begun + 1 - time.monotonic()))
    fresh = load.of("fresh")
    broken = load.failed("fresh", 200)
    print(
        f"\n{SECONDS} kills: {len(broken)} of {len(fresh)} fresh broken, kept {len(load.failed('kept', 200))} of "
        f"{len(load.of('kept'))}; {load.figures()}; "
        f"worker back after {statistics.median(back):.2f} s, at most {max(back):.2f} s"
    )
    assert load.failed("kept", 200) == []
    assert len(broken) <= max(2, len(fresh) * FRESH_FAILED_MOST), broken
    assert max(back) <= BACK_SECONDS_MOST
    assert [fault for fault in faults(load.seen) if not fault.startswith("failed: 0")] == []


def _replaced(product: Product, victim: int, count: int) -> float:
    """The seconds until as many workers serve as before."""
    return wait(lambda: len(_serving(product) - {victim}) == count)


def _serving(product: Product) -> set[int]:
    """The workers that are there and say that they serve the snapshot to be served."""
    archive = Archive(product.data)
    return {report.pid for report in archive.reports() if report.digest == archive.current()[0]}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Product]:
    """A platform of this test's own, because all of it is going to be killed."""
    started = Product(tmp_path, workers=1)
    try:
        yield started.start()
    finally:
        started.kill()


class Uploads(threading.Thread):
    """Uploads one API after another; ``acknowledged`` are the names whose answer was 201."""

    def __init__(self, product: Product, first: int) -> None:
        super().__init__(name="uploads")
        self.acknowledged: list[str] = []
        self.last = first
        self.going = True
        self._product = product

    def run(self) -> None:
        """Upload until told to stop; what fails is not acknowledged."""
        while self.going:
            self.last += 1
            name = f"kept-{self.last}"
            try:
                self._product.upload(name, document(self.last), basePath=f"/{name}", authentication="none")
                self.acknowledged.append(name)
            except requests.RequestException:
                time.sleep(0.05)


def test_no_acknowledged_upload_is_lost(own: Product) -> None:
    """The gateway's master, a worker, the admin process and everything at once, killed at random moments of uploads;
    then everything acknowledged is there, served, and the store is whole."""
    chance, acknowledged, last, counts = random.Random(2), [], 0, {"everything": 0}
    victims = ["gateway", "gateway worker", "admin", "admin worker", "everything"]
    for number in range(ROUNDS):
        victim = victims[number % len(victims)]
        uploads = Uploads(own, last)
        uploads.start()
        time.sleep(chance.uniform(0.3, 0.9))
        _kill(own, victim)
        counts[victim] = counts.get(victim, 0) + 1
        uploads.going = False
        uploads.join()
        last = uploads.last
        acknowledged += uploads.acknowledged
        if victim == "everything":
            own.start()
        else:
            _wait_ready(own, victim)
    own.kill()
    own.start()
    known = {api["name"]: api for api in own.ask("GET", "/apis")}
    print(f"\nkilled {counts}: {len(acknowledged)} of {last} uploads acknowledged, {len(known)} there")
    assert len(acknowledged) >= ROUNDS
    assert set(acknowledged) <= set(known)
    for name in acknowledged:
        answer = requests.get(f"{own.gateway}/{name}/number", timeout=10)
        assert answer.json()["revision"] == int(name.removeprefix("kept-"))
    # what was not acknowledged is there as a whole or not at all
    for name in set(known) - set(acknowledged):
        assert own.ask("GET", f"/apis/{name}/operations")


def _kill(product: Product, victim: str) -> None:
    if victim == "everything":
        product.kill()
        return
    name = victim.split(" ")[0]
    workers = product.workers(name)
    process = workers[0] if victim.endswith("worker") and workers else product.master(name)
    assert process is not None
    process.kill()


def _wait_ready(product: Product, victim: str) -> None:
    try:
        wait(lambda: _ready(product), 30)
    except AssertionError:
        logs = "".join(f"\n{name}: {product.log(name)[-2000:]}" for name in ("gateway", "admin"))
        left = [(process.pid, process.status(), process.cmdline()[-3:]) for process in product.everything()]
        pytest.fail(f"not ready after {victim} was killed: {left}{logs}")


def _ready(product: Product) -> bool:
    """Whether gateway and admin API both answer for what they have."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with contextlib.suppress(requests.RequestException):
        gateway = requests.get(f"{product.gateway}/readyz", timeout=5)
        admin = requests.get(f"{product.admin}/apis", headers=headers, timeout=5)
        return gateway.status_code == admin.status_code == 200
    return False
