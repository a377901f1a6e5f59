"""Load by wrk: one thread, 32 connections kept open, the next request as soon as an answer is there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.exchanges import KEY, Exchange

CONNECTIONS = 32


@dataclass(frozen=True)
class Load:
    """What one run of wrk measured: requests per second, latencies in milliseconds, answers that were not good."""

    rps: float
    p50: float
    p99: float
    bad: int


def missing() -> str | None:
    """Why there can be no load on this machine, or None."""
    return None if shutil.which("wrk") else "wrk is not installed"


def measure(
    exchange: Exchange,
    port: int,
    seconds: float,
    cores: frozenset[int] = frozenset(),
    targets: Sequence[str] = (),
) -> Load:
    """Send one request over and over for ``seconds``, to its own target or to ``targets`` in turn.

    Raises CalledProcessError if wrk cannot connect.
    """
    prefix = ["taskset", "--cpu-list", ",".join(map(str, sorted(cores)))] if cores else []
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "-s", str(Path(__file__).with_name("wrk.lua"))]
    targets = targets or (exchange.target,)
    environment = {
        "BENCH_METHOD": exchange.method,
        "BENCH_KEY": KEY,
        "BENCH_BODY": exchange.body.decode(),
        "BENCH_TARGETS": "\n".join(targets),
    }
    run = subprocess.run(
        [*prefix, "wrk", *options, f"http://127.0.0.1:{port}{targets[0]}"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(line for line in run.stdout.splitlines() if line.startswith("RESULT "))
    result = json.loads(line.removeprefix("RESULT "))
    rps = result["requests"] / result["seconds"]
    return Load(rps, result["p50"] / 1000, result["p99"] / 1000, result["refused"] + result["failed"])
