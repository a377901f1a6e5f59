"""kill -9 of the control plane at any moment: nothing that was acknowledged is lost, nothing is torn (R-06, R-15)."""

from __future__ import annotations

import multiprocessing
import random
import sqlite3
import time
from pathlib import Path

import pytest
from control_samples import document, take_in
from control_writer import write_until_killed

from apimgmt.archive import Archive
from apimgmt.control.service import Control
from apimgmt.control.store import Store
from apimgmt.errors import Problem
from apimgmt.settings import Settings

KILLS = 32
LONGEST_LIFE_SECONDS = 0.08


@pytest.fixture(scope="module")
def processes() -> multiprocessing.context.ForkServerContext:
    """Quick starts: the server has imported the product, each writer is a fork of it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["apimgmt.control.service", "apimgmt.processes.echo"])
    return context


def _kill_once(
    processes: multiprocessing.context.ForkServerContext, folder: Path, round_: int, life: float, early: bool
) -> None:
    """Start a writer, wait for its first note of this round, let it live for ``life`` seconds, kill it."""
    notes = folder / "acknowledged"
    before = notes.stat().st_size if notes.exists() else 0
    writer = processes.Process(target=write_until_killed, args=(str(folder), round_, early))
    writer.start()
    deadline = time.monotonic() + 20
    while (notes.stat().st_size if notes.exists() else 0) == before:
        assert writer.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(life)
    writer.kill()
    writer.join()


def _lost(folder: Path) -> list[str]:
    """Every note whose revision is not there to the byte; checks on the way that store and archive are whole."""
    with sqlite3.connect(folder / "apimgmt.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    settings = Settings(data=str(folder))
    store, archive = Store(settings), Archive(folder)
    control = Control(settings, store, archive, take_in)
    served = archive.load_snapshot(archive.current()[0])
    assert archive.current()[0] == control.snapshot().digest
    for entry in served.apis:
        assert archive.load_api(entry.digest).title == entry.name
        assert entry.bindings.keys() <= {"get /books"}
    lost = []
    for line in (folder / "acknowledged").read_text("utf-8").splitlines():
        api, revision, name = line.split(" ")
        wanted = document(name, f"/{name}") if revision == "1" else document(name, f"/{name}", version="2")
        try:
            if control.document(api, int(revision))[0] != wanted:
                lost.append(line)
            control.operations(api)
        except Problem:
            lost.append(line)
    store.close()
    return lost


def test_no_acknowledged_upload_is_lost(tmp_path: Path, processes: multiprocessing.context.ForkServerContext) -> None:
    """32 kills at random moments; the database is whole and every note is true."""
    chance = random.Random(15)
    for round_ in range(KILLS):
        _kill_once(processes, tmp_path, round_, chance.uniform(0, LONGEST_LIFE_SECONDS), early=False)
        if round_ % 16 == 15:
            assert _lost(tmp_path) == []


def test_the_test_can_fail(tmp_path: Path, processes: multiprocessing.context.ForkServerContext) -> None:
    """A mutant that acknowledges before it stores is caught within a few kills."""
    for round_ in range(KILLS):
        _kill_once(processes, tmp_path, round_, 0, early=True)
        if any(not _stored(tmp_path, line) for line in _notes(tmp_path)):
            return
    pytest.fail("nothing was ever lost")


def _notes(folder: Path) -> list[str]:
    return [line.split(" ")[2] for line in (folder / "acknowledged").read_text("utf-8").splitlines()]


def _stored(folder: Path, name: str) -> bool:
    with sqlite3.connect(folder / "apimgmt.db") as connection:
        return bool(connection.execute("SELECT 1 FROM apis WHERE name = ?", (name,)).fetchall())
