"""Named resources: made, listed, changed, removed, with ETags (apimgmt/control/resources.py, rulesets.py)."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.control.service import Control
from apimgmt.errors import Problem, StoreConflict

READERS = {"name": "readers", "rules": [{"methods": ["get"], "path": "/shop/**"}]}


def test_a_resource_lives_and_ends(control: Control) -> None:
    """Made, found by name and by id, replaced, removed."""
    shown = control.rulesets.create(READERS)
    rule = {"methods": ["GET"], "path": "/shop/**"}
    assert shown.view["rules"] == [rule]
    assert control.rulesets.all() == [shown.view]
    assert control.rulesets.get("readers") == control.rulesets.get(shown.view["id"]) == shown
    changed = control.rulesets.replace("readers", {"name": "all", "rules": []}, shown.etag)
    assert (changed.view["name"], changed.view["rules"]) == ("all", [])
    control.rulesets.delete("all")
    assert control.rulesets.all() == []


def test_two_people_do_not_overwrite_each_other(control: Control) -> None:
    """An ETag that is no longer the present one changes nothing."""
    etag = control.rulesets.create(READERS).etag
    control.rulesets.replace("readers", {"rules": []}, etag)
    with pytest.raises(StoreConflict):
        control.rulesets.replace("readers", READERS, etag)
    with pytest.raises(StoreConflict):
        control.rulesets.delete("readers", etag)
    assert control.rulesets.get("readers").view["rules"] == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/name"),
        ({"name": "a/b"}, "/name"),
        ({"name": "a", "rules": [{"path": "shop"}]}, "/rules/0/path"),
        ({"name": "a", "rules": [{"path": "/a", "methods": ["BREW"]}]}, "/rules/0/methods"),
        ({"name": "a", "colour": "red"}, ""),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_kept(control: Control, body: dict[str, Any], pointer: str) -> None:
    """400 with the place."""
    with pytest.raises(Problem) as caught:
        control.rulesets.create(body)
    assert (caught.value.code, caught.value.errors[0]["pointer"]) == ("validation", pointer)
    assert control.rulesets.all() == []


def test_a_name_is_unique_and_a_missing_one_is_said(control: Control) -> None:
    """409 and 404."""
    control.rulesets.create(READERS)
    with pytest.raises(Problem) as taken:
        control.rulesets.create(READERS)
    with pytest.raises(Problem) as missing:
        control.rulesets.get("writers")
    assert (taken.value.code, missing.value.code) == ("conflict", "not-found")
