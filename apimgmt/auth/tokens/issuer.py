"""Issuers: whose tokens are believed, and what must hold of a token's claims (RFC 7519 section 4.1, RFC 9068)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import msgspec

from apimgmt.auth.tokens.claims import ClaimsPrincipal, claim, texts, words
from apimgmt.auth.tokens.compact import Compact
from apimgmt.auth.tokens.keyset import SUPPORTED, KeySet
from apimgmt.auth.tokens.refusal import refused
from apimgmt.model import IssuerEntry

LEEWAY_SECONDS = 60.0
# ID tokens and security events have them (OIDC Core 3.1.3.6, RFC 8417), access tokens do not. Old Keycloaks put a nonce
# into access tokens too, whose claim ``typ`` is Bearer then.
FOREIGN = ("nonce", "at_hash", "c_hash", "events")


class Token:
    """A token whose signature and claims are good.

    ``client`` is the issuer's id and the application's name there; ``info`` what the request learns about its caller;
    ``expires`` the Unix time from which it is refused.
    """

    __slots__ = ("claims", "client", "expires", "info", "jti", "roles", "scopes")

    def __init__(self, issuer: IssuerEntry, claims: dict[str, Any], expires: float) -> None:
        names = issuer.claims
        self.claims = claims
        self.expires = expires
        self.jti = claims.get("jti") if isinstance(claims.get("jti"), str) else None
        self.roles = texts(claim(claims, names.role))
        self.scopes = words(claim(claims, names.scope))
        client, subject, name = (claim(claims, wanted) for wanted in (names.application, "sub", names.name))
        self.client = (issuer.id, client if isinstance(client, str) else "")
        self.info: dict[str, Any] = {
            "sub": name if isinstance(name, str) else None,
            "kind": "oauth2",
            "id": "/".join(quote(str(part or ""), safe="") for part in (*self.client, subject)),
            "claims": ClaimsPrincipal(claims, self.roles),
        }


class Issuer:
    """One issuer; ``keys`` are the pasted ones, or None where they are fetched."""

    __slots__ = ("_algorithms", "_audiences", "entry", "keys")

    def __init__(self, entry: IssuerEntry) -> None:
        self.entry = entry
        self.keys = KeySet(entry.jwks) if entry.jwks else None
        self._audiences = frozenset(entry.audiences)
        self._algorithms = frozenset(entry.algorithms) & SUPPORTED

    def allows(self, algorithm: str) -> bool:
        """Whether tokens may be signed so; never ``none``, never HS*."""
        return algorithm in self._algorithms

    def token(self, compact: Compact, now: float) -> Token:
        """The token, if its claims are good at this Unix time; raises Problem."""
        claims = compact.claims
        if not texts(claims.get("aud")) & self._audiences:
            reason = f"audience {claims.get('aud')!r:.200}"
            raise refused("credential-unknown", "The token is for another audience.", reason)
        if compact.type != "at+jwt" and any(name in claims for name in FOREIGN) and claims.get("typ") != "Bearer":
            reason = f"it has one of the claims {', '.join(FOREIGN)}"
            raise refused("credential-unknown", "The token is not an access token.", reason)
        if "cnf" in claims:
            # whoever stole it could use it, if it were taken without the proof (RFC 9449 section 7.2)
            detail = "The token is bound to a key that a bearer does not show."
            raise refused("credential-unknown", detail, "it has the claim cnf")
        return Token(self.entry, claims, self._expiry(claims, now))

    def _expiry(self, claims: dict[str, Any], now: float) -> float:
        """When it is refused; raises Problem if that is past, or if it is not valid yet."""
        expires = _time(claims, "exp", required=True) + LEEWAY_SECONDS
        if now >= expires:
            raise refused("credential-expired", "The token has expired.", f"expired {now - expires:.0f} s ago")
        for name in ("nbf", "iat"):
            if _time(claims, name) > now + LEEWAY_SECONDS:
                raise refused("credential-unknown", "The token is not valid yet.", f"{name} is in the future")
        return expires


class Issuers:
    """All issuers of a snapshot. ``identity`` changes with any of them, so that what was verified by others does not
    count."""

    __slots__ = ("_by_name", "identity")

    def __init__(self, entries: Iterable[IssuerEntry] = ()) -> None:
        entries = tuple(entries)
        self._by_name = {entry.issuer: Issuer(entry) for entry in entries}
        self.identity = hashlib.sha256(msgspec.json.encode(entries)).digest()

    def find(self, name: object) -> Issuer | None:
        """The one whose tokens have this ``iss``, compared character by character."""
        return self._by_name.get(name) if isinstance(name, str) else None

    def __bool__(self) -> bool:
        return bool(self._by_name)


def _time(claims: dict[str, Any], name: str, required: bool = False) -> float:
    """A claim that is a Unix time (RFC 7519 section 2, NumericDate)."""
    value = claims.get(name)
    if value is None and not required:
        return -math.inf
    # in Python, true is a number
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refused("credential-malformed", "A time in the token cannot be read.", f"{name} is {value!r:.100}")
    return float(value)
