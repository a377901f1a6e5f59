"""Delta sync: what changed since the last time, and when that was (C-053).

    with crm.entity("customers").changes() as rows:
        for row in rows:
            store(row)

The new ``lastSync`` is written when the ``with`` block ends, and only if all rows were taken and nothing was raised:
after a crash in between the same rows come again, and none is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Annotated, Any

from msgspec import Meta

from apimgmt.connections import Reply
from apimgmt.connections.entities.datapath import ABSENT, data_path, shown
from apimgmt.connections.entities.marks import Marks, Place
from apimgmt.connections.entities.texts import text_of
from apimgmt.errors import ConnectionFailed, SettingInvalid
from apimgmt.model import Struct

Fetch = Callable[[dict[str, Any]], Iterator[tuple[list[Any], Reply]]]


class Changes(Struct, frozen=True):
    """How an entity is asked for changes: with ``parameter``, which a placeholder of that name or the query takes.

    The next ``lastSync`` is the largest value at ``row`` (a JSONPath into each row), or the value at ``answer`` (into
    the last answer), or else the time of the first answer by the other system's clock, less ``overlap`` seconds.
    ``initial`` is sent the first time; empty leaves the parameter out.
    """

    parameter: Annotated[str, Meta(min_length=1)] = "lastSync"
    row: str = ""
    answer: str = ""
    initial: str = ""
    overlap: Annotated[float, Meta(ge=0, le=86_400)] = 60.0

    def check(self) -> Iterator[tuple[str, str]]:
        """What is wrong: pointers and messages."""
        if self.row and self.answer:
            yield "/answer", "either `row` or `answer` has the next lastSync, not both"
        for member, text in (("row", self.row), ("answer", self.answer)):
            try:
                if text and not data_path(text).is_singular:
                    yield f"/{member}", "a path to one place is needed, without wildcards and filters"
            except SettingInvalid as error:
                yield f"/{member}", str(error)


class Sync:
    """One run of a delta sync: iterate over it inside a ``with`` block. ``since`` is the lastSync that it begins at."""

    def __init__(
        self,
        changes: Changes,
        marks: Marks,
        place: Place,
        fetch: Fetch,
        document: Callable[[Reply], Any],
        cast: Callable[[Any, int], Any],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._changes = changes
        self._marks = marks
        self._place = place
        self._fetch = fetch
        self._document = document
        self._cast = cast
        self._now = now
        self._next: Any = None
        self._is_complete = False
        self.since: Any = marks.read(place)

    def __enter__(self) -> Sync:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None and self._is_complete and self._next is not None and self._next != self.since:
            self._marks.write(self._place, self._next)

    def __iter__(self) -> Iterator[Any]:
        """The rows that changed, cast, page by page."""
        self._is_complete, self._next = False, self.since if self._changes.row else None
        begun = self._now()
        asked = self._changes.initial or None if self.since is None else self.since
        number = 0
        for page, (rows, reply) in enumerate(self._fetch({self._changes.parameter: asked})):
            if not self._changes.row:
                self._note(reply, page, begun)
            for row in rows:
                number += 1
                if self._changes.row:
                    self._next = self._later(self._next, row, number)
                yield self._cast(row, number)
        self._is_complete = True

    def _note(self, reply: Reply, page: int, begun: datetime) -> None:
        if self._changes.answer:
            found = data_path(self._changes.answer).first(self._document(reply))
            self._next = self._next if found is ABSENT or found is None else found
        elif page == 0:
            moment = (_date(reply) or begun) - timedelta(seconds=self._changes.overlap)
            self._next = text_of(moment.astimezone(UTC).replace(microsecond=0), "lastSync")

    def _later(self, mark: Any, row: Any, number: int) -> Any:
        found = data_path(self._changes.row).first(row)
        try:
            return found if mark is None or _key(found) > _key(mark) else mark
        except (TypeError, ValueError):
            there = "nothing" if found is ABSENT else shown(found)
            raise ConnectionFailed(
                "schema", f"row {number}: at {self._changes.row} there is no time that can be compared but {there}"
            ) from None


def _date(reply: Reply) -> datetime | None:
    """The time of the answer by the other system's clock (RFC 9110 section 6.6.1)."""
    try:
        return parsedate_to_datetime(reply.header("date") or "")
    except (TypeError, ValueError, IndexError):
        return None


def _key(value: Any) -> Any:
    """What a mark is compared by: numbers as numbers, times as times. Raises ValueError for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise ValueError
    if value.isascii() and value.isdigit():
        return int(value)
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
