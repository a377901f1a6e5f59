"""The pages of a list, one after another: fetched when they are wanted, to the same origin, and not for ever."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec
import orjson

from apimgmt.connections import Call, Reply
from apimgmt.connections.entities.datapath import DataPath
from apimgmt.connections.entities.pagination import Page, Pagination, Turn
from apimgmt.errors import ConnectionFailed

_PORTS = {"http": 80, "https": 443}


class Paging:
    """Goes from page to page, without any I/O: whoever drives it sends ``request`` and hands over the reply.

        while True:
            rows = paging.rows(send(paging.request))
            ...
            if not paging.advance():
                break

    ``call`` makes a request of the parameters of the pagination, ``document`` reads an answer. Never more than one page
    is kept. Raises ConnectionFailed("pagination") if the other system repeats itself, leads elsewhere or finds no end.
    """

    def __init__(
        self,
        pagination: Pagination,
        path: DataPath,
        call: Callable[[dict[str, Any]], Call],
        document: Callable[[Reply], Any],
    ) -> None:
        self._pagination = pagination
        self._path = path
        self._call = call
        self._document = document
        self._asked = pagination.first()
        self._turn: Turn = None
        self.request = call(self._asked)
        self._seen = Seen(pagination.most_pages)
        self._seen.turn(orjson.dumps(self._asked))
        self._seen.turn(self.request.url.encode())

    def rows(self, reply: Reply) -> list[Any]:
        """The rows of the page that is the answer to ``request``."""
        document = self._document(reply)
        rows = self._path.rows(document)
        self._seen.page(rows)
        self._turn = self._pagination.after(self._asked, Page(document, len(rows), reply))
        return rows

    def advance(self) -> bool:
        """Whether there is another page; ``request`` asks for it."""
        if self._turn is None:
            return False
        if isinstance(self._turn, str):
            self.request = msgspec.structs.replace(self.request, url=followed(self.request.url, self._turn))
            self._seen.turn(self.request.url.encode())
        else:
            self._asked = self._turn
            self._seen.turn(orjson.dumps(self._asked))
            self.request = self._call(self._asked)
        return True


class Seen:
    """Remembers what was asked and what came, as digests, so that a circle is noticed (C-048, T45)."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._turns: set[bytes] = set()
        self._rows = b""

    def turn(self, turn: bytes) -> None:
        """A page is asked for with this; raises ConnectionFailed if one was before, or if there were too many."""
        self._limit(self._count <= self._most)
        digest = _digest(turn)
        if digest in self._turns:
            raise ConnectionFailed("pagination", f"after page {self._count} the same cursor or link comes again")
        self._turns.add(digest)

    def page(self, rows: list[Any]) -> None:
        """A page came; raises ConnectionFailed if it is one too many, or has the rows of the one before."""
        self._count += 1
        # one page more may come if it is empty: some lists have no other end
        self._limit(self._count <= self._most or not rows)
        try:
            digest = _digest(orjson.dumps(rows)) if rows else b""
        except TypeError:  # nested deeper than it writes: such rows are not compared
            digest = b""
        if digest and digest == self._rows:
            raise ConnectionFailed("pagination", f"page {self._count} has the same rows as the one before")
        self._rows = digest

    def _limit(self, holds: bool) -> None:
        if not holds:
            raise ConnectionFailed("pagination", f"there are more than {self._most} pages; `mostPages` allows no more")


def followed(url: str, link: str) -> str:
    """Where a link on the answer from ``url`` leads; raises ConnectionFailed unless it is the same origin (S-44)."""
    try:
        target = urljoin(url, link.strip())
        here, there = urlsplit(url), urlsplit(target)
        is_same = _origin(here) == _origin(there)
    except ValueError:
        raise ConnectionFailed("pagination", "the link to the next page is no URL") from None
    if not is_same or there.username is not None or "\\" in target:
        raise ConnectionFailed("pagination", "the link to the next page leads to another system; it is not followed")
    return target.partition("#")[0]


def _origin(parts: Any) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).digest()
