"""What is measured. This file holds what a subject is; every other file is the application of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """Where a subject runs: its port on 127.0.0.1 and a folder of its own, empty."""

    port: int
    folder: Path


@dataclass(frozen=True)
class Command:
    """How a subject is started: arguments, and variables added to the environment."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """One row of the table.

    ``packages`` are the distributions whose versions are printed, as ``py:NAME`` or ``npm:NAME``; one that is absent
    makes the subject unavailable. ``mock`` subjects answer with the example, whatever the values. ``gaps`` are the
    names of exchanges that the subject is known to get wrong, with the reason; ``checks`` is false where nothing is
    checked at all.
    """

    name: str
    prepare: Callable[[Place], Command]
    packages: tuple[str, ...]
    mock: bool = False
    checks: bool = True
    gaps: Mapping[str, str] = field(default_factory=dict)
