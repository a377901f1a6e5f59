"""``python -m bench scale``: does a request cost more on a platform with many operations?"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from apimgmt.archive import Archive
from bench import machine, wrk
from bench.catalogue import OURS
from bench.compare import Plan
from bench.exchanges import GET
from bench.platforms import entries, targets
from bench.serving import Running, running
from bench.subjects import Command, Place, Subject, product
from bench.table import aligned

SIZES = ((1, 10), (500, 20), (1, 10_000))
IN_TURN = 1_000


@dataclass
class Platform:
    """A platform of ``apis`` APIs with ``operations`` each; requests per second, run by run."""

    apis: int
    operations: int
    one: list[float] = field(default_factory=list)
    turn: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        """How the platform is called in the table."""
        return f"{self.apis:,} API{'s' if self.apis > 1 else ''} x {self.operations:,} operations"


def scale(plan: Plan, sizes: Sequence[tuple[int, int]] = SIZES) -> list[Platform]:
    """Load one operation in the middle of every platform, then up to 1,000 all over it in turn."""
    server_cores, wrk_cores = machine.split_cores()
    platforms = [Platform(*size) for size in sizes]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        servers = []
        for number, platform in enumerate(platforms):
            print(f"starting {platform.name}", file=sys.stderr, flush=True)
            subject = Subject(platform.name, _prepare(platform), OURS)
            servers.append(stack.enter_context(running(subject, folder / str(number), server_cores)))
        for run in range(plan.runs + 1):
            for platform, server in zip(platforms, servers, strict=True):
                _measure(platform, server, plan.seconds if run else plan.warm_up, wrk_cores, kept=run > 0)
    return platforms


def _prepare(platform: Platform) -> Callable[[Place], Command]:
    def prepare(place: Place) -> Command:
        archive = Archive(place.folder)
        product.publish(archive, entries(archive, platform.apis, platform.operations))
        return product.serve("apimgmt.asgi:gateway()", place, "handlers.py")

    return prepare


def _measure(platform: Platform, server: Running, seconds: float, cores: frozenset[int], kept: bool) -> None:
    every = targets(platform.apis, platform.operations, IN_TURN)
    one = wrk.measure(replace(GET, target=every[len(every) // 2]), server.port, seconds, cores)
    turn = wrk.measure(GET, server.port, seconds, cores, every)
    if one.bad or turn.bad:
        raise RuntimeError(f"{platform.name}: {one.bad + turn.bad} answers were errors")
    if kept:
        platform.one.append(one.rps)
        platform.turn.append(turn.rps)


def lines(platforms: Sequence[Platform]) -> Iterator[str]:
    """The table: requests per second and their ratio to the first platform."""
    table = [["platform", "one operation", "ratio", f"up to {IN_TURN:,} in turn", "ratio"]]
    first = platforms[0]
    for platform in platforms:
        cells = [platform.name]
        for rates, against in ((platform.one, first.one), (platform.turn, first.turn)):
            rate = statistics.median(rates)
            cells += [f"{rate:,.0f}", f"{rate / statistics.median(against):.2f}"]
        table.append(cells)
    yield from aligned(table)
    yield "goal: a ratio of at least 0.90"
