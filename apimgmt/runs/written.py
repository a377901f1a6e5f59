"""The lines of a run that goes on by itself, written down as they come: they outlive the process.

    durable/lines/ID.PART    a line of JSON for each of them, until the part has ended

What has ended is in the file of the runs (:mod:`apimgmt.runs.store`).
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from apimgmt.runs.lines import Kept, Line, Lines
from apimgmt.runs.store import DAY_SECONDS, RunStore

FOLDER = "durable/lines"
# what is kept of the request has no credentials
NO_FIELDS: dict[bytes, bytes] = {}
_IDENTITY = re.compile(r"[0-9a-f][0-9a-f-]{0,99}")
_decoder = msgspec.json.Decoder(Line)


class WrittenLines(Lines):
    """The lines of one part of a run; what a process that died had logged of the same part comes first."""

    def __init__(self, root: Path, identity: str, part: int, began: float) -> None:
        self._root = root
        self._kept = Kept(id=identity, part=part, began=began)
        self._path = root / FOLDER / f"{identity}.{part}"
        before = _read(self._path)
        self._goes_on = bool(before)
        if before:
            self._lines = before
            self.size = sum(line.size for line in before)

    def add(self, line: Line, most: int) -> bool:
        """Keep a line and write it down, without secrets."""
        if self.masking is not None:
            line = msgspec.structs.replace(line, message=self.masking(NO_FIELDS)(line.message))
        if not super().add(line, most):
            return False
        # a full disk costs lines, and no run
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._path.open("ab") as file:
                # the one before can be torn, if the machine stopped or the disk was full
                file.write(b"\n" + msgspec.json.encode(line))
        return True

    def end(self) -> None:
        """Put them where those of all runs are; raises OSError or sqlite3.Error, and then they stay where they are."""
        self.is_over = True
        if self._lines is None and not self.missing:
            return
        store, identity, part = RunStore(self._root), self._kept.id, self._kept.part
        # a part can be performed twice though it ended: the process died before that was known
        before = () if self._goes_on else next((one.lines for one in store.lines(identity) if one.part == part), ())
        lines = (*before, *(self._lines or ()))
        store.add([], lines=[msgspec.structs.replace(self._kept, lines=lines, missing=self.missing)])
        self._path.unlink(missing_ok=True)


def under_way(root: Path, identity: str) -> list[Kept]:
    """What the parts of a run have logged that have not ended yet."""
    if not _IDENTITY.fullmatch(identity):
        return []
    return [
        Kept(id=identity, part=int(path.suffix[1:]), began=0.0, lines=tuple(_read(path)))
        for path in sorted((root / FOLDER).glob(f"{identity}.*"))
        if path.suffix[1:].isdigit()
    ]


def forget(root: Path, days: float) -> None:
    """Remove what was left behind longer ago."""
    oldest = time.time() - days * DAY_SECONDS
    with contextlib.suppress(OSError):
        for path in (root / FOLDER).iterdir():
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)


def _read(path: Path) -> list[Line]:
    try:
        return list(_decoded(path.read_bytes().split(b"\n")))
    except OSError:
        return []


def _decoded(lines: Iterable[bytes]) -> Iterable[Line]:
    for line in lines:
        with contextlib.suppress(msgspec.MsgspecError):
            yield _decoder.decode(line)
