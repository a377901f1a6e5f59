"""What a direct expression may cost: it runs in the worker itself, where nothing can interrupt it.

What would take more steps, or come to more values, than this is left to jq, whose process can be ended.
"""

from __future__ import annotations

from typing import Any

STEPS = 300_000
LARGEST = 1_000_000


class Undecided(Exception):
    """These values are for jq itself."""


class Budget:
    """The steps that are left to the expression under evaluation; one at a time is, for none of them waits."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = STEPS

    def spend(self, steps: int) -> None:
        """Raise Undecided if there are not so many."""
        self.left -= steps
        if self.left < 0:
            raise Undecided


budget = Budget()


def check_size(length: int) -> None:
    """Raise Undecided for a text, an array or an object that would be longer than LARGEST."""
    if length > LARGEST:
        raise Undecided


def check_weight(value: Any) -> None:
    """Raise Undecided for a value that, written out, has more than LARGEST parts: one part may stand in many places."""
    left, pending = LARGEST, [value]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            left -= len(one)
            pending += one.values()
        elif isinstance(one, list):
            left -= len(one)
            pending += one
        elif isinstance(one, str):
            left -= len(one) // 100
        if left < 0:
            raise Undecided
