"""Webhooks that others send are taken once, by one worker, however often they come (T48)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis_server import RedisServer

from apimgmt.connections.webhooks.receiving import KEPT_SECONDS, RUNNING_SECONDS, Files, Keys, Memory


@pytest.fixture(params=["files", "redis"])
def memories(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Memory]]:
    """Two workers that share what they remember."""
    if request.param == "files":
        yield [Files(tmp_path), Files(tmp_path)]
    else:
        server: RedisServer = request.getfixturevalue("redis_server")
        yield [Keys(server.url, request.node.name), Keys(server.url, request.node.name)]


def test_an_id_is_taken_once(memories: list[Memory]) -> None:
    """New for the first, running for everybody until it is finished, then done."""
    one, other = memories
    assert one.claim("m1", time.time()) == "new"
    assert [memory.claim("m1", time.time()) for memory in memories] == ["running", "running"]
    one.finish("m1")
    assert [memory.claim("m1", time.time()) for memory in memories] == ["done", "done"]
    assert other.claim("m2", time.time()) == "new"


def test_one_that_failed_may_come_again(memories: list[Memory]) -> None:
    """Its sender repeats it, and somebody takes it."""
    one, other = memories
    assert one.claim("m1", time.time()) == "new"
    one.forget("m1")
    assert other.claim("m1", time.time()) == "new"


def test_of_many_at_once_one_gets_it(memories: list[Memory]) -> None:
    """40 threads over two workers, 25 ids: each id is new for exactly one."""
    with ThreadPoolExecutor(40) as pool:
        for number in range(25):
            claims = [pool.submit(memories[place % 2].claim, f"m{number}", time.time()) for place in range(40)]
            assert sorted(claim.result() for claim in claims).count("new") == 1


def test_a_worker_that_died_does_not_keep_it_for_ever(tmp_path: Path) -> None:
    """What it had begun is running for as long as a process may take, and new after that."""
    memory, now = Files(tmp_path), time.time()
    assert memory.claim("m1", now) == "new"
    assert memory.claim("m1", now + RUNNING_SECONDS - 1) == "running"
    assert memory.claim("m1", now + RUNNING_SECONDS + 1) == "new"


def test_what_is_too_old_to_be_sent_again_is_forgotten(tmp_path: Path) -> None:
    """The folder does not grow for ever; what still counts stays."""
    memory, now = Files(tmp_path), time.time()
    for number in range(150):
        memory.claim(f"m{number}", now)
        memory.finish(f"m{number}")
    for path in sorted(tmp_path.iterdir())[:100]:
        os.utime(path, (now - KEPT_SECONDS - 1, now - KEPT_SECONDS - 1))
    fresh = Files(tmp_path)
    fresh.claim("another", now)
    assert len(list(tmp_path.iterdir())) == 51
