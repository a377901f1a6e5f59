"""Replies: nothing gets to the wire that could split it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimgmt.errors import Problem
from apimgmt.gateway.messages.reply import FIELDS_BYTES_MOST, FRAMING, checked_fields, checked_status


@given(st.text(), st.text())
def test_fields_cannot_split(name: str, value: str) -> None:
    """Any name and value is either refused or sent as one field without line breaks and control characters."""
    try:
        fields = checked_fields([(name, value)])
    except Problem as problem:
        assert problem.code == "bad-result"
        return
    for key, sent in fields:
        assert not set(sent) & ({*range(32), 127} - {9})
        assert key == name.lower().encode()
        assert not set(key) & set(b" :\t\r\n")


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\0b", "a\x7f", "\u20ac", "a\rb", b"a\nb"])
def test_values_that_split(value: Any) -> None:
    """A naive version would send these: it encodes and hopes."""
    with pytest.raises(Problem):
        checked_fields([("X-A", value)])
    naive = str(value).encode("utf-8") if isinstance(value, str) else value
    assert set(naive) & {0, 10, 13, 127, 0xE2}


class Unspeakable:
    """A value whose text raises."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_a_value_without_a_text_is_a_bad_result() -> None:
    """Whatever its ``__str__`` raises, it is the process that is wrong."""
    with pytest.raises(Problem) as caught:
        checked_fields([("X-A", Unspeakable())])
    assert caught.value.code == "bad-result"


def test_all_fields_together_are_bounded() -> None:
    """At the limit they are sent, one byte past it they are not."""
    assert checked_fields([("X-A", "a" * (FIELDS_BYTES_MOST - 3))])
    with pytest.raises(Problem):
        checked_fields([("X-A", "a" * (FIELDS_BYTES_MOST - 5)), ("X-B", "b")])


def test_framing_is_left_out() -> None:
    """What belongs to the connection and to the framing is the server's, in whatever case it is written."""
    assert checked_fields([(name.decode().title(), "1") for name in FRAMING]) == []
    assert checked_fields([("X-Number", 5), (b"x-bytes", b" v ")]) == [(b"x-number", b"5"), (b"x-bytes", b"v")]


def test_status_limits() -> None:
    """200 and 599 are final statuses, 199 and 600 are not, and neither is a truth or a text."""
    assert [checked_status(200), checked_status(599)] == [200, 599]
    for status in (199, 600, True, "200", 200.0, None):
        with pytest.raises(Problem):
            checked_status(status)
