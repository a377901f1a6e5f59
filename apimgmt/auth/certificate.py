"""Client certificates: of the connection itself, or passed on by a listed proxy (F-033 to F-035, F-069, T24).

The caller's name is the certificate's subject as RFC 4514 writes it: ``CN=partner-one,O=Acme``. Whoever has verified it
before, it is verified here again, for the API that is called.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from connexion.security import NO_VALUE, AbstractSecurityHandler

from apimgmt.auth import Surroundings, Verify
from apimgmt.auth.forwarding import Forwarded
from apimgmt.errors import Problem
from apimgmt.request import Request


class ClientCertificate(AbstractSecurityHandler):  # type: ignore[misc]  # Connexion ships no types
    """Handler of the scheme type ``mutualTLS``."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._api = surroundings.entry.id
        self._accept_stale = surroundings.settings.stale_revocations == "accept"
        self._forwarded = surroundings.shared.part(Forwarded)

    def get_fn(self, scheme: Mapping[str, Any], scopes: object) -> Verify:
        """The check of one operation."""
        return self._verify

    def _verify(self, request: Request) -> Any:
        forwarded = self._forwarded.chain(request)
        chain = request.certificates if forwarded is None else forwarded
        if not chain:
            return NO_VALUE
        trust = request.access.authorities.of(self._api)
        certificate = trust.certificate(chain, self._accept_stale, time.time())
        decision = certificate.decide(request.target)
        if not decision.allowed:
            detail = "No rule of this client certificate's authority covers the operation."
            raise Problem("forbidden", detail, reason=decision.why)
        return certificate.info
