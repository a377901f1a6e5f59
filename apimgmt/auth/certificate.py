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
from apimgmt.auth.authorities import Chain
from apimgmt.auth.forwarding import reader
from apimgmt.errors import Problem
from apimgmt.origin import Proxies
from apimgmt.request import Request


class ClientCertificate(AbstractSecurityHandler):  # type: ignore[misc]  # Connexion ships no types
    """Handler of the scheme type ``mutualTLS``."""

    def __init__(self, surroundings: Surroundings) -> None:
        settings = surroundings.settings
        self._api = surroundings.entry.id
        self._accept_stale = settings.stale_revocations == "accept"
        self._proxies = Proxies(settings.trusted_proxies)
        self._forwarded = reader(settings.client_certificate_header)

    def get_fn(self, scheme: Mapping[str, Any], scopes: object) -> Verify:
        """The check of one operation."""
        return self._verify

    def _verify(self, request: Request) -> Any:
        chain = self._chain(request)
        if not chain:
            return NO_VALUE
        trust = request.access.authorities.of(self._api)
        certificate = trust.certificate(chain, self._accept_stale, time.time())
        decision = certificate.decide(request.target)
        if not decision.allowed:
            detail = "No rule of this client certificate's authority covers the operation."
            raise Problem("forbidden", detail, reason=decision.why)
        return certificate.info

    def _chain(self, request: Request) -> Chain:
        """The caller's certificates. Where a proxy passes them on, its own is not the caller's; anybody else's field
        has no effect."""
        if self._forwarded is not None and self._proxies.has(request.peer):
            return self._forwarded(request)
        return request.certificates
