"""An entity as processes use it: rows are listed, got, created, updated and deleted (C-032 to C-035, C-051 to C-054).

customers = connection("crm").entity("customers")
for row in customers.list(status="active"):
    ...
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from apimgmt.connections import Call, Reply
from apimgmt.connections.entities import graphql
from apimgmt.connections.entities.asking import Asked, as_json
from apimgmt.connections.entities.caching import Caching, Lookup, fresh
from apimgmt.connections.entities.changes import Sync
from apimgmt.connections.entities.datapath import DataPath
from apimgmt.connections.entities.fields import Fields
from apimgmt.connections.entities.marks import Place, marks
from apimgmt.connections.entities.pages import Paging
from apimgmt.connections.entities.summary import Outcome, Summary
from apimgmt.connections.layers.exchange import authenticated
from apimgmt.errors import ConnectionFailed, SettingInvalid

if TYPE_CHECKING:
    from apimgmt.connections.entities.entity import Entity

Row = Mapping[str, Any]
# the class below has a method of the name `list`
Rows = list[Any]
ACCEPT = {"json": "application/json", "text": "text/*, */*;q=0.8", "binary": "*/*"}
# which methods of an entity each verb of ours stands for; a POST may do anything
VERBS = {"create": ("POST", "PUT"), "update": ("PUT", "PATCH", "POST"), "delete": ("DELETE", "POST")}
READING = ("GET", "POST")


class Source:
    """An entity of a connection, ready to be used. Thread-safe.

    Whatever goes wrong is ConnectionFailed, with the name of the entity; a use that the entity cannot have is
    SettingInvalid.
    """

    def __init__(self, connection: Any, name: str, entity: Entity) -> None:
        self.connection = connection
        self.name = name
        self.entity = entity
        self._asking = entity.asking()
        self._path = DataPath(entity.data_path)
        self._fields = Fields(entity.fields)
        self._cache = Caching(entity.cache) if entity.cache else None
        said = {field.lower() for field in (*connection.configuration.headers, *entity.headers)}
        accept = graphql.ACCEPT if entity.graphql else ACCEPT[entity.response]
        self._accept = [] if "accept" in said else [("Accept", accept)]

    def call(self, row: Row | None = None, /, **parameters: Any) -> Reply:
        """Send one request and give the answer, whatever its status (C-049, C-050)."""
        with self._named():
            return self._send(self._call(self._asking.ask(row, parameters, self._first())))

    def list(self, /, **parameters: Any) -> Iterator[Any]:
        """Its rows, one after another; further pages are fetched when they are wanted (C-051)."""
        self._check("list", READING)
        with self._named():
            if self._cache is None:
                yield from self._rows(parameters)
                return
            for row in self._kept(parameters):
                yield fresh(row)

    def get(self, /, **parameters: Any) -> Any:
        """What is at the data path of one answer: a row, a list of rows or a value; a text or bytes by ``response``."""
        if self.verb not in READING:
            raise SettingInvalid(self._unfit("get"))
        with self._named():
            return self._result(self.call(**parameters).raise_for_status())

    def send(self, row: Row | None = None, /, **parameters: Any) -> Any:
        """Send a row, or what is given by name, and give what is at the data path of the answer; None if it is empty.

        A placeholder takes its value from the names first, then from the row. Without a body template the row is the
        body, with the names that no placeholder took.
        """
        with self._named():
            return self._result(self.call(row, **parameters).raise_for_status())

    async def acall(self, row: Row | None = None, /, **parameters: Any) -> Reply:
        """:meth:`call` for an async function: the event loop goes on meanwhile."""
        with self._named():
            return await self._asend(self._call(self._asking.ask(row, parameters, self._first())))

    async def alist(self, /, **parameters: Any) -> AsyncIterator[Any]:
        """:meth:`list` for an async function; what is cached is not used."""
        self._check("alist", READING)
        with self._named():
            paging, number = self._paging(parameters, {}), 0
            while True:
                for row in paging.rows((await self._asend(paging.request)).raise_for_status()):
                    number += 1
                    yield self._fields.cast(row, number)
                if not paging.advance():
                    return

    async def asend(self, row: Row | None = None, /, **parameters: Any) -> Any:
        """:meth:`send`, and whatever else sends one request, for an async function."""
        with self._named():
            return self._result((await self.acall(row, **parameters)).raise_for_status())

    def create(self, row: Row | None = None, /, **parameters: Any) -> Any:
        """:meth:`send` a new row (C-033)."""
        return self._as("create", row, parameters)

    def update(self, row: Row | None = None, /, **parameters: Any) -> Any:
        """:meth:`send` changed fields: ``update(id=5, name="x")`` (C-034)."""
        return self._as("update", row, parameters)

    def delete(self, /, **parameters: Any) -> Any:
        """:meth:`send` the deletion: ``delete(id=5)`` (C-035)."""
        return self._as("delete", None, parameters)

    def create_many(self, rows: Iterable[Row], /, **parameters: Any) -> Summary:
        """Send every row, or as many at once as ``batch`` says; what fails does not stop the others (C-052, C-070)."""
        if self.verb not in VERBS["create"]:
            raise SettingInvalid(self._unfit("create_many"))
        if not self.entity.batch:
            return Summary(tuple(self._one(index, row, parameters) for index, row in enumerate(rows)))
        outcomes: Rows = []
        for chunk in _chunks(rows, self.entity.batch):
            outcomes += self._batch(len(outcomes), chunk, parameters)
        return Summary(tuple(outcomes))

    def lookup(self, field: str, /, **parameters: Any) -> Lookup:
        """The rows as a table by one of their fields, fetched as :meth:`list` would (C-054)."""
        self._check("lookup", READING)
        with self._named():
            return Lookup(field, self._rows(parameters) if self._cache is None else self._kept(parameters))

    def changes(self, consumer: str = "", /, **parameters: Any) -> Sync:
        """A run of delta sync (:class:`Sync`); every ``consumer`` has a lastSync of its own (C-053)."""
        self._check("changes", READING)
        if self.entity.changes is None:
            raise SettingInvalid(f"the entity {self.name!r} has no `changes`, which say how it is asked for them")
        place = Place(self.connection.identity, self.name, consumer, _key(parameters))

        def fetch(own: dict[str, Any]) -> Iterator[tuple[Rows, Reply]]:
            with self._named():
                yield from self._pages(parameters, own)

        kept = self.connection.kept("marks", lambda: marks(self.connection.settings))
        return Sync(self.entity.changes, kept, place, fetch, self._document, self._cast)

    def forget(self) -> None:
        """Forget what is cached."""
        if self._cache is not None:
            self._cache.clear()

    @property
    def verb(self) -> str:
        """The method that is sent."""
        return self.entity.verb

    # ---- reading -------------------------------------------------------------------------------------------------

    def _kept(self, parameters: Row) -> tuple[Any, ...]:
        assert self._cache is not None
        return self._cache.rows(_key(parameters), lambda: self._rows(parameters))

    def _rows(self, parameters: Row) -> Iterator[Any]:
        number = 0
        for rows, _ in self._pages(parameters, {}):
            for row in rows:
                number += 1
                yield self._fields.cast(row, number)
            del rows

    def _pages(self, parameters: Row, own: Row) -> Iterator[tuple[Rows, Reply]]:
        paging = self._paging(parameters, own)
        while True:
            reply = self._send(paging.request).raise_for_status()
            rows = paging.rows(reply)
            yield rows, reply
            del rows, reply
            if not paging.advance():
                return

    def _paging(self, parameters: Row, own: Row) -> Paging:
        return Paging(
            self.entity.pagination,
            self._path,
            lambda asked: self._call(self._asking.ask(None, parameters, {**asked, **own})),
            self._document,
        )

    def _document(self, reply: Reply) -> Any:
        if self.entity.graphql is not None:
            return graphql.data(reply)
        return reply.json() if reply.content else []

    def _cast(self, row: Any, number: int) -> Any:
        try:
            return self._fields.cast(row, number)
        except ConnectionFailed as error:
            raise self._with_name(error) from None

    def _result(self, reply: Reply) -> Any:
        if self.entity.response != "json":
            return reply.text if self.entity.response == "text" else reply.content
        if not reply.content:
            return None
        found = self._path.value(self._document(reply))
        if isinstance(found, list):
            return [self._fields.cast(row, number) for number, row in enumerate(found, 1)]
        return self._fields.cast(found, 1) if isinstance(found, dict) else found

    # ---- sending -------------------------------------------------------------------------------------------------

    def _first(self) -> dict[str, Any]:
        """What a single request takes of the pagination: the placeholders that would otherwise have no value."""
        return {name: value for name, value in self.entity.pagination.first().items() if name in self._asking.names}

    def _call(self, asked: Asked) -> Call:
        made: Call = self.connection.prepared(
            self.verb,
            asked.path,
            query=asked.query,
            headers=[*self._accept, *asked.headers],
            content=asked.content,
        )
        return made

    def _send(self, call: Call) -> Reply:
        checked = self._checked(call)
        reply: Reply = self.connection.run(authenticated(call, self.connection.policy))
        return checked(reply)

    async def _asend(self, call: Call) -> Reply:
        checked = self._checked(call)
        reply: Reply = await self.connection.arun(authenticated(call, self.connection.policy))
        return checked(reply)

    def _checked(self, call: Call) -> Callable[[Reply], Reply]:
        """Hold a call against its contract, and what does that for its answer."""
        conformance = self._conformance()
        if conformance is None:
            return lambda reply: reply
        conformance.request(call)

        def check(reply: Reply) -> Reply:
            conformance.reply(call, reply)
            return reply

        return check

    def _conformance(self) -> Any:
        """What calls are held against, None for nothing."""
        contract = self.entity.contract
        if contract is None or self.connection.configuration.check == "off":
            return None
        # imported here: most workers check nothing, and openapi-core takes long to import
        from apimgmt.connections.entities.conformance import Conformance

        path = self.entity.path
        return self.connection.kept(
            ("conformance", self.name), lambda: Conformance(self.connection, self.name, path, contract)
        )

    def _as(self, verb: str, row: Row | None, parameters: Row) -> Any:
        if self.verb not in VERBS[verb]:
            raise SettingInvalid(self._unfit(verb))
        return self.send(row, **parameters)

    def _one(self, index: int, row: Row, parameters: Row) -> Outcome:
        try:
            return Outcome(index, self.send(row, **parameters))
        except ConnectionFailed as error:
            return Outcome(index, failure=error)

    def _batch(self, start: int, rows: Rows, parameters: Row) -> Iterator[Outcome]:
        """What became of the rows of one request: of all the same, unless the answer has a row for each."""
        try:
            with self._named():
                asked = self._asking.ask_many(rows, parameters)
                result = self._result(self._send(self._call(asked)).raise_for_status())
        except ConnectionFailed as error:
            yield from (Outcome(start + index, failure=error) for index in range(len(rows)))
            return
        has_each = isinstance(result, list) and len(result) == len(rows)
        for index in range(len(rows)):
            yield Outcome(start + index, result[index] if has_each else None)

    # ---- errors --------------------------------------------------------------------------------------------------

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except ConnectionFailed as error:
            raise self._with_name(error) from error.__cause__

    def _with_name(self, error: ConnectionFailed) -> ConnectionFailed:
        if not str(error).startswith(f"{self.name}: "):
            error.args = (f"{self.name}: {error}",)
        return error

    def _check(self, use: str, verbs: tuple[str, ...]) -> None:
        if self.verb not in verbs:
            raise SettingInvalid(self._unfit(use))
        if self.entity.response != "json":
            raise SettingInvalid(f"the entity {self.name!r} gives {self.entity.response}, no rows: use get()")

    def _unfit(self, use: str) -> str:
        fits = [name for name, verbs in VERBS.items() if self.verb in verbs]
        fits += ["list", "get"] if self.verb in READING else []
        shown = ", ".join(f"{name}()" for name in (*fits, "send"))
        return f"the entity {self.name!r} is {self.verb} {self.entity.path}, not for {use}(); it has: {shown}"


def _key(parameters: Row) -> str:
    """The parameters as a text that is the same for the same values."""
    return as_json(dict(sorted(parameters.items()))).decode()


def _chunks(rows: Iterable[Row], size: int) -> Iterator[Rows]:
    remaining = iter(rows)
    while chunk := list(islice(remaining, size)):
        yield chunk
