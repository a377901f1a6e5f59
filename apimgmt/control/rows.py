"""What the store gives and takes: one frozen struct per table, with its JSON columns already read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec

from apimgmt.model import ApiEntry, Binding, Finding, Trigger


def now() -> str:
    """This moment as an RFC 3339 time in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class ApiRow(msgspec.Struct, frozen=True, kw_only=True):
    """A named API: where it is, what counts unless an operation says otherwise, and what of it is published.

    ``base_path`` is complete (``prefix`` included); ``fixed_base`` says that a person gave it, so that the documents'
    own base paths do not matter. ``version`` grows with every change (it is the ETag); ``published_version`` is the
    version that was published last. ``binding`` is what runs behind operations that nobody bound.
    """

    id: str
    name: str
    base_path: str
    prefix: str
    fixed_base: bool
    binding: Binding
    trigger: Trigger
    revision: int
    version: int
    published: ApiEntry | None
    published_version: int
    created: str
    deleted: str | None

    @property
    def etag(self) -> str:
        """The entity tag of this state (RFC 9110 section 8.8.3)."""
        return f'"{self.id}.{self.version}"'


class RevisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One uploaded document, without its bytes; ``digest`` names its compiled form in the archive."""

    api: str
    number: int
    digest: str
    media_type: str
    title: str
    document_version: str
    specification: str
    own_base_path: str
    operations: int
    findings: tuple[Finding, ...]
    created: str


class ResourceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A named thing of one kind (a key, a ruleset, a user, an issuer ...); ``content`` is the JSON of its struct."""

    id: str
    kind: str
    name: str
    content: str
    version: int
    created: str

    @property
    def etag(self) -> str:
        """The entity tag of this state (RFC 9110 section 8.8.3)."""
        return f'"{self.id}.{self.version}"'


class GrantRow(msgspec.Struct, frozen=True, kw_only=True):
    """What our authorization server gave out: a code, a refresh token or an access token.

    ``digest`` is the SHA-256 of a code or refresh token, and the ``jti`` of an access token. All that one consent led
    to is one ``family``; ``end`` says that a family is no more. ``account`` is the id of the user who consented, empty
    for a client by itself. ``expires`` and ``ended`` are Unix times; a grant ends when it is used up or revoked.
    """

    digest: str
    kind: Literal["code", "refresh", "access", "end"]
    family: str
    client: str
    account: str = ""
    content: str
    expires: float
    ended: float | None = None


class LoginRow(msgspec.Struct, frozen=True, kw_only=True):
    """A session or a personal token of a user: the SHA-256 of its text, never the text.

    ``used`` and ``expires`` are Unix times; a session ends some time after it was used last.
    """

    id: str
    digest: str
    user: str
    name: str
    kind: Literal["session", "token"]
    created: str
    used: float
    expires: float


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One change: who (name and address) did what (``action``, an operationId) to ``subject`` (kind and name).

    ``before`` and ``after`` are JSON without secrets, empty where there was nothing; ``digest`` covers this entry and
    the digest of the one before it.
    """

    number: int
    time: str
    who: str
    address: str
    action: str
    subject: str
    before: str
    after: str
    digest: str


class SnapshotRow(msgspec.Struct, frozen=True, kw_only=True):
    """One published snapshot; ``refused`` is the reason if a worker refused it."""

    number: int
    digest: str
    created: str
    refused: str = ""
