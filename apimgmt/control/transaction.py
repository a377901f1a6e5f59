"""One transaction of the store: every query and every write there is, in the words of the product."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from apimgmt.control.audit import actor, chained, masked
from apimgmt.control.rows import ApiRow, AuditRow, GrantRow, LoginRow, ResourceRow, RevisionRow, SnapshotRow, now
from apimgmt.control.tables import apis, audit, bindings, grants, logins, resources, revisions, snapshots, triggers
from apimgmt.model import ApiEntry, Binding, Finding, Trigger

LONGEST_GRANT_SECONDS = 30 * 86_400.0
REVISION_COLUMNS = [column for column in revisions.columns if column.name != "content"]


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


@lru_cache(maxsize=10_000)
def _entry(text: str) -> ApiEntry:
    """What is published of an API; nearly all of them are the same in every snapshot."""
    return msgspec.json.decode(text, type=ApiEntry)


def _api(row: Row[Any]) -> ApiRow:
    values = dict(row._mapping)
    del values["environment"]
    values["binding"] = msgspec.json.decode(row.binding, type=Binding)
    values["trigger"] = msgspec.json.decode(row.trigger, type=Trigger)
    values["published"] = _entry(row.published) if row.published else None
    return ApiRow(**values)


def _revision(row: Row[Any]) -> RevisionRow:
    findings = msgspec.json.decode(row.findings, type=tuple[Finding, ...])
    return RevisionRow(**{**row._mapping, "findings": findings})


class Transaction:
    """What can be read and written while the connection is in a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # ---- audit ---------------------------------------------------------------------------------------------------

    def note(self, subject: str, before: Any, after: Any) -> None:
        """Write down a change, with who is at work; every writing method here that changes a decision does."""
        if before == after:
            return
        query = select(audit.c.number, audit.c.digest).order_by(audit.c.number.desc()).limit(1)
        last = self._connection.execute(query).one_or_none()
        who = actor.get()
        row = AuditRow(
            number=last.number + 1 if last else 1,
            time=now(),
            who=who.name[:200],
            address=who.address[:100],
            action=who.action[:100],
            subject=subject[:300],
            before=_text(masked(before)) if before is not None else "",
            after=_text(masked(after, before)) if after is not None else "",
            digest="",
        )
        row = msgspec.structs.replace(row, digest=chained(last.digest if last else "", row))
        self._connection.execute(insert(audit).values(**msgspec.structs.asdict(row)))

    def notes(self, after: int, limit: int, subject: str) -> list[AuditRow]:
        """At most ``limit`` entries with numbers above ``after`` whose subject begins so, oldest first."""
        wanted = (audit.c.number > after) & audit.c.subject.startswith(subject, autoescape=True)
        query = select(audit).where(wanted).order_by(audit.c.number).limit(limit)
        return [AuditRow(**row._mapping) for row in self._connection.execute(query)]

    # ---- APIs ----------------------------------------------------------------------------------------------------

    def apis(self) -> list[ApiRow]:
        """The live APIs, by name."""
        rows = self._connection.execute(select(apis).where(apis.c.deleted.is_(None)).order_by(apis.c.name))
        return [_api(row) for row in rows]

    def api(self, reference: str) -> ApiRow | None:
        """The API with that id (deleted or not), otherwise the live one with that name."""
        query = select(apis).where(or_(apis.c.id == reference, (apis.c.name == reference) & apis.c.deleted.is_(None)))
        rows = [_api(row) for row in self._connection.execute(query)]
        return next((row for row in rows if row.id == reference), rows[0] if rows else None)

    def around(self, base_path: str) -> dict[str, tuple[str, str]]:
        """Base path -> id and name of the live APIs that are at a base path, above it or below it."""
        segments = base_path.split("/")
        above = ["/".join(segments[:count]) for count in range(1, len(segments) + 1)]
        below = apis.c.base_path.startswith(f"{base_path}/", autoescape=True)
        query = select(apis.c.base_path, apis.c.id, apis.c.name).where(apis.c.deleted.is_(None))
        rows = self._connection.execute(query.where(apis.c.base_path.in_(above) | below))
        return {row.base_path: (row.id, row.name) for row in rows}

    def names(self) -> set[str]:
        """The names of the live APIs."""
        return set(self._connection.scalars(select(apis.c.name).where(apis.c.deleted.is_(None))))

    def add_api(self, row: ApiRow) -> None:
        """A new API."""
        self._connection.execute(insert(apis).values(**_columns(msgspec.structs.asdict(row))))
        self.note(f"api {row.name}", None, _decisions(row))

    def change_api(self, row: ApiRow, **changes: Any) -> ApiRow:
        """The row with ``changes`` and the next version, as stored."""
        changed = msgspec.structs.replace(row, version=row.version + 1, **changes)
        values = _columns({name: getattr(changed, name) for name in (*changes, "version")})
        self._connection.execute(update(apis).where(apis.c.id == row.id).values(**values))
        self.note(f"api {row.name}", _decisions(row), _decisions(changed))
        return changed

    def entries(self) -> list[ApiEntry]:
        """What is published of every live API, by base path: the ``apis`` of the next snapshot."""
        query = select(apis.c.published).where(apis.c.deleted.is_(None), apis.c.published.is_not(None))
        entries = [_entry(text) for text in self._connection.scalars(query) if text]
        return sorted(entries, key=lambda entry: (entry.base_path, entry.id))

    # ---- revisions -----------------------------------------------------------------------------------------------

    def revisions(self, api: str) -> list[RevisionRow]:
        """All revisions of an API, oldest first."""
        query = select(*REVISION_COLUMNS).where(revisions.c.api == api).order_by(revisions.c.number)
        return [_revision(row) for row in self._connection.execute(query)]

    def revision(self, api: str, number: int) -> RevisionRow | None:
        """One revision."""
        query = select(*REVISION_COLUMNS).where(revisions.c.api == api, revisions.c.number == number)
        row = self._connection.execute(query).one_or_none()
        return _revision(row) if row else None

    def current_revisions(self) -> dict[str, RevisionRow]:
        """The current revision of every live API, by the API's id."""
        query = select(*REVISION_COLUMNS).join(
            apis, (apis.c.id == revisions.c.api) & (apis.c.revision == revisions.c.number)
        )
        return {row.api: _revision(row) for row in self._connection.execute(query.where(apis.c.deleted.is_(None)))}

    def last_number(self, api: str) -> int:
        """The highest revision number that was ever given."""
        return self._connection.scalar(select(func.max(revisions.c.number)).where(revisions.c.api == api)) or 0

    def content(self, api: str, number: int) -> bytes | None:
        """The bytes of a revision as they were uploaded."""
        query = select(revisions.c.content).where(revisions.c.api == api, revisions.c.number == number)
        content = self._connection.scalar(query)
        return None if content is None else bytes(content)

    def add_revision(self, row: RevisionRow, content: bytes) -> None:
        """A new revision with its bytes."""
        values = {**msgspec.structs.asdict(row), "findings": _text(row.findings), "content": content}
        self._connection.execute(insert(revisions).values(**values))
        self.note(f"revision {row.api}/{row.number}", None, {"digest": row.digest, "title": row.title})

    # ---- bindings and triggers -----------------------------------------------------------------------------------

    def bindings(self, api: str) -> dict[str, Binding]:
        """What people bound, by operation key; operations that are gone included."""
        rows = self._connection.execute(select(bindings).where(bindings.c.api == api).order_by(bindings.c.operation))
        return {row.operation: msgspec.json.decode(row.binding, type=Binding) for row in rows}

    def triggers(self, api: str) -> dict[str, Trigger]:
        """The settings of single operations, by operation key; operations that are gone included."""
        rows = self._connection.execute(select(triggers).where(triggers.c.api == api).order_by(triggers.c.operation))
        return {row.operation: msgspec.json.decode(row.trigger, type=Trigger) for row in rows}

    def set_binding(self, api: str, operation: str, binding: Binding) -> None:
        """Bind an operation, whatever it was bound to before."""
        where = (bindings.c.api == api) & (bindings.c.operation == operation)
        before = self._connection.scalar(select(bindings.c.binding).where(where))
        self.note(f"binding {api} {operation}", _plain(before), msgspec.to_builtins(binding))
        self._connection.execute(delete(bindings).where(where))
        self._connection.execute(insert(bindings).values(api=api, operation=operation, binding=_text(binding)))

    def set_trigger(self, api: str, operation: str, trigger: Trigger | None) -> None:
        """Set the settings of one operation; None leaves it those of its API."""
        where = (triggers.c.api == api) & (triggers.c.operation == operation)
        before = self._connection.scalar(select(triggers.c.trigger).where(where))
        after = msgspec.to_builtins(trigger) if trigger is not None else None
        self.note(f"trigger {api} {operation}", _plain(before), after)
        self._connection.execute(delete(triggers).where(where))
        if trigger is not None:
            self._connection.execute(insert(triggers).values(api=api, operation=operation, trigger=_text(trigger)))

    # ---- resources -----------------------------------------------------------------------------------------------

    def resources(self, kind: str | None = None) -> list[ResourceRow]:
        """All resources, or those of one kind, by name."""
        query = select(resources).order_by(resources.c.kind, resources.c.name)
        if kind is not None:
            query = query.where(resources.c.kind == kind)
        return [ResourceRow(**row._mapping) for row in self._connection.execute(query)]

    def resource(self, kind: str, reference: str) -> ResourceRow | None:
        """The resource with that id, otherwise the one with that name."""
        named = or_(resources.c.id == reference, resources.c.name == reference)
        rows = [
            ResourceRow(**row._mapping)
            for row in self._connection.execute(select(resources).where(resources.c.kind == kind, named))
        ]
        return next((row for row in rows if row.id == reference), rows[0] if rows else None)

    def put_resource(self, row: ResourceRow) -> None:
        """A new resource, or the new state of one."""
        before = self._content(row.id)
        self._connection.execute(delete(resources).where(resources.c.id == row.id))
        self.note(f"{row.kind} {row.name}", before, _plain(row.content))
        self._connection.execute(insert(resources).values(**msgspec.structs.asdict(row)))

    def remove_resource(self, identity: str) -> None:
        """Forget a resource, by its id."""
        row = self._connection.execute(select(resources).where(resources.c.id == identity)).one_or_none()
        if row is not None:
            self.note(f"{row.kind} {row.name}", _plain(row.content), None)
        self._connection.execute(delete(resources).where(resources.c.id == identity))

    def _content(self, identity: str) -> Any:
        return _plain(self._connection.scalar(select(resources.c.content).where(resources.c.id == identity)))

    # ---- logins --------------------------------------------------------------------------------------------------

    def add_login(self, row: LoginRow) -> None:
        """A new session or personal token."""
        self._connection.execute(insert(logins).values(**msgspec.structs.asdict(row)))
        self.note(f"{row.kind} {row.name}", None, {"user": row.user, "expires": row.expires})

    def login(self, digest: str) -> LoginRow | None:
        """The login with that digest."""
        row = self._connection.execute(select(logins).where(logins.c.digest == digest)).one_or_none()
        return LoginRow(**row._mapping) if row else None

    def logins(self, user: str) -> list[LoginRow]:
        """The logins of a user, the oldest first."""
        rows = self._connection.execute(select(logins).where(logins.c.user == user).order_by(logins.c.created))
        return [LoginRow(**row._mapping) for row in rows]

    def touch_login(self, identity: str, used: float) -> None:
        """Note when it was used."""
        self._connection.execute(update(logins).where(logins.c.id == identity).values(used=used))

    def remove_login(self, row: LoginRow) -> None:
        """End a login."""
        self._connection.execute(delete(logins).where(logins.c.id == row.id))
        self.note(f"{row.kind} {row.name}", {"user": row.user, "expires": row.expires}, None)

    # ---- grants --------------------------------------------------------------------------------------------------

    def add_grant(self, row: GrantRow, moment: float) -> None:
        """Keep a grant, and forget those that expired before that Unix time."""
        self._connection.execute(delete(grants).where(grants.c.expires < moment))
        self._connection.execute(insert(grants).values(**msgspec.structs.asdict(row)))

    def grant(self, digest: str) -> GrantRow | None:
        """The grant with that digest, ended or not."""
        row = self._connection.execute(select(grants).where(grants.c.digest == digest)).one_or_none()
        return GrantRow(**row._mapping) if row else None

    def end_grant(self, digest: str, moment: float) -> bool:
        """Use it up; False if that was done before. Two can try at once, one succeeds."""
        unused = (grants.c.digest == digest) & grants.c.ended.is_(None)
        return self._connection.execute(update(grants).where(unused).values(ended=moment)).rowcount == 1

    def end_family(self, family: str, moment: float) -> None:
        """End everything that one consent led to; a mark says so to what is still being made."""
        living = (grants.c.family == family) & grants.c.ended.is_(None)
        self._connection.execute(update(grants).where(living).values(ended=moment))
        if self.grant(family) is None:
            expires = moment + LONGEST_GRANT_SECONDS
            self.add_grant(
                GrantRow(digest=family, kind="end", family=family, client="", content="", expires=expires), moment
            )

    def end_account(self, user: str, moment: float) -> None:
        """End everything that a user has: sessions, personal tokens, and all consents with what they led to."""
        for login in self.logins(user):
            self.remove_login(login)
        query = select(grants.c.family).where(grants.c.account == user).distinct()
        for family in self._connection.scalars(query).all():
            self.end_family(family, moment)

    def ended_access(self, moment: float) -> dict[str, float]:
        """The access tokens that were revoked before they expire: ``jti`` -> Unix time at which they do."""
        ended = (grants.c.kind == "access") & grants.c.ended.is_not(None) & (grants.c.expires > moment)
        return {row.digest: row.expires for row in self._connection.execute(select(grants).where(ended))}

    # ---- snapshots -----------------------------------------------------------------------------------------------

    def snapshot(self) -> SnapshotRow | None:
        """The snapshot that should be served: the last one that nobody refused."""
        query = select(snapshots).where(snapshots.c.refused == "").order_by(snapshots.c.number.desc()).limit(1)
        row = self._connection.execute(query).one_or_none()
        return SnapshotRow(**row._mapping) if row else None

    def last_digests(self, count: int) -> list[str]:
        """The digests of the last ``count`` snapshots, refused ones included."""
        query = select(snapshots.c.digest).order_by(snapshots.c.number.desc()).limit(count)
        return list(self._connection.scalars(query))

    def next_number(self) -> int:
        """The number of the next snapshot: numbers only grow, refused ones count."""
        return (self._connection.scalar(select(func.max(snapshots.c.number))) or 0) + 1

    def add_snapshot(self, row: SnapshotRow) -> None:
        """A new snapshot; two with one number cannot be (the primary key is the compare-and-swap)."""
        self._connection.execute(insert(snapshots).values(**msgspec.structs.asdict(row)))

    def refuse_snapshot(self, number: int, reason: str) -> None:
        """Note that a worker refused it."""
        self._connection.execute(update(snapshots).where(snapshots.c.number == number).values(refused=reason))


def _plain(text: str | None) -> Any:
    return msgspec.json.decode(text) if text else None


def _decisions(row: ApiRow) -> dict[str, Any]:
    """What people decided about an API, for the audit log."""
    return {
        "name": row.name,
        "basePath": row.base_path,
        "revision": row.revision,
        "published": row.published.revision if row.published else None,
        "binding": msgspec.to_builtins(row.binding),
        "trigger": msgspec.to_builtins(row.trigger),
        "deleted": row.deleted,
    }


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    """The values of an ApiRow as its columns hold them."""
    structured = ("binding", "trigger", "published")
    return {name: _text(value) if name in structured and value is not None else value for name, value in values.items()}
