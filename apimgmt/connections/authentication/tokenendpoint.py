"""The token endpoint of an authorization server, as a client asks it (RFC 6749 sections 2.3, 3.2 and 5).

The request goes the way of every call: past the guard, with the TLS settings, the proxy and the caps of its connection,
but without anything that the connection itself would send. What is said of a refusal is one of the codes that are
registered, never what the server wrote beside it.
"""

from __future__ import annotations

import base64
import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

import msgspec
from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error

from apimgmt.connections import Call, Exchange, Reply, Send, Wait
from apimgmt.connections.authentication.oauthclient import OAuth
from apimgmt.connections.authentication.tokens import Token
from apimgmt.connections.egress.guard import Guard
from apimgmt.connections.transport.blocking import Blocking
from apimgmt.errors import ConnectionFailed

# it writes tokens and codes at the level of debugging
logging.getLogger("oauthlib").setLevel(logging.WARNING)

REQUEST_SECONDS = 30.0
MOST_SECONDS = 60.0
ATTEMPTS = 3
DELAY_SECONDS = 0.5
ANSWER_BYTES = 262_144
LONGEST_SECONDS = 10 * 366 * 86_400
_TOKEN = re.compile(r"[\x21-\x7e]{1,50000}")
# Nothing reached the server, or it said that it did nothing.
_HARMLESS = frozenset(("name", "refused", "unreachable"))
_AGAIN = frozenset((429, 500, 502, 503, 504))

# The codes of RFC 6749 section 5.2, RFC 8707 section 2 and OpenID Connect, in words.
REFUSALS = {
    "invalid_request": "it misses something in the request, or does not know it; look at `parameters` and `headers`",
    "invalid_client": "it does not know the client id, or the client secret is wrong or has ended",
    "invalid_grant": "the sign-in has ended, was revoked or was used up; sign in again",
    "unauthorized_client": "this client may not use this kind of authorization",
    "unsupported_grant_type": "it does not have this kind of authorization",
    "invalid_scope": "it does not know a scope, or the client may not have it",
    "invalid_target": "it does not know the resource or audience",
    "access_denied": "access was denied",
    "consent_required": "somebody has to consent; sign in again",
    "interaction_required": "somebody has to answer it; sign in again",
    "login_required": "somebody has to log in; sign in again",
    "server_error": "it failed",
    "temporarily_unavailable": "it is overloaded or down for now",
}


class TokenRefused(ConnectionFailed):
    """The token endpoint said no; ``error`` is its code, "" if it is not one that is registered."""

    def __init__(self, error: str, detail: str, **more: Any) -> None:
        super().__init__("token", detail, **more)
        self.error = error


class TokenEndpoint:
    """Asks for tokens in the name of one client; ``connection`` lends its guard and its way to the network."""

    def __init__(self, settings: OAuth, connection: Any, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._guard: Guard = connection.guard
        own = connection.configuration
        # the certificate is a credential for the system that the connection leads to, and for nobody else
        self._configuration = msgspec.structs.replace(
            own,
            tls=msgspec.structs.replace(own.tls, certificate="", key=""),
            redirects=0,
            most_bytes=min(own.most_bytes, ANSWER_BYTES),
        )
        self._seconds = min(own.timeout, REQUEST_SECONDS)
        self._most_seconds = min(own.deadline, MOST_SECONDS)
        self._clock = clock

    def ask(self, url: str, body: str, *, repeatable: bool) -> Token:
        """Send a request for a token and read the answer; blocks. Raises ConnectionFailed("token")."""
        issued = self._clock()
        call = self._call(url, body, repeatable)
        blocking = Blocking(self._configuration, self._guard)
        try:
            reply = blocking.run(_repeated(call, time.monotonic() + self._most_seconds))
        except ConnectionFailed as error:
            detail = f"the token endpoint cannot be called ({error.cause}): {error}"
            raise ConnectionFailed("token", detail, retry_after=error.retry_after) from None
        finally:
            blocking.close()
        return self._token(reply, issued)

    def credentials(self) -> dict[str, Any]:
        """What the body says of the client, as arguments of oauthlib's clients."""
        settings = self._settings
        if settings.client_secret and settings.client_authentication == "client_secret_basic":
            return {"include_client_id": False, **settings.parameters}
        secret = {"client_secret": settings.client_secret} if settings.client_secret else {}
        return {"include_client_id": True, **secret, **settings.parameters}

    def _call(self, url: str, body: str, repeatable: bool) -> Call:
        settings = self._settings
        fields = [("Accept", "application/json"), ("Content-Type", "application/x-www-form-urlencoded")]
        if settings.client_secret and settings.client_authentication == "client_secret_basic":
            # each is encoded as in a form before the two are put together (RFC 6749 section 2.3.1)
            pair = f"{quote_plus(settings.client_id)}:{quote_plus(settings.client_secret)}"
            fields.append(("Authorization", f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"))
        call = Call(
            method="POST",
            url=url,
            headers=tuple(fields),
            content=body.encode(),
            timeout=self._seconds,
            repeatable=repeatable,
        )
        return call.with_headers(*settings.headers.items())

    def _token(self, reply: Reply, issued: float) -> Token:
        members = _members(reply)
        access, kind = members.get("access_token"), members.get("token_type", "Bearer")
        if not isinstance(access, str) or not _TOKEN.fullmatch(access):
            raise TokenRefused("", f"the token endpoint answers {reply.status}, but with no token that can be sent")
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise TokenRefused("", "the token endpoint gives out tokens of a kind that is not supported; Bearer is")
        refresh, scopes = members.get("refresh_token"), members.get("scope")
        return Token(
            access=access,
            issued=issued,
            proof=self._settings.proof,
            expires=_expires(members.get("expires_in"), issued),
            refresh=refresh if isinstance(refresh, str) and _TOKEN.fullmatch(refresh) else "",
            scopes=" ".join(scopes) if isinstance(scopes, list) else "",
        )


def _repeated(call: Call, until: float) -> Exchange:
    """Send it; again if nothing happened, or if it does no harm and the server failed, as long as there is time."""
    for attempt in range(1, ATTEMPTS + 1):
        pause = DELAY_SECONDS * attempt
        try:
            left = max(until - time.monotonic(), 0.01)
            seconds = left if call.timeout is None else min(call.timeout, left)
            reply: Reply = yield Send(msgspec.structs.replace(call, timeout=seconds))
        except ConnectionFailed as error:
            harmless = error.cause in _HARMLESS or (call.repeatable and error.cause in ("timeout", "reset"))
            if attempt == ATTEMPTS or not harmless or time.monotonic() + pause >= until:
                raise
        else:
            if not (call.repeatable and reply.status in _AGAIN) or time.monotonic() + pause >= until:
                break
        if attempt < ATTEMPTS:
            yield Wait(pause)
    return reply


def _members(reply: Reply) -> Mapping[str, Any]:
    """The members of a good answer, read by oauthlib; raises TokenRefused for any other."""
    error = ""
    try:
        members: Mapping[str, Any] = BackendApplicationClient("").parse_request_body_response(reply.text)
        if reply.status // 100 == 2:
            return members
    except OAuth2Error as refusal:
        error = refusal.error if isinstance(refusal.error, str) and refusal.error in REFUSALS else ""
    except Exception:  # whatever a server can write that oauthlib does not expect
        error = ""
    if error:
        detail = f"the token endpoint refuses: {error} ({REFUSALS[error]})"
    elif reply.status // 100 == 2:
        detail = f"the token endpoint answers {reply.status}, but with nothing that can be read as a token"
    else:
        detail = f"the token endpoint answers {reply.status}; check the token URL"
    raise TokenRefused(error, detail, retry_after=reply.retry_after)


def _expires(seconds: Any, issued: float) -> float | None:
    """When a token ends; None if that is not said, or said of no time at all."""
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds <= 0:
        return None
    return issued + min(seconds, LONGEST_SECONDS)
