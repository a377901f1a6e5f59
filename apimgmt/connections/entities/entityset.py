"""The entities of an OData set: filtered, sorted and cut by the service, page after page (OData 4.01 parts 1 and 2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from apimgmt.connections import Reply
from apimgmt.connections.entities.filters import conditions, counted, named, orders, several
from apimgmt.connections.entities.literals import clause, predicate
from apimgmt.connections.entities.member import Member
from apimgmt.connections.entities.pages import followed
from apimgmt.connections.entities.pagination import MOST_PAGES
from apimgmt.errors import ConnectionFailed

if TYPE_CHECKING:
    from apimgmt.connections.entities.odata import EntitySet

Row = dict[str, Any]
READING = (("Accept", "application/json"), ("OData-MaxVersion", "4.01"))
WRITING = (*READING, ("OData-Version", "4.0"))


class Entities:
    """An entity set, ready to be used."""

    def __init__(self, connection: Any, name: str, entity: EntitySet) -> None:
        self.connection = connection
        self.name = name
        self.entity = entity
        self._members = {member.name: member for member in entity.fields}

    def list(
        self,
        /,
        *,
        where: Mapping[str, Any] | None = None,
        order: str | Iterable[str] = (),
        limit: int | None = None,
        offset: int | None = None,
        fields: Iterable[str] = (),
        **equals: Any,
    ) -> Iterator[Row]:
        """The entities that ``where`` and ``equals`` ask for (see ``filters.py``); ConnectionFailed if it goes wrong.

        They are filtered, sorted and cut by the service (``$filter``, ``$orderby``, ``$top``, ``$skip``, ``$select``),
        and its links to further pages are followed, within its origin, as rows are taken.
        """
        chosen = [named(name, self._members) for name in several("fields", fields)]
        sorted_by = [f"{member} desc" if descending else member for member, descending in orders(order, self._members)]
        clauses = [clause(self._members[one.member], one) for one in conditions(where, equals, self._members)]
        most = counted("limit", limit)
        options = {
            "$filter": " and ".join(clauses) or None,
            "$orderby": ",".join(sorted_by) or None,
            "$select": ",".join(chosen) or None,
            "$top": most,
            "$skip": counted("offset", offset),
        }
        # a service may give more than it is asked for
        return islice(self._pages({name: value for name, value in options.items() if value is not None}), most)

    def get(self, /, *key: Any, **keys: Any) -> Row | None:
        """The entity with this key, in the order of the key's properties or by name; None if there is none."""
        reply = self._call("GET", self._place(key, keys))
        if reply.status in (404, 410):
            return None
        return self._object(reply.raise_for_status())

    def create(self, row: Mapping[str, Any]) -> Row | None:
        """Insert one; what was stored comes back, or None if the service does not say."""
        if not isinstance(row, Mapping):
            raise ConnectionFailed("request", "an entity is an object: {property: value}")
        reply = self._call("POST", _path(self.entity.set), json=dict(row)).raise_for_status()
        return self._object(reply) if reply.content else None

    def update(self, values: Mapping[str, Any], /, *key: Any, etag: str = "*", **keys: Any) -> int:
        """Change these properties of the one with this key: 1, or 0 if there is none (it is not made).

        ``etag`` is the version that it must have, if that matters.
        """
        if not isinstance(values, Mapping) or not values:
            raise ConnectionFailed("request", "there is nothing to change: no values were given")
        return _done(self._call("PATCH", self._place(key, keys), json=dict(values), headers=(("If-Match", etag),)))

    def delete(self, /, *key: Any, etag: str = "*", **keys: Any) -> int:
        """Remove the one with this key: 1, or 0 if there is none."""
        return _done(self._call("DELETE", self._place(key, keys), headers=(("If-Match", etag),)))

    # ---- parts ---------------------------------------------------------------------------------------------------

    def _pages(self, query: Mapping[str, Any]) -> Iterator[Row]:
        asked = "&".join(f"{name}={quote(str(value), safe='(),:/')}" for name, value in query.items())
        place = _path(self.entity.set)
        reply = self._call("GET", f"{place}?{asked}" if asked else place).raise_for_status()
        seen: set[str] = set()
        for _ in range(MOST_PAGES):
            document = self._object(reply)
            rows = document.get("value")
            if not isinstance(rows, list):
                raise ConnectionFailed("data-path", f"the answer has no list `value`; it has: {', '.join(document)}")
            link = document.get("@odata.nextLink", document.get("@nextLink"))
            yield from rows
            if link is None:
                return
            target = followed(reply.url, str(link))
            if target in seen:
                raise ConnectionFailed("pagination", "the link to the next page is one that was followed before")
            seen.add(target)
            reply = self._call("GET", target).raise_for_status()
        raise ConnectionFailed("pagination", f"there are more than {MOST_PAGES} pages; ask for fewer rows")

    def _call(self, method: str, path: str, **options: Any) -> Reply:
        headers = (*(WRITING if "json" in options else READING), *options.pop("headers", ()))
        reply: Reply = self.connection.call(method, path, headers=headers, **options)
        return reply

    def _object(self, reply: Reply) -> Row:
        document = reply.json()
        if not isinstance(document, dict):
            raise ConnectionFailed("schema", "the answer is no JSON object, as OData has it")
        return document

    def _place(self, key: Sequence[Any], keys: Mapping[str, Any]) -> str:
        names = self.entity.key
        if not names:
            raise ConnectionFailed("request", f"{self.name!r} has no key; name its properties as `key`")
        wanted = dict(zip(names, key, strict=False)) | dict(keys) if len(key) <= len(names) else {}
        if set(wanted) != set(names) or len(key) + len(keys) != len(names) or None in wanted.values():
            raise ConnectionFailed("request", f"the key of {self.name!r} is: {', '.join(names)}")
        pairs = [(self._members.get(name, Member(name=name)), wanted[name]) for name in names]
        return _path(self.entity.set) + predicate(pairs)


def _path(text: str) -> str:
    return quote(urlsplit(text).path, safe="/()',=")


def _done(reply: Reply) -> int:
    if reply.status in (404, 410):
        return 0
    reply.raise_for_status()
    return 1
