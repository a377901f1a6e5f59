"""An open-loop load of our own: requests start when they are due, whether or not earlier ones are answered.

Two kinds of client: ``fresh`` opens a connection for every request; ``kept`` goes round over a few connections and, if
``retry``, sends a request once more on a new connection when its connection broke, as HTTP clients do for GET.
"""

from __future__ import annotations

import asyncio
import threading
import time
from types import TracebackType
from typing import NamedTuple, Self

CONNECTIONS = 10
SECONDS_MOST = 20.0


class Seen(NamedTuple):
    """One request: which connection, the seconds it took, and the answer; status 0 if there was none."""

    connection: str
    sent: float
    seconds: float
    status: int
    fields: dict[str, str]
    body: bytes


class Gone(Exception):
    """The connection ended before the answer was complete."""


class Line:
    """One connection at a time to the gateway; ``number`` counts them."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.number = 0
        self.lock = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def exchange(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send a request and read its answer; raises Gone."""
        try:
            if self._streams is None:
                self.number += 1
                self._streams = await asyncio.open_connection("127.0.0.1", self.port)
            reader, writer = self._streams
            writer.write(request)
            status, fields, body = await _answer(reader)
            if fields.get("connection") == "close":
                self.close()
            return status, fields, body
        except (OSError, asyncio.IncompleteReadError) as error:
            self.close()
            raise Gone(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Close the connection; the next exchange opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Load:
    """A context in which requests are sent; ``seen`` has every one of them afterwards."""

    def __init__(self, port: int, request: str, fresh: float, kept: float, retry: bool = False) -> None:
        self.seen: list[Seen] = []
        self._port = port
        self._request = request
        self._rates = {"fresh": fresh, "kept": kept}
        self._retry = retry
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    async def _run(self) -> None:
        self._lines = [Line(self._port) for _ in range(CONNECTIONS)]
        await asyncio.gather(*(self._send(kind, rate) for kind, rate in self._rates.items() if rate))
        for line in self._lines:
            line.close()

    async def _send(self, kind: str, rate: float) -> None:
        tasks = []
        begun, number = time.monotonic(), 0
        while not self._stop.is_set():
            number += 1
            await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
            tasks.append(asyncio.create_task(self._fresh(number) if kind == "fresh" else self._kept(number)))
        await asyncio.gather(*tasks)

    async def _fresh(self, number: int) -> None:
        line = Line(self._port)
        await self._note(line, f"fresh {number}", "Connection: close\r\n", retry=False)
        line.close()

    async def _kept(self, number: int) -> None:
        line = self._lines[number % CONNECTIONS]
        async with line.lock:
            await self._note(line, f"kept {number % CONNECTIONS}", "", self._retry)

    async def _note(self, line: Line, name: str, more: str, retry: bool) -> None:
        request = f"{self._request}{more}\r\n".encode()
        begun = time.monotonic()
        try:
            answer = await asyncio.wait_for(line.exchange(request), SECONDS_MOST)
        except (Gone, TimeoutError) as error:
            answer = (0, {}, repr(error).encode())
            if retry:
                try:
                    answer = await asyncio.wait_for(line.exchange(request), SECONDS_MOST)
                except (Gone, TimeoutError) as again:
                    answer = (0, {}, repr(again).encode())
        self.seen.append(Seen(f"{name}.{line.number}", begun, time.monotonic() - begun, *answer))

    def failed(self, kind: str, *good: int) -> list[Seen]:
        """The requests of one kind of client that were not answered with a good status."""
        return [one for one in self.of(kind) if one.status not in good]

    def of(self, kind: str) -> list[Seen]:
        """The requests of one kind of client."""
        return [one for one in self.seen if one.connection.startswith(kind)]

    def figures(self) -> str:
        """How many requests there were, and how long they took."""
        times = sorted(one.seconds * 1000 for one in self.seen if one.status)
        quantiles = [f"p{share * 100:g} {times[int(share * (len(times) - 1))]:.1f} ms" for share in (0.5, 0.99, 1.0)]
        return f"{len(self.seen)} requests, {', '.join(quantiles)}"


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *lines = head[:-4].split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in lines)}
    return int(line.split(" ")[1]), fields, await reader.readexactly(int(fields.get("content-length", "0")))
