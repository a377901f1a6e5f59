"""``python -m bench flows``: a figure for every flow and every expression."""

from __future__ import annotations

import re

from bench import flows


def test_every_flow_and_expression_has_its_figure() -> None:
    """A hundredth of the usual runs: two tables of Markdown with numbers in their last column."""
    rows = [line for line in flows.lines(0.01) if line.startswith("|") and "---" not in line]
    figures = [row for row in rows if re.search(r"\| \d+\.\d \|$", row)]
    assert len(figures) == len(flows.TASKS) + len(flows.EXPRESSIONS) == len(rows) - 2
