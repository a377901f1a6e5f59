"""Paths into JSON documents: JSONPath (RFC 9535), compiled once (C-042 to C-044).

A path that names one place is followed step by step, without the machinery that filters and wildcards need.
``match()`` and ``search()`` are left out: they would run patterns over foreign texts without a limit in time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from jsonpath_rfc9535 import JSONPathEnvironment, JSONPathError, JSONPathQuery
from jsonpath_rfc9535.segments import JSONPathRecursiveDescentSegment

from apimgmt.errors import ConnectionFailed, SettingInvalid

LONGEST = 1_000
KEYS_SHOWN = 20


class _Absent:
    """What is where nothing is."""

    def __bool__(self) -> bool:
        return False


ABSENT = _Absent()
_environment = JSONPathEnvironment()
for _function in ("match", "search"):
    del _environment.function_extensions[_function]


class DataPath:
    """One JSONPath. Raises SettingInvalid for what is none.

    ``first`` is a function from a document to the value there, or ABSENT; of several values it is the first.
    """

    __slots__ = ("_parent", "_query", "first", "is_singular", "text")

    first: Callable[[Any], Any]

    def __init__(self, text: str) -> None:
        self.text = text
        self._query = _compiled(text)
        self.is_singular = self._query.singular_query()
        segments = self._query.segments
        self._parent: JSONPathQuery | None = None
        if self.is_singular:
            steps = [_step(segment) for segment in segments]
            self.first = _single(steps[0]) if len(steps) == 1 else _walk(tuple(steps))
            return
        self.first = self._first
        if not isinstance(segments[-1], JSONPathRecursiveDescentSegment):
            self._parent = JSONPathQuery(env=_environment, segments=segments[:-1])

    def rows(self, document: Any) -> list[Any]:
        """The rows there: the members of an array, an object as the only row, nothing for null, or all that is found.

        Raises ConnectionFailed("data-path") if the path leads nowhere, ("schema") if there is a single text or number.
        """
        if not self.is_singular:
            return self.values(document)
        found = self.first(document)
        if isinstance(found, list):
            return found
        if isinstance(found, dict):
            return [found]
        if found is None:
            return []
        if found is ABSENT:
            raise self._nothing(document)
        raise ConnectionFailed("schema", f"at {self.text} there are no rows but {shown(found)}")

    def values(self, document: Any) -> list[Any]:
        """Everything that is there; raises ConnectionFailed("data-path") if the path leads nowhere.

        An array without members, or without any that pass a filter, is not nowhere.
        """
        found = self._all(document)
        if not found and not (self._parent is not None and self._find(self._parent, document)):
            raise self._nothing(document)
        return found

    def value(self, document: Any) -> Any:
        """What is there: the value of a path that names one place, otherwise the list of values."""
        if not self.is_singular:
            return self.values(document)
        found = self.first(document)
        if found is ABSENT:
            raise self._nothing(document)
        return found

    def _all(self, document: Any) -> list[Any]:
        return self._find(self._query, document)

    def _first(self, document: Any) -> Any:
        return next(iter(self._all(document)), ABSENT)

    def _find(self, query: JSONPathQuery, document: Any) -> list[Any]:
        try:
            return query.find(document).values()
        except (JSONPathError, RecursionError):
            raise ConnectionFailed("data-path", f"{self.text}: the answer is too deep to look through") from None

    def _nothing(self, document: Any) -> ConnectionFailed:
        if isinstance(document, dict):
            keys = [repr(key[:60]) for key in list(document)[:KEYS_SHOWN]]
            there = f"an object with the members: {', '.join(keys)}" if keys else "an empty object"
        else:
            there = f"an array of {len(document)}" if isinstance(document, list) else shown(document)
        return ConnectionFailed("data-path", f"the data path {self.text} leads nowhere; the answer is {there}")


@lru_cache(maxsize=1_000)
def data_path(text: str) -> DataPath:
    """The path of that text, compiled before if it was needed before."""
    return DataPath(text)


def shown(value: Any) -> str:
    """What a value is, in a few words: its beginning if it is a text or a number."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value)
    cut = text if len(text) <= 40 else text[:39] + "…"
    return f"the text {cut!r}" if isinstance(value, str) else f"the number {cut}"


# discovered entities have the same few paths thousands of times
@lru_cache(maxsize=4_096)
def _compiled(text: str) -> JSONPathQuery:
    if len(text) > LONGEST:
        raise SettingInvalid(f"a JSONPath may have {LONGEST} characters")
    try:
        return _environment.compile(text)
    except (JSONPathError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise SettingInvalid(f"{text!r} is no JSONPath (RFC 9535): {reason}") from None


def _step(segment: Any) -> str | int:
    selector = segment.selectors[0]
    step: str | int = selector.name if hasattr(selector, "name") else selector.index
    return step


def _single(step: str | int) -> Callable[[Any], Any]:
    if isinstance(step, int):
        return _walk((step,))

    def first(document: Any) -> Any:
        return document.get(step, ABSENT) if isinstance(document, dict) else ABSENT

    return first


def _walk(steps: tuple[str | int, ...]) -> Callable[[Any], Any]:
    def first(document: Any) -> Any:
        for step in steps:
            if isinstance(step, str):
                if not isinstance(document, dict) or step not in document:
                    return ABSENT
            elif not isinstance(document, list) or not -len(document) <= step < len(document):
                return ABSENT
            document = document[step]
        return document

    return first
