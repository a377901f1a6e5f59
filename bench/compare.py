"""``python -m bench``: every subject, the same requests, in one run, in turns."""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench import machine, wrk
from bench.catalogue import SUBJECTS
from bench.exchanges import LOAD
from bench.serving import NotStarted, Running, faults, missing, running, versions
from bench.subjects import Subject

# The goals of the product: so many times the requests per second of another subject.
GOALS = (
    ("apimgmt", 0.6, "bare ASGI, same server"),
    ("apimgmt, key + limit + CORS", 0.5, "bare ASGI, same server"),
    ("apimgmt", 8.0, "Connexion AsyncApp"),
    ("apimgmt", 5.0, "FastAPI"),
    ("apimgmt", 4.0, "Prism"),
    ("apimgmt", 4.0, "openapi-backend"),
)


@dataclass(frozen=True)
class Plan:
    """How long to measure: ``runs`` runs of ``seconds`` for each request, after ``warm_up`` seconds."""

    runs: int = 5
    seconds: float = 5.0
    warm_up: float = 2.0
    pinned: bool = True


@dataclass(frozen=True)
class Run:
    """One run: what wrk saw, and the CPU time of the server for one request, in microseconds."""

    load: wrk.Load
    cpu: float


@dataclass
class Row:
    """A subject and its runs by request (``get``, ``post``); ``skipped`` says why there are none."""

    name: str
    versions: dict[str, str] = field(default_factory=dict)
    gaps: dict[str, str] = field(default_factory=dict)
    runs: dict[str, list[Run]] = field(default_factory=dict)
    skipped: str = ""

    def median(self, request: str, figure: str) -> float:
        """The median of rps, p50, p99 or cpu over the runs of a request."""
        runs = self.runs[request]
        return statistics.median(run.cpu if figure == "cpu" else float(getattr(run.load, figure)) for run in runs)

    def spread(self, request: str) -> float:
        """How far apart the fastest and the slowest run are, as a part of the median."""
        rates = [run.load.rps for run in self.runs[request]]
        return (max(rates) - min(rates)) / self.median(request, "rps")


def chosen(only: Sequence[str]) -> list[Subject]:
    """The subjects with one of ``only`` in their name, whatever the case; all without ``only``."""
    words = [word.lower() for word in only]
    return [subject for subject in SUBJECTS if not words or any(word in subject.name.lower() for word in words)]


def compare(subjects: Sequence[Subject], plan: Plan) -> list[Row]:
    """Start, verify and measure the subjects; one that cannot start or answers wrongly is a row without runs."""
    server_cores, wrk_cores = machine.split_cores() if plan.pinned else (frozenset[int](), frozenset[int]())
    rows = {subject.name: Row(subject.name, gaps=dict(subject.gaps)) for subject in subjects}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        ready = []
        for number, subject in enumerate(subjects):
            row = rows[subject.name]
            started = _start(subject, row, stack, folder / str(number), server_cores)
            if started:
                ready.append((row, started))
        for row, server, kept in _turns(ready, plan):
            _measure(row, server, plan.seconds if kept else plan.warm_up, wrk_cores, kept)
    return list(rows.values())


def _start(
    subject: Subject, row: Row, stack: contextlib.ExitStack, folder: Path, cores: frozenset[int]
) -> Running | None:
    """Start and verify a subject; says why not in ``row.skipped``."""
    row.skipped = missing(subject) or ""
    if row.skipped:
        return None
    row.versions = versions(subject)
    _say(f"starting {subject.name}")
    try:
        server = stack.enter_context(running(subject, folder, cores))
    except NotStarted as error:
        row.skipped = f"did not start: {error}"
        return None
    row.skipped = "; ".join(faults(subject, server.port))
    return None if row.skipped else server


def _turns(ready: Sequence[tuple[Row, Running]], plan: Plan) -> Iterator[tuple[Row, Running, bool]]:
    """Every subject in turn, first to warm up and then once for each run (kept), so that drift hits all alike."""
    for number in range(plan.runs + 1):
        _say(f"run {number} of {plan.runs}" if number else "warming up")
        for row, server in ready:
            yield row, server, number > 0


def _measure(row: Row, server: Running, seconds: float, cores: frozenset[int], kept: bool) -> None:
    """Load a subject with each request in turn; the runs that are kept go into the row."""
    for exchange in LOAD:
        before = server.cpu_seconds()
        load = wrk.measure(exchange, server.port, seconds, cores)
        used = server.cpu_seconds() - before
        if load.bad:
            row.skipped = f"{load.bad} of its answers under load were errors"
        if kept:
            row.runs.setdefault(exchange.name, []).append(Run(load, used / (load.rps * seconds) * 1e6))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def as_json(rows: Sequence[Row], plan: Plan, facts: dict[str, str]) -> dict[str, Any]:
    """Everything that was measured, run by run."""
    return {"machine": facts, "plan": asdict(plan), "subjects": [asdict(row) for row in rows]}
