"""One call of a function in a thread: an exception that ends it arrives in it, or nowhere."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from apimgmt.processes.functions.call import Call, Ended
from apimgmt.processes.functions.threads import Share

PATIENCE_SECONDS = 60.0


def test_an_exception_never_arrives_in_another_call() -> None:
    """However the end of a call and its being ended fall together, one of the two counts."""
    turns, usual = {True: 0, False: 0}, sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(1000):
            is_ended, found = raced(number % 100)
            # whether the thread may do something else next, and what came in the way of it
            assert found == (not is_ended, None)
            turns[is_ended] += 1
    finally:
        sys.setswitchinterval(usual)
    print(f"\n{turns[True]} ended, {turns[False]} were over before")


def raced(length: int) -> tuple[bool, Any]:
    """End a call that is about to end by itself: whether it was ended, and what became of its thread."""
    began = threading.Event()

    def function() -> int:
        began.set()
        return sum(number for number in range(length))

    call, found = made(function), []
    thread = threading.Thread(target=lambda: found.append((call.perform(), spun())))
    thread.start()
    began.wait(PATIENCE_SECONDS)
    is_ended = call.end()
    while is_ended and not call.is_over:
        time.sleep(0)
    call.is_released = True
    thread.join(PATIENCE_SECONDS)
    return is_ended, found[0]


def test_the_check_finds_a_call_that_does_not_take_turns() -> None:
    """The mutant: an exception is raised in the thread, whatever it does by then."""
    call, over, found = made(lambda: 5), threading.Event(), []

    def later() -> None:
        try:
            assert call.perform()
            over.set()
            while True:
                spun()
        except Ended:
            found.append("Ended")

    thread = threading.Thread(target=later)
    thread.start()
    over.wait(PATIENCE_SECONDS)
    assert not call.end()
    # as if it had taken the turn
    call.is_ended = True
    assert call.end()
    thread.join(PATIENCE_SECONDS)
    assert found == ["Ended"]


def made(function: Callable[..., Any]) -> Call:
    """A call for a thread of the test's own."""
    loop = asyncio.new_event_loop()
    loop.close()
    return Call(Share("own"), contextvars.copy_context(), function, (), loop)


def spun() -> None:
    """Some computing, in which an exception would arrive."""
    for _ in range(100):
        sum(range(10))
