"""What an examination of ``doctor`` says."""

from __future__ import annotations

from typing import Literal

import msgspec


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at; ``remedy`` says what to do unless it is fine."""

    subject: str
    verdict: Literal["fine", "warning", "wrong"]
    found: str
    remedy: str = ""


def judge(subject: str, good: bool, found: str, remedy: str, bad: Literal["warning", "wrong"] = "wrong") -> Check:
    """Fine if ``good``, otherwise ``bad`` with the remedy."""
    return Check(subject, "fine", found) if good else Check(subject, bad, found, remedy)
