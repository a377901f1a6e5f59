"""Where tokens are kept, so that all workers of a machine share them: one encrypted file for each connection.

    connections/DIGEST.token    a Token, encrypted
    connections/DIGEST.lock     held while a token is renewed

The digest is that of the connection's id and of its client, so that a connection whose client or token URL was changed
does not find the tokens of before.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import msgspec

from apimgmt.archive import write_atomically
from apimgmt.connections.authentication.tokens import Token
from apimgmt.encryption import Encryption
from apimgmt.errors import SettingInvalid
from apimgmt.settings import Settings

log = logging.getLogger("apimgmt.connections")
POLL_SECONDS = 0.02
# what belongs to settings of before is removed some time after it was written last
OLD_SECONDS = 90 * 86_400.0


class StoreAway(Exception):
    """The tokens can be neither read nor written now; says why."""


class TokenStore(Protocol):
    """The token of one connection, where others can see it too. Everything raises StoreAway."""

    def locked(self, patience: float) -> AbstractContextManager[None]:
        """Nobody else renews meanwhile; waits for at most so many seconds."""

    def read(self) -> Token | None:
        """What is kept, if anything is."""

    def write(self, token: Token) -> None:
        """Keep it; when this returns it is safe."""

    def forget(self) -> None:
        """Keep nothing."""


def store_key(identity: str, client: str) -> str:
    """The name under which the tokens of a connection are kept; ``client`` are its settings without secrets."""
    return hashlib.sha256(f"{identity}\0{client}".encode()).hexdigest()[:40]


class Memory:
    """For a connection that is not stored: its token is gone when it is."""

    def __init__(self) -> None:
        self._token: Token | None = None

    def locked(self, patience: float) -> AbstractContextManager[None]:
        """Nobody else knows of it."""
        return contextlib.nullcontext()

    def read(self) -> Token | None:
        """What is kept, if anything is."""
        return self._token

    def write(self, token: Token) -> None:
        """Keep it."""
        self._token = token

    def forget(self) -> None:
        """Keep nothing."""
        self._token = None


class Files:
    """In the data folder, for the workers of one machine."""

    def __init__(self, settings: Settings, key: str) -> None:
        self._settings = settings
        self._path = settings.root / "connections" / f"{key}.token"

    @contextlib.contextmanager
    def locked(self, patience: float) -> Iterator[None]:
        """Hold the lock file; the kernel lets go of it when a process dies."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreAway(f"the data folder cannot be written: {error.strerror}") from None
        try:
            _lock(descriptor, time.monotonic() + patience)
            yield
        finally:
            os.close(descriptor)

    def read(self) -> Token | None:
        """What is kept; what cannot be decrypted or read is as good as absent."""
        try:
            return opened(self._settings, self._path.read_text("ascii"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreAway(f"the data folder cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            return None

    def write(self, token: Token) -> None:
        """Replace the file, on disk before this returns."""
        try:
            write_atomically(self._path, sealed(self._settings, token).encode("ascii"))
            self._tidy()
        except OSError as error:
            raise StoreAway(f"the data folder cannot be written: {error.strerror}") from None

    def forget(self) -> None:
        """Remove the file; that of the lock stays, for somebody may hold it."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreAway(f"the data folder cannot be written: {error.strerror}") from None

    def _tidy(self) -> None:
        for path in self._path.parent.glob("*.token"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > OLD_SECONDS:
                    _remove(path)


def sealed(settings: Settings, token: Token) -> str:
    """The token, encrypted."""
    return Encryption(settings).encrypt(msgspec.json.encode(token).decode())


def opened(settings: Settings, text: str) -> Token | None:
    """The token again; None, and a line in the log, if it cannot be had."""
    try:
        return msgspec.json.decode(Encryption(settings).decrypt(text), type=Token)
    except (SettingInvalid, msgspec.DecodeError):
        log.warning("a token that was kept cannot be read: was the key of stored secrets changed?")
        return None


def _lock(descriptor: int, until: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise StoreAway("another process has been renewing the token for too long") from None
            time.sleep(POLL_SECONDS)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
