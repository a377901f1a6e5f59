"""Answers that come in pieces: never held as a whole, let go of however they end."""

from __future__ import annotations

import asyncio
import gc
import resource
from collections.abc import AsyncIterator
from typing import Any

import pytest
from connections.faults import Faults
from processes.proxied import DOCUMENT, Flood, on_loop, proxied, until

from apimgmt.errors import ConnectionFailed
from apimgmt.gateway.messages.passing import pass_on
from apimgmt.processes import Passed
from harness import Client, serve

MIB = 1_048_576
PLAIN = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": DOCUMENT["paths"]}


class Made:
    """Pieces made here; ``closed`` counts how often they were let go of."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self.pieces = list(pieces)
        self.closed = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self.pieces:
            raise StopAsyncIteration
        piece = self.pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece

    async def aclose(self) -> None:
        self.closed += 1


class Caller:
    """Who reads an answer: ``gate`` lets him take the next piece, ``leave`` makes him go away."""

    def __init__(self, client: Client, target: str) -> None:
        self.client = client
        self.scope = client.scope("GET", target)
        self.sent: list[dict[str, Any]] = []
        self.size = 0
        self.gate = asyncio.Event()
        self.gone = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append({**message, "body": b""})
        self.size += len(message.get("body", b""))
        await self.gate.wait()

    async def call(self) -> None:
        await self.client.app(self.scope, self.receive, self.send)


async def begun(client: Client, target: str = "/shop/items/1") -> tuple[Caller, asyncio.Task[None]]:
    caller = Caller(client, target)
    return caller, asyncio.create_task(caller.call())


async def fire(event: asyncio.Event) -> None:
    event.set()


async def ended(task: asyncio.Task[None]) -> None:
    async with asyncio.timeout(20):
        await asyncio.wait([task])


async def passed(pieces: Made, added: Any = None, **how: Any) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"content-type", b"text/plain")]
    await pass_on(Passed(200, headers, pieces=pieces, **how), added, receive, send)
    return sent


async def test_pieces_are_sent_one_by_one() -> None:
    """The head, every piece, and an end; then they are closed."""
    pieces = Made(b"a", b"b")
    sent = await passed(pieces, [(b"x-added", b"1")])
    assert sent[0]["headers"] == [(b"content-type", b"text/plain"), (b"x-added", b"1")]
    assert [(one["body"], one.get("more_body", False)) for one in sent[1:]] == [
        (b"a", True),
        (b"b", True),
        (b"", False),
    ]
    assert pieces.closed == 1


async def test_a_failure_before_the_first_piece_is_told() -> None:
    """Nothing was sent yet, so there can still be another answer."""
    pieces = Made(ConnectionFailed("reset", "cut"))
    with pytest.raises(ConnectionFailed):
        await passed(pieces)
    assert pieces.closed == 1


def test_the_caller_gets_a_problem_then() -> None:
    """502 or 504, as if it had failed at once."""

    async def stream() -> Passed:
        return Passed(200, [], pieces=Made(ConnectionFailed("timeout", "slow")))

    client = serve(PLAIN, bindings={"plain": {"kind": "python", "function": "stream"}}, functions={"stream": stream})
    assert client.get("/plain").status == 504


@pytest.mark.parametrize("policies", [{}, {"cache": {"seconds": 60}}], ids=["plain", "cached"])
def test_a_streamed_answer_passes_the_policies(policies: dict[str, Any]) -> None:
    """Also the cache, which neither keeps it nor waits for its end."""

    async def stream() -> Passed:
        return Passed(200, [(b"content-type", b"text/plain")], pieces=Made(b"a" * 600, b"b"))

    client = serve(
        PLAIN,
        bindings={"plain": {"kind": "python", "function": "stream"}},
        functions={"stream": stream},
        trigger={"policies": {**policies, "cors": {"origins": "*"}}},
    )
    for _ in range(2):
        got = client.get("/plain", {"Origin": "https://a.example", "Accept-Encoding": "gzip"})
        assert (got.status, got.body) == (200, b"a" * 600 + b"b")
        assert got.header("access-control-allow-origin") == "*"
        assert got.header("cache-status") == ("apimgmt; fwd=miss" if policies else None)


def test_a_slow_caller_slows_the_other_system_down() -> None:
    """What he does not take is not read: memory does not grow with the answer (500 MB)."""
    with Flood(500 * MIB) as flood, proxied(flood.url, {"timeout": 60.0}) as client:
        before = memory()
        caller, task = on_loop(begun(client))
        sent = flood.stalled()
        assert 0 < sent < 32 * MIB
        assert caller.sent[0]["status"] == 200
        assert memory() - before < 30 * MIB
        on_loop(fire(caller.gate))
        on_loop(ended(task))
        assert caller.size == 500 * MIB
        assert memory() - before < 30 * MIB


@pytest.mark.parametrize("read", [False, True], ids=["before reading", "while reading"])
def test_a_caller_who_goes_away_ends_it(read: bool) -> None:
    """The connection to the other system is cut, be he waiting or reading."""
    with Flood(500 * MIB) as flood, proxied(flood.url, {"timeout": 60.0}) as client:
        caller, task = on_loop(begun(client))
        until(lambda: flood.sent)
        if read:
            on_loop(fire(caller.gate))
        on_loop(fire(caller.gone))
        on_loop(ended(task))
        assert flood.cut.wait(20)
        assert not task.cancelled()


def test_a_caller_who_goes_away_while_nothing_comes_ends_it() -> None:
    """Also when there is no piece that could not be sent to him."""
    with Flood(10 * MIB) as flood, proxied(flood.url, {"timeout": 60.0}) as client:
        flood.head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        flood.size = 0
        caller, task = on_loop(begun(client))
        until(lambda: caller.sent)
        on_loop(fire(caller.gate))
        on_loop(fire(caller.gone))
        on_loop(ended(task))
        assert flood.left.wait(20)


@pytest.mark.parametrize("fault", ["cut-chunk", "reset-mid-body", "endless-chunks"])
def test_an_answer_that_breaks_off_does_not_look_whole(fault: str) -> None:
    """There is no last piece: the server cuts the caller's connection off."""
    with Faults(fault, body=bytes(MIB)) as upstream, proxied(upstream.url) as client:
        caller, task = on_loop(begun(client))
        on_loop(fire(caller.gate))
        if fault == "endless-chunks":
            until(lambda: caller.size > 5 * MIB)
            upstream.close()
        on_loop(ended(task))
    assert caller.sent[0]["status"] == 200
    assert caller.sent[-1].get("more_body") is True


def test_an_answer_that_stalls_is_cut_off() -> None:
    """Nothing for as long as the connection waits for an answer: not whole."""
    with Flood(10 * MIB) as flood, proxied(flood.url, {"timeout": 0.2}) as client:
        flood.size = MIB  # of the ten that were promised
        flood.head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (10 * MIB)
        caller, task = on_loop(begun(client))
        on_loop(fire(caller.gate))
        on_loop(ended(task))
    assert (caller.size, caller.sent[-1]["more_body"]) == (MIB, True)


def test_nothing_is_left_over() -> None:
    """After streams that ended in every way no connection is open that is not idle in the pool."""
    with Faults("endless-body", "good", "chunked", "cut-chunk", "reset-mid-body", "good") as upstream:
        with proxied(upstream.url) as client:
            caller, task = on_loop(begun(client))
            on_loop(fire(caller.gone))
            on_loop(ended(task))
            for _ in range(8):
                client.get("/shop/items/1")
            until(lambda: upstream.live <= 1)
        gc.collect()
        until(lambda: upstream.live == 0)


def memory() -> int:
    """Resident memory of this process, in bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def test_the_mutant_that_holds_the_answer_is_found() -> None:
    """The check of memory fails on a proxy that reads the whole answer first."""
    with (
        Flood(100 * MIB) as flood,
        proxied(flood.url, {"timeout": 60.0, "mostBytes": 200 * MIB}, validate="report") as client,
    ):
        before = memory()
        caller, task = on_loop(begun(client))
        until(lambda: caller.sent)
        grown = memory() - before
        on_loop(fire(caller.gate))
        on_loop(ended(task))
    assert flood.sent == 100 * MIB and grown > 30 * MIB
