"""Starting a subject, waiting until it answers, stopping it and its children."""

from __future__ import annotations

import contextlib
import http.client
import importlib.metadata
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.catalogue import NODE
from bench.exchanges import GET, OTHER_ITEM, OTHER_ORDER, POST, REFUSED, fault, send
from bench.subjects import Command, Place, Subject

REPOSITORY = Path(__file__).parents[1]
START_SECONDS = 60.0
STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Running:
    """A subject that answers: its port, and the process group that all its processes belong to."""

    port: int
    group: int

    def cpu_seconds(self) -> float:
        """CPU time that the living processes of the group have used so far, user and system."""
        ticks = 0
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                fields = path.read_text("utf-8", "replace").rpartition(")")[2].split()
                if int(fields[2]) == self.group:
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


class NotStarted(Exception):
    """A subject ended, or did not answer in time; the message has the end of what it wrote."""


def versions(subject: Subject) -> dict[str, str]:
    """The versions of a subject's packages. Raises LookupError, naming the package, if one is not installed."""
    return {package.partition(":")[2]: _version(package) for package in subject.packages}


def _version(package: str) -> str:
    registry, _, name = package.partition(":")
    try:
        if registry == "py":
            return importlib.metadata.version(name)
        return str(json.loads((NODE / "node_modules" / name / "package.json").read_text("utf-8"))["version"])
    except (importlib.metadata.PackageNotFoundError, FileNotFoundError):
        raise LookupError(f"{name} is not installed") from None


def missing(subject: Subject) -> str | None:
    """Why a subject cannot run on this machine, or None."""
    if any(package.startswith("npm:") for package in subject.packages) and shutil.which("node") is None:
        return "node is not installed"
    try:
        versions(subject)
    except LookupError as error:
        return str(error)
    return None


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def running(subject: Subject, folder: Path, cores: frozenset[int] = frozenset()) -> Iterator[Running]:
    """Run a subject on ``cores`` (any if empty); yields once it answers. Raises NotStarted."""
    folder.mkdir(parents=True)
    place = Place(free_port(), folder / "data")
    place.folder.mkdir()
    with process(subject.prepare(place), folder / "log", cores) as child:
        _wait(child, place.port, folder / "log")
        yield Running(place.port, child.pid)


@contextlib.contextmanager
def process(command: Command, log: Path, cores: frozenset[int] = frozenset()) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a process group of its own, output to ``log``; the whole group ends with the block."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **command.environment}
    prefix = ["taskset", "--cpu-list", ",".join(map(str, sorted(cores)))] if cores else []
    with open(log, "wb") as output:
        child = subprocess.Popen(
            [*prefix, *command.arguments],
            cwd=log.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield child
    finally:
        _stop(child)


def _wait(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise NotStarted(f"ended with {child.returncode}: {_tail(log)}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            if send(GET, port)[0] < 500:
                return
        time.sleep(0.1)
    raise NotStarted(f"no answer within {START_SECONDS:.0f} s: {_tail(log)}")


def _stop(child: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(STOP_SECONDS)


def _tail(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-2000:].strip()


def faults(subject: Subject, port: int) -> list[str]:
    """Everything that a running subject gets wrong, apart from its known gaps."""
    exchanges = [GET, POST]
    if subject.checks:
        exchanges += REFUSED
        exchanges += [] if subject.mock else [OTHER_ITEM, OTHER_ORDER]
    found = (fault(exchange, port) for exchange in exchanges if exchange.name not in subject.gaps)
    return [text for text in found if text]
