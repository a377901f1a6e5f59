"""A Redis of its own for a test: started from the machine's binary on a free port, stopped, and started again."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

PATIENCE_SECONDS = 20.0


class RedisServer:
    """A server that keeps nothing on disk; ``url`` is where it is."""

    def __init__(self, folder: Path) -> None:
        self._program = shutil.which("redis-server") or shutil.which("valkey-server") or ""
        if not self._program:
            pytest.skip("neither redis-server nor valkey-server is installed")
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.start()

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        options = {"port": self._port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": self._folder}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self._process = subprocess.Popen([self._program, *words], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self._port), timeout=1) as line:
                    line.sendall(b"PING\r\n")
                    if line.recv(16).startswith(b"+PONG"):
                        return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("redis-server did not start")

    def stop(self) -> None:
        """End it; nobody listens on its port then."""
        self._process.kill()
        self._process.wait(PATIENCE_SECONDS)
