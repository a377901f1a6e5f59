"""Errors of functions are shortened before they are written down.

An endless recursion has a thousand places, which take 75 ms to write; the loop serves nobody meanwhile.
"""

from __future__ import annotations

# places at each end of a traceback, and errors that led to one another
PLACES = 20
ERRORS = 10


def shorten(error: BaseException) -> None:
    """Keep the first and the last places of its traceback, and of the errors that led to it, which are ten at most."""
    for _ in range(ERRORS):
        _shorten_one(error)
        before = error.__cause__ or error.__context__
        if before is None:
            return
        last, error = error, before
    last.__cause__ = last.__context__ = None


def _shorten_one(error: BaseException) -> None:
    places, place = [], error.__traceback__
    while place is not None:
        places.append(place)
        place = place.tb_next
    if len(places) > 2 * PLACES:
        places[PLACES - 1].tb_next = places[-PLACES]
