"""What a worker knows about tokens across publishes: the keys that it fetched, the tokens that it found good."""

from __future__ import annotations

import hashlib
import time
from functools import partial

from apimgmt.auth.tokens.compact import Compact, read
from apimgmt.auth.tokens.fetching import fetch
from apimgmt.auth.tokens.issuer import Issuer, Issuers, Token
from apimgmt.auth.tokens.keyset import Key
from apimgmt.auth.tokens.refusal import refused
from apimgmt.auth.tokens.source import KeySource
from apimgmt.settings import Settings

MOST_TOKENS = 10_000
# So long after a key was withdrawn may a token that it signed still count.
BELIEVED_SECONDS = 300.0


class Verifier:
    """Verifies tokens; a good one is remembered by the digest of its text and of the issuers that verified it."""

    __slots__ = ("_good", "_most", "_sources")

    def __init__(self, settings: Settings, most: int = MOST_TOKENS) -> None:
        self._most = most
        self._good: dict[bytes, tuple[float, Token]] = {}
        self._sources: dict[tuple[str, str], KeySource] = {}

    async def verify(self, text: bytes, issuers: Issuers) -> Token:
        """The token of this text; raises Problem."""
        digest = hashlib.sha256(issuers.identity + text).digest()
        now = time.time()
        known = self._good.get(digest)
        if known is not None and now < known[0]:
            return known[1]
        token = await self._verified(text, issuers, now)
        if known is None and len(self._good) >= self._most:
            del self._good[next(iter(self._good))]
        self._good[digest] = (min(token.expires, now + BELIEVED_SECONDS), token)
        return token

    async def _verified(self, text: bytes, issuers: Issuers, now: float) -> Token:
        compact = read(text)
        issuer = issuers.find(compact.claims.get("iss"))
        if issuer is None:
            reason = f"issuer {compact.claims.get('iss')!r:.200}"
            raise refused("credential-unknown", "The issuer of the token is not known here.", reason)
        if not issuer.allows(compact.algorithm):
            reason = f"algorithm {compact.algorithm!r:.100} of issuer {issuer.entry.name!r}"
            raise refused("credential-unknown", "The token is signed in a way that is not allowed.", reason)
        key = await self._key(compact, issuer)
        if key is None:
            reason = f"issuer {issuer.entry.name!r} has no key {compact.kid!r:.200} for {compact.algorithm}"
            raise refused("credential-unknown", "The key that signed the token is not known.", reason)
        if not key.verifies(compact.algorithm, compact.signed, compact.signature):
            raise refused("credential-unknown", "The signature of the token is wrong.", f"key {compact.kid!r:.200}")
        return issuer.token(compact, now)

    async def _key(self, compact: Compact, issuer: Issuer) -> Key | None:
        if issuer.keys is not None:
            return issuer.keys.find(compact.kid, compact.algorithm)
        place = (issuer.entry.issuer, issuer.entry.jwks_url)
        source = self._sources.get(place)
        if source is None:
            source = self._sources[place] = KeySource(partial(fetch, *place))
        return await source.find(compact.kid, compact.algorithm)
