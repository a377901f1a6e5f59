"""A disk without room for one more byte: what is served goes on, what is written is refused, and all is well once there
is room again, without a restart (R-16).

Store, snapshots and logs are on a file system of 8 MB; that needs the right to mount one.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests
from product_load import Load
from product_platform import Product, wait
from product_revisions import document, faults

ROUTE = "GET /kept/number HTTP/1.1\r\nHost: gateway\r\n"
MEGABYTES = 8
UPLOADS = 5


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A platform whose data folder is on a small disk, with one API."""
    folder = tmp_path_factory.mktemp("disk")
    data = folder / "data"
    data.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(data)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a file system cannot be mounted here")
    product = Product(folder)
    try:
        product.start().upload("kept", document(1), basePath="/kept", authentication="none")
        yield product
    finally:
        product.stop()
        subprocess.run(["umount", "-l", str(data)], check=True)


def fill(file: Path) -> None:
    """Write until nothing more can be written."""
    with contextlib.suppress(OSError), open(file, "wb", buffering=0) as out:
        while True:
            out.write(bytes(4096))


def refused(product: Product, name: str) -> requests.Response:
    """The answer to an upload that cannot be stored."""
    with pytest.raises(requests.HTTPError) as caught:
        product.upload(name, document(2), basePath=f"/{name}", authentication="none")
    return caught.value.response


def test_a_full_disk(small: Product) -> None:
    """No request fails and every upload is a 503 that says why; with room again all goes on, in the same processes."""
    processes = small.everything()
    filler = small.data / "filler"
    with Load(small.port, ROUTE, fresh=20, kept=50, retry=True) as load:
        fill(filler)
        for number in range(UPLOADS):
            answer = refused(small, f"refused-{number}")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert "what was acknowledged is safe" in answer.json()["detail"]
        assert [api["name"] for api in small.ask("GET", "/apis")] == ["kept"]
        # longer than a worker may be silent
        time.sleep(2)
        filler.unlink()
        small.upload("later", document(2), basePath="/later", authentication="none")
    print(f"\n{load.figures()}")
    assert faults(load.seen) == []
    assert requests.get(f"{small.gateway}/later/number", timeout=10).json()["revision"] == 2
    assert len(small.ask("GET", "/snapshot")["workers"]) == 2
    assert [one.pid for one in processes if not one.is_running()] == []


def test_a_worker_starts_on_a_full_disk(small: Product) -> None:
    """A killed worker is replaced and serves, though it can write neither report nor log."""
    filler = small.data / "filler"
    fill(filler)
    before = small.pids()
    for pid in before:
        psutil.Process(pid).kill()
    wait(lambda: len(small.pids() - before) == len(before) and _answers(small), 30)
    filler.unlink()
    wait(lambda: len(small.ask("GET", "/snapshot")["workers"]) == 2, 30)
    small.upload("again", document(2), basePath="/again", authentication="none")
    assert requests.get(f"{small.gateway}/again/number", timeout=10).json()["revision"] == 2


def _answers(product: Product) -> bool:
    with contextlib.suppress(requests.RequestException):
        return requests.get(f"{product.gateway}/kept/number", timeout=5).status_code == 201
    return False
