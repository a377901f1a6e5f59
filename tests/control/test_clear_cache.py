"""Clearing cached answers: what is noted in the data folder for the workers."""

from __future__ import annotations

from pathlib import Path

import pytest
from control_samples import document

from apimgmt.archive import CLEARINGS_KEPT, Archive
from apimgmt.control.service import Control
from apimgmt.errors import Problem


@pytest.mark.rows("H-057")
def test_a_clearing_is_noted_for_every_worker(control: Control, tmp_path: Path) -> None:
    """The API by its id, the operation by its key, whatever they were called by; numbers that grow."""
    api = control.upload(document(), "application/json", name="shop").id
    archive = control._archive
    before = archive.clearings_mark()
    control.clear_cache("shop")
    control.clear_cache(api, "get /books", "query.a=1")
    noted = [(one.number, one.api, one.operation, one.key) for one in archive.clearings()]
    assert noted == [(1, api, "", ""), (2, api, "get /books", "query.a=1")] and archive.clearings_mark() != before


@pytest.mark.parametrize(("api", "operation"), [("none", None), ("shop", "get /nothing")])
def test_what_is_not_there_is_a_404(control: Control, api: str, operation: str | None) -> None:
    """Nothing is noted."""
    control.upload(document(), "application/json", name="shop")
    with pytest.raises(Problem) as refused:
        control.clear_cache(api, operation)
    assert refused.value.status == 404 and control._archive.clearings() == ()


def test_only_so_many_clearings_are_kept(tmp_path: Path) -> None:
    """The newest, with their numbers."""
    archive = Archive(tmp_path)
    for _ in range(CLEARINGS_KEPT + 2):
        archive.clear("api")
    numbers = [clearing.number for clearing in archive.clearings()]
    assert (len(numbers), numbers[0], numbers[-1]) == (CLEARINGS_KEPT, 3, CLEARINGS_KEPT + 2)
