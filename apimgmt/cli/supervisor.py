"""Starts the gateway and the admin API as child processes, watches them, and stops them.

Every child is a gunicorn master in a process group of its own, on a listening socket that the supervisor holds.
A child that dies is replaced, at once the first time, then with pauses that grow to 5 s. No way of ending it leaves
a process behind: on a signal it stops the groups, and if it is killed the kernel tells the masters.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from apimgmt.cli.lastwords import last_words
from apimgmt.errors import ApimgmtError

BACKLOG = 2048
POLL_SECONDS = 0.05
CALM_SECONDS = 20.0
LONGEST_PAUSE = 5.0
LOG_BYTES = 10 * 1_048_576
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StartFailed(ApimgmtError):
    """A child ended or did not become ready."""


class Stopped(BaseException):
    """A signal asks the supervisor to end; not an error."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises StartFailed if the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StartFailed(f"cannot listen on {host}:{port}: {error.strerror or error}; choose another port") from None
    listener.listen(BACKLOG)
    return listener


class Child:
    """One server process and its workers.

    ``command`` is what it runs, without the numbers of its listening sockets, if it has any; the first of these speaks
    HTTP. ``inherited`` are descriptors that it gets beside them.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        listeners: Sequence[socket.socket],
        environment: Mapping[str, str],
        log: Path,
        inherited: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.listener = listeners[0] if listeners else None
        self.log = log
        numbers = [listener.fileno() for listener in listeners]
        self._command = [*command, *map(str, numbers)]
        self._environment = environment
        self._inherited = (*numbers, *inherited)
        self._process: subprocess.Popen[bytes] | None = None
        self._orphans: list[int] = []
        self._heard: int | None = None
        self._started = 0.0
        self._pause = 0.0
        self._due = 0.0

    def start(self) -> None:
        """Start the master; its output goes to the log file."""
        with open(self.log, "ab") as log:
            self._heard = log.tell() if self._heard is None else self._heard
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                pass_fds=self._inherited,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        self._started = time.monotonic()

    def is_alive(self) -> bool:
        """Whether the master runs."""
        return self._process is not None and self._process.poll() is None

    def mend(self) -> None:
        """Replace the master if it has died: at once after a calm time, otherwise after a pause that doubles."""
        now = time.monotonic()
        if self.is_alive():
            return
        if not self._due:
            self._leave_workers()
            self._pause = 0.0 if now - self._started > CALM_SECONDS else self._pause
            self._due = now + self._pause
            self._pause = min(max(2 * self._pause, 0.5), LONGEST_PAUSE)
        if now >= self._due:
            self._due = 0.0
            self.start()

    def ask_to_stop(self) -> None:
        """Ask the master to let running requests finish and end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def kill(self) -> None:
        """End whatever is left of this child and of those before it."""
        for group in [*self._orphans, *([self._process.pid] if self._process is not None else [])]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def _leave_workers(self) -> None:
        """The workers of a dead master finish their requests; those that have ended are forgotten."""
        if self._process is not None:
            self._orphans.append(self._process.pid)
            self._process = None
        self._orphans = [group for group in self._orphans if _tell(group, signal.SIGTERM)]

    def is_ready(self, path: str) -> bool:
        """Whether ``path`` answers 200; without a socket, whether it runs."""
        if self.listener is None:
            return self.is_alive()
        host, port = self.listener.getsockname()[:2]
        connection = http.client.HTTPConnection(reachable(host), port, timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def last_words(self) -> str:
        """What the log of this start ends with, for the message that says why it did not start."""
        return last_words(self.log, self._heard or 0)


class Supervisor:
    """A context in which the children run; leaving it stops them."""

    def __init__(self, children: Sequence[Child], grace: float) -> None:
        self._children = children
        self._grace = grace

    def __enter__(self) -> Supervisor:
        for number in SIGNALS:
            signal.signal(number, _stop)
        return self

    def start(self) -> None:
        """Start all children."""
        for child in self._children:
            rotate(child.log)
            child.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Stop all children; a second signal kills them."""
        try:
            self._stop()
        except Stopped:
            pass
        finally:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            for child in self._children:
                child.kill()
        return kind is Stopped

    def wait_ready(self, path: str, seconds: float = 60.0, hopeless: Callable[[], str] = str) -> None:
        """Wait until ``path`` answers 200 on every child; raises StartFailed with the log's end if one gives up, or
        with what ``hopeless`` says as soon as it says anything."""
        deadline = time.monotonic() + seconds
        waiting = list(self._children)
        while waiting:
            for child in waiting:
                if not child.is_alive() or time.monotonic() > deadline:
                    reason = "is not ready" if child.is_alive() else "ended"
                    raise StartFailed(
                        f"the {child.name} process {reason}; the end of {child.log}:\n{child.last_words()}"
                    )
            waiting = [child for child in waiting if not child.is_ready(path)]
            if waiting:
                if reason := hopeless():
                    raise StartFailed(reason)
                time.sleep(POLL_SECONDS)

    def watch(self) -> None:
        """Replace children that die, until a signal comes."""
        while True:
            time.sleep(POLL_SECONDS)
            for child in self._children:
                child.mend()

    def _stop(self) -> None:
        """Ask all children to end, and give them the time for running requests."""
        for child in self._children:
            child.ask_to_stop()
        deadline = time.monotonic() + self._grace
        while any(child.is_alive() for child in self._children) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def reachable(host: str) -> str:
    """An address under which this machine reaches a listener on ``host``."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)


def rotate(log: Path) -> None:
    """Put a log aside that has grown too long; the one before it is dropped."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))


def _tell(group: int, number: int) -> bool:
    """Send a signal to a process group; False if nobody is left in it."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def _stop(number: int, frame: object) -> None:
    raise Stopped
