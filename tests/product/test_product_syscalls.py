"""The admin process, killed or failed at a system call of an upload with its publish (R-14).

``strace`` injects the fault at the n-th call of a kind. Afterwards the store is as before the upload or as after it,
what was acknowledged is there and served, and the gateway has answered all the time. ``PRODUCT_SYSCALLS=all`` goes
through every call of every kind, until a round has nothing left to inject; the short form takes a few of each.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from product_load import Load
from product_platform import TOKEN, Product, wait
from product_revisions import document, faults, number_of

from apimgmt.archive import Archive
from apimgmt.errors import SnapshotRefused
from apimgmt.model import Snapshot

EVERY = os.environ.get("PRODUCT_SYSCALLS") == "all"
ROUTE = "GET /kept/number HTTP/1.1\r\nHost: gateway\r\n"
CALLS = ("pwrite64", "fdatasync", "fsync", "rename", "unlink", "openat", "write", "close")
FAULTS = ("signal=KILL", "error=ENOSPC", "error=EIO")
# of the short form, with the first two faults: which call of its kind is hit
SOME = {"pwrite64": (3,), "fdatasync": (2,), "fsync": (2,), "rename": (1, 3)}
# the naive writer: no temporary file, no rename
NAIVE = """
import os, sys
content = open(sys.argv[1], "rb").read()
file = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT)
half = len(content) // 2
os.write(file, content[:half])
os.write(file, content[half:])
"""

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A platform of this file's own, with one API."""
    started = Product(tmp_path_factory.mktemp("syscalls"), workers=1)
    try:
        started.start().upload("kept", document(1), basePath="/kept", authentication="none")
        yield started
    finally:
        started.stop()


def rounds() -> Iterator[tuple[str, str, range | tuple[int, ...]]]:
    """Kind of call, fault, and which calls of that kind are hit, one after the other."""
    for call in CALLS if EVERY else SOME:
        for fault in FAULTS if EVERY else FAULTS[:2]:
            yield call, fault, range(1, 1_000) if EVERY else SOME[call]


@contextlib.contextmanager
def injected(product: Product, call: str, fault: str, number: int, said: Path) -> Iterator[None]:
    """The fault waits in the admin process; ``said`` has what was traced."""
    (worker,) = product.workers("admin")
    inject = f"inject={call}:{fault}:when={number}"
    words = ["strace", "-f", "-q", "-o", str(said), "-e", f"trace={call}", "-e", inject, "-p", str(worker.pid)]
    tracer = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait(lambda: _traced(worker.pid))
        yield
    finally:
        tracer.terminate()
        try:
            tracer.wait(2)
        except subprocess.TimeoutExpired:
            # it waits for a thread that it has seen die
            tracer.kill()
            tracer.wait(2)


def _traced(pid: int) -> bool:
    """Whether every thread of a process has a tracer."""
    states = [path.read_text("ascii") for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return all("TracerPid:\t0\n" not in state for state in states)


def test_a_fault_at_a_system_call(own: Product, tmp_path: Path) -> None:
    """Whatever fails, wherever the process dies: nothing torn, nothing acknowledged lost, nothing seen by callers."""
    hit, number, acknowledged = 0, 1, set()
    with Load(own.port, ROUTE, fresh=10, kept=20) as load:
        for call, fault, numbers in rounds():
            for which in numbers:
                number += 1
                name = f"made-{number}"
                said = tmp_path / f"{number}.strace"
                with injected(own, call, fault, which, said), contextlib.suppress(requests.RequestException):
                    own.upload(name, document(number), basePath=f"/{name}", authentication="none")
                    acknowledged.add(name)
                wait(lambda: _ready(own), 30)
                if not _was_hit(said):
                    break
                hit += 1
                _check(own, name, number, acknowledged)
    print(f"\n{hit} faults, {len(acknowledged)} of {number - 1} uploads acknowledged; {load.figures()}")
    assert hit >= 10
    assert faults(load.seen) == []
    assert {number_of(seen) for seen in load.seen} == {1}
    own.kill()
    own.start()
    assert acknowledged <= {api["name"] for api in own.ask("GET", "/apis")}
    own.upload("last", document(2), basePath="/last", authentication="none")


def test_the_check_finds_what_a_naive_writer_leaves(tmp_path: Path) -> None:
    """The mutant: killed at its second write, a writer that does not rename leaves a snapshot that is refused."""
    archive = Archive(tmp_path / "data")
    digest = archive.put_snapshot(Snapshot(number=1, created="2026-01-01T00:00:00Z"))
    assert archive.load_snapshot(digest).number == 1
    there = tmp_path / "data" / "snapshots" / f"{digest}.json"
    there.rename(tmp_path / "whole")
    words = ["strace", "-q", "-o", "/dev/null", "-e", "trace=write", "-e", "inject=write:signal=KILL:when=2"]
    subprocess.run([*words, sys.executable, "-I", "-S", "-c", NAIVE, str(tmp_path / "whole"), str(there)])
    assert there.stat().st_size > 0
    with pytest.raises(SnapshotRefused, match="damaged"):
        archive.load_snapshot(digest)


def _was_hit(said: Path) -> bool:
    text = said.read_text("utf-8", "replace")
    return "(INJECTED)" in text or "killed by SIGKILL" in text


def _check(product: Product, name: str, number: int, acknowledged: set[str]) -> None:
    """The state is the one before the upload or the one after it, whole, and everything acknowledged is part of it."""
    with sqlite3.connect(product.data / "apimgmt.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    archive = Archive(product.data)
    served = archive.load_snapshot(archive.current()[0])
    for entry in served.apis:
        assert archive.load_api(entry.digest).title == "Revisions"
    known = {api["name"]: api for api in product.ask("GET", "/apis")}
    assert acknowledged <= known.keys()
    if name in known:
        assert [one["key"] for one in product.ask("GET", f"/apis/{name}/operations")] == ["get /number"]
    if name in acknowledged:
        answer = requests.get(f"{product.gateway}/{name}/number", timeout=10)
        assert answer.json()["revision"] == number


def _ready(product: Product) -> bool:
    with contextlib.suppress(requests.RequestException):
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return requests.get(f"{product.admin}/apis", headers=headers, timeout=5).status_code == 200
    return False
