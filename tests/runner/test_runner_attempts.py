"""Whom it is counted against when a process ends in the middle of its runs (apimgmt/runner/attempts.py)."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from apimgmt.runner.attempts import TOGETHER_MOST, Attempts, GivenUp

AGAIN = 5
PROCESS = """
import asyncio, os, sys
from pathlib import Path
from apimgmt.runner.attempts import Attempts, GivenUp

async def perform(attempts, name):
    try:
        async with attempts.another(name):
            print(name, "begins", flush=True)
            await asyncio.sleep(0.1 if name == "deadly" else 0.3)
            if name == "deadly":
                os._exit(9)
        print(name, "ended", flush=True)
    except GivenUp:
        print(name, "is dead", flush=True)

async def main(root, again, together, *names):
    attempts = Attempts(Path(root), int(again), int(together))
    await asyncio.gather(*(perform(attempts, name) for name in names))

asyncio.run(main(*sys.argv[1:]))
"""


def story(root: Path, together: int, *names: str) -> list[str]:
    """What processes say, one after another, until one of them ends in peace."""
    said: list[str] = []
    for _ in range(AGAIN + 3):
        command = [sys.executable, "-c", PROCESS, str(root), str(AGAIN), str(together), *names]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60)
        said += done.stdout.splitlines()
        if not done.returncode:
            return said
    raise AssertionError(f"it went on and on: {said}")


@pytest.mark.parametrize("names", [("deadly", "patient"), ("patient", "deadly")])
def test_only_the_one_that_ends_the_process_is_given_up(tmp_path: Path, names: tuple[str, str]) -> None:
    """Both are under way at each end, until they are begun one after the other."""
    said = story(tmp_path, TOGETHER_MOST, *names)
    assert said.count("deadly begins") == AGAIN + 1
    assert "deadly is dead" in said and "patient ended" in said and "patient is dead" not in said
    assert list((tmp_path / "durable" / "begun").iterdir()) == []


def test_the_naive_count_takes_others_along(tmp_path: Path) -> None:
    """All that are begun at a time stay together: both are given up."""
    said = story(tmp_path, 1_000, "deadly", "patient")
    assert said.count("patient begins") == said.count("deadly begins") == AGAIN + 1
    assert {"deadly is dead", "patient is dead"} < {*said} and "patient ended" not in said


def test_what_ends_is_not_counted(tmp_path: Path) -> None:
    """With a result or with an error, one run can be performed any number of times."""

    async def perform() -> None:
        attempts = Attempts(tmp_path, 1)
        for _ in range(5):
            async with attempts.another("a"):
                pass
            with pytest.raises(ValueError):
                async with attempts.another("a"):
                    raise ValueError
            with pytest.raises(asyncio.TimeoutError):
                async with asyncio.timeout(0), attempts.another("a"):
                    await asyncio.sleep(10)

    asyncio.run(perform())


def test_what_was_ended_elsewhere_is_forgotten(tmp_path: Path) -> None:
    """A mark that nobody removed goes when records of its age go; a younger one stays."""
    attempts = Attempts(tmp_path, 1)
    old, young = (tmp_path / "durable" / "begun" / name for name in ("old", "young"))
    old.write_bytes(b".."), young.write_bytes(b"..")
    os.utime(old, (time.time() - 3 * 86_400,) * 2)
    attempts.forget(4)
    assert old.exists()
    attempts.forget(2)
    assert (old.exists(), young.exists()) == (False, True)

    async def perform() -> None:
        async with attempts.another("young"):
            raise AssertionError("it was begun twice, and again once is what it may")

    with pytest.raises(GivenUp):
        asyncio.run(perform())
