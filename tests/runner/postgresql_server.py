"""A PostgreSQL of its own for a test: made in a folder, started on a free port, stopped in any way, started again."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

PATIENCE_SECONDS = 60
INSTALLED = "/usr/lib/postgresql"


class PostgresqlServer:
    """A server that is gone after :meth:`close`; ``url`` is where it is while it runs. Skips where there is none."""

    def __init__(self) -> None:
        self._control = self._program("pg_ctl")
        initialise = self._program("initdb")
        # not below a folder of this test: the server's user could not get there
        self._folder = Path(tempfile.mkdtemp(prefix="apimgmt-postgresql-"))
        self._user = self._other_user()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/postgres"
        self._run(initialise, "-D", str(self._data), "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        log = str(self._folder / "log")
        self._run(self._control, "start", "-D", str(self._data), "-l", log, "-w", "-o", options)

    def stop(self) -> None:
        """As if the machine had lost it: connections break, nothing is finished."""
        self._run(self._control, "stop", "-D", str(self._data), "-m", "immediate", "-w")

    def close(self) -> None:
        """Leave nothing."""
        if (self._data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _other_user(self) -> dict[str, Any]:
        """PostgreSQL does not run as root."""
        if os.geteuid():
            return {}
        names = {one.pw_name: one for one in pwd.getpwall()}
        user = names.get("postgres") or names.get("nobody")
        if user is None:
            pytest.skip("PostgreSQL does not run as root, and there is nobody else")
        os.chown(self._folder, user.pw_uid, user.pw_gid)
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            [*command, "-t", str(PATIENCE_SECONDS)] if command[0] == self._control else command,
            stdin=subprocess.DEVNULL,
            # the server would keep a pipe open
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            timeout=2 * PATIENCE_SECONDS,
            **self._user,
        )
        log = self._folder / "log"
        assert done.returncode == 0, f"{command[:2]}: {log.read_text()[-2000:] if log.exists() else ''}"

    @staticmethod
    def _program(name: str) -> str:
        versions = sorted(Path(INSTALLED).glob("*/bin"), key=lambda one: float(one.parent.name), reverse=True)
        found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, versions)))
        if not found:
            pytest.skip(f"{name} of PostgreSQL is not installed")
        return found
