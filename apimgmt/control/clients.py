"""Clients of our own authorization server: applications that get tokens from us (RFC 6749 section 2).

Each is an OAuth application of the built-in issuer by itself, under the same name, so that access policies can name it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from apimgmt.control.applications import Applications, policies_with
from apimgmt.control.resources import Resources, Shown, match, wrong
from apimgmt.control.rows import ResourceRow
from apimgmt.control.transaction import Transaction
from apimgmt.digest import digest_of
from apimgmt.errors import Problem
from apimgmt.model import ApplicationEntry, Struct
from apimgmt.registry import register

OWN_ISSUER = "own"
# What a URL is written with (RFC 3986 section 2), and an address in it, which goes into the consent page's policy.
URL = re.compile(r"[A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]+")
ADDRESS = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
SCOPE = re.compile(r"[!#-\[\]-~]{1,100}")
LOCAL = ("localhost", "127.0.0.1", "::1")

Grant = Literal["authorization_code", "client_credentials", "refresh_token"]


class Client(Struct, frozen=True):
    """What is stored of a client: ``secret`` is the SHA-256 of its secret, empty for a public one."""

    grants: tuple[Grant, ...]
    redirects: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    public: bool = False
    secret: str = ""


class Clients(Resources[Client]):
    """All clients; a secret is shown when it is made, and kept as its SHA-256."""

    kind = "client"
    noun = "a client"
    content = Client

    def create(self, body: Mapping[str, Any]) -> Shown:
        """A new client; unless it is public, the answer has its secret, this once."""
        secret = "" if body.get("public") is True else secrets.token_urlsafe(32)
        shown = super().create({**body, "secret": secret})
        return Shown({**shown.view, "clientSecret": secret}, shown.etag) if secret else shown

    def renew_secret(self, reference: str, if_match: str | None = None) -> Shown:
        """A new secret, shown this once; the one before counts no more."""
        secret = secrets.token_urlsafe(32)

        def change(transaction: Transaction) -> ResourceRow:
            row = self.found(transaction, reference)
            match(row, if_match)
            client = self.stored(row)
            if client.public:
                raise Problem("conflict", "a public client has no secret")
            return self.put(transaction, row, msgspec.structs.replace(client, secret=digest_of(secret)), row.name)

        row, _ = self._publisher.publish(change)
        return Shown({**self.view(row), "clientSecret": secret}, row.etag)

    def read(self, body: Mapping[str, Any], before: Client | None, transaction: Transaction) -> Client:
        """``{"grants": [...], "redirects": [...], "scopes": [...], "public": ...}``."""
        if before is not None and "secret" in body:
            raise wrong("/secret", "unknown", "a secret is made by the platform; ask for a new one instead")
        wanted = self.converted(body, Client)
        _check(wanted)
        if before is None:
            return msgspec.structs.replace(wanted, secret=digest_of(wanted.secret) if wanted.secret else "")
        if wanted.public != before.public:
            raise wrong("/public", "const", "a client stays public or not; make another one")
        return msgspec.structs.replace(wanted, secret=before.secret)

    def claim(self, name: str, transaction: Transaction, identity: str = "") -> None:
        """A name that an access policy still says would come with what the one before was allowed."""
        super().claim(name, transaction, identity)
        if any(row.name == name for row in transaction.resources(Applications.kind)):
            raise Problem("conflict", f"there is an application named {name!r}")
        policies = policies_with(name, transaction)
        if policies:
            raise Problem("conflict", f"take the name {name!r} from the policies {policies} first")

    def view(self, row: ResourceRow) -> dict[str, Any]:
        """The client without its secret; its id is what it calls itself."""
        view = super().view(row)
        del view["secret"]
        return {**view, "clientId": row.id}


@register("application", "clients")
def built_in_applications(transaction: Transaction) -> list[ApplicationEntry]:
    """Every client, as an application of the built-in issuer."""
    rows = transaction.resources(Clients.kind)
    return [ApplicationEntry(id=row.id, name=row.name, client=row.id, issuer=OWN_ISSUER) for row in rows]


def _check(client: Client) -> None:
    """Raise Problem for what would not work or would not be safe (RFC 9700)."""
    if not client.grants:
        raise wrong("/grants", "minItems", "name at least one: client_credentials or authorization_code")
    if client.public and "client_credentials" in client.grants:
        raise wrong("/grants", "conflict", "a public client cannot prove who it is, so it has no client_credentials")
    if "authorization_code" in client.grants and not client.redirects:
        raise wrong("/redirects", "minItems", "name where the browser goes back to")
    for number, scope in enumerate(client.scopes):
        if not SCOPE.fullmatch(scope):
            raise wrong(f"/scopes/{number}", "pattern", "a scope is one word (RFC 6749 section 3.3)")
    for number, redirect in enumerate(client.redirects):
        if not _is_safe(redirect):
            raise wrong(f"/redirects/{number}", "format", "must be https (or http on this machine), without # and user")


def _is_safe(redirect: str) -> bool:
    try:
        parts = urlsplit(redirect)
    except ValueError:
        return False
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL)
    return secure and bool(URL.fullmatch(redirect)) and bool(ADDRESS.fullmatch(parts.netloc))
