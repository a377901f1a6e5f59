"""What oauthlib asks us: who a client is, what it may do, and what became of codes and tokens."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from oauthlib.oauth2 import RequestValidator

from apimgmt.control.authorization.clients import Client, basic_credentials
from apimgmt.control.authorization.grants import Grant, Grants
from apimgmt.control.authorization.signing import ALGORITHM

Request = Any  # oauthlib ships no types


class Validator(RequestValidator):  # type: ignore[misc]
    """Answers from the store. ``find`` gives the client with an id; ``keys`` the present key set."""

    def __init__(self, find: Callable[[str], Client | None], grants: Grants, keys: Callable[[], Any]) -> None:
        self._find = find
        self._grants = grants
        self._keys = keys

    # ---- clients -------------------------------------------------------------------------------------------------

    def client_authentication_required(self, request: Request, *args: Any, **kwargs: Any) -> bool:
        """A client that has a secret must prove it."""
        client = self._find(_credentials(request)[0])
        return client is None or not client.public

    def authenticate_client(self, request: Request, *args: Any, **kwargs: Any) -> bool:
        """By its id and secret, in the header or in the body."""
        identity, secret = _credentials(request)
        client = self._find(identity)
        if client is None or not client.has_secret(secret):
            return False
        request.client = client
        return True

    def authenticate_client_id(self, client_id: str, request: Request, *args: Any, **kwargs: Any) -> bool:
        """A public client is who it says."""
        client = self._find(client_id or "")
        if client is None or not client.public:
            return False
        request.client = client
        return True

    def validate_client_id(self, client_id: str, request: Request, *args: Any, **kwargs: Any) -> bool:
        """Whether there is such a client."""
        request.client = self._find(client_id)
        return request.client is not None

    def validate_grant_type(
        self, client_id: str, grant_type: str, client: Client, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        """Whether the client may use this grant."""
        return grant_type in client.grants and not (grant_type == "client_credentials" and client.public)

    def validate_response_type(
        self, client_id: str, response_type: str, client: Client, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        """Only codes are given out by the authorization endpoint."""
        return response_type == "code" and "authorization_code" in client.grants

    # ---- redirects and scopes ------------------------------------------------------------------------------------

    def validate_redirect_uri(
        self, client_id: str, redirect_uri: str, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        """Exactly one of those registered (RFC 9700 section 2.1)."""
        return redirect_uri in request.client.redirects

    def get_default_redirect_uri(self, client_id: str, request: Request, *args: Any, **kwargs: Any) -> str | None:
        """The only one, if there is only one."""
        redirects = request.client.redirects
        return redirects[0] if len(redirects) == 1 else None

    def get_default_scopes(self, client_id: str, request: Request, *args: Any, **kwargs: Any) -> tuple[str, ...]:
        """All of the client's."""
        client = request.client or self._find(client_id)
        return client.scopes if client else ()

    def validate_scopes(
        self, client_id: str, scopes: list[str], client: Client, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        """No more than the client has."""
        return set(scopes) <= set(client.scopes)

    # ---- codes ---------------------------------------------------------------------------------------------------

    def is_pkce_required(self, client_id: str, request: Request) -> bool:
        """Always (RFC 9700 section 2.1.1)."""
        return True

    def save_authorization_code(
        self, client_id: str, code: dict[str, str], request: Request, *args: Any, **kwargs: Any
    ) -> None:
        """Keep the code with everything that it is bound to."""
        grant = Grant(
            user=request.person.name,
            account=request.person.id,
            scopes=tuple(request.scopes),
            redirect=request.redirect_uri or "",
            challenge=request.code_challenge,
            family=secrets.token_hex(16),
        )
        self._grants.keep("code", code["code"], client_id, grant, request.person.password)

    def validate_code(
        self, client_id: str, code: str, client: Client, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        """Uses the code up: oauthlib would invalidate it only after tokens were made, when two may have it."""
        grant = self._grants.use("code", code, client_id)
        if grant is None:
            return False
        request.granted, request.user, request.scopes = grant, grant.user, _still_had(grant, client)
        return True

    def get_code_challenge(self, code: str, request: Request) -> str:
        """The challenge that came with the authorization request (RFC 7636)."""
        challenge: str = request.granted.challenge
        return challenge

    def get_code_challenge_method(self, code: str, request: Request) -> str:
        """S256; nothing else is accepted."""
        return "S256"

    def confirm_redirect_uri(
        self, client_id: str, code: str, redirect_uri: str, client: Client, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        """The same as in the authorization request."""
        return bool(redirect_uri == request.granted.redirect)

    def invalidate_authorization_code(
        self, client_id: str, code: str, request: Request, *args: Any, **kwargs: Any
    ) -> None:
        """Done in :meth:`validate_code`."""

    # ---- tokens --------------------------------------------------------------------------------------------------

    def save_bearer_token(self, token: dict[str, Any], request: Request, *args: Any, **kwargs: Any) -> None:
        """Keep the refresh token; the access token was kept when it was signed."""
        if "refresh_token" in token:
            granted: Grant = request.granted
            grant = Grant(
                user=granted.user, account=granted.account, scopes=tuple(request.scopes), family=granted.family
            )
            self._grants.keep("refresh", token["refresh_token"], request.client.client_id, grant)

    def validate_refresh_token(
        self, refresh_token: str, client: Client, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        """Uses the refresh token up; a second use ends the whole family."""
        grant = self._grants.use("refresh", refresh_token, client.client_id)
        if grant is None:
            return False
        request.granted, request.user = grant, grant.user
        return True

    def get_original_scopes(self, refresh_token: str, request: Request, *args: Any, **kwargs: Any) -> list[str]:
        """The scopes of the consent that the client still has; a refresh may ask for fewer, never for more."""
        return _still_had(request.granted, request.client)

    def rotate_refresh_token(self, request: Request) -> bool:
        """Every refresh gives a new refresh token."""
        return True

    def introspect_token(
        self, token: str, token_type_hint: str, request: Request, *args: Any, **kwargs: Any
    ) -> dict[str, Any] | None:
        """The claims of a living access token of the asking client (RFC 7662), else None."""
        claims = self.claims(token)
        if claims is None or claims.get("client_id") != request.client.client_id:
            return None
        return {**claims, "token_type": "Bearer"} if self._grants.is_active(str(claims.get("jti"))) else None

    def revoke_token(self, token: str, token_type_hint: str, request: Request, *args: Any, **kwargs: Any) -> None:
        """End a token of the asking client (RFC 7009)."""
        claims = self.claims(token) or {}
        self._grants.revoke(token, str(claims.get("jti", "")), request.client.client_id)

    def claims(self, token: str) -> dict[str, Any] | None:
        """The claims of a token that we signed and that has not expired."""
        try:
            read = jwt.decode(token, KeySet.import_key_set(self._keys()), algorithms=[ALGORITHM])
            jwt.JWTClaimsRegistry(leeway=0, exp={"essential": True}).validate(read.claims)
        except (JoseError, ValueError):
            return None
        return dict(read.claims)


def _still_had(grant: Grant, client: Client) -> list[str]:
    return [scope for scope in grant.scopes if scope in client.scopes]


def _credentials(request: Request) -> tuple[str, str | None]:
    given = basic_credentials(request.headers)
    return given if given is not None else (request.client_id or "", request.client_secret)
