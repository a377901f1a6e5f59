"""Look-ups of names: they end in time, and how many may hang is bounded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from apimgmt.connections.egress.resolving import MOST_LOOKUPS, Info, resolved, system
from apimgmt.errors import ConnectionFailed


def until(happened: Callable[[], bool]) -> None:
    """Wait for something that other threads do."""
    end = time.monotonic() + 20
    while not happened() and time.monotonic() < end:
        time.sleep(0.005)
    assert happened()


def test_what_the_resolver_says_is_given() -> None:
    """As it is, in its order."""
    assert resolved(lambda host, port: system("127.0.0.1", port), "crm.example", 80, 20.0)[0][4] == ("127.0.0.1", 80)


def test_look_ups_that_hang_do_not_pile_up() -> None:
    """As many as allowed are left behind; the next one is refused, and goes through when they have ended."""
    done, began = threading.Event(), threading.Semaphore(0)

    def hangs(host: str, port: int) -> list[Info]:
        began.release()
        done.wait()
        return []

    before = threading.active_count()
    for _ in range(MOST_LOOKUPS):
        with pytest.raises(ConnectionFailed, match="was not resolved in time"):
            resolved(hangs, "crm.example", 80, 0.0)
    for _ in range(MOST_LOOKUPS):
        began.acquire()
    with pytest.raises(ConnectionFailed, match="too many look-ups") as caught:
        resolved(hangs, "crm.example", 80, 0.0)
    assert caught.value.cause == "name"
    done.set()
    until(lambda: threading.active_count() <= before)
    assert resolved(lambda host, port: system("127.0.0.1", port), "crm.example", 80, 20.0)


@pytest.mark.parametrize(
    "host", ["a" * 64 + ".example", "a..example", "\udcff.example"], ids=["long", "empty", "surrogate"]
)
def test_a_name_that_is_none_cannot_be_resolved(host: str) -> None:
    """What Python's own resolver stumbles over has the cause ``name`` too."""
    with pytest.raises(ConnectionFailed) as caught:
        resolved(system, host, 80, 20.0)
    assert caught.value.cause == "name"
