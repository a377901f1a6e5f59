"""Tokens in Redis or Valkey, for machines that share them: an encrypted text, and a lock that ends by itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from apimgmt.connections.authentication.tokens import Token
from apimgmt.connections.authentication.tokenstore import StoreAway, opened, sealed
from apimgmt.errors import SettingInvalid
from apimgmt.settings import Settings

PATIENCE_SECONDS = 2.0
# longer than a renewal may take: one that dies meanwhile stops the others for no longer than that
LOCK_SECONDS = 120.0


class Remote:
    """The token of one connection under ``{apimgmt}:token:KEY``; raises SettingInvalid if there is no client."""

    def __init__(self, settings: Settings, key: str) -> None:
        try:
            import redis
        except ImportError:
            raise SettingInvalid("redis_url needs the package redis: pip install 'apimgmt[redis]'") from None
        self._settings = settings
        self._name = f"{{apimgmt}}:token:{key}"
        self._faults = (redis.RedisError, OSError)
        try:
            self._client: Any = redis.Redis.from_url(
                settings.redis_url, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS
            )
        except ValueError as error:
            raise SettingInvalid(f"redis_url: {error}") from None

    @contextlib.contextmanager
    def locked(self, patience: float) -> Iterator[None]:
        """Hold the lock; nobody but its holder can let go of it before its time is over."""
        lock = self._client.lock(f"{self._name}:lock", timeout=LOCK_SECONDS, blocking_timeout=patience)
        with self._mapped():
            if not lock.acquire():
                raise StoreAway("another process has been renewing the token for too long")
        try:
            yield
        finally:
            # if that fails the lock ends by itself, and what was done under it is done
            with contextlib.suppress(*self._faults):
                lock.release()

    def read(self) -> Token | None:
        """What is kept; what cannot be decrypted or read is as good as absent."""
        with self._mapped():
            content = self._client.get(self._name)
        return None if content is None else opened(self._settings, content.decode("ascii", "replace"))

    def write(self, token: Token) -> None:
        """Keep it until it is replaced or forgotten."""
        with self._mapped():
            self._client.set(self._name, sealed(self._settings, token))

    def forget(self) -> None:
        """Keep nothing."""
        with self._mapped():
            self._client.delete(self._name)

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except self._faults as error:
            raise StoreAway(f"Redis is away: {type(error).__name__}") from None
