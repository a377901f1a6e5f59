"""Receiving a webhook: checked, and taken once, however often it is sent (T48).

The ids of what was taken are remembered for longer than a signature counts: as files in the data folder, which all
workers of a machine share, or in Redis if the settings name one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from apimgmt.connections.authentication.signature import Signature
from apimgmt.connections.webhooks.sending import folder
from apimgmt.connections.webhooks.signature import TOLERANCE_SECONDS
from apimgmt.digest import digest_of
from apimgmt.errors import SettingInvalid
from apimgmt.reading import read

if TYPE_CHECKING:
    from apimgmt.connections.connection import Connection

# a signature counts from so long before its time to so long after it
KEPT_SECONDS = 2 * TOLERANCE_SECONDS + 60
# longer than any process may take; after it, whoever had begun is taken for dead
RUNNING_SECONDS = 360
SWEEP_EVERY = 100
State = Literal["new", "running", "done"]


class Memory(Protocol):
    """Which ids were taken."""

    def claim(self, identity: str, now: float) -> State:
        """``new``, and then it is ours to run; or what somebody else has made of it."""

    def finish(self, identity: str) -> None:
        """It was taken for good."""

    def forget(self, identity: str) -> None:
        """It failed: whoever sends it again gets another try."""


class Receiver:
    """Checks and remembers for one connection, whose authentication is ``signature``; raises SettingInvalid."""

    def __init__(self, connection: Connection) -> None:
        fields = dict(connection.configuration.authentication)
        if fields.pop("kind", "") != "signature":
            detail = f"the connection {connection.name!r} has no secret of webhooks: its authentication is no signature"
            raise SettingInvalid(detail)
        self._signatures = read(fields, Signature).signatures()
        self.memory = _memory(connection)

    def check(self, headers: Mapping[str, str | None], body: bytes) -> str:
        """The id of a webhook that is genuine and fresh; raises Problem 401."""
        return self._signatures.check(headers, body, time.time())


class Files:
    """One empty file for each id; made in one step, so that of two workers one gets it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._claims = 0

    def claim(self, identity: str, now: float) -> State:
        """By the file that is there, and its age."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._claims += 1
        if self._claims % SWEEP_EVERY == 1:
            self._sweep(now)
        running, done = self._paths(identity)
        if _age(done, now) < KEPT_SECONDS:
            return "done"
        for _ in range(2):
            try:
                os.close(os.open(running, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            except FileExistsError:
                if _age(running, now) < RUNNING_SECONDS:
                    return "running"
                running.unlink(missing_ok=True)
            else:
                # whoever had it before may have finished just now
                if _age(done, now) < KEPT_SECONDS:
                    running.unlink(missing_ok=True)
                    return "done"
                return "new"
        return "running"

    def finish(self, identity: str) -> None:
        """The one file becomes the other."""
        running, done = self._paths(identity)
        done.touch(mode=0o600)
        running.unlink(missing_ok=True)

    def forget(self, identity: str) -> None:
        """The file goes."""
        self._paths(identity)[0].unlink(missing_ok=True)

    def _paths(self, identity: str) -> tuple[Path, Path]:
        name = digest_of(identity)
        return self._folder / f"{name}.running", self._folder / f"{name}.done"

    def _sweep(self, now: float) -> None:
        for path in self._folder.iterdir():
            if _age(path, now) > KEPT_SECONDS:
                path.unlink(missing_ok=True)


class Keys:
    """The same as keys of Redis, for several machines."""

    def __init__(self, url: str, connection: str) -> None:
        try:
            import redis
        except ImportError:
            raise SettingInvalid("redis_url needs the package redis: pip install 'apimgmt[redis]'") from None
        self._client = redis.Redis.from_url(url, socket_timeout=2.0, socket_connect_timeout=2.0)
        self._prefix = f"apimgmt:webhooks:{connection}:"

    def claim(self, identity: str, now: float) -> State:
        """By the key that is there; it goes by itself."""
        key = self._key(identity)
        if self._client.set(key, "running", nx=True, ex=RUNNING_SECONDS):
            return "new"
        return "done" if self._client.get(key) == b"done" else "running"

    def finish(self, identity: str) -> None:
        """The value changes."""
        self._client.set(self._key(identity), "done", ex=KEPT_SECONDS)

    def forget(self, identity: str) -> None:
        """The key goes."""
        self._client.delete(self._key(identity))

    def _key(self, identity: str) -> str:
        return self._prefix + digest_of(identity)


def _memory(connection: Connection) -> Memory:
    url = connection.settings.redis_url
    return Keys(url, connection.identity) if url else Files(folder(connection) / "taken")


def _age(path: Path, now: float) -> float:
    try:
        return now - path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
