"""Counters in shared memory: exact across processes, across the edge of a window, and across killed ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from apimgmt.errors import SettingInvalid
from apimgmt.policies.counters import Need
from apimgmt.policies.counters.mutex import SIZE
from apimgmt.policies.counters.table import PROBES, SHARDS, Table
from apimgmt.policies.counters.windows import Day, Month, Sliding

SLOTS = 1024
NOON = 1_800_000_000.0
ONE = b"one-caller-only!"

# A process that hits one counter again and again; it prints how many requests it was allowed.
HITTING = """
import sys, time
from pathlib import Path
from apimgmt.policies.counters import Need
from apimgmt.policies.counters.table import Table
from apimgmt.policies.counters.windows import Sliding

folder, limit, requests, pid = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
table = Table(folder / pid, 1024)
need = Need(Sliding(3600), limit, b"one-caller-only!")
print("ready", flush=True)
sys.stdin.readline()
allowed = 0
for _ in range(requests):
    while (counts := table.take([need], time.time())) is None:
        time.sleep(0)
    allowed += not counts[0].full
print(allowed)
"""


def take(table: Table, *needs: Need, now: float = NOON) -> list[tuple[int, bool]]:
    """What is left of each, and whether it was full."""
    counts = table.take(needs, now)
    assert counts is not None
    return [(count.left, count.full) for count in counts]


def start(folder: Path, limit: int, requests: int, own: str = "") -> subprocess.Popen[str]:
    """A process that is ready to hit; with ``own`` it has counters of its own."""
    words = [sys.executable, "-c", HITTING, str(folder), str(limit), str(requests), own]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def allowed_together(processes: list[subprocess.Popen[str]]) -> int:
    """Let them all hit at once; how many requests they were allowed in all."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return sum(int(process.communicate(timeout=60)[0]) for process in processes)


@pytest.mark.rows("H-051")
@pytest.mark.parametrize(("own", "allowed"), [(False, 1000), (True, 2000)], ids=["shared", "mutant: per worker"])
def test_processes_together_allow_exactly_the_limit(tmp_path: Path, own: bool, allowed: int) -> None:
    """Two processes at once; with counters of their own, as a naive limiter has them, each would allow all of it."""
    processes = [start(tmp_path, 1000, 3000, str(number) if own else "") for number in range(2)]
    assert allowed_together(processes) == allowed


def test_a_killed_process_leaves_no_lock_and_no_count_behind(tmp_path: Path) -> None:
    """It is killed in the middle of its work; what it counted still counts, and the others go on at once."""
    table = Table(tmp_path, SLOTS)
    need = Need(Sliding(3600), 10**9, ONE)
    for _ in range(5):
        process = start(tmp_path, 10**9, 10**9)
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        before = table.take([need], time.time())
        after = table.take([need], time.time())
        assert before is not None and after is not None and after[0].left == before[0].left - 1 < 10**9 - 2


def test_a_lock_dies_with_its_holder(tmp_path: Path) -> None:
    """A process is killed while it holds the lock: the next one takes it over."""
    holding = (
        "import sys; from pathlib import Path; from apimgmt.policies.counters.table import Table\n"
        "place = Table(Path(sys.argv[1]), 1024)._make_place(b'one-caller-only!')\n"
        "print(place.shard.lock(), flush=True)\n"
        "sys.stdin.read()"
    )
    table = Table(tmp_path, SLOTS)
    words = [sys.executable, "-c", holding, str(tmp_path)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "True\n"
    assert table.take([Need(Sliding(60), 2, ONE)], NOON) is None
    process.kill()
    process.wait()
    assert [take(table, Need(Sliding(60), 2, ONE)) for _ in range(2)] == [[(1, False)], [(0, False)]]


def test_a_lock_that_was_held_when_the_machine_died_is_made_anew(tmp_path: Path) -> None:
    """The file came back from the disk with a holder that no kernel knows; the counts are kept."""
    need = Need(Sliding(60), 3, ONE)
    table = Table(tmp_path, SLOTS)
    take(table, need)
    table.close()
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        path.write_bytes(b"\x01" * SIZE + content[SIZE:])
    assert take(Table(tmp_path, SLOTS), need) == [(1, False)]


@pytest.mark.rows("H-051")
def test_a_held_lock_is_not_waited_for(tmp_path: Path) -> None:
    """Another process has it: the answer is that it was not counted; the event loop does not stand still."""
    table, other = Table(tmp_path, SLOTS), Table(tmp_path, SLOTS)
    need = Need(Sliding(60), 2, ONE)
    shard = other._make_place(ONE).shard
    assert shard.lock()
    assert table.take([need], NOON) is None
    shard.unlock()
    assert take(table, need) == [(1, False)]


@pytest.mark.parametrize("burst_at", [0.0, 0.1, 0.5, 17.3, 59.9, 59.999])
def test_no_window_ever_has_more_than_the_limit(tmp_path: Path, burst_at: float) -> None:
    """A burst at any place of the minute: nothing more for 60 seconds, all of it again one bucket later."""
    table, need = Table(tmp_path, SLOTS), Need(Sliding(60), 10, ONE)
    begun = NOON + burst_at
    assert [take(table, need, now=begun)[0][1] for _ in range(11)] == [False] * 10 + [True]
    for later in (0.5, 30.0, 59.0, 59.999):
        assert take(table, need, now=begun + later) == [(0, True)]
    assert [take(table, need, now=begun + 61.001)[0][1] for _ in range(11)] == [False] * 10 + [True]


def test_the_window_slides(tmp_path: Path) -> None:
    """Requests leave in the order in which they came; the time until the first leaves is told."""
    table, need = Table(tmp_path, SLOTS), Need(Sliding(60), 3, ONE)
    for seconds in (0, 20, 40):
        assert take(table, need, now=NOON + seconds)[0][1] is False
    refused = table.take([need], NOON + 50)
    assert refused is not None and refused[0].full and refused[0].seconds == pytest.approx(11)
    assert take(table, need, now=NOON + 61.1) == [(0, False)]
    assert take(table, need, now=NOON + 70) == [(0, True)]
    assert take(table, need, now=NOON + 81.1) == [(0, False)]


def test_a_refused_request_costs_nobody_anything(tmp_path: Path) -> None:
    """One limit has no room: the others, which have, are as before."""
    table = Table(tmp_path, SLOTS)
    narrow, wide = Need(Sliding(60), 1, ONE), Need(Sliding(60), 5, b"another-caller--")
    assert take(table, narrow, wide) == [(0, False), (4, False)]
    for _ in range(3):
        assert take(table, narrow, wide) == [(0, True), (4, False)]
    assert take(table, wide) == [(3, False)]


def test_a_clock_that_is_put_back_neither_locks_out_nor_opens(tmp_path: Path) -> None:
    """By less than a window: what was counted counts on. By more: at most one window anew, not refused for hours."""
    table, need = Table(tmp_path, SLOTS), Need(Sliding(60), 2, ONE)
    assert [take(table, need)[0][1] for _ in range(3)] == [False, False, True]
    assert take(table, need, now=NOON - 30)[0][1] is True
    assert [take(table, need, now=NOON - 7200)[0][1] for _ in range(3)] == [False, False, True]


def test_days_and_months_are_those_of_utc(tmp_path: Path) -> None:
    """The second before midnight and midnight; the last of February and the first of March."""
    table = Table(tmp_path, SLOTS)
    day, month = Need(Day(), 1, b"a-caller-per-day"), Need(Month(), 1, b"caller-per-month")
    midnight, march = 1_772_323_200.0, 1_772_323_200.0  # 2026-03-01T00:00:00Z
    for need, edge in ((day, midnight), (month, march)):
        before = table.take([need], edge - 1)
        assert before is not None and not before[0].full and before[0].seconds == 1
        assert take(table, need, now=edge - 0.5)[0][1] is True
        assert [take(table, need, now=edge)[0][1] for _ in range(2)] == [False, True]
    assert Month().start(Month().bucket(march) + 1) - march == 31 * 86_400


@pytest.mark.rows("H-051")
def test_counts_outlive_every_process(tmp_path: Path) -> None:
    """A table that is opened again after all who had it are gone goes on where they stopped."""
    need = Need(Month(), 5, ONE)
    table = Table(tmp_path, SLOTS)
    assert [take(table, need) for _ in range(3)] == [[(4, False)], [(3, False)], [(2, False)]]
    table.close()
    assert take(Table(tmp_path, SLOTS), need) == [(1, False)]


def _fill(table: Table, number: int) -> None:
    """So many identities, each of which comes once."""
    for each in range(number):
        take(table, Need(Sliding(60), 100, each.to_bytes(16, "little")))


def test_invented_identities_do_not_displace_who_comes_often(tmp_path: Path) -> None:
    """Four times as many newcomers as slots: whoever came twice is still known (T32)."""
    table = Table(tmp_path, SLOTS)
    regular = Need(Sliding(60), 100, b"\xff" * 16)
    take(table, regular), take(table, regular)
    _fill(table, 4 * SLOTS)
    assert take(table, regular) == [(97, False)]


def test_slots_whose_time_is_over_are_given_up_first(tmp_path: Path) -> None:
    """A busy counter of yesterday makes room for one of today that came once."""
    table = Table(tmp_path, SHARDS * PROBES)
    for each in range(4 * SHARDS * PROBES):
        for _ in range(2):
            take(table, Need(Sliding(1), 100, each.to_bytes(16, "little")), now=NOON - 10**8)
    newcomer = Need(Sliding(60), 100, b"\xff" * 16)
    take(table, newcomer, now=time.time())
    for each in range(PROBES - 1):
        other = Need(Sliding(60), 100, b"\xff" * 8 + b"\xff" * 7 + bytes([each]))
        take(table, other, now=time.time()), take(table, other, now=time.time())
    assert take(table, newcomer, now=time.time()) == [(98, False)]


def test_a_file_that_cannot_be_made_is_a_setting_that_is_wrong(tmp_path: Path) -> None:
    """More counters than the disk has room for: said at load, instead of a worker that dies when it writes."""
    with pytest.raises(SettingInvalid, match="no room"):
        Table(tmp_path, 10**15)
