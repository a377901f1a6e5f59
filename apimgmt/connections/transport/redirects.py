"""Redirects: an answer like any other, unless the connection says how many may be followed, and then only at home."""

from __future__ import annotations

from urllib.parse import SplitResult, urldefrag, urljoin, urlsplit

import msgspec

from apimgmt.connections import Call, Exchange, Reply, Send
from apimgmt.errors import ConnectionFailed

FOLLOWED = frozenset((301, 302, 303, 307, 308))
_PORTS = {"http": 80, "https": 443}


def redirected(call: Call, most: int) -> Exchange:
    """Send a call and follow up to ``most`` redirects; the guard looks at each of them, as at every call.

    Only GET and HEAD are followed, and only to the same origin (RFC 6454), so that no credential, field or body ever
    goes anywhere else (T44); otherwise raises ConnectionFailed with the cause ``redirect``.
    """
    hops = 0
    while True:
        reply: Reply = yield Send(call)
        location = reply.header("location")
        if not most or reply.status not in FOLLOWED or location is None or call.method not in ("GET", "HEAD"):
            return reply
        hops += 1
        if hops > most:
            raise ConnectionFailed("redirect", f"there were more than {most} redirects", reply=reply)
        call = msgspec.structs.replace(call, url=_target(call, location, reply))


def _target(call: Call, location: str, reply: Reply) -> str:
    try:
        url = urldefrag(urljoin(call.url, location)).url
        home, other = origin(urlsplit(call.url)), origin(urlsplit(url))
    except ValueError:
        raise ConnectionFailed("redirect", "it redirects to what is no URL", reply=reply) from None
    if home != other:
        shown = f"{other[0]}://{other[1]}:{other[2]}"[:300]
        raise ConnectionFailed("redirect", f"it redirects to another origin, {shown!r}", reply=reply)
    return url


def origin(parts: SplitResult) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL; raises ValueError if it has none."""
    return parts.scheme, (parts.hostname or "").removesuffix("."), parts.port or _PORTS.get(parts.scheme)
