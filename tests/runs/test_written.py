"""What runs log that go on by themselves, on disk as it comes (apimgmt/runs/written.py)."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest

from apimgmt.runs.lines import Kept, Line
from apimgmt.runs.store import DAY_SECONDS, FILE, RunStore
from apimgmt.runs.written import FOLDER, WrittenLines, forget, under_way

MOST = 16_384
BEGAN = 1_800_000_000.0


def line(message: str) -> Line:
    """One of the logger ``shop``."""
    return Line(time=BEGAN, level="INFO", logger="shop", message=message)


def part(root: Path, number: int = 1) -> WrittenLines:
    """What the runner begins with; after a crash it does so again."""
    return WrittenLines(root, "a-1", number, BEGAN)


def told(kept: list[Kept]) -> list[tuple[int, list[str]]]:
    """The parts with their texts."""
    return [(one.part, [text.message for text in one.lines]) for one in kept]


def test_a_part_that_logs_nothing_leaves_nothing(tmp_path: Path) -> None:
    """No file, no row."""
    part(tmp_path).end()
    assert list(tmp_path.iterdir()) == []


def test_lines_are_on_disk_at_once_and_move_when_the_part_ends(tmp_path: Path) -> None:
    """First in a file of their own, then with those of all runs; each attempt has a place of its own."""
    lines = part(tmp_path)
    lines.add(line("one"), MOST)
    assert told(under_way(tmp_path, "a-1")) == [(1, ["one"])]
    lines.add(line("two"), MOST)
    lines.end()
    again = part(tmp_path, 2)
    again.add(line("three"), MOST)
    assert (told(RunStore(tmp_path).lines("a-1")), told(under_way(tmp_path, "a-1"))) == (
        [(1, ["one", "two"])],
        [(2, ["three"])],
    )
    assert under_way(tmp_path, "a") == []


def test_what_a_process_logged_that_was_killed_comes_first(tmp_path: Path) -> None:
    """Also if its last line is torn; the room is that of one part."""
    size = line("first").size
    part(tmp_path).add(line("first"), 2 * size)
    with (tmp_path / FOLDER / "a-1.1").open("ab") as file:
        file.write(b'\n{"time":1,"lev')
    lines = part(tmp_path)
    assert lines.add(line("again"), 2 * size) and not lines.add(line("third"), 2 * size)
    lines.end()
    (kept,) = RunStore(tmp_path).lines("a-1")
    assert (told([kept]), kept.missing) == ([(1, ["first", "again"])], 1)


def test_a_part_that_is_performed_again_though_it_ended_loses_nothing(tmp_path: Path) -> None:
    """The process died after its lines were moved, before the file was gone or after; nothing is there twice."""
    for number, is_left in ((1, True), (2, False)):
        lines = part(tmp_path, number)
        lines.add(line("first"), MOST)
        path = tmp_path / FOLDER / f"a-1.{number}"
        left = path.read_bytes()
        lines.end()
        if is_left:
            path.write_bytes(left)
        again = part(tmp_path, number)
        again.add(line("again"), MOST)
        again.end()
    assert told(RunStore(tmp_path).lines("a-1")) == [(1, ["first", "again"]), (2, ["first", "again"])]


def test_no_secret_reaches_the_disk(tmp_path: Path) -> None:
    """It is masked before the line is written."""
    lines = part(tmp_path)
    lines.masking = lambda headers: lambda text: text.replace("hunter2", "***")
    lines.add(line("the password is hunter2"), MOST)
    assert b"hunter2" not in (tmp_path / FOLDER / "a-1.1").read_bytes()
    lines.end()
    assert told(RunStore(tmp_path).lines("a-1")) == [(1, ["the password is ***"])]


def test_lines_stay_where_they_are_while_they_cannot_move(tmp_path: Path) -> None:
    """The file of all runs is held or damaged: the caller is told, and nothing is lost."""
    lines = part(tmp_path)
    lines.add(line("one"), MOST)
    (tmp_path / FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(sqlite3.Error):
        lines.end()
    assert told(under_way(tmp_path, "a-1")) == [(1, ["one"])]


def test_a_full_disk_costs_lines_and_no_run(tmp_path: Path) -> None:
    """They are in memory, and may find room when the part ends."""
    (tmp_path / "durable").write_bytes(b"a file where the folder should be")
    lines = part(tmp_path)
    assert lines.add(line("one"), MOST)
    assert under_way(tmp_path, "a-1") == []


def test_what_was_left_behind_is_removed(tmp_path: Path) -> None:
    """At the limit it stays, beyond it goes."""
    forget(tmp_path, 1)
    for number, days in ((1, 2.0), (2, 0.5)):
        part(tmp_path, number).add(line("left"), MOST)
        then = time.time() - days * DAY_SECONDS
        os.utime(tmp_path / FOLDER / f"a-1.{number}", (then, then))
    forget(tmp_path, 1)
    assert told(under_way(tmp_path, "a-1")) == [(2, ["left"])]


@pytest.mark.parametrize("identity", ["../../etc/passwd", "", "*", "a-1/../a", "A-1"])
def test_only_ids_name_files(tmp_path: Path, identity: str) -> None:
    """Whatever else is asked for has logged nothing."""
    part(tmp_path).add(line("one"), MOST)
    assert under_way(tmp_path, identity) == []
