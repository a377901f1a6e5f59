"""The result of ``python -m bench`` as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.compare import GOALS, Row
from bench.exchanges import LOAD

HEADINGS = ("rps", "±%", "p50 ms", "p99 ms", "CPU µs", "ratio")


def lines(rows: Sequence[Row], facts: dict[str, str]) -> Iterator[str]:
    """The machine, the table, what was not measured and why, the known gaps, the goals."""
    yield from (f"{name}: {value}" for name, value in facts.items())
    measured = [row for row in rows if row.runs and not row.skipped]
    if measured:
        yield ""
        yield from aligned([*_head(), *(_cells(row, measured[0]) for row in measured)])
        yield f"ratio: requests per second of {measured[0].name} over those of the row"
    yield ""
    yield from (f"not measured: {row.name}: {row.skipped}" for row in rows if row.skipped)
    yield from (f"gap: {row.name}: {name}: {reason}" for row in measured for name, reason in row.gaps.items())
    yield from (f"versions: {row.name}: {_versions(row)}" for row in measured)
    yield from _goals(measured)


def aligned(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows of cells as lines, the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        yield "  ".join((row[0].ljust(widths[0]), *cells)).rstrip()


def _head() -> list[list[str]]:
    above = [exchange.method if heading == "rps" else "" for exchange in LOAD for heading in HEADINGS]
    return [["", *above], ["subject", *HEADINGS * len(LOAD)]]


def _cells(row: Row, first: Row) -> list[str]:
    cells = [row.name]
    for exchange in LOAD:
        name = exchange.name
        cells += [f"{row.median(name, 'rps'):,.0f}", f"{row.spread(name) * 100:.0f}"]
        cells += [f"{row.median(name, figure):.2f}" for figure in ("p50", "p99")]
        cells += [f"{row.median(name, 'cpu'):.0f}", f"{_ratio(first, row, name):.2f}"]
    return cells


def _ratio(first: Row, row: Row, request: str) -> float:
    return first.median(request, "rps") / row.median(request, "rps")


def _versions(row: Row) -> str:
    return ", ".join(f"{name} {version}" for name, version in row.versions.items())


def _goals(measured: Sequence[Row]) -> Iterator[str]:
    """One line for every goal whose two subjects were measured."""
    rows = {row.name: row for row in measured}
    for ours, goal, other in GOALS:
        if ours in rows and other in rows:
            ratios = {exchange.method: _ratio(rows[ours], rows[other], exchange.name) for exchange in LOAD}
            said = ", ".join(f"{method} {ratio:.2f}" for method, ratio in ratios.items())
            verdict = "reached" if min(ratios.values()) >= goal else "not reached"
            yield f"goal: {ours}: {goal:g} times {other}: {said}: {verdict}"
