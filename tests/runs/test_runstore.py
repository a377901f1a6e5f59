"""The records of runs in their file (apimgmt/runs/store.py, journal.py)."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apimgmt.auth.access import Access
from apimgmt.errors import Problem
from apimgmt.model import Snapshot
from apimgmt.request import Request, Target
from apimgmt.runs import RunRecord
from apimgmt.runs.journal import Journal
from apimgmt.runs.lines import Kept, Line, Lines
from apimgmt.runs.store import DAY_SECONDS, FILE, RunStore
from apimgmt.settings import Settings

NOW = 1_800_000_000.0


def record(number: int, **more: Any) -> RunRecord:
    """The n-th run, a second after the one before."""
    fields: dict[str, Any] = {"api": "shop", "operation": "get /a", "state": "failed", "status": 500, "seconds": 0.1}
    return RunRecord(id=f"r-{number:06d}", began=NOW + number, **{**fields, **more})


def identities(records: list[RunRecord]) -> list[str]:
    """Their ids."""
    return [one.id for one in records]


def test_a_run_is_found_and_the_newest_come_first(tmp_path: Path) -> None:
    """By its id; by API, operation, state, status and time; at most so many."""
    store = RunStore(tmp_path)
    assert (store.newest(), store.find("r-000001"), store.dropped()) == ([], None, 0)
    other = record(3, api="crm", operation="post /b", state="timed-out", status=504)
    store.add([record(1), record(2, status=409), other])
    assert store.find("r-000003") == other
    assert identities(store.newest()) == ["r-000003", "r-000002", "r-000001"]
    assert identities(store.newest(limit=1)) == ["r-000003"]
    assert identities(store.newest(api="shop")) == ["r-000002", "r-000001"]
    assert identities(store.newest(operation="post /b")) == ["r-000003"]
    assert identities(store.newest(state="timed-out")) == ["r-000003"]
    assert identities(store.newest(status=409, api="shop")) == ["r-000002"]
    assert identities(store.newest(since=NOW + 2)) == ["r-000003", "r-000002"]


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    """At the limit it stays, beyond it goes."""
    store = RunStore(tmp_path)
    store.add([record(0), record(1)])
    store.forget(days=1, most_bytes=10**9, now=NOW + DAY_SECONDS)
    assert identities(store.newest()) == ["r-000001", "r-000000"]
    store.forget(days=1, most_bytes=10**9, now=NOW + DAY_SECONDS + 1)
    assert identities(store.newest()) == ["r-000001"]


def test_the_oldest_go_when_they_take_too_much(tmp_path: Path) -> None:
    """The newest stay, within the size."""
    store = RunStore(tmp_path)
    store.add([record(number, request="x" * 1000) for number in range(500)])
    store.forget(days=1, most_bytes=200_000, now=NOW)
    left = identities(store.newest(limit=1000))
    assert 50 < len(left) < 200 and left[0] == "r-000499"
    store.add([record(number, request="x" * 1000) for number in range(500, 520)])
    assert (tmp_path / FILE).stat().st_size < 1_200_000


def kept(number: int, message: str = "x", part: int = 0) -> Kept:
    """What the n-th run logged."""
    line = Line(time=NOW + number, level="INFO", logger="shop", message=message)
    return Kept(id=f"r-{number:06d}", part=part, began=NOW + number, lines=(line,))


def test_what_a_run_logged_is_kept_and_goes_with_it(tmp_path: Path) -> None:
    """Part by part; a record that is written again leaves it alone; what is too old has gone with the run."""
    store = RunStore(tmp_path)
    assert store.lines("r-000001") == []
    store.add([record(0), record(1)], lines=[kept(0), kept(1, part=1), kept(1)])
    store.add([record(1, state="succeeded")])
    assert [(one.part, one.lines[0].message) for one in store.lines("r-000001")] == [(0, "x"), (1, "x")]
    store.forget(days=1, most_bytes=10**9, now=NOW + DAY_SECONDS + 1)
    assert (store.lines("r-000000"), len(store.lines("r-000001"))) == ([], 2)


def test_the_oldest_lines_go_when_they_take_too_much(tmp_path: Path) -> None:
    """They count for the size as records do, also those whose run is recorded elsewhere."""
    store = RunStore(tmp_path)
    store.add([record(number) for number in range(500)], lines=[kept(number, "x" * 1000) for number in range(500)])
    store.forget(days=1, most_bytes=200_000, now=NOW)
    left = [number for number in range(500) if store.lines(f"r-{number:06d}")]
    assert 50 < len(left) < 200 and left == list(range(500 - len(left), 500))
    assert len(store.newest(limit=1000)) == len(left)
    alone = RunStore(tmp_path / "alone")
    alone.add([], lines=[kept(number, "x" * 1000) for number in range(500)])
    alone.forget(days=1, most_bytes=200_000, now=NOW)
    assert not alone.lines("r-000000") and alone.lines("r-000499")


OLDER = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY, began REAL NOT NULL, api TEXT NOT NULL, operation TEXT NOT NULL, state TEXT NOT NULL,
    status INTEGER NOT NULL, record BLOB NOT NULL
);
CREATE INDEX runs_began ON runs (began);
CREATE TABLE dropped (writer TEXT PRIMARY KEY, number INTEGER NOT NULL, seen REAL NOT NULL);
INSERT INTO runs VALUES ('r-000001', 1.0, 'shop', 'get /a', 'failed', 500,
    '{"id":"r-000001","api":"shop","operation":"get /a","state":"failed","status":500,"began":1.0,"seconds":0.1}');
INSERT INTO dropped VALUES ('w', 3, 1.0);
"""


def test_the_file_of_an_older_version_is_read_and_written(tmp_path: Path) -> None:
    """The reader comes first or the writer; what was there stays, and what runs log has a place."""
    for reads_first in (True, False):
        root = tmp_path / str(reads_first)
        root.mkdir()
        with sqlite3.connect(root / FILE) as database:
            database.executescript(OLDER)
        database.close()
        store = RunStore(root)
        assert not reads_first or store.lines("r-000001") == []
        store.add([record(2)], lines=[kept(1)])
        assert identities(store.newest()) == ["r-000002", "r-000001"]
        assert (store.dropped(), len(store.lines("r-000001"))) == (3, 1)


def test_many_workers_write_to_one_file(tmp_path: Path) -> None:
    """Writers wait for each other, and nothing is lost."""

    def write(worker: int) -> None:
        store = RunStore(tmp_path)
        for batch in range(5):
            store.add([record(worker * 1000 + batch * 10 + number) for number in range(10)])

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(RunStore(tmp_path).newest(limit=1000)) == 200


def request(identity: bytes = b"w-1") -> Request:
    """A request whose operation is known."""
    made = Request([], 0, {}, b"", Access(Snapshot(number=1, created="")), identity=identity)
    made.target = Target("GET", "/a", "shop", "get /a")
    return made


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The file, which another process holds: nothing can be written."""
    RunStore(tmp_path).add([])
    database = sqlite3.connect(tmp_path / FILE, isolation_level=None, check_same_thread=False)
    database.execute("BEGIN EXCLUSIVE")
    yield database
    database.close()


def test_recording_never_waits_and_what_is_too_much_is_counted(tmp_path: Path, locked: sqlite3.Connection) -> None:
    """While the file is held the queue fills up; the rest is dropped, and how much is known afterwards."""
    journal = Journal(Settings(data=str(tmp_path), run_queue=10))
    began = time.monotonic()
    for number in range(1000):
        journal.ended(request(b"w-%d" % number), None, 500, Problem("internal"))
    assert time.monotonic() - began < 4.0  # a write would wait for five
    locked.execute("COMMIT")
    asyncio.run(journal.close())
    journal.ended(request(b"w-last"), None, 500, Problem("internal"))
    asyncio.run(journal.close())
    store = RunStore(tmp_path)
    kept = len(store.newest(limit=1000))
    assert kept < 1000 and store.find("w-last") is not None
    assert store.dropped() == 1001 - kept


def test_a_record_has_the_error_with_its_cause(tmp_path: Path) -> None:
    """What the caller is told, what he is not told, and where it happened."""
    journal = Journal(Settings(data=str(tmp_path)))
    try:
        raise KeyError("ledger")
    except KeyError as error:
        problem = Problem("process-failed")
        problem.__cause__ = error
    journal.ended(request(), None, 500, problem)
    asyncio.run(journal.close())
    found = RunStore(tmp_path).find("w-1")
    assert found is not None and found.fault is not None
    assert (found.state, found.status, found.operation) == ("failed", 500, "get /a")
    assert (found.fault.code, found.fault.reason) == ("process-failed", "KeyError: 'ledger'")
    assert "test_runstore.py" in found.fault.traceback


class Execution:
    """A run that logged something, as the journal sees it."""

    answered = None
    status = 200
    tasks = ()
    data = None

    def __init__(self, *messages: str) -> None:
        self.lines = Lines()
        for message in messages:
            self.lines.add(Line(time=NOW, level="INFO", logger="shop", message=message), 1000)


def test_what_a_run_logged_is_written_with_its_record(tmp_path: Path) -> None:
    """Without the secrets; of a run that somebody else records, it alone. Nothing comes to it any more."""
    journal = Journal(Settings(data=str(tmp_path)))
    failed, handed_over, quiet = Execution("hunter2", "x" * 800), Execution("before the answer"), Execution()
    failed.lines.masking = lambda headers: lambda text: text.replace("hunter2", "***")
    assert not failed.lines.add(failed.lines.told({})[0], 900)
    journal.ended(request(b"w-1"), failed, 500, Problem("internal"))
    journal.handed_over(request(b"w-2"), handed_over)
    journal.ended(request(b"w-3"), quiet, 500, Problem("internal"))
    asyncio.run(journal.close())
    store = RunStore(tmp_path)
    (lines,), (others,) = store.lines("w-1"), store.lines("w-2")
    assert [line.message for line in lines.lines] == ["***", "x" * 800] and (lines.part, lines.missing) == (0, 1)
    assert [line.message for line in others.lines] == ["before the answer"]
    assert identities(store.newest()) == ["w-1", "w-3"] or identities(store.newest()) == ["w-3", "w-1"]
    assert store.lines("w-3") == [] and failed.lines.is_over and handed_over.lines.is_over


def test_nothing_is_left_running_when_nothing_is_recorded(tmp_path: Path) -> None:
    """The thread that writes ends by itself."""
    journal = Journal(Settings(data=str(tmp_path)))
    journal.ended(request(), None, 500, Problem("internal"))
    deadline = time.monotonic() + 20
    while any(thread.name == "runs" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert RunStore(tmp_path).find("w-1") is not None
