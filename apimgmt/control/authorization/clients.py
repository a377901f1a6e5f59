"""OAuth applications of our own server, as the protocol sees them: clients (RFC 6749 section 2)."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_plus

from apimgmt.digest import digest_of


class Client(NamedTuple):
    """One client; ``secret`` is the SHA-256 of its secret in hexadecimal, empty for a public client."""

    client_id: str
    name: str
    secret: str
    redirects: tuple[str, ...]
    grants: tuple[str, ...]
    scopes: tuple[str, ...]

    @property
    def public(self) -> bool:
        """Whether it can keep no secret (an application in a browser or on a telephone)."""
        return not self.secret

    def has_secret(self, text: str | None) -> bool:
        """Whether this is its secret; takes as long for a wrong one."""
        given = digest_of(text or "")
        return bool(self.secret) and hmac.compare_digest(given, self.secret)


def basic_credentials(headers: Mapping[str, str]) -> tuple[str, str] | None:
    """Client id and secret of an ``Authorization: Basic`` field, form-encoded as RFC 6749 section 2.3.1 says."""
    scheme, _, text = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        identity, colon, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ("", "")
    return (unquote_plus(identity), unquote_plus(secret)) if colon else ("", "")
