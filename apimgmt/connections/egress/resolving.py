"""Names are resolved in threads, because the system's own look-up cannot be told when to stop.

A look-up that hangs is left behind: the call goes on without it when its time is over. How many may hang is bounded.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Thread
from typing import Any

from apimgmt.errors import ConnectionFailed

# what ``getaddrinfo`` gives: family, type, protocol, canonical name, socket address
Info = tuple[Any, Any, int, str, Any]
Resolver = Callable[[str, int], list[Info]]

MOST_LOOKUPS = 64
_free = BoundedSemaphore(MOST_LOOKUPS)


def system(host: str, port: int) -> list[Info]:
    """What this machine says about a name; blocks, raises OSError or UnicodeError."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def resolved(resolver: Resolver, host: str, port: int, seconds: float | None) -> list[Info]:
    """What a resolver says, within so many seconds; raises ConnectionFailed with the cause ``name``."""
    shown = host[:253]
    began = time.monotonic()
    if not _free.acquire(timeout=seconds):
        raise ConnectionFailed(
            "name", f"the name {shown!r} was not resolved in time: too many look-ups are on their way"
        )
    answer: SimpleQueue[list[Info] | None] = SimpleQueue()

    def ask() -> None:
        try:
            answer.put(resolver(host, port))
        except (OSError, UnicodeError):
            answer.put(None)
        finally:
            _free.release()

    Thread(target=ask, name="apimgmt-resolving", daemon=True).start()
    try:
        found = answer.get(timeout=None if seconds is None else max(0.0, began + seconds - time.monotonic()))
    except Empty:
        raise ConnectionFailed("name", f"the name {shown!r} was not resolved in time") from None
    if not found:
        raise ConnectionFailed("name", f"the name {shown!r} cannot be resolved")
    return found
