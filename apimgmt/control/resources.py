"""Named things that people make to say who may call what: rulesets, users, issuers and the like. One class, all kinds.

A kind is a subclass in a file of its own: the struct that is stored, how it is read from what a person sent, how it is
shown, and what of it the gateway gets. Every change is published at once, so that a revocation counts within a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from apimgmt.control.addresses import NAME, new_id
from apimgmt.control.publish import Publication
from apimgmt.control.rows import ApiRow, ResourceRow, now
from apimgmt.control.store import Store
from apimgmt.control.transaction import Transaction
from apimgmt.errors import Problem, StoreConflict
from apimgmt.model import Struct
from apimgmt.processes.nested import with_nested

Content = TypeVar("Content", bound=Struct)
Shape = TypeVar("Shape", bound=Struct)
Changed = TypeVar("Changed")


class Shown(NamedTuple):
    """A resource as an answer shows it, with its entity tag."""

    view: dict[str, Any]
    etag: str


class Publishes(Protocol):
    """Who makes a change and has it served (:class:`apimgmt.control.publish.Publisher`)."""

    def publish(self, change: Callable[[Transaction], Changed]) -> tuple[Changed, Publication]:
        """What the change returned, and what became of it."""
        ...


class Resources(Generic[Content]):
    """All resources of one kind. ``kind`` is its name in the store and in ids, ``noun`` what people call it."""

    kind: ClassVar[str]
    noun: ClassVar[str]
    content: type[Content]

    def __init__(self, store: Store, publisher: Publishes) -> None:
        self._store = store
        self._publisher = publisher

    # ---- what a kind says of itself ------------------------------------------------------------------------------

    def read(self, body: Mapping[str, Any], before: Content | None, transaction: Transaction) -> Content:
        """What a person sent (without ``name``), as it is stored; ``before`` is the present state when it is replaced.

        Raises Problem("validation") with the place of what is wrong.
        """
        return self.converted(body, self.content)

    def view(self, row: ResourceRow) -> dict[str, Any]:
        """The resource as it is shown: never a secret."""
        stored = self.stored(row)
        # defaults too: whoever reads it sees every member
        members = {field.encode_name: getattr(stored, field.name) for field in msgspec.structs.fields(stored)}
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(members))
        return {"id": row.id, "name": row.name, "created": row.created, **plain}

    def same(self, name: str, other: str) -> bool:
        """Whether two of a kind cannot have these names."""
        return name == other

    def claim(self, name: str, transaction: Transaction, identity: str = "") -> None:
        """Called before the one with this id, or a new one, gets a name; raises Problem("conflict") if it is taken."""
        if any(row.id != identity and self.same(row.name, name) for row in transaction.resources(self.kind)):
            raise Problem("conflict", f"there is {self.noun} named {name!r}")

    def release(self, row: ResourceRow, transaction: Transaction) -> None:
        """Called before the name of one goes; raises Problem("conflict") if something refers to it."""

    # ---- what can be done with all of them -----------------------------------------------------------------------

    def all(self) -> list[dict[str, Any]]:
        """All of them, by name."""
        with self._store.reading() as transaction:
            return [self.view(row) for row in transaction.resources(self.kind)]

    def get(self, reference: str) -> Shown:
        """One, by id or name."""
        with self._store.reading() as transaction:
            row = self.found(transaction, reference)
        return Shown(self.view(row), row.etag)

    def create(self, body: Mapping[str, Any]) -> Shown:
        """A new one; ``name`` is unique within its kind."""
        name = self._name(body)

        def add(transaction: Transaction) -> ResourceRow:
            self.claim(name, transaction)
            content = self.read(_without_name(body), None, transaction)
            row = ResourceRow(
                id=new_id(self.kind), kind=self.kind, name=name, content=_text(content), version=1, created=now()
            )
            transaction.put_resource(row)
            return row

        row, _ = self._publisher.publish(add)
        return Shown(self.view(row), row.etag)

    def replace(self, reference: str, body: Mapping[str, Any], if_match: str | None = None) -> Shown:
        """The new state of one; everything that the body leaves out has its default again, the name stays."""

        def change(transaction: Transaction) -> ResourceRow:
            row = self.found(transaction, reference)
            match(row, if_match)
            name = self._name(body) if "name" in body else row.name
            if name != row.name:
                self.claim(name, transaction, row.id)
                self.release(row, transaction)
            content = self.read(_without_name(body), self.stored(row), transaction)
            return self.put(transaction, row, content, name)

        row, _ = self._publisher.publish(change)
        return Shown(self.view(row), row.etag)

    def delete(self, reference: str, if_match: str | None = None) -> None:
        """Remove one; whatever it allowed is refused from now on."""

        def remove(transaction: Transaction) -> None:
            row = self.found(transaction, reference)
            match(row, if_match)
            self.release(row, transaction)
            transaction.remove_resource(row.id)

        self._publisher.publish(remove)

    # ---- for the kinds -------------------------------------------------------------------------------------------

    def found(self, transaction: Transaction, reference: str) -> ResourceRow:
        """The row with that id or name; raises Problem("not-found")."""
        row = transaction.resource(self.kind, reference)
        if row is None:
            raise Problem("not-found", f"there is no {self.noun.split(' ', 1)[-1]} {reference[:100]!r}")
        return row

    def row(self, reference: str) -> ResourceRow:
        """The row with that id or name, read now; raises Problem("not-found")."""
        with self._store.reading() as transaction:
            return self.found(transaction, reference)

    def stored(self, row: ResourceRow) -> Content:
        """The struct of a row."""
        return msgspec.json.decode(row.content, type=self.content)

    def put(self, transaction: Transaction, row: ResourceRow, content: Content, name: str) -> ResourceRow:
        """The next state of a row, as stored."""
        row = msgspec.structs.replace(row, name=name, content=_text(content), version=row.version + 1)
        transaction.put_resource(row)
        return row

    def converted(self, body: Mapping[str, Any], shape: type[Shape]) -> Shape:
        """The body as a struct, read strictly."""
        try:
            return msgspec.convert(dict(body), shape)
        except msgspec.ValidationError as error:
            text, _, place = str(error).partition(" - at `$")
            raise wrong(_pointer(place.strip("`")), "type", text) from None

    def _name(self, body: Mapping[str, Any]) -> str:
        name = body.get("name")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise wrong("/name", "pattern", "must be 1 to 100 letters, digits, spaces and `_.-`")
        return name


def match(row: ApiRow | ResourceRow, if_match: str | None) -> None:
    """Raise StoreConflict if the caller read another state than the present one (RFC 9110 section 13.1.1)."""
    # a tag names a state here, not bytes: gzip, which changes the bytes, made it weak on its way to the caller
    tags = [tag.strip().removeprefix("W/") for tag in ("*" if if_match is None else if_match).split(",")]
    if "*" not in tags and row.etag not in tags:
        raise StoreConflict(f"{row.name!r} was changed since it was read; its ETag is now {row.etag}")


def check_unbound(row: ResourceRow, member: str, transaction: Transaction) -> None:
    """Raise Problem("conflict") while operations are bound to it by that member (``connection``, ``flow``), be it in a
    binding inside another: they would fail from then on."""
    users = [
        f"{api.name}: {key}"
        for api in transaction.apis()
        for key, binding in {
            **(api.published.bindings if api.published else {}),
            **transaction.bindings(api.id),
        }.items()
        if any(one.config.get(member) in (row.name, row.id) for one in with_nested(binding))
    ]
    if users:
        more = f" and {len(users) - 5} more" if len(users) > 5 else ""
        raise Problem(
            "conflict",
            f"operations are bound to {row.name!r}: {', '.join(users[:5])}{more}; bind them to something else, "
            "publish, then try again",
        )


def with_defaults(struct: Struct) -> dict[str, Any]:
    """A struct as JSON with its defaults: whoever reads it sees every member."""
    members: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        members[field.encode_name] = with_defaults(value) if isinstance(value, Struct) else msgspec.to_builtins(value)
    return members


def wrong(pointer: str, code: str, detail: str) -> Problem:
    """The refusal of one member of a body."""
    return Problem("validation", detail, errors=[{"in": "body", "pointer": pointer, "code": code, "detail": detail}])


def _pointer(place: str) -> str:
    """A place as msgspec writes it (``.rules[0].path``, ``[...]`` for some item) as a JSON pointer (RFC 6901)."""
    return place.replace("[...]", "").replace("[", "/").replace("]", "").replace(".", "/")


def _without_name(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "name"}


def _text(content: Struct) -> str:
    return msgspec.json.encode(content).decode()
