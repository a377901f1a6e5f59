"""OAuth 2: the bearer token of a registered application, where an access policy allows it (F-038 to F-043).

401 if the token is not good, 403 if it is and may not: the order is token, application and policy, scopes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from connexion.security import NO_VALUE, AbstractSecurityHandler

from apimgmt.auth import Surroundings, Verify
from apimgmt.auth.tokens.issuer import Token
from apimgmt.auth.tokens.refusal import refused
from apimgmt.auth.tokens.verifier import Verifier
from apimgmt.errors import Problem
from apimgmt.request import Request

# A scope-token (RFC 6749 section 3.3).
SCOPE = re.compile(r"[!#-\[\]-~]+")


class OAuth2(AbstractSecurityHandler):  # type: ignore[misc]  # Connexion ships no types
    """Handler of the scheme types ``oauth2`` and ``openIdConnect``."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._entry = surroundings.entry
        self._verifier = surroundings.shared.part(Verifier)

    def get_fn(self, scheme: Mapping[str, Any], scopes: Sequence[str]) -> Verify:
        """The check of one operation, which needs any of ``scopes``, or all where its trigger says so (X-005)."""
        entry, verifier, needed = self._entry, self._verifier, Scopes(scopes)

        async def verify(request: Request) -> Any:
            text = bearer(request)
            if text is None:
                return NO_VALUE
            access, target = request.access, request.target
            token = await verifier.verify(text, access.issuers)
            if token.jti in access.revoked_tokens:
                raise refused("credential-revoked", "The token was revoked.")
            access.policies.deciding(token, target)
            trigger = entry.triggers.get(target.operation, entry.trigger)
            needed.check(token, every=trigger.scopes == "all")
            return token.info

        return verify


class Scopes:
    """The scopes of one operation; none is no demand (F-043)."""

    __slots__ = ("_challenge", "_scopes")

    def __init__(self, scopes: Sequence[str]) -> None:
        self._scopes = frozenset(scopes)
        # the names come from a document; only what a scope may be written with goes into the field
        written = " ".join(scope for scope in scopes if SCOPE.fullmatch(scope))
        self._challenge = f'Bearer error="insufficient_scope", scope="{written}"'

    def check(self, token: Token, every: bool) -> None:
        """Raise Problem("scope-missing") unless the token has one of them, or ``every`` one."""
        if self._scopes <= token.scopes if every else not self._scopes or not self._scopes.isdisjoint(token.scopes):
            return
        names = ", ".join(sorted(self._scopes))
        raise Problem(
            "scope-missing",
            f"The operation needs {'all' if every else 'one'} of the scopes: {names}.",
            headers=[("www-authenticate", self._challenge)],
            reason=f"the token has {' '.join(sorted(token.scopes)) or 'none'}",
        )


def bearer(request: Request) -> bytes | None:
    """The text after ``Authorization: Bearer``, or None (RFC 6750 section 2.1)."""
    scheme, _, text = request.headers.get(b"authorization", b"").partition(b" ")
    return text.strip() if scheme.lower() == b"bearer" else None
