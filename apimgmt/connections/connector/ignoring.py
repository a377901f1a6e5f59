"""Where the HTTP connector may ignore TLS errors: only where an administrator permits it (P-039 to P-041, T46)."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

import msgspec

from apimgmt.connections.connection import Connection
from apimgmt.connections.connector.actions import Action
from apimgmt.connections.layers.debugging import is_secret_name
from apimgmt.errors import ConnectionFailed
from apimgmt.settings import Settings

log = logging.getLogger("apimgmt.connections")


def unverified(connection: Connection) -> Connection:
    """The same connection with other sockets, whose certificates are not looked at."""
    tls = msgspec.structs.replace(connection.configuration.tls, verify=False)
    configuration = msgspec.structs.replace(connection.configuration, tls=tls)

    def make() -> Connection:
        return Connection(connection.name, configuration, {}, connection.settings, connection.identity)

    made: Connection = connection.kept("unverified", make)
    return made


def check_ignoring(action: Action, connection: Connection | None, settings: Settings) -> None:
    """Raise ConnectionFailed unless an administrator permits to ignore TLS errors here (T46), and log a warning.

    The connection's own ``tls.verify: false`` permits it. The setting ``ignore_tls_errors`` does so for its hosts, but
    never together with a credential, which would go to whoever answers.
    """
    host = urlsplit(action.url if "://" in action.url or connection is None else connection.configuration.base_url)
    name = host.hostname or ""
    if connection is None or connection.configuration.tls.verify:
        if _has_credential(action, connection):
            raise ConnectionFailed("unverified", "TLS errors are not ignored where a credential is sent")
        if not _is_listed(name, settings.ignore_tls_errors):
            raise ConnectionFailed("unverified", f"TLS errors of {name!r} may not be ignored")
    log.warning("TLS errors of %s are ignored: not recommended, and for tests only", name)


def _has_credential(action: Action, connection: Connection | None) -> bool:
    if any(is_secret_name(one.key) for one in (*action.header, *action.query_parameter)):
        return True
    if connection is None:
        return False
    configuration = connection.configuration
    return (
        configuration.authentication.get("kind") != "none"
        or bool(configuration.secret_headers or configuration.tls.certificate)
        or any(map(is_secret_name, configuration.headers))
    )


def _is_listed(host: str, listed: str) -> bool:
    names = [text.strip().lower() for text in listed.split(",") if text.strip()]
    return any(host == name or (name.startswith("*.") and host.endswith(name[1:])) for name in names)
