"""An entity: one endpoint, as an administrator describes it (C-026 to C-047)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta

from apimgmt.connections.entities import fields, source
from apimgmt.connections.entities.asking import Asking, Outline
from apimgmt.connections.entities.changes import Changes
from apimgmt.connections.entities.contract import Contract
from apimgmt.connections.entities.datapath import DataPath
from apimgmt.connections.entities.graphql import GraphQL
from apimgmt.connections.entities.pagination import Kinds, Single
from apimgmt.errors import SettingInvalid
from apimgmt.model import Struct

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
WITH_BODY = ("POST", "PUT", "PATCH")


class Entity(Struct, frozen=True):
    """``method`` and ``path`` below the connection's base URL, with ``{name}`` for values.

    ``parameters`` say what a placeholder stands for where its name is not that of the value: ``{"customerId":
    "{CustomerId}"}``. ``query``, ``headers`` and ``body`` mix constants and placeholders. Without a ``body`` POST, PUT
    and PATCH send the row's fields as one JSON object; ``encoding`` ``form`` sends a form instead. The rows are at
    ``dataPath`` of the answer; ``fields`` cast them. ``cache`` are the seconds for which lists are kept. ``batch`` is
    how many rows one request of ``create_many`` holds, 0 for one row that is no array. ``contract`` is what calls are
    held against, if the connection wants it.
    """

    description: str = ""
    method: Method = "GET"
    path: str = ""
    parameters: dict[str, str] = {}  # noqa: RUF012  msgspec copies it
    query: dict[str, Any] = {}  # noqa: RUF012
    headers: dict[str, str] = {}  # noqa: RUF012
    body: Any = None
    encoding: Literal["json", "form"] = "json"
    graphql: GraphQL | None = None
    response: Literal["json", "text", "binary"] = "json"
    data_path: str = "$"
    fields: tuple[fields.Field, ...] = ()
    pagination: Kinds = Single()
    changes: Changes | None = None
    cache: Annotated[float, Meta(ge=0, le=86_400)] = 0.0
    batch: Annotated[int, Meta(ge=0, le=10_000)] = 0
    contract: Contract | None = None

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise SettingInvalid("; ".join(f"{pointer}: {text}" for pointer, text in problems), problems[0][0])

    def source(self, connection: Any, name: str) -> source.Source:
        """The endpoint, ready to be called; it is made once for a connection."""
        made: source.Source = connection.kept(
            ("entity", name), lambda: source.Source(connection, name, self), is_circular=True
        )
        return made

    @property
    def verb(self) -> str:
        """The method that is sent: POST for GraphQL, whatever else is said."""
        return "POST" if self.graphql is not None else self.method

    def asking(self) -> Asking:
        """What makes its requests."""
        body, takes_rows, envelope = self.body, self.method in WITH_BODY, None
        if self.graphql is not None:
            body, takes_rows, envelope = self.graphql.variables, True, self.graphql.envelope
        return Asking(
            Outline(self.path, self.parameters, self.query, self.headers, body, self.encoding, takes_rows, envelope)
        )

    def _problems(self) -> Iterator[tuple[str, str]]:
        """Pointers to what is wrong, and what is wrong."""
        body = "/body" if self.graphql is None else "/graphql/variables"
        asking = self.asking()
        yield from ((body if pointer == "/body" else pointer, text) for pointer, text in asking.problems)
        own = [*self.pagination.first(), *([self.changes.parameter] if self.changes else [])]
        for name in filter(asking.fixes, own):
            yield f"/query/{name}", "`pagination` or `changes` sends this parameter: leave it out here"
        if self.graphql is not None and (self.body is not None or self.encoding == "form" or self.batch):
            yield "/graphql", "a GraphQL entity has `variables`, and neither `body`, `encoding` nor `batch`"
        if self.batch and self.encoding == "form":
            yield "/batch", "rows of a batch go as JSON, not as a form"
        if self.batch and self.verb not in WITH_BODY:
            yield "/batch", f"{self.verb} sends no rows"
        if self.response != "json" and (self.fields or self.data_path != "$" or self.pagination != Single()):
            yield "/response", "data path, fields and pagination need an answer in JSON"
        yield from self._paths()
        for pointer, text in fields.check(self.fields):
            yield "/fields" + pointer, text
        if self.changes is not None:
            for pointer, text in self.changes.check():
                yield "/changes" + pointer, text

    def _paths(self) -> Iterator[tuple[str, str]]:
        paths = {"/dataPath": self.data_path}
        paths |= {f"/pagination/{member}": path for member, path in self.pagination.paths().items()}
        for pointer, path in paths.items():
            try:
                is_singular = DataPath(path).is_singular
            except SettingInvalid as error:
                yield pointer, str(error)
                continue
            if not is_singular and (pointer != "/dataPath" or self.pagination.counts_rows):
                yield pointer, "a path to one place is needed, without wildcards and filters"
