"""oauth2AuthorizationCode: a token that a person gives the connection by signing in (C-016, C-017, P-004 to P-007).

The browser is led to ``authorizeUrl`` and comes back to our own redirect URI with a code, which is exchanged for tokens
(RFC 6749 section 4.1). PKCE with S256 is always used (RFC 7636), the issuer is checked (RFC 9207).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
from oauthlib.common import add_params_to_uri
from oauthlib.oauth2 import WebApplicationClient

from apimgmt.connections.authentication import sendable
from apimgmt.connections.authentication.keeping import kept_for
from apimgmt.connections.authentication.oauthclient import OAuth, check_parameters, check_url, origin
from apimgmt.connections.authentication.renewing import PATIENCE_SECONDS, Renewed
from apimgmt.connections.authentication.tokenendpoint import TokenEndpoint
from apimgmt.connections.authentication.tokens import Token
from apimgmt.connections.authentication.tokenstore import StoreAway, TokenStore
from apimgmt.errors import ConnectionFailed
from apimgmt.registry import register

SIGN_IN = "run `apimgmt connections authorize NAME`, or POST /connections/{id}/authorize"


@register("connection authentication", "oauth2AuthorizationCode")
class AuthorizationCode(OAuth, frozen=True, kw_only=True):
    """``authorizeUrl`` is where a person signs in; ``refreshUrl`` is where tokens are renewed, else at ``tokenUrl``.

    ``issuer`` is what the server calls itself: if it is set, a browser that comes back from anybody else is refused.
    ``parameters`` are sent to ``authorizeUrl``, too. A browser carries no header fields, so ``headers`` go with the
    requests that we send: for the code and for refreshing. The rest is in :class:`OAuth`.
    """

    authorize_url: str
    refresh_url: str = ""
    issuer: str = ""

    def build(self, connection: Any) -> SignedIn:
        """What puts the tokens on; raises SettingInvalid."""
        self.check(connection)
        check_url(self.authorize_url, "authorizeUrl", connection)
        check_parameters(dict(parse_qsl(urlsplit(self.authorize_url).query)), "authorizeUrl")
        if self.refresh_url:
            check_url(self.refresh_url, "refreshUrl", connection)
        sendable(self.issuer, "issuer")
        store, patience = kept_for(connection, self.client), connection.configuration.deadline
        return SignedIn(self, TokenEndpoint(self, connection), store, patience=patience)


class Grant:
    """Refreshes what a person gave; there is no other way to a token without that person."""

    durable = True

    def __init__(self, settings: AuthorizationCode, endpoint: TokenEndpoint) -> None:
        self._settings = settings
        self._endpoint = endpoint
        self.proof = settings.proof

    def renewed(self, before: Token | None) -> Token:
        """Another token for the refresh token (RFC 6749 section 6); the old one stays if no new one comes with it."""
        if before is None:
            raise ConnectionFailed("token", f"nobody has signed in to this connection yet: {SIGN_IN}")
        if not before.refresh:
            raise ConnectionFailed("token", f"the sign-in to this connection has ended: {SIGN_IN}")
        settings = self._settings
        client = WebApplicationClient(settings.client_id)
        body = client.prepare_refresh_body(refresh_token=before.refresh, **self._client())
        # not repeated: a refresh token that counts once would be used twice
        token = self._endpoint.ask(settings.refresh_url or settings.token_url, body, repeatable=False)
        return msgspec.structs.replace(
            token,
            refresh=token.refresh or before.refresh,
            scopes=token.scopes or before.scopes,
            since=before.since,
        )

    def exchanged(self, code: str, verifier: str, redirect: str) -> Token:
        """The tokens for a code."""
        client = WebApplicationClient(self._settings.client_id)
        body = client.prepare_request_body(
            code=code, redirect_uri=redirect, code_verifier=verifier, **self._endpoint.credentials()
        )
        return self._endpoint.ask(self._settings.token_url, body, repeatable=False)

    def _client(self) -> dict[str, Any]:
        credentials = self._endpoint.credentials()
        if credentials.pop("include_client_id"):
            credentials["client_id"] = self._settings.client_id
        return credentials


class SignedIn(Renewed):
    """Puts the tokens on that a person gave, and takes part in the sign-in."""

    def __init__(
        self,
        settings: AuthorizationCode,
        endpoint: TokenEndpoint,
        store: TokenStore,
        clock: Callable[[], float] = time.time,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._settings = settings
        self._code = Grant(settings, endpoint)
        self.proof = settings.proof
        super().__init__(self._code, store, clock, patience)

    def authorize_url(self, redirect: str, state: str, verifier: str) -> str:
        """Where the browser is led; only a digest of the verifier is in it."""
        settings = self._settings
        challenge = WebApplicationClient(settings.client_id).create_code_challenge(verifier, "S256")
        parameters = {
            **settings.parameters,
            "response_type": "code",
            "client_id": settings.client_id,
            "redirect_uri": redirect,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if settings.scopes:
            parameters["scope"] = settings.scopes
        url: str = add_params_to_uri(settings.authorize_url, list(parameters.items()))
        return url

    def is_from(self, issuer: str | None) -> bool:
        """Whether the server that sent the browser back is the one that it was led to (RFC 9207 section 2.4).

        One whose issuer is not configured is known by the origin of its ``authorizeUrl``.
        """
        if self._settings.issuer:
            return issuer == self._settings.issuer
        try:
            return issuer is None or origin(issuer) == origin(self._settings.authorize_url)
        except ValueError:
            return False

    def sign_in(self, code: str, verifier: str, redirect: str) -> None:
        """Exchange a code for tokens and keep them in place of those of before; blocks. Raises ConnectionFailed."""
        with self.keeping() as store:
            token = self._code.exchanged(code, verifier, redirect)
            since = token.issued
            scopes = token.scopes or self._settings.scopes
            store.write(msgspec.structs.replace(token, since=since, scopes=scopes))
        self.forget()

    def token(self) -> Token | None:
        """What is kept, if somebody has signed in with the present settings; blocks. Raises ConnectionFailed."""
        try:
            token = self._store.read()
        except StoreAway as away:
            raise ConnectionFailed("token", f"the tokens that are kept cannot be had: {away}") from None
        return token if token is not None and token.proof == self.proof else None
