"""Members of a request: attributes, absent ones, headers in any case."""

from __future__ import annotations

import pytest

from apimgmt.members import HeaderMembers, Members


@pytest.mark.rows("F-088")
def test_what_is_not_there_is_none() -> None:
    """An absent member is None by key and by attribute, and does not appear."""
    members = Members(id=7)
    assert (members.id, members["id"], members.foo, members["foo"], "foo" in members) == (7, 7, None, None, False)


@pytest.mark.rows("F-087")
@pytest.mark.parametrize("name", ["X-Id", "x-id", "X-ID", "x_id"])
def test_headers_are_found_in_any_case(name: str) -> None:
    """A header member is found whatever the case, and with underscores for hyphens; the key stays as documented."""
    members = HeaderMembers({"X-Id": 5})
    assert (members[name], getattr(members, name), list(members)) == (5, 5, ["X-Id"])


def test_an_absent_header_is_none() -> None:
    """A header that is not there is None (F-088)."""
    assert HeaderMembers({"X-Id": 5}).other is None
