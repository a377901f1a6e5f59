"""OAuth applications: the clients of an issuer whose tokens are looked at here at all (F-038)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from apimgmt.control.issuers import issuers
from apimgmt.control.resources import Resources, wrong
from apimgmt.control.rows import ResourceRow
from apimgmt.control.transaction import Transaction
from apimgmt.errors import Problem
from apimgmt.model import ApplicationEntry, Struct
from apimgmt.registry import find, names, register


class Application(Struct, frozen=True):
    """What is stored of an application: what its issuer calls it, and the name of that issuer."""

    client: str
    issuer: str


class Applications(Resources[Application]):
    """All applications that people registered."""

    kind = "application"
    noun = "an application"
    content = Application

    def read(self, body: Mapping[str, Any], before: Application | None, transaction: Transaction) -> Application:
        """``{"client": ..., "issuer": name or id of an issuer}``; a client of an issuer is registered once."""
        wanted = self.converted(body, Application)
        if not wanted.client:
            raise wrong("/client", "minLength", "must be what the issuer calls the application in its tokens")
        issuer = next((entry for entry in issuers(transaction) if wanted.issuer in (entry.id, entry.name)), None)
        if issuer is None:
            raise wrong("/issuer", "enum", f"there is no issuer {wanted.issuer[:100]!r}")
        wanted = Application(client=wanted.client, issuer=issuer.name)
        if wanted != before and any(
            (one.client, one.issuer) == (wanted.client, issuer.id) for one in applications(transaction)
        ):
            raise Problem("conflict", f"the client {wanted.client[:100]!r} of {issuer.name!r} is registered already")
        return wanted

    def claim(self, name: str, transaction: Transaction, identity: str = "") -> None:
        """Clients of our own server are applications, too, so no two of both have one name."""
        super().claim(name, transaction, identity)
        if any(row.name == name for row in transaction.resources("client")):
            raise Problem("conflict", f"there is a client named {name!r}, which is an application by itself")

    def release(self, row: ResourceRow, transaction: Transaction) -> None:
        """An application that an access policy names keeps its name."""
        policies = policies_with(row.name, transaction)
        if policies:
            raise Problem(
                "conflict", f"the application {row.name!r} is in use: take it from the policies {policies} first"
            )


def policies_with(application: str, transaction: Transaction) -> str:
    """The names of access policies that name an application, for people; empty if there are none."""
    found = [
        row.name
        for row in transaction.resources("accesspolicy")
        if application in msgspec.json.decode(row.content).get("applications", ())
    ]
    return ", ".join(found[:10])


@register("snapshot", "applications")
def applications(transaction: Transaction) -> tuple[ApplicationEntry, ...]:
    """The snapshot's field: the registered ones, and those of functions registered as ``("application", name)``."""
    by_name = {entry.name: entry.id for entry in issuers(transaction)}
    registered = []
    for row in transaction.resources(Applications.kind):
        stored = msgspec.json.decode(row.content, type=Application)
        if stored.issuer in by_name:
            registered.append(
                ApplicationEntry(id=row.id, name=row.name, client=stored.client, issuer=by_name[stored.issuer])
            )
    built_in = (entry for name in names("application") for entry in find("application", name)(transaction))
    return (*registered, *built_in)
