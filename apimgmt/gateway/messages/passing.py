"""Answers that are passed on piece by piece, as fast as the caller reads them and never held as a whole."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from apimgmt.errors import ConnectionFailed, Disconnected
from apimgmt.gateway.messages.reply import Field
from apimgmt.processes import Passed, Pieces

log = logging.getLogger("apimgmt.gateway")
EVENTS = b"text/event-stream"


async def pass_on(passed: Passed, added: list[Field] | None, receive: Any, send: Any) -> None:
    """Send an answer that comes in pieces; whatever happens, its pieces are closed at the end.

    Raises ConnectionFailed as long as nothing was sent, and Disconnected once the answer can only be cut off.
    """
    assert passed.pieces is not None
    task, gone = asyncio.current_task(), asyncio.Event()
    watcher = asyncio.create_task(_watch(receive, task, gone))
    try:
        first = b"" if _is_stream_of_events(passed) else await _first(passed.pieces)
        fields = passed.headers if added is None else [*passed.headers, *added]
        await send({"type": "http.response.start", "status": passed.status, "headers": fields})
        await _send_pieces(first, passed.pieces, send)
    except asyncio.CancelledError:
        if gone.is_set():
            raise Disconnected from None
        raise
    finally:
        watcher.cancel()
        await passed.pieces.aclose()


async def _send_pieces(first: bytes, pieces: Pieces, send: Any) -> None:
    try:
        await send({"type": "http.response.body", "body": first, "more_body": True})
        async for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except ConnectionFailed as error:
        # the caller has a part already: all that is left is not to let it look whole
        log.warning("an answer is cut off: %s: %s", error.cause, error)
        raise Disconnected from error
    except ConnectionResetError:
        raise Disconnected from None
    await send({"type": "http.response.body", "body": b""})


async def _first(pieces: Pieces) -> bytes:
    """The first piece: an answer that fails before it can still become a problem."""
    iterator: AsyncIterator[bytes] = aiter(pieces)
    return await anext(iterator, b"")


async def _watch(receive: Any, task: asyncio.Task[Any] | None, gone: asyncio.Event) -> None:
    """Stop the answer when the caller goes away, also while nothing comes that could be sent to him."""
    while (await receive())["type"] != "http.disconnect":
        pass
    gone.set()
    if task is not None:
        task.cancel()


def _is_stream_of_events(passed: Passed) -> bool:
    return any(name == b"content-type" and value.startswith(EVENTS) for name, value in passed.headers)
