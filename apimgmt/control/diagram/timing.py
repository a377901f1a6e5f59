"""What the tasks of one run took, and which share of the whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from apimgmt.control.diagram import Node


class Timing(NamedTuple):
    """What a task took: how often it was performed, how long altogether, whether it failed at least once."""

    times: int
    seconds: float
    failed: bool


class Run:
    """The times of one run by task; ``steps`` are those of a dry run, in which a task can come many times."""

    def __init__(self, steps: Iterable[Mapping[str, Any]]) -> None:
        self._tasks: dict[str, Timing] = {}
        for step in steps:
            times, seconds, failed = self._tasks.get(step["task"], (0, 0.0, False))
            self._tasks[step["task"]] = Timing(times + 1, seconds + step["seconds"], failed or step["failed"])
        # pointer of a list of tasks -> index and time of each task in it
        self._lists: dict[str, list[tuple[int, Timing]]] = {}
        for place, timing in self._tasks.items():
            for where, at in _lists(place):
                self._lists.setdefault(where, []).append((at, timing))
        self.seconds = sum(timing.seconds for _, timing in self._lists.get("/do", ()))

    def of(self, node: Node) -> Timing | None:
        """What a task took, None if it was not performed; tasks that are summarised count together."""
        if node.kind != "more":
            return self._tasks.get(node.place)
        found = [timing for at, timing in self._lists.get(node.place, ()) if at >= node.first]
        return Timing(1, sum(one.seconds for one in found), any(one.failed for one in found)) if found else None

    def share(self, timing: Timing) -> float:
        """The share of the whole time, from 0 to 1, in hundredths as it is shown."""
        return round(min(timing.seconds / self.seconds, 1.0), 2) if self.seconds > 0 else 0.0

    def summary(self) -> str:
        """The whole run in one line."""
        count, failed = len(self._tasks), self._failures()
        said = f"{duration(self.seconds)}, {count:,} {'task' if count == 1 else 'tasks'} performed"
        return f"{said}, {failed:,} failed" if failed else said

    def label(self, timing: Timing) -> str:
        """A time as it stands in a box."""
        said = ["failed"] if timing.failed else []
        said.append(duration(timing.seconds))
        if timing.times > 1:
            said.append(f"{timing.times:,} times")
        percent = round(100 * self.share(timing))
        return " · ".join([*said, f"{percent} %"] if percent else said)

    def _failures(self) -> int:
        """How many tasks failed of themselves, and not because one inside them did."""
        places = [place for place, timing in self._tasks.items() if timing.failed]
        around = {place[:at] for place in places for at, letter in enumerate(place) if letter == "/"}
        return sum(place not in around for place in places)


def duration(seconds: float) -> str:
    """A duration, short."""
    if seconds < 0.0001:
        return f"{1_000_000 * seconds:.0f} µs"
    if seconds < 0.01:
        return f"{1000 * seconds:.2f} ms"
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3_600 else f"{seconds / 3_600:.1f} h"


def _lists(place: str) -> Iterator[tuple[str, int]]:
    """The list that a task is in and its index there; for the one task of a branch the list of branches, too."""
    where, _, at = place.rpartition("/")[0].rpartition("/")
    if at.isdecimal():
        yield where, int(at)
    branches, _, branch = where.rpartition("/")
    if branches.endswith("/fork/branches") and branch.isdecimal():
        yield branches, int(branch)
