"""The authorization server put together from the parts of a control plane."""

from __future__ import annotations

from flask import Flask

from apimgmt.control.authorization.clients import Client
from apimgmt.control.authorization.grants import Grants
from apimgmt.control.authorization.pages import closed, pages
from apimgmt.control.authorization.server import AuthorizationServer, Person, is_safe
from apimgmt.control.authorization.signing import SigningKeys, key_set
from apimgmt.control.clients import Clients
from apimgmt.control.passwords import Passwords
from apimgmt.control.publish import Publisher
from apimgmt.control.store import Store
from apimgmt.control.users import password_of
from apimgmt.encryption import Encryption
from apimgmt.settings import Settings


def signing_keys(settings: Settings, store: Store, publisher: Publisher) -> SigningKeys:
    """The keys of our server, which is where callers reach the gateway."""
    gateway = settings.public_url or f"http://{settings.gateway_host}:{settings.gateway_port}"
    return SigningKeys(store, publisher, Encryption(settings), gateway.rstrip("/"))


def authorization_server(
    signing: SigningKeys, store: Store, publisher: Publisher, clients: Clients, passwords: Passwords
) -> Flask:
    """The Flask application; where tokens would be given out in clear, one that says what to do about it."""
    issuer = signing.issuer
    if not is_safe(issuer):
        return closed(issuer)

    def find(client: str) -> Client | None:
        with store.reading() as transaction:
            row = transaction.resource(Clients.kind, client)
        if row is None or row.id != client:
            return None
        stored = clients.stored(row)
        return Client(row.id, row.name, stored.secret, stored.redirects, stored.grants, stored.scopes)

    def keys() -> dict[str, object]:
        with store.reading() as transaction:
            return key_set(transaction)

    server = AuthorizationServer(issuer, find, Grants(store, publisher), signing, keys)

    def check_password(name: str, password: str, address: str) -> Person | None:
        row = passwords.check(name, password, address)
        return Person(row.id, row.name, password_of(row)) if row is not None else None

    return pages(server, check_password)
