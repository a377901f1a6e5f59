"""The scheme ``http`` ``bearer`` of a document, which says neither API key nor token: the text does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connexion.security import AbstractSecurityHandler

from apimgmt.auth import Surroundings, Verify
from apimgmt.auth.apikey import BearerKey
from apimgmt.auth.oauth2 import OAuth2, bearer
from apimgmt.request import Request

KEYS = (b"apim_", b"apik_")


class Bearer(AbstractSecurityHandler):  # type: ignore[misc]  # Connexion ships no types
    """An API key if it is written like one, or if there is no issuer; otherwise a token.

    With ``bearerFormat: apiKey``, which only the platform writes, it is a key in any case: a trigger that asks for keys
    takes no tokens.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        self._key = BearerKey(surroundings)
        self._token = OAuth2(surroundings)

    def get_fn(self, scheme: Mapping[str, Any], scopes: Sequence[str]) -> Verify:
        """The check of one operation."""
        key, token = self._key.get_fn(scheme, scopes), self._token.get_fn(scheme, scopes)
        if scheme.get("bearerFormat") == "apiKey":
            return key

        async def verify(request: Request) -> Any:
            text = bearer(request)
            if text is None or text.startswith(KEYS) or not request.access.issuers:
                return key(request)
            return await token(request)

        return verify
