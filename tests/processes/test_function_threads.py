"""Threads for functions: shares, what happens to functions that nobody waits for, and what busy ones cost."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from apimgmt.processes.functions.call import OVERDUE
from apimgmt.processes.functions.threads import LONG_MOST, SHARES, Share, Threads

PATIENCE_SECONDS = 60.0


@pytest.fixture
def threads() -> Iterator[Threads]:
    """Three threads for each function; ended afterwards."""
    made = Threads(3)
    yield made
    made.close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run an async test."""

    async def limited() -> None:
        await asyncio.wait_for(test(), PATIENCE_SECONDS)

    asyncio.run(limited())


async def until(condition: Callable[[], Any]) -> None:
    """Wait until something holds."""
    while not condition():
        await asyncio.sleep(0.01)


async def cancelled(task: asyncio.Task[Any], message: str | None) -> None:
    """Cancel a task and see it end."""
    task.cancel(message)
    with contextlib.suppress(asyncio.CancelledError):
        await task


class Spinning:
    """A function that computes until it is told to stop; ``ended`` has what was raised in it."""

    def __init__(self, caught: int = 0) -> None:
        self.began = threading.Event()
        self.stop = False
        self.caught = caught
        self.ended: list[str] = []

    def __call__(self) -> str:
        """Spin; what is raised is caught so many times."""
        self.began.set()
        while True:
            try:
                while not self.stop:
                    pass
                return "stopped"
            except BaseException as error:
                self.ended.append(type(error).__name__)
                if len(self.ended) > self.caught:
                    raise


def test_one_function_that_sleeps_keeps_no_other_waiting(threads: Threads) -> None:
    """Its own calls wait for one of its threads; those of another function run at once."""
    free = threading.Event()

    async def test() -> None:
        slow = Share("slow")
        sleeping = [asyncio.create_task(threads.run(slow, free.wait)) for _ in range(5)]
        await until(lambda: slow.running == 3 and len(slow.waiting) == 2)
        assert await threads.run(Share("quick"), lambda: 5) == 5
        free.set()
        assert await asyncio.gather(*sleeping) == [True] * 5
        await until(lambda: slow.running == 0 and not slow.waiting)

    run(test)


def test_all_functions_together_have_a_bound(threads: Threads) -> None:
    """With every thread taken a further function waits, and runs as soon as one is free."""
    free, began = threading.Event(), []

    def function() -> None:
        began.append(threading.get_ident())
        free.wait()

    async def test() -> None:
        most = 3 * SHARES
        calls = [asyncio.create_task(threads.run(Share(str(number)), function)) for number in range(most + 1)]
        await until(lambda: len(began) == most)
        free.set()
        await asyncio.gather(*calls)
        assert len(began) == most + 1 and len(set(began)) == most

    run(test)


def test_who_waits_no_longer_is_not_called(threads: Threads) -> None:
    """A call that was cancelled while it waited for a thread never runs; those behind it do."""
    free, ran = threading.Event(), []

    async def test() -> None:
        share = Share("slow")
        first = [asyncio.create_task(threads.run(share, free.wait)) for _ in range(3)]
        await until(lambda: share.running == 3)
        second, third = (asyncio.create_task(threads.run(share, ran.append, number)) for number in (2, 3))
        await until(lambda: len(share.waiting) == 2)
        await cancelled(second, OVERDUE)
        free.set()
        await asyncio.gather(*first, third)
        assert ran == [3]

    run(test)


@pytest.mark.rows("H-046")
@pytest.mark.parametrize("caught", [0, 2], ids=["", "catches it"])
def test_what_computes_on_after_its_time_is_ended(
    threads: Threads, caught: int, caplog: pytest.LogCaptureFixture
) -> None:
    """By an exception, again if the function catches it; its thread goes, its place is free, operators are told."""
    function = Spinning(caught)

    async def test() -> None:
        share = Share("endless")
        task = asyncio.create_task(threads.run(share, function))
        await until(function.began.is_set)
        await cancelled(task, OVERDUE)
        await until(lambda: share.running == 0)
        assert function.ended == ["Ended"] * (caught + 1)
        assert await threads.run(share, lambda: 5) == 5

    run(test)
    assert "endless computes on" in caplog.text


@pytest.mark.parametrize("message", [None, OVERDUE], ids=["the caller went away", "its time is over"])
def test_what_only_waits_may_finish(threads: Threads, message: str | None) -> None:
    """A function in the middle of a write, say, is not torn out of it: only processor time counts."""
    free, ended = threading.Event(), []

    def function() -> None:
        free.wait()
        ended.append("well")

    async def test() -> None:
        share = Share("writes")
        task = asyncio.create_task(threads.run(share, function))
        await until(lambda: share.running == 1)
        await cancelled(task, message)
        # longer than the watch needs to look twice
        await asyncio.sleep(0.5)
        free.set()
        await until(lambda: share.running == 0)
        assert ended == ["well"]

    run(test)


def test_what_computes_when_its_caller_went_away_may_finish(threads: Threads) -> None:
    """Its time is not over: it goes on for as long as a trigger can last."""
    function = Spinning()

    async def test() -> None:
        share = Share("computes")
        task = asyncio.create_task(threads.run(share, function))
        await until(function.began.is_set)
        await cancelled(task, None)
        began = time.process_time()
        await until(lambda: time.process_time() - began > 1)
        function.stop = True
        await until(lambda: share.running == 0)
        assert function.ended == []

    run(test)


def test_threads_change_more_often_while_a_function_computes(threads: Threads) -> None:
    """And as usual afterwards."""
    usual, function = sys.getswitchinterval(), Spinning()

    async def test() -> None:
        task = asyncio.create_task(threads.run(Share("computes"), function))
        await until(lambda: sys.getswitchinterval() < usual / 5)
        function.stop = True
        assert await task == "stopped"
        await until(lambda: sys.getswitchinterval() == usual)

    run(test)


def test_few_calls_of_a_function_compute_together(threads: Threads) -> None:
    """Once as many as may are known to compute for long, others of that function wait, up to their deadline."""
    functions = [Spinning() for _ in range(LONG_MOST)]

    async def test() -> None:
        share = Share("computes")
        first = [asyncio.create_task(threads.run(share, function)) for function in functions]
        await until(lambda: share.long == LONG_MOST)
        last = asyncio.create_task(threads.run(share, lambda: 5))
        await until(lambda: len(share.waiting) == 1)
        assert share.running < threads.most
        functions[0].stop = True
        assert await last == 5
        for function in functions:
            function.stop = True
        assert await asyncio.gather(*first) == ["stopped"] * LONG_MOST
        await until(lambda: share.running == share.long == 0)

    run(test)
