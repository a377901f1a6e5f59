"""What became of many rows that were sent (C-052)."""

from __future__ import annotations

from typing import Any, NamedTuple

from apimgmt.errors import ConnectionFailed


class Outcome(NamedTuple):
    """What became of the row at ``position`` (from 0): the ``result``, or the ``failure``."""

    position: int
    result: Any = None
    failure: ConnectionFailed | None = None

    @property
    def is_done(self) -> bool:
        """Whether the other system took it."""
        return self.failure is None


class Summary(NamedTuple):
    """What became of every row, in the order in which they were given."""

    outcomes: tuple[Outcome, ...]

    @property
    def done(self) -> int:
        """How many were taken."""
        return sum(outcome.is_done for outcome in self.outcomes)

    @property
    def failed(self) -> int:
        """How many were not."""
        return len(self.outcomes) - self.done

    @property
    def results(self) -> list[Any]:
        """The results of those that were taken."""
        return [outcome.result for outcome in self.outcomes if outcome.is_done]

    @property
    def failures(self) -> dict[int, ConnectionFailed]:
        """The failures by the position of their rows."""
        return {outcome.position: outcome.failure for outcome in self.outcomes if outcome.failure is not None}

    def raise_for_failures(self) -> Summary:
        """This summary, if every row was taken; otherwise raises the first failure."""
        for failure in self.failures.values():
            raise failure
        return self
