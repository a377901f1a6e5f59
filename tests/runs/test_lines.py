"""What runs log, caught line by line (apimgmt/runs/lines.py)."""

from __future__ import annotations

import asyncio
import contextvars
import io
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from apimgmt.cli.log import Sparing
from apimgmt.runs.lines import LINE_BYTES, Line, Lines, Listening, current, heard, listen
from apimgmt.settings import Settings

log = logging.getLogger("shop.orders")


class Run:
    """What the gateway makes of a request."""

    lines: Lines


def unmasked(headers: Any) -> Any:
    """Nothing is secret."""
    return lambda text: text


@pytest.fixture
def listening() -> Iterator[Listening]:
    """Somebody who hears what runs log, 16 KiB of each."""
    made = listen(Settings(), unmasked)
    assert made is not None
    yield made
    made.close()


def during(function: Any, lines: Lines | None = None) -> Lines:
    """What a function logs, as a run of its own."""
    lines = Lines() if lines is None else lines
    context = contextvars.copy_context()
    context.run(current.set, lines)
    context.run(function)
    return lines


def messages(lines: Lines) -> list[str]:
    """The texts alone."""
    return [line.message for line in lines.told({})]


def test_a_line_has_time_level_logger_and_message(listening: Listening) -> None:
    """Of any logger, with its exception, from INFO on; what nobody runs is nobody's."""

    def work() -> None:
        log.info("customer %d", 4711)
        log.debug("not wanted")
        logging.getLogger().warning("anybody")
        try:
            raise KeyError("ledger")
        except KeyError:
            logging.getLogger("apimgmt.gateway").exception("it failed")

    log.info("before")
    lines = during(work)
    log.info("after")
    first, second, third = lines.told({})
    assert (first.level, first.logger, first.message) == ("INFO", "shop.orders", "customer 4711")
    assert (second.level, second.logger) == ("WARNING", "root")
    assert first.time <= second.time <= third.time
    assert third.message.startswith("it failed\nTraceback") and third.message.endswith("KeyError: 'ledger'")
    assert lines.missing == 0


def test_tasks_and_threads_of_a_run_are_covered(listening: Listening) -> None:
    """Two runs at a time, each with a task and a thread of its own: no line is taken for the other's."""

    async def process(run: Any) -> Run:
        name = run.name
        log.info("%s itself", name)
        await asyncio.gather(asyncio.create_task(later(name)), asyncio.to_thread(log.info, "%s in a thread", name))
        return run  # type: ignore[no-any-return]

    async def later(name: str) -> None:
        await asyncio.sleep(0)
        log.info("%s in a task", name)

    async def one(name: str) -> Run:
        run: Any = Run()
        run.name = name
        return await heard(process)(run)  # type: ignore[no-any-return]

    async def both() -> list[Run]:
        return list(await asyncio.gather(one("first"), one("second")))

    for name, run in zip(("first", "second"), asyncio.run(both()), strict=True):
        assert sorted(messages(run.lines)) == [f"{name} in a task", f"{name} in a thread", f"{name} itself"]


def line(message: str) -> Line:
    """One of the logger ``x``."""
    return Line(time=1.0, level="INFO", logger="x", message=message)


def test_at_the_limit_a_line_is_kept_and_one_past_it_none() -> None:
    """The oldest stay, also when a later one would fit; bytes count, not characters."""
    size = LINE_BYTES + 1 + 4
    lines = Lines()
    assert [lines.add(line("éé"), 2 * size) for _ in range(2)] == [True, True]
    assert (lines.size, lines.missing) == (2 * size, 0)
    assert lines.add(line(""), 2 * size) is False
    short = Lines()
    assert short.add(line("éé"), 2 * size - 1) and not short.add(line("éé"), 2 * size - 1)
    assert not short.add(line(""), 2 * size - 1), "there would be room, but an older one is missing"
    assert (len(short.told({})), short.missing) == (1, 2)


class Everything(Lines):
    """The naive version: it keeps what comes."""

    def add(self, line: Line, most: int) -> bool:
        """Keep it."""
        return super().add(line, sys.maxsize)


def taken(lines: Lines) -> int:
    """The bytes of its texts in memory."""
    return sum(sys.getsizeof(one) + sys.getsizeof(one.message) for one in lines.told({}))


def test_a_million_lines_stay_within_their_bounds(listening: Listening) -> None:
    """A process that logs without end has the first of its lines; the naive version is over the bound at once."""
    record = log.makeRecord("shop.orders", logging.INFO, __file__, 1, "line %d", (7,), None)

    def flood(count: int) -> None:
        for _ in range(count):
            listening.handle(record)

    lines = during(lambda: flood(1_000_000))
    kept = len(lines.told({}))
    assert kept == 16_384 // (LINE_BYTES + len("shop.orders") + len("line 7"))
    assert kept + lines.missing == 1_000_000
    assert taken(lines) < 2 * 16_384
    assert taken(during(lambda: flood(10_000), Everything())) > 2 * 16_384


def test_a_line_that_is_longer_than_the_room_for_all_is_named(listening: Listening) -> None:
    """It is not cut off, where it could end in the middle of a secret; shorter ones follow it."""

    def work() -> None:
        log.info("x" * 16_384)
        log.info("y")

    assert messages(during(work)) == [f"(a line of {16_384 + 11} bytes, which is too long)", "y"]


class Hostile:
    """A value whose text is made by code that misbehaves."""

    def __init__(self, what: Any) -> None:
        self.what = what

    def __str__(self) -> str:
        return str(self.what())


def test_a_line_that_cannot_be_made_harms_nobody(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong arguments, an exception, endless recursion, half a character: the run goes on, and has a line."""
    monkeypatch.setattr(logging, "raiseExceptions", False)

    def work() -> None:
        log.info("%d", "none")
        log.info("%s", Hostile(lambda: 1 / 0))
        log.info("%s %s", "one")
        log.info("half \ud800")

    assert messages(during(work)) == [
        "(a line that cannot be made: TypeError)",
        "(a line that cannot be made: ZeroDivisionError)",
        "(a line that cannot be made: TypeError)",
        "half ?",
    ]


def test_a_text_that_takes_long_holds_up_no_other_run(listening: Listening) -> None:
    """While the text of one run's value is made, another run logs."""
    going_on, done = threading.Event(), threading.Event()

    def slow() -> str:
        going_on.set()
        return "in time" if done.wait(60) else "too late"

    found: list[Lines] = []
    thread = threading.Thread(target=lambda: found.append(during(lambda: listening.handle(value(Hostile(slow))))))
    thread.start()
    assert going_on.wait(60)
    assert messages(during(lambda: listening.handle(value("other")))) == ["other"]
    done.set()
    thread.join(60)
    assert messages(found[0]) == ["in time"]


def value(text: Any) -> logging.LogRecord:
    """A record that shows a value."""
    return log.makeRecord("shop.orders", logging.INFO, __file__, 1, "%s", (text,), None)


def test_what_comes_after_the_record_is_dropped(listening: Listening) -> None:
    """A thread that outlives its run adds nothing to it."""
    lines = during(lambda: log.info("in time"))
    lines.is_over = True
    during(lambda: log.info("too late"), lines)
    assert (messages(lines), lines.missing) == (["in time"], 0)


class Written:
    """The log of a process, as ``apimgmt.cli.log`` sets it up: warnings, and of ours more."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        self._second = 1.0
        self.handler = logging.StreamHandler(self._text)
        self.handler.addFilter(Sparing(2, lambda: self._second))

    def during(self, function: Any) -> list[str]:
        """What is written in a second of its own."""
        self._second += 1
        self._text.seek(0)
        self._text.truncate()
        function()
        return self._text.getvalue().splitlines()


LEVELS = {"": logging.WARNING, "apimgmt": logging.INFO, "shop.loud": logging.INFO}


@pytest.fixture
def written() -> Iterator[Written]:
    """One with a logger that its owner turned up."""
    log, before = Written(), {name: logging.getLogger(name).level for name in LEVELS}
    logging.getLogger().addHandler(log.handler)
    for name, level in LEVELS.items():
        logging.getLogger(name).setLevel(level)
    yield log
    logging.getLogger().removeHandler(log.handler)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def speak() -> None:
    """A line of everybody at every level."""
    for name in ("shop.orders", "apimgmt.gateway", "shop.loud"):
        for level in (logging.DEBUG, logging.INFO, logging.WARNING):
            logging.getLogger(name).log(level, "%s %s", name, logging.getLevelName(level))


@pytest.mark.parametrize(("level", "kept"), [("DEBUG", 8), ("INFO", 6), ("WARNING", 3)])
def test_the_log_of_the_process_stays_as_it_is(written: Written, level: str, kept: int) -> None:
    """Whatever is kept of runs; with lowered levels alone it would be another one. Afterwards all is as before."""
    expected = written.during(speak)
    assert expected == [
        *("shop.orders WARNING", "apimgmt.gateway INFO", "apimgmt.gateway WARNING"),
        *("shop.loud INFO", "shop.loud WARNING"),
    ]
    listening = listen(Settings(run_log_level=level), unmasked)
    assert listening is not None
    found: list[Lines] = []
    assert written.during(lambda: found.append(during(speak))) == expected
    assert len(messages(found[0])) == kept
    ordinary = written.handler.filters[0]
    written.handler.removeFilter(ordinary)
    assert (written.during(speak) == expected) == (level == "WARNING")
    listening.close()
    assert {name: logging.getLogger(name).level for name in LEVELS} == LEVELS
    assert not any(isinstance(one, Listening) for one in logging.getLogger().handlers)


def test_nobody_listens_if_nothing_is_to_be_kept() -> None:
    """With 0 bytes there is no handler, and no level is lowered."""
    before = logging.getLogger().handlers[:]
    assert listen(Settings(run_log_bytes=0), unmasked) is None
    assert logging.getLogger().handlers == before


def test_secrets_are_masked_when_it_is_told(listening: Listening) -> None:
    """By a function that is made for the header fields of the request."""
    lines = during(lambda: log.info("the key is %s", "hunter2"))
    assert messages(lines) == ["the key is hunter2"]
    lines.masking = lambda headers: lambda text: text.replace(headers[b"x-api-key"].decode(), "***")
    (told,) = lines.told({b"x-api-key": b"hunter2"})
    assert told.message == "the key is ***"
