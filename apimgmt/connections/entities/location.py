"""Where a database is, as the base URL of a connection of the type ``sql`` says it."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from apimgmt.connections.configuration import Configuration
from apimgmt.errors import SettingInvalid

SSL_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
FOLDER = "databases"
POSTGRESQL_PORT = 5432
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Location(NamedTuple):
    """``database`` is its name on ``host``; without a host it is the name of a file of SQLite in :data:`FOLDER`."""

    database: str
    host: str = ""
    port: int = POSTGRESQL_PORT
    ssl_mode: str = "prefer"


def located(configuration: Configuration) -> Location:
    """``postgresql://HOST[:PORT]/DATABASE[?sslmode=]`` or ``sqlite:///NAME``; raises SettingInvalid for all else."""
    url = configuration.base_url
    try:
        parts = urlsplit(url)
        user, _ = parts.username or parts.password, parts.port
    except ValueError:
        raise _wrong("this is no URL of a database") from None
    if user or "@" in parts.netloc:
        raise _wrong("give user and password as authentication `basic`, not in the URL")
    if parts.fragment or any(ord(sign) <= 32 or ord(sign) >= 127 for sign in url):
        raise _wrong("there are signs in the URL that cannot be in it")
    if configuration.proxy is not None:
        raise SettingInvalid("a database cannot be reached through a proxy", "/proxy")
    if parts.scheme == "sqlite":
        return _sqlite(parts, url)
    if parts.scheme not in ("postgresql", "postgresql+psycopg"):
        raise _wrong("the URL of a database starts with `postgresql://` or `sqlite:///`")
    if configuration.authentication.get("kind") != "basic":
        raise SettingInvalid("a PostgreSQL needs the authentication `basic`", "/authentication/kind")
    return _postgresql(parts)


def _sqlite(parts: SplitResult, url: str) -> Location:
    name = parts.path.removeprefix("/")
    if parts.netloc or "?" in url or not _FILE_NAME.fullmatch(name):
        raise _wrong(f"a SQLite is `sqlite:///NAME`, a file in the folder `{FOLDER}` of the data folder")
    return Location(name)


def _postgresql(parts: SplitResult) -> Location:
    database = unquote(parts.path.removeprefix("/"))
    if not parts.hostname or "," in parts.netloc or not database or any(sign in database for sign in "/\\\x00=?"):
        raise _wrong("a PostgreSQL is `postgresql://HOST[:PORT]/DATABASE`")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    if len(pairs) > 1 or any(name != "sslmode" or value not in SSL_MODES for name, value in pairs):
        raise _wrong(f"the URL takes `?sslmode=` and nothing else: {', '.join(SSL_MODES)}")
    return Location(database, parts.hostname, parts.port or POSTGRESQL_PORT, pairs[0][1] if pairs else "prefer")


def _wrong(message: str) -> SettingInvalid:
    return SettingInvalid(message, "/baseUrl")
