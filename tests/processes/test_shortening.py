"""Errors are shortened before they are written down."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from apimgmt.processes.functions.results import problem_of
from apimgmt.processes.functions.shortening import ERRORS, PLACES, shorten


def deep(left: int) -> int:
    """Raise ``left`` calls further down."""
    if not left:
        raise ValueError("the bottom")
    return deep(left - 1)


def caught(function: Any, *arguments: Any) -> BaseException:
    """What a function raises."""
    with pytest.raises(Exception) as raised:
        function(*arguments)
    # without what pytest holds on to
    return raised.value


def places(error: BaseException) -> list[int]:
    """The line numbers of a traceback."""
    return [line for _, line in traceback.walk_tb(error.__traceback__)]


@pytest.mark.parametrize(("more", "is_shortened"), [(0, False), (1, True)])
def test_both_ends_of_a_long_traceback_stay(more: int, is_shortened: bool) -> None:
    """At the limit it stays as it is; one place more, and the middle goes."""
    # the test's own function and this one's raise are two places
    error = caught(deep, 2 * PLACES - 2 + more)
    before = places(error)
    assert len(before) == 2 * PLACES + more
    shorten(error)
    assert places(error) == (before[:PLACES] + before[-PLACES:] if is_shortened else before)


def test_an_endless_recursion_is_short_and_says_where() -> None:
    """The first places and the last ones are there."""

    def endless() -> Any:
        return endless()

    error = caught(endless)
    assert len(places(error)) > 500
    assert problem_of(error).code == "process-failed"
    assert len(places(error)) == 2 * PLACES
    assert "in endless" in "".join(traceback.format_exception(error))


def test_a_chain_of_errors_ends() -> None:
    """Of errors that led to one another the last ten stay, each of them short."""

    def chained(left: int) -> None:
        try:
            if left:
                chained(left - 1)
            deep(100)
        except ValueError:
            raise ValueError(left)  # noqa: B904  one in the context of another

    error = caught(chained, 2 * ERRORS)
    problem_of(error)
    found = []
    at: BaseException | None = error
    while at is not None:
        found.append(at.args[0])
        assert len(places(at)) <= 2 * PLACES
        at = at.__cause__ or at.__context__
    assert found == list(range(2 * ERRORS, ERRORS, -1))
