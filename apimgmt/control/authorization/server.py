"""The authorization server: exactly the grants that we want, on one set of endpoints.

oauthlib's ready-made server also has the password and the implicit grant, which RFC 9700 forbids or advises against.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from oauthlib.oauth2 import (
    AuthorizationCodeGrant,
    AuthorizationEndpoint,
    BearerToken,
    ClientCredentialsGrant,
    IntrospectEndpoint,
    RefreshTokenGrant,
    RevocationEndpoint,
    TokenEndpoint,
)

from apimgmt.control.authorization.clients import Client
from apimgmt.control.authorization.grants import Grant, Grants
from apimgmt.control.authorization.signing import SigningKeys
from apimgmt.control.authorization.validator import Validator

# it writes tokens and codes at the level of debugging
logging.getLogger("oauthlib").setLevel(logging.WARNING)

TOKEN_SECONDS = 3600
PATHS = ("authorize", "token", "introspect", "revoke", "jwks")


class Answer(NamedTuple):
    """What an endpoint answers."""

    headers: dict[str, str]
    body: str
    status: int


class Person(NamedTuple):
    """Who consents: the id of a user of the platform, the name, and the hash of the password that was given."""

    id: str
    name: str
    password: str


class Wanted(NamedTuple):
    """A valid authorization request: which application asks for which scopes, and where the browser goes then."""

    client: Client
    scopes: tuple[str, ...]
    redirect: str
    credentials: dict[str, Any]


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    """PKCE with S256 alone: oauthlib takes a request without a method for ``plain``."""

    def __init__(self, validator: Validator) -> None:
        super().__init__(validator)
        self._code_challenge_methods = {"S256": self._code_challenge_methods["S256"]}  # type: ignore[has-type]


class Endpoints(AuthorizationEndpoint, TokenEndpoint, IntrospectEndpoint, RevocationEndpoint):  # type: ignore[misc]
    """oauthlib's endpoints with our grants."""

    def __init__(self, validator: Validator, make_token: Callable[[Any], str]) -> None:
        code = CodeGrant(validator)
        bearer = BearerToken(validator, make_token, TOKEN_SECONDS, lambda request: secrets.token_urlsafe(32))
        grants = {
            "authorization_code": code,
            "client_credentials": ClientCredentialsGrant(validator),
            "refresh_token": RefreshTokenGrant(validator),
        }
        AuthorizationEndpoint.__init__(self, "code", bearer, {"code": code})
        TokenEndpoint.__init__(self, "authorization_code", bearer, grants)
        IntrospectEndpoint.__init__(self, validator)
        RevocationEndpoint.__init__(self, validator)


class AuthorizationServer:
    """Issues, tells about and revokes tokens; ``issuer`` is its identifier and the address of everything it has."""

    def __init__(
        self,
        issuer: str,
        find: Callable[[str], Client | None],
        grants: Grants,
        signing: SigningKeys,
        key_set: Callable[[], dict[str, Any]],
    ) -> None:
        self.issuer = issuer
        self._find = find
        self._grants = grants
        self._signing = signing
        self._key_set = key_set
        self._endpoints = Endpoints(Validator(find, grants, key_set), self._token)

    def check(self, query: str) -> Wanted:
        """What an authorization request asks for; raises oauthlib's FatalClientError or OAuth2Error."""
        scopes, credentials = self._endpoints.validate_authorization_request(self._url("authorize", query))
        client = self._find(credentials["client_id"])
        assert client is not None
        return Wanted(client, tuple(scopes), credentials["redirect_uri"] or client.redirects[0], credentials)

    def allow(self, query: str, wanted: Wanted, person: Person) -> Answer:
        """The person agrees: the browser is sent back with a code."""
        url = self._url("authorize", query)
        headers, body, status = self._endpoints.create_authorization_response(
            url, scopes=list(wanted.scopes), credentials={"person": person}
        )
        return Answer({**headers, "Location": self.signed(headers["Location"])}, body or "", status)

    def signed(self, location: str) -> str:
        """A redirect that says which server sent it, against mix-up (RFC 9207)."""
        separator = "&" if "?" in location else "?"
        return f"{location}{separator}{urlencode({'iss': self.issuer})}"

    def token(self, body: str, headers: Mapping[str, str]) -> Answer:
        """The token endpoint (RFC 6749 section 3.2)."""
        return _answer(self._endpoints.create_token_response(self._url("token"), "POST", body, dict(headers)))

    def introspect(self, body: str, headers: Mapping[str, str]) -> Answer:
        """The introspection endpoint (RFC 7662)."""
        return _answer(self._endpoints.create_introspect_response(self._url("introspect"), "POST", body, dict(headers)))

    def revoke(self, body: str, headers: Mapping[str, str]) -> Answer:
        """The revocation endpoint (RFC 7009)."""
        return _answer(self._endpoints.create_revocation_response(self._url("revoke"), "POST", body, dict(headers)))

    def keys(self) -> dict[str, Any]:
        """The public keys as a JWK Set (RFC 7517)."""
        return self._key_set()

    def metadata(self) -> dict[str, Any]:
        """Authorization server metadata (RFC 8414)."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": self._url("authorize"),
            "token_endpoint": self._url("token"),
            "jwks_uri": self._url("jwks"),
            "introspection_endpoint": self._url("introspect"),
            "revocation_endpoint": self._url("revoke"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }

    def _url(self, name: str, query: str = "") -> str:
        return f"{self.issuer}/oauth2/{name}" + (f"?{query}" if query else "")

    def _token(self, request: Any) -> str:
        """A signed access token for a request that oauthlib has accepted, kept so that it can be revoked."""
        client: Client = request.client
        # not by attribute: oauthlib's request answers for unknown ones with what the caller sent
        granted: Grant = vars(request).get("granted") or Grant(family=secrets.token_hex(16))
        now = int(time.time())
        identity, expires = secrets.token_urlsafe(16), now + TOKEN_SECONDS
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": granted.user or client.client_id,
            "aud": self.issuer,
            "name": granted.user or client.name,
            "client_id": client.client_id,
            "iat": now,
            "exp": expires,
            "jti": identity,
            "scope": " ".join(request.scopes or ()),
        }
        self._grants.keep_access(identity, client.client_id, granted, expires)
        return self._signing.sign(claims)


def is_safe(issuer: str) -> bool:
    """Whether tokens may be given out at this address: https, or this machine alone."""
    parts = urlsplit(issuer)
    return parts.scheme == "https" or parts.hostname in ("127.0.0.1", "::1", "localhost")


def _answer(made: tuple[dict[str, str], str | None, int]) -> Answer:
    headers, body, status = made
    return Answer(headers, body or "", status)
