"""The log of a server process: reasons are in it, and nobody can fill the disk with them."""

from __future__ import annotations

import logging

from apimgmt.cli.log import Sparing


def record(level: int, message: str = "get /orders: the origin %r") -> logging.LogRecord:
    """A line as a logger makes it."""
    return logging.LogRecord("apimgmt.gateway", level, __file__, 1, message, ("https://b.example",), None)


def test_so_many_reasons_a_second() -> None:
    """At the limit a line is written, past it none, and the next second says how many are missing."""
    now = [7.0]
    sparing = Sparing(3, lambda: now[0])
    assert [sparing.filter(record(logging.INFO)) for _ in range(5)] == [True, True, True, False, False]
    assert sparing.filter(record(logging.WARNING)) and sparing.filter(record(logging.ERROR))
    now[0] = 8.0
    line = record(logging.INFO)
    assert sparing.filter(line)
    assert line.getMessage() == "get /orders: the origin 'https://b.example' (2 lines were left out before)"
    line = record(logging.INFO)
    assert sparing.filter(line) and "left out" not in line.getMessage()
