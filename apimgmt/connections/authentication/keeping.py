"""Which store keeps the tokens of a connection: Redis if there is one, else files; memory for what is only tried out.

Tokens belong to the system that they were given out for: a connection that is led elsewhere does not find them.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from apimgmt.connections.authentication.remotestore import Remote
from apimgmt.connections.authentication.tokenstore import Files, Memory, TokenStore, store_key


def kept_for(connection: Any, client: str) -> TokenStore:
    """The store of a connection; ``client`` are the settings, without secrets, that its tokens belong to."""
    if not connection.identity:
        return Memory()
    leads_to = urlsplit(connection.configuration.base_url)
    key = store_key(connection.identity, f"{leads_to.scheme}://{leads_to.netloc}\0{client}")
    if connection.settings.redis_url:
        return Remote(connection.settings, key)
    return Files(connection.settings, key)
