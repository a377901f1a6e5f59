"""The ASGI scope at the gateway's edge: its header fields as a dictionary."""

from __future__ import annotations

from collections.abc import Sequence


def header_map(fields: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Header fields by name; a name that comes twice has its values joined by a comma (RFC 9110 section 5.3)."""
    headers = dict(fields)
    if len(headers) == len(fields):
        return headers
    joined: dict[bytes, bytes] = {}
    for name, value in fields:
        separator = b"; " if name == b"cookie" else b", "
        joined[name] = joined[name] + separator + value if name in joined else value
    return joined
