"""A real server in a process of its own, and raw sockets to talk to it."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent
PATIENCE_SECONDS = 20.0
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LiveServer:
    """`python -m apimgmt.gateway.server` with `server_app`; `settings` are fields of Settings, `options` gunicorn's.

    With a `tls_certificate` among the settings it has a `tls_port`, too.
    """

    command: Sequence[str] = (sys.executable, "-m", "apimgmt.gateway.server", "server_app:make", "{bind}", "{workers}")

    def __init__(self, workers: int = 1, options: dict[str, str] | None = None, **settings: Any) -> None:
        self.port = free_port()
        self.workers = workers
        self.options = options or {}
        if "tls_certificate" in settings:
            self.tls_port = free_port()
            self.options = {"tls_bind": f"127.0.0.1:{self.tls_port}", **self.options}
        self.settings = settings
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the server
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        words = [word.format(bind=f"127.0.0.1:{self.port}", workers=self.workers) for word in self.command]
        words += [f"{name}={value}" for name, value in self.options.items()]
        variables = {f"APIMGMT_{name.upper()}": str(value) for name, value in self.settings.items()}
        environ = {**os.environ, **variables, "PYTHONPATH": str(HERE)}
        return subprocess.Popen(words, env=environ, stdout=self.errors, stderr=self.errors)

    def __enter__(self) -> Self:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError), self.connect():
                return self
            time.sleep(0.02)
        raise AssertionError(f"the server did not start: {self.log()}")

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.errors.close()

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def log(self) -> str:
        """What it wrote to its standard outputs."""
        self.errors.seek(0)
        return self.errors.read().decode()

    def connect(self) -> socket.socket:
        """A connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)

    def talk(self, data: bytes, quiet: float = 0.3) -> bytes:
        """Send bytes on a connection of their own, and read until it is closed or `quiet` for so many seconds."""
        with self.connect() as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(data)
            return read(connection, quiet)[0]

    def get(self, target: str, fields: str = "") -> tuple[int, bytes]:
        """Status and body of one GET on a connection of its own."""
        data = self.talk(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n".encode(), 10.0)
        head, _, body = data.partition(b"\r\n\r\n")
        return statuses(head)[0], body


def read(connection: socket.socket, quiet: float) -> tuple[bytes, bool]:
    """What comes until the peer closes or is `quiet`; and whether it closed."""
    data = b""
    while select.select([connection], [], [], quiet)[0]:
        try:
            piece = connection.recv(65_536)
        except ConnectionError:
            return data, True
        if not piece:
            return data, True
        data += piece
    return data, False


def statuses(data: bytes) -> list[int]:
    """The status codes of the answers in a stream."""
    return [int(code) for code in STATUS.findall(data)]


@contextlib.contextmanager
def connections(server: LiveServer, count: int, data: bytes) -> Iterator[list[socket.socket]]:
    """So many connections, each of which has sent `data`."""
    opened = []
    try:
        for _ in range(count):
            opened.append(server.connect())
            opened[-1].sendall(data)
        yield opened
    finally:
        for connection in opened:
            connection.close()
