"""The answers of the admin API: one frozen struct per shape, in camelCase, as ``openapi.yaml`` describes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from apimgmt.control.rows import ApiRow, RevisionRow
from apimgmt.model import ApiEntry, Binding, Finding, Operation, Rule, Trigger


class View(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A shape of an answer; every member is always there."""

    def plain(self) -> dict[str, Any]:
        """The answer as JSON values."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values


class FindingView(View, frozen=True):
    """One thing that the intake has to say; ``line`` and ``column`` are 0 where there is no place."""

    severity: str
    code: str
    message: str
    pointer: str
    line: int
    column: int
    file: str


class OperationView(View, frozen=True):
    """A locked operation and what people decided about it; ``binding`` is ``{"kind": ..., fields of that kind}``."""

    key: str
    method: str
    path: str
    operation_id: str | None
    summary: str
    url: str
    binding: dict[str, Any]
    public: bool


class OperationDetail(OperationView, frozen=True):
    """One operation with its settings and with what the document says about it, word for word and read-only (F-053)."""

    trigger: dict[str, Any]
    specification: Any


class ApiView(View, frozen=True):
    """An API as it stands; ``published`` says that its current state is what the gateway serves."""

    id: str
    name: str
    base_path: str
    url: str
    revision: int
    published: bool
    published_revision: int | None
    title: str
    version: str
    specification: str
    operation_count: int
    binding: dict[str, Any]
    authentication: str | tuple[str, ...]
    allow_public: bool
    trigger: dict[str, Any]
    created: str
    deleted: str | None
    etag: str


class UploadView(View, frozen=True):
    """What became of an upload."""

    id: str
    name: str
    base_path: str
    url: str
    revision: int
    published: bool
    operations: list[OperationView]
    findings: list[FindingView]
    etag: str


class PlanEntry(View, frozen=True):
    """What happens to one operation and to its binding; ``changes`` are only those of a changed one."""

    key: str
    binding: dict[str, Any]
    happens: str
    renamed: str | None = None
    changes: list[dict[str, Any]] = []


class PlanView(View, frozen=True):
    """What a revision changes; with ``plan`` nothing was stored and ``revision`` is the number it would get."""

    id: str
    name: str
    base_path: str
    revision: int
    plan: bool
    published: bool
    added: list[PlanEntry]
    changed: list[PlanEntry]
    removed: list[PlanEntry]
    kept: list[PlanEntry]
    findings: list[FindingView]
    etag: str


class BoundView(View, frozen=True):
    """The operations whose binding or settings were changed, as they are now; ``published`` says whether they serve.

    ``findings`` is what the change leaves to be said.
    """

    id: str
    name: str
    published: bool
    operations: list[OperationView]
    findings: list[FindingView]
    etag: str


class RevisionView(View, frozen=True):
    """One uploaded document."""

    number: int
    current: bool
    published: bool
    title: str
    version: str
    specification: str
    media_type: str
    operation_count: int
    created: str
    findings: list[FindingView]


class WorkerView(View, frozen=True):
    """A gateway worker seen from here: it serves the snapshot, is behind, or refused it."""

    pid: int
    state: Literal["serving", "behind", "rejected"]
    digest: str
    number: int
    rejected: str
    reason: str


class SnapshotView(View, frozen=True):
    """The published snapshot and who serves it."""

    number: int
    digest: str
    created: str
    apis: list[dict[str, Any]]
    workers: list[WorkerView]


class PublicationView(View, frozen=True):
    """The outcome of a publish: ``behind`` are the workers (pids) that did not show the snapshot in time, ``findings``
    what is missing before anybody can call."""

    id: str
    name: str
    revision: int
    published: bool
    number: int
    digest: str
    workers: list[WorkerView]
    behind: list[int]
    findings: list[FindingView]
    etag: str


def binding_view(binding: Binding) -> dict[str, Any]:
    """``{"kind": ..., field: value, ...}``."""
    return {"kind": binding.kind, **binding.config}


def finding_views(findings: tuple[Finding, ...] | list[Finding]) -> list[FindingView]:
    """Findings with every member, errors first, else in their order."""
    order = {"error": 0, "warning": 1, "info": 2}
    return [
        FindingView(**msgspec.structs.asdict(finding))
        for finding in sorted(findings, key=lambda finding: order[finding.severity])
    ]


def is_public(operation: Operation, trigger: Trigger) -> bool:
    """Whether anybody may call: authentication is off, or the trigger allows what the document leaves open or says."""
    if trigger.authentication == "none":
        return True
    return trigger.public and (not operation.security or any(not alternative for alternative in operation.security))


def operation_view(operation: Operation, url: str, binding: Binding, trigger: Trigger) -> OperationView:
    """One operation; ``url`` is where its API is."""
    return OperationView(
        key=operation.key,
        method=operation.method,
        path=operation.path,
        operation_id=operation.operation_id,
        summary=operation.summary,
        url=url + operation.path,
        binding=binding_view(binding),
        public=is_public(operation, trigger),
    )


def api_view(row: ApiRow, revision: RevisionRow, url: str) -> ApiView:
    """One API with its current revision."""
    return ApiView(
        id=row.id,
        name=row.name,
        base_path=row.base_path,
        url=url,
        revision=row.revision,
        published=is_current(row),
        published_revision=row.published.revision if row.published else None,
        title=revision.title,
        version=revision.document_version,
        specification=revision.specification,
        operation_count=revision.operations,
        binding=binding_view(row.binding),
        authentication=row.trigger.authentication,
        allow_public=row.trigger.public,
        trigger=trigger_view(row.trigger),
        created=row.created,
        deleted=row.deleted,
        etag=row.etag,
    )


def is_current(row: ApiRow) -> bool:
    """Whether what is published of the API is what the store holds of it now."""
    return row.published is not None and row.published_version == row.version


def revision_view(row: RevisionRow, api: ApiRow) -> RevisionView:
    """One revision of ``api``."""
    return RevisionView(
        number=row.number,
        current=row.number == api.revision,
        published=api.published is not None and api.published.revision == row.number,
        title=row.title,
        version=row.document_version,
        specification=row.specification,
        media_type=row.media_type,
        operation_count=row.operations,
        created=row.created,
        findings=finding_views(row.findings),
    )


def entry_view(entry: ApiEntry) -> dict[str, Any]:
    """One published API in the view of the snapshot."""
    return {"id": entry.id, "name": entry.name, "basePath": entry.base_path, "revision": entry.revision}


def operation_detail(view: OperationView, trigger: Trigger, specification: Any) -> OperationDetail:
    """One operation with everything there is to know about it."""
    return OperationDetail(**msgspec.structs.asdict(view), trigger=trigger_view(trigger), specification=specification)


def trigger_view(trigger: Trigger) -> dict[str, Any]:
    """Settings with every member, also those that have their defaults."""
    values = msgspec.structs.asdict(trigger)
    return {field.encode_name: values[field.name] for field in msgspec.structs.fields(Trigger)}


def rule_views(rules: Iterable[Rule]) -> list[dict[str, Any]]:
    """Rules as they are shown: what they allow, and what narrows them, if anything does."""
    return [
        {"methods": list(rule.methods), "path": rule.path}
        | ({"api": rule.api} if rule.api else {})
        | ({"operation": rule.operation} if rule.operation else {})
        for rule in rules
    ]
