"""Credentials in the query: taken out of a request after the check, so that nothing behind it sees, logs or keeps them.

A URL is what gets copied into logs, traces, error messages and cache keys (H-018, T29).
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection
from typing import Any
from urllib.parse import unquote_to_bytes

from apimgmt.policies import App
from apimgmt.request import SCOPE_KEY


def without_credentials(names: Collection[str], app: App) -> App:
    """``app``, called with a query that has no parameter of these names."""
    if not names:
        return app
    hidden = frozenset(name.encode() for name in names)

    def stripped(scope: dict[str, Any], receive: Any, send: Any) -> Awaitable[None]:
        query = scope["query_string"]
        if query:
            scope["query_string"] = scope[SCOPE_KEY].query_string = _without(hidden, query)
        return app(scope, receive, send)

    return stripped


def _without(hidden: frozenset[bytes], query: bytes) -> bytes:
    return b"&".join(part for part in query.split(b"&") if _name(part) not in hidden)


def _name(part: bytes) -> bytes:
    name = part.partition(b"=")[0].strip()
    return unquote_to_bytes(name.replace(b"+", b" ")) if b"%" in name or b"+" in name else name
