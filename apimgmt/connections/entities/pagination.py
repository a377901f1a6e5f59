"""How an answer leads to the next one: by offset, cursor, page or link (C-045 to C-048; RFC 8288 for links).

Each kind is a struct that says two things: the parameters of the first request, and, after each page, those of the next
one, a URL to go on with, or None at the end.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, NamedTuple

from msgspec import Meta

from apimgmt.connections import Reply
from apimgmt.connections.entities.datapath import ABSENT, DataPath, data_path, shown
from apimgmt.errors import ConnectionFailed
from apimgmt.model import Struct

MOST_PAGES = 1_000
Turn = dict[str, Any] | str | None
Most = Annotated[int, Meta(ge=1, le=1_000_000)]
Size = Annotated[int, Meta(ge=1, le=1_000_000)]
Name = Annotated[str, Meta(min_length=1)]

_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[^\s=;,"<>]+(?:\s*=\s*(?:"[^"]*"|[^\s;,"<>]+))?)*)')
_PARAMETER = re.compile(r';\s*([^\s=;,"<>]+)\s*=\s*(?:"([^"]*)"|([^\s;,"<>]+))')


class Page(NamedTuple):
    """An answer: its JSON document, how many rows are in it, and itself."""

    document: Any
    rows: int
    reply: Reply


class Pagination(Struct, frozen=True, tag_field="kind"):
    """What all kinds have: ``mostPages`` is how far to go before it is taken for a fault.

    A kind that ``counts_rows`` needs a data path that leaves none out.
    """

    counts_rows: ClassVar[bool] = False
    most_pages: Most = MOST_PAGES

    def paths(self) -> dict[str, str]:
        """Its JSONPaths by member, for them to be checked."""
        return {}

    def first(self) -> dict[str, Any]:
        """The parameters of the first request."""
        raise NotImplementedError

    def after(self, asked: dict[str, Any], page: Page) -> Turn:
        """How to go on after the page that was got with these parameters."""
        raise NotImplementedError


class Single(Pagination, frozen=True, tag="none"):
    """One answer has everything."""

    def first(self) -> dict[str, Any]:
        """See Pagination."""
        return {}

    def after(self, asked: dict[str, Any], page: Page) -> Turn:
        """See Pagination."""
        return None


class Offset(Pagination, frozen=True, tag="offset"):
    """``offset=0&limit=100``, then ``offset=100&limit=100``, until a page has fewer rows than the limit.

    For a server that gives fewer than it is asked for, ``total`` says where the answer has the number of all rows.
    """

    counts_rows = True
    offset: Name = "offset"
    limit: str = "limit"
    size: Size = 100
    total: str = ""

    def paths(self) -> dict[str, str]:
        """See Pagination."""
        return {"total": self.total} if self.total else {}

    def first(self) -> dict[str, Any]:
        """See Pagination."""
        return {self.offset: 0, **({self.limit: self.size} if self.limit else {})}

    def after(self, asked: dict[str, Any], page: Page) -> Turn:
        """See Pagination."""
        following = asked[self.offset] + page.rows
        if self.total:
            done = page.rows == 0 or following >= _count(data_path(self.total), page, self.total)
        else:
            done = page.rows < self.size
        return None if done else {**asked, self.offset: following}


class Cursor(Pagination, frozen=True, tag="cursor"):
    """``limit=100``, then ``limit=100&cursor=...``, until the answer has no cursor.

    The cursor is at ``path``, or in the ``header`` field of that name. ``more`` is where the answer says whether there
    is more, if it does.
    """

    cursor: Name = "cursor"
    path: str = "$.nextCursor"
    header: str = ""
    more: str = ""
    limit: str = "limit"
    size: Size = 100

    def paths(self) -> dict[str, str]:
        """See Pagination."""
        return {"path": self.path, **({"more": self.more} if self.more else {})}

    def first(self) -> dict[str, Any]:
        """See Pagination."""
        return {self.cursor: None, **({self.limit: self.size} if self.limit else {})}

    def after(self, asked: dict[str, Any], page: Page) -> Turn:
        """See Pagination."""
        more = data_path(self.more).first(page.document) if self.more else ABSENT
        if more is False or more is None:
            return None
        found = page.reply.header(self.header) if self.header else data_path(self.path).first(page.document)
        if found is ABSENT or found is None or found == "" or found is False:
            if more is True:
                raise ConnectionFailed("pagination", "the answer says that there is more, but has no cursor")
            return None
        if isinstance(found, dict | list | bool):
            raise ConnectionFailed("pagination", f"the cursor at {self.path} is {shown(found)}")
        return {**asked, self.cursor: found}


class Numbered(Pagination, frozen=True, tag="page"):
    """``page=1&per_page=100``, then ``page=2``, until there are no more pages by ``totalPages``, or one is empty.

    The number of pages is at ``totalPages``, or in the header field ``totalHeader``. Pages count from ``start``.
    """

    counts_rows = True
    page: Name = "page"
    per_page: str = "per_page"
    size: Size = 100
    start: Annotated[int, Meta(ge=0, le=1)] = 1
    total_pages: str = "$.totalPages"
    total_header: str = ""

    def paths(self) -> dict[str, str]:
        """See Pagination."""
        return {"totalPages": self.total_pages} if self.total_pages else {}

    def first(self) -> dict[str, Any]:
        """See Pagination."""
        return {self.page: self.start, **({self.per_page: self.size} if self.per_page else {})}

    def after(self, asked: dict[str, Any], page: Page) -> Turn:
        """See Pagination."""
        following = asked[self.page] + 1
        total = self._total(page)
        if page.rows == 0 or (total is not None and following - self.start >= total):
            return None
        return {**asked, self.page: following}

    def _total(self, page: Page) -> int | None:
        if self.total_header:
            found: Any = page.reply.header(self.total_header)
            return None if found is None else _number(found, self.total_header)
        path = data_path(self.total_pages) if self.total_pages else None
        return None if path is None or path.first(page.document) is ABSENT else _count(path, page, self.total_pages)


class Link(Pagination, frozen=True, tag="link"):
    """The URL of the next page: the ``Link`` field with ``rel="next"``, or the text at ``path``.

    ``limit`` and ``size`` go with the first request. An OData nextLink is at ``$['@odata.nextLink']``.
    """

    path: str = ""
    limit: str = ""
    size: Size = 100

    def paths(self) -> dict[str, str]:
        """See Pagination."""
        return {"path": self.path} if self.path else {}

    def first(self) -> dict[str, Any]:
        """See Pagination."""
        return {self.limit: self.size} if self.limit else {}

    def after(self, asked: dict[str, Any], page: Page) -> Turn:
        """See Pagination."""
        if not self.path:
            return next_link(", ".join(value for name, value in page.reply.headers if name == "link"))
        found = data_path(self.path).first(page.document)
        if found is ABSENT or found is None or found == "":
            return None
        if not isinstance(found, str):
            raise ConnectionFailed("pagination", f"the next link at {self.path} is {shown(found)}")
        return found


Kinds = Single | Offset | Cursor | Numbered | Link


def next_link(field: str) -> str | None:
    """The target with the relation ``next`` in a Link field (RFC 8288 section 3), None if there is none."""
    for target, parameters in _LINK.findall(field):
        for name, quoted, plain in _PARAMETER.findall(parameters):
            if name.lower() == "rel" and "next" in (quoted or plain).lower().split():
                return str(target)
    return None


def _count(path: DataPath, page: Page, place: str) -> int:
    found = path.first(page.document)
    if found is ABSENT:
        raise ConnectionFailed("pagination", f"the answer has nothing at {place}")
    return _number(found, place)


def _number(found: Any, place: str) -> int:
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) < 16:
        return int(found)
    if isinstance(found, bool) or not isinstance(found, int):
        raise ConnectionFailed("pagination", f"at {place} there is no number but {shown(found)}")
    return found
