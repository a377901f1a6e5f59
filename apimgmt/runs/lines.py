"""What runs log: the lines of Python's ``logging``, kept for each run as far as there is room.

Which run is under way is in a context variable, so the tasks and threads that a process begins are covered as well. A
line becomes text at once, because its arguments may change; secrets are taken out when it is written down.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any

import msgspec

from apimgmt.model import Struct
from apimgmt.settings import Settings

Masked = Callable[[str], str]
# from the header fields of a request to what takes every secret out of a text, the caller's own included
Masking = Callable[[Mapping[bytes, bytes]], Masked]

# what a line takes beside its texts
LINE_BYTES = 64
# those whose level is lowered, so that more is heard than before; the log of the process stays as it is
LOWERED = ("", "apimgmt")

_whole = logging.Formatter("%(message)s")


class Line(Struct, frozen=True):
    """One line: a Unix time, ``INFO`` or another level, the name of the logger, and the message; an exception that was
    logged with it is in its last lines."""

    time: float
    level: str
    logger: str
    message: str

    @property
    def size(self) -> int:
        """The bytes that it counts for."""
        return LINE_BYTES + len(self.logger.encode()) + len(self.message.encode())


class Kept(Struct, frozen=True):
    """What one ``part`` of a run logged, as it is written down: 0 is what the gateway performed, 1 the runner's first
    attempt, and so on. ``began`` is the run's Unix time; ``missing`` lines came when there was no room any more."""

    id: str
    part: int
    began: float
    lines: tuple[Line, ...] = ()
    missing: int = 0


class Lines:
    """The lines of one run. The oldest stay: once one does not fit, it and all that follow are only counted.

    Nearly every run logs nothing, so an empty one has no fields of its own.
    """

    size = 0
    missing = 0
    is_over = False
    masking: Masking | None = None
    _lines: list[Line] | None = None

    def add(self, line: Line, most: int) -> bool:
        """Keep a line if all of them take at most ``most`` bytes with it."""
        size = self.size + line.size
        if self.missing or size > most:
            self.missing += 1
            return False
        self.size = size
        if self._lines is None:
            self._lines = []
        self._lines.append(line)
        return True

    def told(self, headers: Mapping[bytes, bytes]) -> tuple[Line, ...]:
        """What was logged, without secrets; ``headers`` are those of the request."""
        if self._lines is None:
            return ()
        if self.masking is None:
            return tuple(self._lines)
        masked = self.masking(headers)
        return tuple(msgspec.structs.replace(line, message=masked(line.message)) for line in self._lines)


current: ContextVar[Lines] = ContextVar("lines")


def heard(process: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    """The process, whose invocations have what they log in ``lines``: whatever their task logs from then on."""

    def run(invocation: Any) -> Awaitable[Any]:
        invocation.lines = lines = Lines()
        current.set(lines)
        return process(invocation)

    return run


class Listening(logging.Handler):
    """Gives each line to the run that logs it; what no run logs is none of its business."""

    def __init__(self, most: int, level: int, masking: Masking) -> None:
        super().__init__(level)
        self._most = most
        self._masking = masking
        self._before: dict[str, int] = {}
        self._filtered: list[tuple[logging.Handler, Ordinary]] = []

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a line. Its text is made by code of others, so no lock is held meanwhile."""
        lines = current.get(None)
        if lines is None or lines.is_over:
            return False
        if not lines.missing:
            line = self._line(record)
            with self.lock:  # type: ignore[union-attr]
                lines.masking = self._masking
                return lines.add(line, self._most)
        with self.lock:  # type: ignore[union-attr]
            lines.missing += 1
        return False

    def _line(self, record: logging.LogRecord) -> Line:
        try:
            text = _whole.format(record)
        except Exception as error:  # wrong arguments, or a value that cannot be shown
            text = f"(a line that cannot be made: {type(error).__name__})"
        line = Line(
            time=record.created,
            level=record.levelname,
            logger=_utf8(record.name),
            message=_utf8(text),
        )
        if line.size <= self._most:
            return line
        # cut off, it could end in the middle of a secret
        return msgspec.structs.replace(line, message=f"(a line of {line.size - LINE_BYTES} bytes, which is too long)")

    def begin(self) -> None:
        """Listen to every logger; what the log of the process shows stays the same."""
        for name in LOWERED:
            logger = logging.getLogger(name)
            self._before[logger.name] = logger.level
            if logger.level:
                logger.setLevel(min(logger.level, self.level))
        root = logging.getLogger()
        for handler in root.handlers:
            ordinary = Ordinary(self._before)
            # before those that count lines
            handler.filters.insert(0, ordinary)
            self._filtered.append((handler, ordinary))
        # first, as filters of others may change the text
        root.handlers.insert(0, self)

    def close(self) -> None:
        """Listen no longer; everything is as it was before."""
        logging.getLogger().removeHandler(self)
        for handler, ordinary in self._filtered:
            handler.removeFilter(ordinary)
        for name in LOWERED:
            logger = logging.getLogger(name)
            logger.setLevel(self._before.pop(logger.name, logger.level))
        self._filtered.clear()
        super().close()


class Ordinary(logging.Filter):
    """Lets through what would have come if no level had been lowered; ``levels`` are those from before, by logger."""

    def __init__(self, levels: Mapping[str, int]) -> None:
        super().__init__()
        self._levels = levels

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if record.levelno >= logging.WARNING:
            return True
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            level = self._levels.get(logger.name, logger.level)
            if level:
                return record.levelno >= level
            logger = logger.parent
        return True


def listen(settings: Settings, masking: Masking) -> Listening | None:
    """Have what runs log kept from now on, unless the settings want nothing of it."""
    if not settings.run_log_bytes:
        return None
    level = logging.getLevelNamesMapping()[settings.run_log_level]
    listening = Listening(settings.run_log_bytes, level, masking)
    listening.begin()
    return listening


def _utf8(text: str) -> str:
    """The text, which everybody can write down; half a surrogate pair is a question mark."""
    return text.encode("utf-8", "replace").decode()
