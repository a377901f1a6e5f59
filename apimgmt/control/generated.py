"""The API whose document is made here, from the endpoints: a change of them and all that comes of it, or nothing.

The document goes through the same intake as one that a person uploads, which takes a child process and some tenths of
a second. So a change is first tried in a transaction that is undone, to see which document would come of it; then that
document is taken in; then the change is made for good, if it still comes to the same document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from apimgmt.control import Intake, TakeIn
from apimgmt.control.addresses import check_free, name_from_title
from apimgmt.control.endpoint import Endpoint, document
from apimgmt.control.publish import Publication, Publisher
from apimgmt.control.rows import ApiRow, RevisionRow, now
from apimgmt.control.store import Store
from apimgmt.control.transaction import Transaction
from apimgmt.errors import Problem
from apimgmt.model import FLOWS_API, Binding, CompiledApi, Trigger
from apimgmt.settings import Settings

IDENTITY = FLOWS_API
KIND = "endpoint"
TITLE = "Flows"
JSON = "application/json"
TRIES = 5
MOCK = Binding(kind="mock")

Changed = TypeVar("Changed")
# what the control plane does with every document, whoever wrote it: keep it, and have the API served
Keep = Callable[[Transaction, ApiRow, CompiledApi, Intake, bytes, str], RevisionRow]
Mark = Callable[[Transaction, ApiRow], ApiRow]


class _Undone(Exception):
    """Ends the transaction in which a change was only tried."""


class _Overtaken(Exception):
    """Somebody else changed the endpoints in between."""


class Generating:
    """Publishes changes of endpoints as :class:`Publisher` does, together with the document that comes of them."""

    def __init__(
        self, store: Store, publisher: Publisher, settings: Settings, take_in: TakeIn, keep: Keep, mark: Mark
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._settings = settings
        self._take_in = take_in
        self._keep = keep
        self._mark = mark

    @property
    def base_path(self) -> str:
        """Where all endpoints are."""
        return f"/v1/{self._settings.workspace}/flows"

    def publish(self, change: Callable[[Transaction], Changed]) -> tuple[Changed, Publication]:
        """Make the change, generate, bind and publish in one transaction.

        Raises DocumentRefused for a schema that is none, Problem for what cannot be served; nothing is changed then.
        """
        for _ in range(TRIES):
            whole, content = self._planned(change)
            if whole != content:
                # what is not deployed yet must be sound as well
                self._take_in(whole, JSON, self._settings)
            intake = self._take_in(content, JSON, self._settings)

            def together(transaction: Transaction, content: bytes = content, intake: Intake = intake) -> Changed:
                result = change(transaction)
                if self._content(endpoints_of(transaction)) != content:
                    raise _Overtaken
                self._put(transaction, content, intake)
                return result

            try:
                return self._publisher.publish(together)
            except _Overtaken:
                continue
        raise Problem("conflict", "the endpoints are being changed by others; try again")

    def _planned(self, change: Callable[[Transaction], object]) -> tuple[bytes, bytes]:
        """The documents that a change would lead to: of all endpoints, and of those that are deployed."""
        planned: list[bytes] = []
        try:
            with self._store.writing() as transaction:
                change(transaction)
                endpoints = endpoints_of(transaction)
                every = {name: msgspec.structs.replace(one, deployed=True) for name, one in endpoints.items()}
                planned = [self._content(every), self._content(endpoints)]
                raise _Undone
        except _Undone:
            whole, content = planned
            return whole, content

    def _content(self, endpoints: Mapping[str, Endpoint]) -> bytes:
        deployed = {name: one for name, one in endpoints.items() if one.deployed}
        return msgspec.json.encode(document(self.base_path, deployed))

    def _put(self, transaction: Transaction, content: bytes, intake: Intake) -> None:
        """The document as the next revision of its API, with its bindings, to be served."""
        deployed = [one for one in endpoints_of(transaction).values() if one.deployed]
        row = transaction.api(IDENTITY)
        if not deployed:
            if row is not None and not row.deleted:
                transaction.change_api(row, deleted=now(), published=None)
            return
        check_free(self.base_path, IDENTITY, transaction.around(self.base_path))
        compiled = msgspec.json.decode(intake.compiled, type=CompiledApi)
        row = self._row(transaction, row, content)
        if transaction.revision(row.id, row.revision) is None:
            self._keep(transaction, row, compiled, intake, content, JSON)
        bound = {key: endpoint.bound() for endpoint in deployed for key in endpoint.keys}
        # what is gone must not keep hold of its flow
        for key, binding in {**dict.fromkeys(transaction.bindings(row.id), MOCK), **bound}.items():
            transaction.set_binding(row.id, key, binding)
        self._mark(transaction, transaction.change_api(row))

    def _row(self, transaction: Transaction, row: ApiRow | None, content: bytes) -> ApiRow:
        """The API, new or back again, with the number of the revision that has this content."""
        name = name_from_title(TITLE, transaction.names())
        if row is None:
            row = ApiRow(
                id=IDENTITY,
                name=name,
                base_path=self.base_path,
                prefix="",
                fixed_base=True,
                binding=MOCK,
                trigger=Trigger(),
                revision=1,
                version=1,
                published=None,
                published_version=0,
                created=now(),
                deleted=None,
            )
            transaction.add_api(row)
            return row
        same = transaction.content(row.id, row.revision) == content
        revision = row.revision if same else transaction.last_number(row.id) + 1
        name = name if row.deleted else row.name
        return transaction.change_api(row, name=name, base_path=self.base_path, revision=revision, deleted=None)


def endpoints_of(transaction: Transaction) -> dict[str, Endpoint]:
    """All endpoints by name."""
    rows = transaction.resources(KIND)
    return {row.name: msgspec.json.decode(row.content, type=Endpoint) for row in rows}


def refuse_by_hand(row: ApiRow) -> None:
    """Raise Problem for a change by hand of what is made from the endpoints: the next one of those would undo it."""
    if row.id == IDENTITY:
        detail = f"{row.name!r} is made from the endpoints: change those (apimgmt endpoints, /api/v1/endpoints)"
        raise Problem("conflict", detail)
