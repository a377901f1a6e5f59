"""What can be done to APIs. The admin handlers and the command line both call these methods and nothing below them.

A deleted API is off the gateway at once and its name and base path are free; its revisions stay readable by its id.
Bindings and settings belong to operation keys of the API, not to a revision: a rollback brings back a document, and
with each of its operations what is decided about it today.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import msgspec
from flask import Flask

from apimgmt.archive import Archive
from apimgmt.control import Intake, TakeIn
from apimgmt.control.access import answer
from apimgmt.control.accesspolicies import AccessPolicies
from apimgmt.control.addresses import check_free, given_name, join, name_from_title, new_id, normalised
from apimgmt.control.applications import Applications
from apimgmt.control.auditlog import AuditLog
from apimgmt.control.authorities import Authorities
from apimgmt.control.authorization.composition import authorization_server, signing_keys
from apimgmt.control.bindings import EVERY, read_bindings, read_triggers, resolve
from apimgmt.control.callers import caller_findings, callers_of
from apimgmt.control.catalogue import Catalogue, current, found, live
from apimgmt.control.clients import Clients
from apimgmt.control.connections import Connections
from apimgmt.control.discovery.discoveries import Discoveries
from apimgmt.control.endpoints import Endpoints
from apimgmt.control.findings import access_findings, overlap_findings, protocol_findings, reference_findings
from apimgmt.control.flows import Flows
from apimgmt.control.generated import Generating, refuse_by_hand
from apimgmt.control.issuers import Issuers
from apimgmt.control.keys import Keys
from apimgmt.control.metrics import Metrics
from apimgmt.control.passwords import Passwords
from apimgmt.control.plan import Plan, plan
from apimgmt.control.publish import Publication, Publisher
from apimgmt.control.renewal import Renewal
from apimgmt.control.resources import match
from apimgmt.control.rows import ApiRow, RevisionRow, now
from apimgmt.control.rulesets import Rulesets
from apimgmt.control.runs import Runs
from apimgmt.control.sessions import Sessions
from apimgmt.control.signon import SignOn
from apimgmt.control.store import Store
from apimgmt.control.transaction import Transaction
from apimgmt.control.users import Users
from apimgmt.control.views import (
    BoundView,
    PlanView,
    PublicationView,
    SnapshotView,
    UploadView,
    finding_views,
    is_current,
)
from apimgmt.errors import DocumentRefused, Problem
from apimgmt.model import ApiEntry, Binding, CompiledApi, Finding, Trigger
from apimgmt.processes.nested import with_nested
from apimgmt.settings import Settings

Authentication = Literal["document", "none"]
MOCK = Binding(kind="mock")


class Control(Catalogue):
    """Reads and writes; ``take_in`` makes a compiled API of uploaded bytes; ``functions`` are what python can run.

    ``admin_tokens`` are the SHA-256 of the administrator's tokens in hexadecimal.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        archive: Archive,
        take_in: TakeIn,
        functions: Collection[str] = (),
        wait_seconds: float = 10.0,
        admin_tokens: Collection[str] = (),
    ) -> None:
        super().__init__(settings, store, archive)
        self._take_in = take_in
        self.functions = sorted(functions)
        self._publisher = Publisher(store, archive, wait_seconds, settings)
        self._publisher.recover()
        self._clearing = threading.Lock()
        self.keys = Keys(store, self._publisher, settings.environment)
        self.rulesets = Rulesets(store, self._publisher)
        self.users = Users(store, self._publisher)
        self.authorities = Authorities(store, self._publisher)
        self.issuers = Issuers(store, self._publisher)
        self.applications = Applications(store, self._publisher)
        self.access_policies = AccessPolicies(store, self._publisher)
        self.clients = Clients(store, self._publisher)
        self.connections = Connections(store, self._publisher, settings)
        self.flows = Flows(store, self._publisher, settings)
        generating = Generating(store, self._publisher, settings, take_in, self._add_revision, self._mark)
        self.endpoints = Endpoints(store, generating, settings)
        self.discoveries = Discoveries(self.connections, take_in, archive, settings)
        self.sign_on = SignOn(settings, store, self._publisher, self.connections)
        self._signing = signing_keys(settings, store, self._publisher)
        self.renewal = Renewal(self.connections, self._signing)
        self.passwords = Passwords(settings, store)
        self.sessions = Sessions(store, self.passwords, admin_tokens)
        self.audit_log = AuditLog(store)
        self.metrics = Metrics(archive)
        self.runs = Runs(archive)

    def authorization(self) -> Flask:
        """The authorization server over this control plane."""
        return authorization_server(self._signing, self._store, self._publisher, self.clients, self.passwords)

    # ---- documents -----------------------------------------------------------------------------------------------

    def upload(
        self,
        content: bytes,
        media_type: str,
        *,
        name: str | None = None,
        base_path: str | None = None,
        prefix: str = "",
        bind: Literal["mock", "echo"] = "mock",
        authentication: Authentication = "document",
        allow_public: bool = False,
        publish: bool = False,
    ) -> UploadView:
        """A document becomes an API. Raises DocumentRefused or Problem; then nothing is stored."""
        intake = self._take_in(content, media_type, self._settings)
        compiled = msgspec.json.decode(intake.compiled, type=CompiledApi)
        with self._store.writing() as transaction:
            names = transaction.names()
            row = ApiRow(
                id=new_id("api"),
                name=name_from_title(compiled.title, names) if name is None else given_name(name, names),
                base_path=_base_path(compiled, base_path, prefix),
                prefix=normalised("prefix", prefix),
                fixed_base=base_path is not None,
                binding=Binding(kind=bind),
                trigger=Trigger(authentication=authentication, public=allow_public),
                revision=1,
                version=1,
                published=None,
                published_version=0,
                created=now(),
                deleted=None,
            )
            check_free(row.base_path, row.id, transaction.around(row.base_path))
            transaction.add_api(row)
            revision = self._add_revision(transaction, row, compiled, intake, content, media_type)
        refusal = self._try_to_publish(row) if publish else []
        return self._uploaded(row.id, compiled, [*revision.findings, *refusal])

    def replace(
        self,
        reference: str,
        content: bytes,
        media_type: str,
        *,
        base_path: str | None = None,
        plan_only: bool = False,
        publish: bool = False,
        if_match: str | None = None,
    ) -> PlanView:
        """The next revision of an API, or what it would change. Raises DocumentRefused, StoreConflict or Problem."""
        with self._store.reading() as transaction:
            row = live(transaction, reference)
            match(row, if_match)
            refuse_by_hand(row)
        intake = self._take_in(content, media_type, self._settings)
        compiled = msgspec.json.decode(intake.compiled, type=CompiledApi)
        with self._store.reading() if plan_only else self._store.writing() as transaction:
            row = live(transaction, reference)
            match(row, if_match)
            planned = self._plan(transaction, row, compiled)
            changes = self._next(transaction, row, compiled, base_path)
            if plan_only:
                row = msgspec.structs.replace(row, **changes)
                findings = [*intake.findings, *self._findings(transaction, row, compiled)]
                findings += self._nobody(transaction, row, compiled)
                return _plan_view(row, planned, findings, plan_only=True)
            row = transaction.change_api(row, **changes)
            revision = self._add_revision(transaction, row, compiled, intake, content, media_type)
        refusal = self._try_to_publish(row) if publish else []
        with self._store.reading() as transaction:
            row = found(transaction, row.id)
            nobody = self._nobody(transaction, row, compiled)
        return _plan_view(row, planned, [*revision.findings, *nobody, *refusal], plan_only=False)

    def delete(self, reference: str, if_match: str | None = None) -> None:
        """Take an API off the gateway and out of the lists; its revisions stay readable by its id."""

        def change(transaction: Transaction) -> None:
            row = live(transaction, reference)
            match(row, if_match)
            refuse_by_hand(row)
            transaction.change_api(row, deleted=now(), published=None)

        self._publisher.publish(change)

    # ---- what runs, and how --------------------------------------------------------------------------------------

    def bind(
        self, reference: str, body: Mapping[str, Any], *, publish: bool = False, if_match: str | None = None
    ) -> BoundView:
        """Bind operations: ``{key or operationId: {"kind": ..., fields of that kind}}``, all or none of them."""
        with self._store.writing() as transaction:
            row = live(transaction, reference)
            match(row, if_match)
            refuse_by_hand(row)
            known, flows = ([one.name for one in transaction.resources(kind.kind)] for kind in (Connections, Flows))
            compiled = self._compiled(transaction, row)
            bindings = read_bindings(body, compiled, known, flows)
            for key, binding in bindings.items():
                transaction.set_binding(row.id, key, binding)
            row = transaction.change_api(row)
        by_flows = [key for key, binding in bindings.items() if any(one.kind == "flow" for one in with_nested(binding))]
        return self._bound(row, bindings, publish, reference_findings(compiled, by_flows))

    def set_triggers(
        self, reference: str, body: Mapping[str, Any], *, publish: bool = False, if_match: str | None = None
    ) -> BoundView:
        """Change settings of operations: ``{key, operationId or "*": {setting: value}}``, all or none of them."""
        with self._store.writing() as transaction:
            row = live(transaction, reference)
            match(row, if_match)
            compiled = self._compiled(transaction, row)
            changed = read_triggers(body, self._entry(transaction, row), compiled, self._settings)
            for key in changed.keys() - {EVERY}:
                transaction.set_trigger(row.id, key, changed[key])
            row = transaction.change_api(row, trigger=changed.get(EVERY, row.trigger))
            own = transaction.triggers(row.id)
            nobody = self._nobody(transaction, row, compiled)
        inheriting = [one.key for one in compiled.operations if one.key not in own] if EVERY in changed else []
        findings = [*protocol_findings(compiled, row.trigger, own), *nobody]
        return self._bound(row, [*changed, *inheriting], publish, findings)

    def clear_cache(self, reference: str, operation: str | None = None, key: str | None = None) -> None:
        """Have every worker forget the cached answers of an API, of one operation, or of one key."""
        with self._store.reading() as transaction:
            row = live(transaction, reference)
            cleared = resolve(operation, self._compiled(transaction, row)).key if operation is not None else ""
        with self._clearing:
            self._archive.clear(row.id, cleared, key or "")

    # ---- what is served ------------------------------------------------------------------------------------------

    def publish(self, reference: str, if_match: str | None = None) -> PublicationView:
        """Serve an API as the store has it; returns when every worker does, or with those that are behind."""
        return self._published(*self._publish(reference, if_match))

    def rollback(self, reference: str, revision: int, if_match: str | None = None) -> PublicationView:
        """Make an earlier revision the current one and serve it."""

        def change(transaction: Transaction) -> ApiRow:
            row = live(transaction, reference)
            match(row, if_match)
            refuse_by_hand(row)
            if transaction.revision(row.id, revision) is None:
                raise Problem("not-found", f"{row.name!r} has no revision {revision}")
            if revision != row.revision:
                row = transaction.change_api(row, revision=revision)
            return self._mark(transaction, row)

        return self._published(*self._publisher.publish(change))

    def snapshot(self) -> SnapshotView:
        """What is published, and which worker serves what."""
        return self._publisher.snapshot()

    def access(self, method: str, path: str, who: str | None = None) -> dict[str, Any]:
        """Who may call an operation, or what comes of a call by one caller; see :func:`access.answer`."""
        return answer(self._archive, method, path, who)

    # ---- parts ---------------------------------------------------------------------------------------------------

    def _add_revision(
        self,
        transaction: Transaction,
        row: ApiRow,
        compiled: CompiledApi,
        intake: Intake,
        content: bytes,
        media_type: str,
    ) -> RevisionRow:
        """Keep an accepted document: first the compiled files, on disk, then the row that names them."""
        revision = RevisionRow(
            api=row.id,
            number=row.revision,
            digest=self._archive.put_api(intake.compiled, intake.document),
            media_type=media_type,
            title=_plain(compiled.title),
            document_version=_plain(compiled.version),
            specification=compiled.specification,
            own_base_path=compiled.base_path,
            operations=len(compiled.operations),
            findings=(*intake.findings, *self._findings(transaction, row, compiled)),
            created=now(),
        )
        transaction.add_revision(revision, content)
        return revision

    def _findings(self, transaction: Transaction, row: ApiRow, compiled: CompiledApi) -> list[Finding]:
        around = transaction.around(row.base_path)
        owners = {base: owner for base, owner in around.items() if owner[0] != row.id}

        def load(base_path: str) -> CompiledApi:
            return self._compiled(transaction, live(transaction, owners[base_path][0]))

        others = {base: name for base, (_, name) in owners.items()}
        return [
            *access_findings(compiled, row.trigger),
            *protocol_findings(compiled, row.trigger, transaction.triggers(row.id)),
            *overlap_findings(row.base_path, compiled, others, load),
        ]

    def _nobody(self, transaction: Transaction, row: ApiRow, compiled: CompiledApi) -> list[Finding]:
        """What is missing before anybody can call; it is true today, so it is not kept with the revision."""
        callers = callers_of(transaction, row, self._settings)
        return caller_findings(compiled, row, transaction.triggers(row.id), callers)

    def _plan(self, transaction: Transaction, row: ApiRow, compiled: CompiledApi) -> Plan:
        return plan(self._compiled(transaction, row), compiled, transaction.bindings(row.id), row.binding)

    def _next(self, transaction: Transaction, row: ApiRow, compiled: CompiledApi, given: str | None) -> dict[str, Any]:
        """What the next revision changes in the row; a base path that changes by itself is refused (F-009)."""
        changes: dict[str, Any] = {"revision": transaction.last_number(row.id) + 1}
        if given is not None:
            changes |= {"base_path": row.prefix + normalised("basePath", given), "fixed_base": True}
            check_free(changes["base_path"], row.id, transaction.around(changes["base_path"]))
        elif not row.fixed_base and _base_path(compiled, None, row.prefix) != row.base_path:
            new = _base_path(compiled, None, row.prefix)
            own = row.base_path.removeprefix(row.prefix) or "/"
            raise Problem(
                "conflict",
                f"the document's base path would move {row.name!r} from {row.base_path or '/'} to {new or '/'}: pass "
                f"basePath={own} to stay, basePath={compiled.base_path or '/'} to move, or upload it as a new API",
            )
        return changes

    def _mark(self, transaction: Transaction, row: ApiRow) -> ApiRow:
        """What the store has of an API becomes what is to be served."""
        entry = self._entry(transaction, row)
        if entry == row.published and is_current(row):
            return row
        return transaction.change_api(row, published=entry, published_version=row.version + 1)

    def _entry(self, transaction: Transaction, row: ApiRow) -> ApiEntry:
        """The API as the gateway gets it: what is decided about operations that are gone stays here."""
        bindings, triggers = transaction.bindings(row.id), transaction.triggers(row.id)
        keys: list[str] = []
        if bindings or triggers or row.binding != MOCK:
            keys = [operation.key for operation in self._compiled(transaction, row).operations]
        bound = {key: bindings.get(key, row.binding) for key in keys}
        return ApiEntry(
            id=row.id,
            name=row.name,
            base_path=row.base_path,
            revision=row.revision,
            digest=current(transaction, row).digest,
            trigger=row.trigger,
            bindings={key: binding for key, binding in bound.items() if binding != MOCK},
            triggers={key: triggers[key] for key in keys if key in triggers},
        )

    def _try_to_publish(self, row: ApiRow) -> list[Finding]:
        """Publish what was just stored; a refusal does not undo the upload, so it is a finding."""
        try:
            self._publish(row.id)
        except Problem as problem:
            return [Finding(severity="error", code="not-published", message=problem.detail)]
        return []

    def _uploaded(self, api: str, compiled: CompiledApi, findings: list[Finding]) -> UploadView:
        with self._store.reading() as transaction:
            row = found(transaction, api)
            operations = self._operations(transaction, row, compiled)
            findings = [*findings, *self._nobody(transaction, row, compiled)]
        return UploadView(
            id=row.id,
            name=row.name,
            base_path=row.base_path,
            url=self._gateway + row.base_path,
            revision=row.revision,
            published=is_current(row),
            operations=operations,
            findings=finding_views(findings),
            etag=row.etag,
        )

    def _publish(self, reference: str, if_match: str | None = None) -> tuple[ApiRow, Publication]:
        def change(transaction: Transaction) -> ApiRow:
            row = live(transaction, reference)
            match(row, if_match)
            return self._mark(transaction, row)

        return self._publisher.publish(change)

    def _published(self, row: ApiRow, publication: Publication) -> PublicationView:
        with self._store.reading() as transaction:
            nobody = self._nobody(transaction, row, self._compiled(transaction, row))
        return PublicationView(
            id=row.id,
            name=row.name,
            revision=row.revision,
            published=True,
            number=publication.number,
            digest=publication.digest,
            workers=publication.workers,
            behind=publication.behind,
            findings=finding_views(nobody),
            etag=row.etag,
        )

    def _bound(self, row: ApiRow, keys: Collection[str], publish: bool, findings: Sequence[Finding] = ()) -> BoundView:
        if publish:
            self._publish(row.id)
        with self._store.reading() as transaction:
            row = found(transaction, row.id)
            operations = self._operations(transaction, row, self._compiled(transaction, row))
        return BoundView(
            id=row.id,
            name=row.name,
            published=is_current(row),
            operations=[operation for operation in operations if operation.key in keys],
            findings=finding_views(list(findings)),
            etag=row.etag,
        )


def _base_path(compiled: CompiledApi, given: str | None, prefix: str) -> str:
    """Where an API will be: what a person says, or what the document says, behind the prefix."""
    if given is not None:
        return join(prefix, given)
    try:
        own = normalised("basePath", compiled.base_path)
    except Problem as problem:
        message = f"the base path of the document cannot be served ({problem.detail}); pass basePath"
        raise DocumentRefused([Finding(severity="error", code="base-path", message=message)]) from None
    return normalised("prefix", prefix) + own


def _plan_view(row: ApiRow, planned: Plan, findings: list[Finding], plan_only: bool) -> PlanView:
    return PlanView(
        id=row.id,
        name=row.name,
        base_path=row.base_path,
        revision=row.revision,
        plan=plan_only,
        published=is_current(row) and not plan_only,
        **planned._asdict(),
        findings=finding_views(findings),
        etag=row.etag,
    )


def _plain(text: str) -> str:
    """A text of a document without NUL, which PostgreSQL does not take."""
    return text.replace("\x00", "")
