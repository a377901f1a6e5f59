"""Connections as the control plane stores them: their secrets encrypted, never shown, and bound to where they go."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import msgspec

from apimgmt.connections.authentication.renewing import Renewed
from apimgmt.connections.checking import check, check_entities, check_kind
from apimgmt.connections.configuration import Configuration, secrets_of
from apimgmt.connections.connection import Connection
from apimgmt.control.diagnosis import Diagnosis, diagnosed
from apimgmt.control.publish import Publisher
from apimgmt.control.resources import Resources, Shown, check_unbound, match, with_defaults, wrong
from apimgmt.control.rows import ResourceRow
from apimgmt.control.sealing import MASK, Sealing, destinations
from apimgmt.control.store import Store
from apimgmt.control.transaction import Transaction
from apimgmt.errors import ConnectionFailed, Problem, SettingInvalid
from apimgmt.model import ConnectionEntry, Struct
from apimgmt.reading import read
from apimgmt.registry import register
from apimgmt.settings import Settings

log = logging.getLogger("apimgmt.connections")
TOKEN_SECONDS = 60.0
SIGNED_IN = "oauth2AuthorizationCode"
LOST = "its secrets cannot be decrypted: give them again, or restore the key in secret_keys"


class Stored(Struct, frozen=True):
    """What is stored of a connection: ``settings`` with every secret encrypted, its entities by name, and when somebody
    signed in to it last."""

    settings: dict[str, Any]
    entities: dict[str, dict[str, Any]] = {}  # noqa: RUF012  msgspec copies it
    signed_on: str = ""


class Consent(Struct, frozen=True):
    """Who asks for a change and what they said to it: ``admin`` is a role, ``force`` that a credential may go where
    no certificate is checked, ``untested`` that the connection need not work now."""

    admin: bool = True
    force: bool = False
    untested: bool = True


OWN = Consent()


class Connections(Resources[Stored]):
    """All connections. A person sends the members of a :class:`Configuration` and ``entities``."""

    kind = "connection"
    noun = "a connection"
    content = Stored

    def __init__(self, store: Store, publisher: Publisher, settings: Settings) -> None:
        super().__init__(store, publisher)
        self._settings = settings
        self._sealing = Sealing(settings)

    # ---- what is particular to them ------------------------------------------------------------------------------

    def read(self, body: Mapping[str, Any], before: Stored | None, transaction: Transaction) -> Stored:
        """The body, checked by building the connection; secrets are encrypted."""
        entities = body.get("entities", {} if before is None else before.entities)
        settings = self._settled(body, before)
        self._built("", settings, entities).close()
        same = before is not None and destinations(before.settings) == destinations(settings)
        signed_on = before.signed_on if before is not None and same else ""
        return Stored(settings=settings, entities=entities, signed_on=signed_on)

    def view(self, row: ResourceRow) -> dict[str, Any]:
        """The connection with its defaults and warnings; a secret that is set is shown as ``***``."""
        stored = self.stored(row)
        shown = msgspec.json.decode(msgspec.json.encode(stored.settings))
        for holder, name, _ in secrets_of(shown):
            holder[name] = MASK if holder[name] else ""
        plain = read(shown, Configuration)
        view = with_defaults(plain)
        warnings = _warnings(plain)
        if self._sealing.lost(stored.settings):
            warnings.append(LOST)
        own = {"id": row.id, "name": row.name, "created": row.created, "warnings": warnings}
        return {**own, **view, "entities": stored.entities}

    def release(self, row: ResourceRow, transaction: Transaction) -> None:
        """Refused while operations are bound to it: they would fail from then on."""
        check_unbound(row, "connection", transaction)

    # ---- what people do with them --------------------------------------------------------------------------------

    def create(self, body: Mapping[str, Any], consent: Consent = OWN) -> Shown:
        """A new one, tested before it is stored."""
        self._look_at(body, None, consent)
        return super().create(body)

    def replace(
        self, reference: str, body: Mapping[str, Any], if_match: str | None = None, consent: Consent = OWN
    ) -> Shown:
        """The new state of one, tested before it is stored; a secret that is left out or masked stays as it is."""
        row = self.row(reference)
        match(row, if_match)
        self._look_at(body, row, consent)
        # what was looked at is what is stored: whoever comes in between makes this fail
        return super().replace(row.id, body, row.etag)

    def test(self, body: Mapping[str, Any], path: str = "", consent: Consent = OWN) -> Diagnosis:
        """Try what a body says; nothing is stored."""
        settings = self._settled(_without_name(body), None)
        self._built("", settings, body.get("entities", {})).close()
        _check_consent(settings, None, consent)
        return diagnosed(self._sealing.opened(settings), self._settings, path)

    def test_stored(self, reference: str, path: str = "") -> Diagnosis:
        """Try one as it is stored."""
        row = self.row(reference)
        try:
            settings = self._sealing.opened(self.stored(row).settings)
            return diagnosed(settings, self._settings, path, identity=row.id)
        except SettingInvalid as error:
            raise wrong(error.pointer, "setting", str(error)) from None

    def put_entity(
        self, reference: str, name: str, definition: Mapping[str, Any] | None, if_match: str | None
    ) -> ResourceRow:
        """Set an entity, or remove it (None); whether there is one of that name is the caller's to know."""

        def change(transaction: Transaction) -> ResourceRow:
            row = self.found(transaction, reference)
            match(row, if_match)
            stored = self.stored(row)
            others = {key: value for key, value in stored.entities.items() if key != name}
            if definition is None and len(others) == len(stored.entities):
                raise Problem("not-found", f"{row.name!r} has no entity {name!r}")
            entities = others if definition is None else {**others, name: dict(definition)}
            check_entities(stored.settings.get("type", "rest"), entities)
            changed = msgspec.structs.replace(stored, entities=dict(sorted(entities.items())))
            return self.put(transaction, row, changed, row.name)

        row, _ = self._publisher.publish(change)
        return row

    def delete(self, reference: str, if_match: str | None = None) -> None:
        """Remove one, and the tokens that were got for it."""
        row = self.row(reference)
        with self._tokens(row) as tokens:
            super().delete(row.id, if_match)
            if tokens is not None:
                tokens.discard()

    def renew_secrets(self) -> tuple[list[str], list[str]]:
        """Encrypt the secrets of all connections with the newest key; the names of those that were, and of those whose
        secrets no key decrypts."""
        renewed: list[str] = []
        lost: list[str] = []

        def change(transaction: Transaction) -> None:
            for row in transaction.resources(self.kind):
                stored = self.stored(row)
                settings = self._sealing.renewed(stored.settings)
                if settings is None:
                    lost.append(row.name)
                elif settings != stored.settings:
                    renewed.append(row.name)
                    self.put(transaction, row, msgspec.structs.replace(stored, settings=settings), row.name)

        self._publisher.publish(change)
        for name in renewed:
            with self._tokens(self.row(name)) as tokens:
                if tokens is not None:
                    tokens.rewrite()
        return renewed, lost

    def put_entities(self, reference: str, entities: Mapping[str, Any], if_match: str | None = None) -> ResourceRow:
        """Set several entities at once; the others stay as they are."""

        def change(transaction: Transaction) -> ResourceRow:
            row = self.found(transaction, reference)
            match(row, if_match)
            stored = self.stored(row)
            merged = {**stored.entities, **entities}
            check_entities(stored.settings.get("type", "rest"), merged)
            changed = msgspec.structs.replace(stored, entities=dict(sorted(merged.items())))
            return self.put(transaction, row, changed, row.name)

        row, _ = self._publisher.publish(change)
        return row

    def opened(self, reference: str, most_seconds: float) -> Connection:
        """A connection of one's own, to be closed, as it is stored; a call takes at most so many seconds."""
        row = self.row(reference)
        stored = self.stored(row)
        deadline = min(most_seconds, stored.settings.get("deadline", most_seconds))
        return self._built(row.name, {**stored.settings, "deadline": deadline}, stored.entities, row.id)

    def noted(self, name: str, what: str) -> None:
        """Write into the audit log that something was done through one."""
        with self._store.writing() as transaction:
            transaction.note(f"{self.kind} {name}", None, {"call": what})

    # ---- parts ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _tokens(self, row: ResourceRow) -> Iterator[Renewed | None]:
        """What keeps the tokens of a connection, None if it has none; that they cannot be had now stops nothing."""
        connection = None
        with suppress(Problem):
            # not if its secrets are lost
            connection = self.opened(row.id, TOKEN_SECONDS)
        try:
            found = connection.policy.authentication if connection is not None else None
            yield found if isinstance(found, Renewed) else None
        except ConnectionFailed as failure:
            log.error("the tokens of %s stay as they are: %s", row.name, failure)
        finally:
            if connection is not None:
                connection.close()

    def _look_at(self, body: Mapping[str, Any], row: ResourceRow | None, consent: Consent) -> None:
        """Everything that may refuse it: its shape, who says it, and whether it works."""
        members = _without_name(body)
        before = self.stored(row) if row is not None else None
        settings = self._settled(members, before)
        entities = members.get("entities", {} if before is None else before.entities)
        self._built("", settings, entities).close()
        _check_consent(settings, before.settings if before is not None else None, consent)
        if consent.untested:
            return
        # the tokens that were got for where it went before are not sent to where it goes now
        same = before is not None and destinations(before.settings) == destinations(settings)
        identity = row.id if row is not None and same else ""
        found = diagnosed(self._sealing.opened(settings), self._settings, identity=identity)
        # somebody can sign in only when it is there
        is_unsigned = settings.get("authentication", {}).get("kind") == SIGNED_IN and found.failed == "authenticated"
        if not found.ok and not is_unsigned:
            raise Problem("connection-failed", found.sentence, extra={"test": msgspec.to_builtins(found)})

    def _settled(self, body: Mapping[str, Any], before: Stored | None) -> dict[str, Any]:
        """The settings in the body, with their secrets encrypted."""
        members = {name: value for name, value in body.items() if name != "entities"}
        try:
            check_kind(read(members, Configuration).authentication)
            return self._sealing.sealed(members, before.settings if before is not None else None)
        except SettingInvalid as error:
            raise wrong(error.pointer, "setting", str(error)) from None

    def _built(self, name: str, settings: dict[str, Any], entities: Any, identity: str = "") -> Connection:
        try:
            configuration = read(self._sealing.opened(settings), Configuration)
            check(configuration)
            check_entities(configuration.type, entities)
            return Connection(name, configuration, entities, self._settings, identity)
        except SettingInvalid as error:
            raise wrong(error.pointer, "setting", str(error)) from None


def _check_consent(settings: dict[str, Any], before: dict[str, Any] | None, consent: Consent) -> None:
    """Refuse what is dangerous to a person who may not say it, or who does not insist (T46); what was said before
    stands while it goes to the same place."""
    known: dict[str, Any] = before if before and destinations(before) == destinations(settings) else {}
    was_unverified = bool(known) and not known.get("tls", {}).get("verify", True)
    is_unverified = not settings.get("tls", {}).get("verify", True)
    added = set(settings.get("internalHosts", ())) - set((before or {}).get("internalHosts", ()))
    for place, asked in (("/tls/verify", is_unverified and not was_unverified), ("/internalHosts", added)):
        if asked and not consent.admin:
            raise Problem("forbidden", f"{place[1:].replace('/', '.')}: an administrator must set this")
    was_insisted_on = was_unverified and has_credential(known)
    if is_unverified and has_credential(settings) and not was_insisted_on and not (consent.force and consent.admin):
        detail = "whoever is in between could read the credential: give `tls.authorities` instead, or have an "
        raise wrong("/tls/verify", "unverified", detail + "administrator insist (force)")


def _warnings(configuration: Configuration) -> list[str]:
    """What an administrator should know whenever the connection is listed."""
    found = []
    if not configuration.tls.verify:
        found.append("the certificate of the other system is not checked (tls.verify)")
    if configuration.internal_hosts:
        found.append(f"may call internal hosts: {', '.join(configuration.internal_hosts)} (internalHosts)")
    if has_credential(msgspec.to_builtins(configuration)) and configuration.base_url.startswith("http://"):
        found.append("its credential is sent unencrypted (http)")
    return found


def has_credential(settings: dict[str, Any]) -> bool:
    """Whether something is sent that nobody else should know."""
    kind = settings.get("authentication", {}).get("kind", "none")
    return bool(kind != "none" or settings.get("secretHeaders") or settings.get("tls", {}).get("key"))


@register("snapshot", "connections")
def connections(transaction: Transaction) -> tuple[ConnectionEntry, ...]:
    """The snapshot's field."""
    rows = [(row, msgspec.json.decode(row.content, type=Stored)) for row in transaction.resources(Connections.kind)]
    return tuple(
        ConnectionEntry(
            id=row.id,
            name=row.name,
            settings=stored.settings,
            entities=stored.entities,
            signed_on=stored.signed_on,
        )
        for row, stored in rows
    )


def _without_name(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "name"}
