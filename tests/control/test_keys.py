"""API keys: shown once, kept as a hash, published at once."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from apimgmt.archive import Archive
from apimgmt.control.service import Control
from apimgmt.control.store import Store
from apimgmt.errors import Problem
from apimgmt.model import Rule


def test_a_key_is_shown_once_and_kept_as_its_hash(control: Control, store: Store, archive: Archive) -> None:
    """256 random bits for the caller; a SHA-256 in the store and in the snapshot; nothing of either in a list."""
    view = control.keys.create("reporting", [{"methods": ["get"], "path": "/shop/**"}])
    assert len(view.key) >= 43
    expected = hashlib.sha256(view.key.encode()).hexdigest()
    (entry,) = archive.load_snapshot(archive.current()[0]).keys
    assert (entry.id, entry.digest, entry.rules) == (view.id, expected, (Rule(methods=("GET",), path="/shop/**"),))
    listed = str([one.plain() for one in control.keys.all()])
    assert view.key not in listed
    assert expected not in listed
    files = b"".join(path.read_bytes() for path in archive.root.rglob("*") if path.is_file())
    assert view.key.encode() not in files


def test_no_rule_no_access(control: Control, archive: Archive) -> None:
    """A key without rules is published without rules."""
    control.keys.create("nothing")
    assert archive.load_snapshot(archive.current()[0]).keys[0].rules == ()


@pytest.mark.parametrize(
    ("rules", "pointer"),
    [
        ([{}], "/rules/0/path"),
        ([{"methods": ["*"]}], "/rules/0/path"),
        ([{"path": "shop"}], "/rules/0/path"),
        ([{"path": "/a/**/b"}], "/rules/0/path"),
        ([{"path": "/a b"}], "/rules/0/path"),
        ([{"path": "/a"}, {"path": "/b", "methods": ["BREW"]}], "/rules/1/methods"),
        ([{"path": "/b", "methods": []}], "/rules/0/methods"),
        ([{"path": "/b", "colour": "red"}], "/rules"),
        (["/b"], "/rules"),
    ],
)
def test_a_rule_that_does_not_say_what_it_means_is_refused(control: Control, rules: list[Any], pointer: str) -> None:
    """A rule without a path would open everything by default: 400 with its place, and no key."""
    with pytest.raises(Problem) as caught:
        control.keys.create("k", rules)
    assert caught.value.status == 400
    assert caught.value.errors[0]["pointer"] == pointer
    assert control.keys.all() == []


@pytest.mark.parametrize("path", ["/", "/**", "/shop", "/shop/*", "/shop/*/books/**"])
def test_the_forms_of_a_path_in_a_rule(control: Control, path: str) -> None:
    """One segment, any number at the end, or exactly."""
    assert control.keys.create("k", [{"path": path}]).rules == [{"methods": ["*"], "path": path}]


def test_names_of_keys_are_unique(control: Control) -> None:
    """The name is what a process sees as the user (F-067), so it is not given twice."""
    control.keys.create("k")
    with pytest.raises(Problem) as caught:
        control.keys.create("k")
    assert caught.value.status == 409


def test_a_name_of_a_key_has_limits(control: Control) -> None:
    """100 characters are taken, 101 refused."""
    assert control.keys.create("k" * 100).name == "k" * 100
    with pytest.raises(Problem):
        control.keys.create("k" * 101)


@pytest.mark.parametrize("by", ["id", "name"])
def test_a_revoked_key_is_off_the_gateway(control: Control, archive: Archive, by: str) -> None:
    """By id or name: gone from the snapshot when the call returns; a second time is a 404."""
    view = control.keys.create("k")
    control.keys.delete(getattr(view, by))
    assert archive.load_snapshot(archive.current()[0]).keys == ()
    with pytest.raises(Problem) as caught:
        control.keys.delete(view.id)
    assert caught.value.status == 404
