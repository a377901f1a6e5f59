"""What commands print."""

from __future__ import annotations

import time

import pytest

from apimgmt.cli.output import columns, findings, progress


def test_columns_are_aligned_under_their_names() -> None:
    """A cell without a value is a dash, yes and no are words, a line feed stays inside its line."""
    lines = columns(("NAME", "PUBLIC"), [("a\nb", True), (None, False)])
    assert lines == ["NAME  PUBLIC", "a b   yes", "-     no"]


def test_an_empty_table_is_its_names() -> None:
    """No rows, no width to compute."""
    assert columns(("NAME",), []) == ["NAME"]


def test_findings_come_worst_first_with_their_place() -> None:
    """The place is line and column, with the file if it is not the document itself, otherwise the pointer."""
    lines = findings(
        [
            {"severity": "info", "code": "i", "message": "m", "pointer": "/info"},
            {"severity": "error", "code": "e", "message": "n", "line": 3, "column": 5, "file": "b.yaml"},
        ]
    )
    assert [line.split() for line in lines[1:]] == [["error", "b.yaml:3:5", "e", "n"], ["info", "/info", "i", "m"]]
    assert findings([]) == []


def test_progress_speaks_after_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    """What is quick says nothing; what is slow says what it does, on standard error."""
    with progress("quick"):
        pass
    with progress("slow"):
        time.sleep(1.2)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "slow ...\n")
