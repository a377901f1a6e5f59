"""What can be read: APIs, operations, revisions, documents."""

from __future__ import annotations

import difflib
from typing import Any

import msgspec

from apimgmt.archive import Archive
from apimgmt.control.bindings import resolve
from apimgmt.control.rows import ApiRow, RevisionRow
from apimgmt.control.store import Store
from apimgmt.control.transaction import Transaction
from apimgmt.control.views import (
    ApiView,
    OperationDetail,
    OperationView,
    RevisionView,
    api_view,
    operation_detail,
    operation_view,
    revision_view,
)
from apimgmt.errors import Problem
from apimgmt.model import Binding, CompiledApi, Trigger
from apimgmt.settings import Settings


class Catalogue:
    """Reads the store and the archive; ``reference`` is the id or the name of an API."""

    def __init__(self, settings: Settings, store: Store, archive: Archive) -> None:
        self._settings = settings
        self._store = store
        self._archive = archive
        gateway = settings.public_url or f"http://{settings.gateway_host}:{settings.gateway_port}"
        self._gateway = gateway.rstrip("/")

    def apis(self) -> list[ApiView]:
        """The live APIs by name."""
        with self._store.reading() as transaction:
            rows, revisions = transaction.apis(), transaction.current_revisions()
        return [api_view(row, revisions[row.id], self._gateway + row.base_path) for row in rows]

    def get(self, reference: str) -> ApiView:
        """One API; a deleted one by its id."""
        with self._store.reading() as transaction:
            row = found(transaction, reference)
            return api_view(row, current(transaction, row), self._gateway + row.base_path)

    def operations(self, reference: str) -> list[OperationView]:
        """The operations of the current revision, in the order of the document."""
        with self._store.reading() as transaction:
            row = found(transaction, reference)
            return self._operations(transaction, row, self._compiled(transaction, row))

    def operation(self, reference: str, operation: str) -> OperationDetail:
        """One operation (by key or operationId) with its settings and its part of the document as uploaded (F-053)."""
        with self._store.reading() as transaction:
            row = found(transaction, reference)
            bindings, triggers = transaction.bindings(row.id), transaction.triggers(row.id)
            digest = current(transaction, row).digest
        chosen = resolve(operation, self._archive.load_api(digest))
        trigger = triggers.get(chosen.key, row.trigger)
        binding = bindings.get(chosen.key, row.binding)
        view = operation_view(chosen, self._gateway + row.base_path, binding, trigger)
        document = msgspec.json.decode(self._archive.load_document(digest))
        return operation_detail(view, trigger, _at(document, chosen.pointer))

    def revisions(self, reference: str) -> list[RevisionView]:
        """All revisions, oldest first."""
        with self._store.reading() as transaction:
            row = found(transaction, reference)
            return [revision_view(revision, row) for revision in transaction.revisions(row.id)]

    def document(self, reference: str, number: int) -> tuple[bytes, str]:
        """The bytes of a revision as they were uploaded, and their media type."""
        with self._store.reading() as transaction:
            row = found(transaction, reference)
            revision, content = transaction.revision(row.id, number), transaction.content(row.id, number)
        if revision is None or content is None:
            raise Problem("not-found", f"{row.name!r} has no revision {number}")
        return content, revision.media_type

    def _operations(self, transaction: Transaction, row: ApiRow, compiled: CompiledApi) -> list[OperationView]:
        bindings: dict[str, Binding] = transaction.bindings(row.id)
        triggers: dict[str, Trigger] = transaction.triggers(row.id)
        url = self._gateway + row.base_path
        return [
            operation_view(
                operation, url, bindings.get(operation.key, row.binding), triggers.get(operation.key, row.trigger)
            )
            for operation in compiled.operations
        ]

    def _compiled(self, transaction: Transaction, row: ApiRow) -> CompiledApi:
        return self._archive.load_api(current(transaction, row).digest)


def found(transaction: Transaction, reference: str) -> ApiRow:
    """The API with that id or name; 404 with the near names if there is none."""
    row = transaction.api(reference)
    if row is None:
        near = ", ".join(difflib.get_close_matches(reference, transaction.names(), 3, 0.4))
        raise Problem("not-found", f"there is no API {reference[:100]!r}{'; near: ' + near if near else ''}")
    return row


def live(transaction: Transaction, reference: str) -> ApiRow:
    """The same, but not a deleted one."""
    row = found(transaction, reference)
    if row.deleted:
        raise Problem("not-found", f"the API {row.name!r} was deleted at {row.deleted}")
    return row


def current(transaction: Transaction, row: ApiRow) -> RevisionRow:
    """The current revision of an API."""
    revision = transaction.revision(row.id, row.revision)
    if revision is None:
        raise Problem("internal", f"revision {row.revision} of {row.name!r} is not in the store")
    return revision


def _at(document: Any, pointer: str) -> Any:
    """The value at a JSON pointer (RFC 6901), None if there is none."""
    value = document
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    return value
