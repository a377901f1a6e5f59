"""What all tests share: the acceptance rows that a test shows travel with its report."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Write the ids of ``@pytest.mark.rows`` into the report of each test (``tests/acceptance.py`` reads them)."""
    for item in items:
        for mark in item.iter_markers("rows"):
            item.user_properties.append(("rows", list(mark.args)))
