"""Delta sync: rows since the last time, and a lastSync that is written only when they were processed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import responses
from endpoints import BASE, connected, endpoint
from redis_server import RedisServer

from apimgmt.connections.configuration import Configuration
from apimgmt.connections.connection import Connection
from apimgmt.connections.entities.changes import Sync
from apimgmt.connections.entities.marks import FolderMarks, Place
from apimgmt.errors import ConnectionFailed, SettingInvalid
from apimgmt.reading import read
from apimgmt.settings import Settings

URL = f"{BASE}/customers"
BY_ROW = {"row": "$.updatedAt", "parameter": "since"}


def sinces() -> list[str | None]:
    """With which ``since`` it was asked each time."""
    return [dict(parse_qsl(urlsplit(call.request.url).query)).get("since") for call in responses.calls]


def rows(*times: str) -> list[dict[str, Any]]:
    """Rows that were changed at these times."""
    return [{"id": number, "updatedAt": time} for number, time in enumerate(times)]


def synced(source: Any, **parameters: Any) -> list[Any]:
    """One whole run."""
    with source.changes(**parameters) as changed:
        return list(changed)


@pytest.mark.rows("C-053")
@responses.activate
def test_last_sync_is_kept_between_runs(tmp_path: Path) -> None:
    """The largest time of a row is asked with the next time, by a connection that was made anew."""
    responses.get(URL, json=rows("2026-01-03T00:00:00+02:00", "2026-01-02T23:00:00Z", "2026-01-01T00:00:00Z"))
    responses.get(URL, json=[])
    responses.get(URL, json=rows("2026-01-05T00:00:00Z"))
    assert len(synced(endpoint(tmp_path, changes=BY_ROW))) == 3
    assert synced(endpoint(tmp_path, changes=BY_ROW)) == []
    assert len(synced(endpoint(tmp_path, changes=BY_ROW))) == 1
    synced(endpoint(tmp_path, changes=BY_ROW))
    assert sinces() == [None, "2026-01-02T23:00:00Z", "2026-01-02T23:00:00Z", "2026-01-05T00:00:00Z"]


@pytest.mark.rows("C-053")
@pytest.mark.parametrize("stop", ["exception", "exception after the last row", "break", "not begun"])
@responses.activate
def test_what_was_not_processed_comes_again(tmp_path: Path, stop: str) -> None:
    """An exception, or a loop that is left early, leaves lastSync as it was."""
    responses.get(URL, json=rows("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"))
    source = endpoint(tmp_path, changes=BY_ROW)

    def run() -> None:
        with source.changes() as changed:
            if stop == "exception after the last row":
                list(changed)
                raise RuntimeError
            for _ in changed if stop != "not begun" else ():
                if stop == "exception":
                    raise RuntimeError
                break

    if stop.startswith("exception"):
        with pytest.raises(RuntimeError):
            run()
    else:
        run()
    assert len(synced(source)) == 2
    assert set(sinces()) == {None}


@responses.activate
def test_a_failing_page_leaves_last_sync_as_it_was(tmp_path: Path) -> None:
    """Rows of the first page may have been processed; they come again."""
    responses.get(URL, json=rows("2026-01-01T00:00:00Z"))
    responses.get(URL, status=500)
    responses.get(URL, json=rows("2026-01-01T00:00:00Z"))
    responses.get(URL, json=[])
    source = endpoint(tmp_path, changes=BY_ROW, pagination={"kind": "offset", "size": 1})
    with pytest.raises(ConnectionFailed):
        synced(source)
    assert len(synced(source)) == 1
    assert set(sinces()) == {None}


class Hasty(Sync):
    """The mutant: writes as soon as a row is seen, before anybody has processed it."""

    def _later(self, mark: Any, row: Any, number: int) -> Any:
        found = super()._later(mark, row, number)
        self._marks.write(self._place, found)
        return found


@responses.activate
def test_a_hasty_sync_would_lose_rows(tmp_path: Path) -> None:
    """The tests of what comes again are not empty: a sync that writes early does not ask for everything again."""
    responses.get(URL, json=rows("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"))
    source = endpoint(tmp_path, changes=BY_ROW)
    careful = source.changes()
    hasty = Hasty(
        *(getattr(careful, name) for name in ("_changes", "_marks", "_place", "_fetch", "_document", "_cast"))
    )
    with pytest.raises(RuntimeError), hasty as changed:
        for _ in changed:
            raise RuntimeError
    synced(source)
    assert sinces() == [None, "2026-01-01T00:00:00Z"]


CRASH = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import responses
from endpoints import BASE, endpoint

with responses.RequestsMock() as mock:
    mock.get(f"{BASE}/customers", json=[{"updatedAt": "2026-01-01T00:00:00Z"}])
    source = endpoint(Path(sys.argv[2]), changes={"row": "$.updatedAt", "parameter": "since"})
    with source.changes() as changed:
        for row in changed:
            pass
        if sys.argv[3] == "before":
            os._exit(9)
    os._exit(9)
"""


@pytest.mark.rows("C-053")
@pytest.mark.parametrize("when", ["before", "after"])
@responses.activate
def test_a_crash_repeats_rather_than_loses(tmp_path: Path, when: str) -> None:
    """A process that is gone before the block ends has written nothing; one that is gone after it, everything."""
    done = subprocess.run(
        [sys.executable, "-c", CRASH, str(Path(__file__).parent), str(tmp_path), when], timeout=120, check=False
    )
    assert done.returncode == 9
    responses.get(URL, json=[])
    synced(endpoint(tmp_path, changes=BY_ROW))
    assert sinces() == [None if when == "before" else "2026-01-01T00:00:00Z"]


@responses.activate
def test_the_answer_may_have_the_next_last_sync(tmp_path: Path) -> None:
    """As a token that is passed on as it is; that of the last page counts. ``initial`` is sent the first time."""
    responses.get(URL, json={"rows": rows("x"), "token": "t1", "nextCursor": "c"})
    responses.get(URL, json={"rows": [], "token": "t2"})
    responses.get(URL, json={"rows": [], "token": None})
    changes = {"answer": "$.token", "parameter": "since", "initial": "start"}
    source = endpoint(tmp_path, changes=changes, dataPath="$.rows", pagination={"kind": "cursor"})
    synced(source)
    synced(source)
    synced(source)
    assert sinces() == ["start", "start", "t2", "t2"]


@responses.activate
def test_without_a_path_the_clock_of_the_other_system_counts(tmp_path: Path) -> None:
    """The Date of the first answer, less the overlap: nothing that changes meanwhile is lost."""
    responses.get(URL, json=[{"id": 1}], headers={"Date": "Fri, 02 Jan 2026 10:00:30 GMT"})
    source = endpoint(tmp_path, query={"modified": "{since}"}, changes={"parameter": "since", "overlap": 30})
    synced(source)
    synced(source)
    asked = [dict(parse_qsl(urlsplit(call.request.url).query)) for call in responses.calls]
    assert asked == [{}, {"modified": "2026-01-02T10:00:00Z"}]


@responses.activate
def test_consumers_and_parameters_have_a_last_sync_each(tmp_path: Path) -> None:
    """What one has processed says nothing about the other."""
    responses.get(URL, json=rows("2026-01-01T00:00:00Z"))
    source = endpoint(tmp_path, changes=BY_ROW)
    with source.changes("billing") as changed:
        list(changed)
    for parameters in ({}, {"region": "eu"}):
        synced(source, **parameters)
    assert sinces() == [None, None, None]
    synced(source, region="eu")
    assert sinces()[-1] == "2026-01-01T00:00:00Z"
    assert len(list((tmp_path / "connections").glob("*.json"))) == 3


@pytest.mark.parametrize(
    ("times", "largest"),
    [((9, 10, 2), "10"), (("9", "10"), "10"), (("2026-01-01", "2026-01-01T00:00:01"), "2026-01-01T00:00:01")],
    ids=["numbers", "digits", "dates"],
)
@responses.activate
def test_times_are_compared_as_what_they_are(tmp_path: Path, times: Any, largest: str) -> None:
    """Numbers as numbers, times as times, never as text."""
    responses.get(URL, json=rows(*times))
    source = endpoint(tmp_path, changes=BY_ROW)
    synced(source)
    synced(source)
    assert sinces() == [None, largest]


@pytest.mark.parametrize("times", [(1, "2026-01-01"), ("soon", "later"), (1, None), (1, {"a": 1})], ids=ascii)
@responses.activate
def test_what_cannot_be_compared_is_a_mismatch(tmp_path: Path, times: Any) -> None:
    """With the row and the path; lastSync stays."""
    responses.get(URL, json=rows(*times))
    with pytest.raises(ConnectionFailed, match=r"row 2: at \$.updatedAt") as caught:
        synced(endpoint(tmp_path, changes=BY_ROW))
    assert caught.value.cause == "schema"
    assert not list(tmp_path.glob("connections/*"))


def test_marks_are_files_that_say_whose_they_are(tmp_path: Path) -> None:
    """Whatever the names are, they stay in their folder; one that cannot be read says what to do."""
    marks = FolderMarks(Settings(data=str(tmp_path)))
    place = Place("../../etc", "a/b\x00", "", "{}")
    assert marks.read(place) is None
    marks.write(place, "2026")
    (file,) = tmp_path.rglob("*.json")
    assert file.parent == tmp_path / "connections"
    assert json.loads(file.read_bytes()) == {
        "connection": "../../etc",
        "entity": "a/b\x00",
        "consumer": "",
        "parameters": "{}",
        "lastSync": "2026",
    }
    assert marks.read(place) == "2026" and marks.read(place._replace(consumer="x")) is None
    file.write_bytes(b"{")
    with pytest.raises(SettingInvalid, match="remove it to sync from the start"):
        marks.read(place)


@responses.activate
def test_several_machines_keep_last_sync_in_redis(tmp_path: Path, redis_server: RedisServer) -> None:
    """Where the settings name one; while it is away nothing is processed."""
    responses.get(URL, json=rows("2026-01-01T00:00:00Z"))
    settings = Settings(data=str(tmp_path), redis_url=redis_server.url)
    given = read({"baseUrl": BASE, "retries": {"count": 0}}, Configuration)
    entities = {"customers": {"path": "/customers", "changes": BY_ROW}}
    for _ in range(2):
        synced(Connection("crm", given, entities, settings).entity("customers"))
    assert sinces() == [None, "2026-01-01T00:00:00Z"]
    assert not list(tmp_path.glob("connections/*.json"))
    redis_server.stop()
    with pytest.raises(ConnectionFailed, match="Redis, where lastSync is kept"):
        synced(Connection("crm", given, entities, settings).entity("customers"))


def test_an_entity_without_changes_says_so() -> None:
    """A sync needs to know how to ask."""
    with pytest.raises(SettingInvalid, match="has no `changes`"):
        connected({"c": {}}).entity("c").changes()
