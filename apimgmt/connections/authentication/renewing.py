"""A token that is fetched when it is needed, renewed before it ends and once after it was refused (C-055 to C-061).

While the token in memory is good, a call takes no lock and waits for nothing. Otherwise one thread of one process
renews it, under a lock that all workers share; the others wait and find what it found: another token, or the failure.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple, Protocol

import msgspec

from apimgmt.connections import Call, Do
from apimgmt.connections.authentication import Renewing, Signing
from apimgmt.connections.authentication.tokenendpoint import TokenRefused
from apimgmt.connections.authentication.tokens import Token
from apimgmt.connections.authentication.tokenstore import StoreAway, TokenStore
from apimgmt.errors import ConnectionFailed

log = logging.getLogger("apimgmt.connections")
# longer than all attempts of a token request
PATIENCE_SECONDS = 90.0
# after an early renewal that failed the token at hand is used for so long before the next attempt
REST_SECONDS = 10.0
# a failure is the answer to every call for so long: the token endpoint is not asked at the pace of the calls
FAILED_SECONDS = 1.0
# a token that is refused so soon after another was refused is not what is wrong
REFUSED_SECONDS = 30.0


class Grant(Protocol):
    """How another token is had. ``durable`` says that what is kept cannot be had again without a person."""

    durable: bool
    proof: str

    def renewed(self, before: Token | None) -> Token:
        """Another token; ``before`` is what is kept. Blocks; raises ConnectionFailed."""


class Held(NamedTuple):
    """A token in memory: another is fetched from ``due`` on, it is refused from ``end`` on."""

    token: Token
    field: tuple[str, str]
    due: float
    end: float


class Failed(NamedTuple):
    """A failure: whoever has waited since before ``at`` (monotonic) shares it, and everybody ``until`` then."""

    at: float
    until: float
    failure: ConnectionFailed


class Renewed:
    """Puts a token on. Thread-safe; ``clock`` gives Unix time, others are waited for ``patience`` seconds."""

    def __init__(
        self,
        grant: Grant,
        store: TokenStore,
        clock: Callable[[], float] = time.time,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._grant = grant
        self._store = store
        self._clock = clock
        self._patience = min(patience, PATIENCE_SECONDS)
        self._lock = threading.Lock()
        self._held: Held | None = None
        self._failed: Failed | None = None
        self._unwritten: Token | None = None
        self._refused_at = -math.inf

    def sign(self, call: Call) -> Signing:
        """The call with the token; another is fetched first if this one is about to end."""
        held, moment = self._held, self._clock()
        # while another call renews it early, the one at hand is good enough
        if held is None or (moment >= held.due and (moment >= held.end or not self._lock.locked())):
            held = yield Do(self._obtain)
        return call.with_headers(held.field)

    def renew(self, call: Call, refused: Call) -> Renewing:
        """The call with another token than the one that was refused; None if another has just been refused too."""
        sent = next((value for name, value in refused.headers if name == "Authorization"), "")
        held = self._held
        if held is None or held.field[1] == sent:
            if held is not None and self._clock() - self._refused_at < REFUSED_SECONDS:
                return None
            held = yield Do(partial(self._obtain, sent))
            self._refused_at = self._clock()
        return call.with_headers(held.field)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The tokens in memory, for them to be masked."""
        held = self._held
        return () if held is None else tuple(filter(None, (held.token.access, held.token.refresh)))

    def forget(self) -> None:
        """Drop what is in memory; what is kept is read again at the next call."""
        self._held = self._failed = None

    def discard(self) -> None:
        """Forget the token, in memory and where it is kept; blocks. Raises ConnectionFailed."""
        with self.keeping() as store:
            store.forget()
        self.forget()

    def rewrite(self) -> None:
        """Keep the token anew, encrypted with the newest key; blocks. Raises ConnectionFailed."""
        with self.keeping() as store:
            token = store.read()
            if token is not None:
                store.write(token)

    @contextmanager
    def keeping(self) -> Iterator[TokenStore]:
        """Where the token is kept, while nobody else renews it; raises ConnectionFailed if it is away."""
        try:
            with self._store.locked(PATIENCE_SECONDS):
                yield self._store
        except StoreAway as away:
            raise ConnectionFailed("token", f"the tokens that are kept cannot be had: {away}") from None

    # ---- what blocks ---------------------------------------------------------------------------------------------

    def _obtain(self, refused: str = "") -> Held:
        """A token that counts and is not the refused one; raises ConnectionFailed("token")."""
        began = time.monotonic()
        until = began + self._patience
        with self._alone():
            held = self._held
            if held is not None and self._clock() < held.due and held.field[1] != refused:
                return held
            if self._failed is not None and (self._failed.at >= began or self._clock() < self._failed.until):
                raise _again(self._failed.failure)
            try:
                token = self._shared(refused, max(until - time.monotonic(), 0.0))
            except ConnectionFailed as failure:
                if held is None or not self._lasts(held.token, refused):
                    self._failed = Failed(time.monotonic(), self._clock() + FAILED_SECONDS, failure)
                    raise
                token = held.token
            self._held = held = self._taken(token)
            return held

    def _lasts(self, token: Token, refused: str) -> bool:
        """Whether a token can be used still, although it is time for another."""
        return self._clock() < token.end and _field(token)[1] != refused

    def _taken(self, token: Token) -> Held:
        moment = self._clock()
        due = token.due if moment < token.due else min(token.end, moment + REST_SECONDS)
        return Held(token, _field(token), due, token.end)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=self._patience):
            raise ConnectionFailed("token", "another call has been renewing the token for too long")
        try:
            yield
        finally:
            self._lock.release()

    def _shared(self, refused: str, patience: float) -> Token:
        """What another worker has fetched meanwhile, or else a new one, under the lock of all workers."""
        try:
            with self._store.locked(patience):
                return self._current(refused)
        except StoreAway as away:
            if self._grant.durable:
                # without the lock two workers would use one refresh token, and both would lose it
                raise ConnectionFailed("token", f"the tokens that are kept cannot be had: {away}") from None
            log.error("tokens are not shared between workers now: %s", away)
        return self._grant.renewed(None)

    def _current(self, refused: str) -> Token:
        """What is kept, or else a new one, kept before anybody uses it; the lock is held."""
        kept = self._kept_token()
        if kept is not None and self._clock() < kept.due and _field(kept)[1] != refused:
            return kept
        try:
            token = self._grant.renewed(kept)
        except TokenRefused as refusal:
            if refusal.error == "invalid_grant" and kept is not None:
                # it is of no use any more: nobody has to ask again
                self._write(msgspec.structs.replace(kept, refresh=""))
            return self._instead(kept, refused, refusal)
        except ConnectionFailed as failure:
            return self._instead(kept, refused, failure)
        self._write(token)
        return token

    def _instead(self, kept: Token | None, refused: str, failure: ConnectionFailed) -> Token:
        """The kept token if it lasts a little longer; raises the failure otherwise."""
        if kept is None or not self._lasts(kept, refused):
            raise failure
        log.warning("a token could not be renewed before its end, and is used until then: %s", failure)
        return kept

    def _kept_token(self) -> Token | None:
        kept, own = self._store.read(), self._unwritten
        if own is not None and (kept is None or kept.issued <= own.issued):
            self._write(own)
            kept = own
        return kept if kept is not None and kept.proof == self._grant.proof else None

    def _write(self, token: Token) -> None:
        """Keep it where the others see it. A disk that is full loses nothing: it is written before the next renewal."""
        self._unwritten = token
        try:
            self._store.write(token)
            self._unwritten = None
        except StoreAway as away:
            log.error("a token cannot be kept, and is in the memory of this process alone: %s", away)


def _field(token: Token) -> tuple[str, str]:
    return "Authorization", f"Bearer {token.access}"


def _again(failure: ConnectionFailed) -> ConnectionFailed:
    """The same failure for one more caller: an exception that is raised in two threads would mix their tracebacks."""
    return ConnectionFailed(failure.cause, str(failure), retry_after=failure.retry_after)
