"""oauth2ClientCredentials: a token that a connection fetches by itself (C-015, P-008, P-009; RFC 6749 section 4.4)."""

from __future__ import annotations

from typing import Any

from oauthlib.oauth2 import BackendApplicationClient

from apimgmt.connections.authentication.keeping import kept_for
from apimgmt.connections.authentication.oauthclient import OAuth
from apimgmt.connections.authentication.renewing import Renewed
from apimgmt.connections.authentication.tokenendpoint import TokenEndpoint
from apimgmt.connections.authentication.tokens import Token
from apimgmt.registry import register


@register("connection authentication", "oauth2ClientCredentials")
class ClientCredentials(OAuth, frozen=True, kw_only=True):
    """``tokenUrl``, ``clientId`` and ``clientSecret``; the rest is in :class:`OAuth`."""

    def build(self, connection: Any) -> Renewed:
        """What fetches tokens and puts them on; raises SettingInvalid."""
        self.check(connection)
        grant = Grant(self, TokenEndpoint(self, connection))
        return Renewed(grant, kept_for(connection, self.client), patience=connection.configuration.deadline)


class Grant:
    """Asks for a token in the client's own name, as often as one is needed."""

    durable = False

    def __init__(self, settings: ClientCredentials, endpoint: TokenEndpoint) -> None:
        self._settings = settings
        self._endpoint = endpoint
        self.proof = settings.proof

    def renewed(self, before: Token | None) -> Token:
        """Another token; what a server gives out for refreshing has no use here (RFC 6749 section 4.4.3)."""
        settings = self._settings
        client = BackendApplicationClient(settings.client_id)
        body = client.prepare_request_body(scope=settings.scopes or None, **self._endpoint.credentials())
        return self._endpoint.ask(settings.token_url, body, repeatable=True)
