"""Prints the table of all acceptance rows with passed, failed or not yet: ``python -m tests.acceptance``.

A row has passed if at least one test names it and no test that names it fails. Arguments go to pytest, so
``python -m tests.acceptance -k routing`` shows what a part of the suite shows. The rows come from the list beside the
repository if it is there, otherwise from ``specs/acceptance/rows.txt`` (their ids only), which the former keeps fresh.
Exit code 0: no row failed; 1: a row failed.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT.parent / "shared" / "acceptance.md"
IDS = ROOT / "specs" / "acceptance" / "rows.txt"
NOT_YET = "not yet"


def read_list(text: str) -> dict[str, str]:
    """Row id to its sentence, from the Markdown tables of the list."""
    cells = re.findall(r"^\| \d+ \| ([A-Z]-\d{3}) \| \w \| (.*) \| [^|]+ \| [^|]+ \|$", text, re.MULTILINE)
    return {row: sentence.replace("\\|", "|") for row, sentence in cells}


def known_rows() -> dict[str, str]:
    """Row id to its sentence, or to nothing where only the ids are at hand."""
    if LIST.exists():
        return read_list(LIST.read_text("utf-8"))
    return dict.fromkeys(IDS.read_text("ascii").split(), "")


class Collector:
    """A pytest plug-in that remembers, for every row, how the tests ended that name it."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Counter[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of one test has ended; set-up and tear-down count only if they fail."""
        if report.when != "call" and report.outcome == "passed":
            return
        for name, rows in report.user_properties:
            if name == "rows":
                for row in rows if isinstance(rows, list) else []:
                    self.outcomes.setdefault(row, Counter())[report.outcome] += 1

    def verdict(self, row: str) -> str:
        """How a row stands: passed, failed or not yet."""
        outcomes = self.outcomes.get(row, Counter())
        if outcomes["failed"]:
            return "failed"
        return "passed" if outcomes["passed"] else NOT_YET


def table(rows: dict[str, str], collector: Collector) -> Iterable[str]:
    """The lines to print: one per row, then the totals, then ids in tests that no row has."""
    totals: Counter[str] = Counter()
    for row, sentence in rows.items():
        verdict = collector.verdict(row)
        totals[verdict] += 1
        tests = sum(collector.outcomes.get(row, Counter()).values())
        yield f"{row}  {verdict:8}  {tests:4}  {sentence[:100]}".rstrip()
    unknown = sorted(set(collector.outcomes) - set(rows))
    if unknown:
        yield f"\nnot in the list: {', '.join(unknown)}"
    yield f"\n{len(rows)} rows: {totals['passed']} passed, {totals['failed']} failed, {totals[NOT_YET]} {NOT_YET}"


def main(arguments: list[str]) -> int:
    """Run pytest, print the table."""
    collector = Collector()
    ended = pytest.main(["--quiet", "--no-header", "--tb=short", *arguments], plugins=[collector])
    if ended in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.INTERRUPTED):
        return int(ended)
    rows = known_rows()
    print(*table(rows, collector), sep="\n")
    return int(any(collector.verdict(row) == "failed" for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
