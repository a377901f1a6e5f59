"""Runs: what is remembered of each execution of a process. This file holds the struct; the store and the journal that
fills it are beside it.

Gateway workers write, the admin API reads, and neither waits for the other: the file in between is enough.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from apimgmt.model import Struct

State = Literal["running", "succeeded", "failed", "timed-out", "cancelled", "dead"]


class Task(Struct, frozen=True):
    """One task of a flow that was performed: its JSON pointer in the definition, when it began (Unix time), how long it
    took, and whether it failed."""

    task: str
    began: float
    seconds: float
    failed: bool = False


class Fault(Struct, frozen=True):
    """Why a run failed, for operators: ``code`` is one of the catalogue, ``reason`` what the caller is not told,
    ``traceback`` where it happened in the code."""

    code: str
    detail: str = ""
    reason: str = ""
    traceback: str = ""


class RunRecord(Struct, frozen=True):
    """One execution of a process. ``id`` is what the answer had as ``X-Request-Id``.

    ``caller`` is the name that authentication found out, ``began`` a Unix time. ``answered`` are the seconds after
    which the caller had an early answer, None if the answer came at the end; ``status`` is that of the answer, or of
    what a run gave whose caller had 202 (it is recorded when it begins, too, as ``running``).
    ``request`` and ``response`` are the first bytes of the bodies, if a setting asks for them.
    """

    id: str
    api: str
    operation: str
    state: State
    status: int
    began: float
    seconds: float
    caller: str = ""
    answered: float | None = None
    tasks: tuple[Task, ...] = ()
    fault: Fault | None = None
    request: str = ""
    response: str = ""

    def plain(self) -> dict[str, Any]:
        """As JSON: everything that there is to say."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain
