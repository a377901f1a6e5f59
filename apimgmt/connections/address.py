"""Where a call goes: a path below the base URL of a connection, or another URL of the same origin."""

from __future__ import annotations

from urllib.parse import urlsplit

from apimgmt.connections.transport import redirects
from apimgmt.errors import ConnectionFailed


def joined(base: str, path: str) -> str:
    """A path below a base URL, with one slash between them (C-007), or a URL of the same origin as it is.

    >>> joined("https://api.example.com/v2", "/customers")
    'https://api.example.com/v2/customers'
    """
    if path.startswith("//"):
        raise ConnectionFailed("address", "a path below the base URL is needed, and it must not start with two slashes")
    if path.lower().startswith(("http://", "https://")):
        if origin(path) != origin(base):
            raise ConnectionFailed(
                "address", "the URL is of another origin than the connection; give a path below its base URL"
            )
        return path
    return f"{base.rstrip('/')}/{path.lstrip('/')}" if path else base


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL (RFC 6454); raises ConnectionFailed if it cannot be read."""
    try:
        return redirects.origin(urlsplit(url))
    except ValueError:
        raise ConnectionFailed("address", "this is no URL that can be called") from None
