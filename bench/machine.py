"""What the figures were measured on, as far as it bears on them."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path


def facts() -> dict[str, str]:
    """Processor, memory, kernel, versions of the tools, and how busy the machine was just before."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": f"{_field('/proc/cpuinfo', 'model name')}, {len(os.sched_getaffinity(0))} cores",
        "memory": _field("/proc/meminfo", "MemTotal"),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "node": _first_line("node", "--version"),
        "wrk": _first_line("wrk", "--version"),
        "load average": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def split_cores() -> tuple[frozenset[int], frozenset[int]]:
    """Cores for the servers and cores for wrk, so that neither takes time from the other; empty with one core."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return frozenset(), frozenset()
    return frozenset(cores[-1:]), frozenset(cores[:1])


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text("utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _first_line(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return "absent"
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return (run.stdout or run.stderr).strip().splitlines()[0]
