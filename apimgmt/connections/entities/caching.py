"""What seldom changes is fetched once and kept for a while, on the connection (C-054, C-072)."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from itertools import islice
from threading import Lock
from typing import Any

from apimgmt.errors import ConnectionFailed

MOST_ROWS = 100_000
MOST_ENTRIES = 100


class _Turn:
    """Whose turn it is to fetch, and how many want it."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.wanted = 0


class Caching:
    """Rows by what was asked for. Thread-safe; what is wanted by several at once is fetched by one of them.

    At most ``most_entries`` lists with ``most_rows`` rows together are kept; the ones not used for longest go first.
    """

    def __init__(
        self,
        seconds: float,
        most_rows: int = MOST_ROWS,
        most_entries: int = MOST_ENTRIES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._most_rows = most_rows
        self._most_entries = most_entries
        self._clock = clock
        self._kept: OrderedDict[Hashable, tuple[float, tuple[Any, ...]]] = OrderedDict()
        self._turns: dict[Hashable, _Turn] = {}
        self._lock = Lock()

    def rows(self, key: Hashable, fetch: Callable[[], Iterable[Any]]) -> tuple[Any, ...]:
        """The rows of that key, fetched if there are none that are fresh. They are shared: :func:`fresh` copies one.

        Raises what ``fetch`` raises, and ConnectionFailed("too-large") for more rows than are ever kept.
        """
        found = self._look(key)
        if found is not None:
            return found
        with self._lock:
            turn = self._turns.setdefault(key, _Turn())
            turn.wanted += 1
        try:
            with turn.lock:
                found = self._look(key)
                return self._fetch(key, fetch) if found is None else found
        finally:
            with self._lock:
                turn.wanted -= 1
                if not turn.wanted:
                    del self._turns[key]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()

    def _look(self, key: Hashable) -> tuple[Any, ...] | None:
        with self._lock:
            until, rows = self._kept.get(key, (0.0, ()))
            if key not in self._kept or self._clock() >= until:
                self._kept.pop(key, None)
                return None
            self._kept.move_to_end(key)
            return rows

    def _fetch(self, key: Hashable, fetch: Callable[[], Iterable[Any]]) -> tuple[Any, ...]:
        rows = tuple(islice(fetch(), self._most_rows + 1))
        if len(rows) > self._most_rows:
            raise ConnectionFailed("too-large", f"more than {self._most_rows} rows are not cached; set `cache` to 0")
        with self._lock:
            self._kept[key] = (self._clock() + self._seconds, rows)
            self._kept.move_to_end(key)
            total = sum(len(each) for _, each in self._kept.values())
            while total > self._most_rows or len(self._kept) > self._most_entries:
                _, (_, gone) = self._kept.popitem(last=False)
                total -= len(gone)
        return rows


class Lookup(Mapping[Any, Any]):
    """A table of reference data by one of its fields: ``table["DE"]`` is a row (C-054)."""

    def __init__(self, field: str, rows: Iterable[Any]) -> None:
        self._rows: dict[Any, Any] = {}
        for number, row in enumerate(rows, 1):
            key = row.get(field) if isinstance(row, dict) else None
            if not isinstance(key, Hashable) or key is None:
                raise ConnectionFailed("schema", f"row {number}: there is no key {field!r} to look up by")
            if key in self._rows:
                raise ConnectionFailed("schema", f"row {number}: its {field!r} is that of an earlier row")
            self._rows[key] = row

    def __getitem__(self, key: Any) -> Any:
        return fresh(self._rows[key])

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def fresh(value: Any) -> Any:
    """A copy of a JSON value, so that who changes it changes nothing that is kept."""
    try:
        return _copy(value)
    except RecursionError:
        raise ConnectionFailed("protocol", "the answer is nested too deeply") from None


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copy(one) for name, one in value.items()}
    return [_copy(one) for one in value] if isinstance(value, list) else value
