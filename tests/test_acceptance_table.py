"""The command that prints the acceptance rows."""

from __future__ import annotations

import pytest

from acceptance import IDS, LIST, Collector, known_rows, read_list, table


def test_the_list_of_ids_is_complete() -> None:
    """The ids kept in the repository are those of the list beside it, 373 of them, in its order."""
    kept = IDS.read_text("ascii").split()
    assert len(kept) == len(set(kept)) == 373
    if not LIST.exists():
        pytest.skip("the list is not beside the repository")
    assert kept == list(read_list(LIST.read_text("utf-8")))


def test_a_row_passes_only_if_no_test_that_names_it_fails() -> None:
    """One failing test outweighs a passing one, and a skipped test shows nothing."""
    collector = Collector()
    for rows, outcome in ((["F-001", "F-002"], "passed"), (["F-002"], "failed"), (["F-003"], "skipped")):
        collector.pytest_runtest_logreport(_report(rows, outcome))
    verdicts = [collector.verdict(row) for row in ("F-001", "F-002", "F-003", "F-004")]
    assert verdicts == ["passed", "failed", "not yet", "not yet"]


def test_the_table_has_a_line_for_every_row_and_the_totals() -> None:
    """Rows without a test are listed too, and an id that no row has is pointed out."""
    collector = Collector()
    collector.pytest_runtest_logreport(_report(["F-001", "Z-999"], "passed"))
    lines = list(table(known_rows(), collector))
    assert lines[0].startswith("F-001  passed")
    assert lines[-2].strip() == "not in the list: Z-999"
    assert lines[-1].strip() == "373 rows: 1 passed, 0 failed, 372 not yet"


def _report(rows: list[str], outcome: str) -> pytest.TestReport:
    properties = [("rows", rows)]
    location = ("file.py", 1, "name")
    return pytest.TestReport("name", location, {}, outcome, None, "call", user_properties=properties)  # type: ignore[arg-type]
