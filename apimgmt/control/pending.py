"""Things that wait to be taken up once, for a few minutes: a random text leads to what was put down under it.

Each is an encrypted file whose name is a digest of the text. Taking one removes its file, which only one can do: what
was taken, and what is too old, leads nowhere.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from apimgmt.archive import write_atomically
from apimgmt.digest import digest_of
from apimgmt.encryption import Encryption
from apimgmt.errors import Problem, SettingInvalid
from apimgmt.settings import Settings

MOST = 1_000


class Pending:
    """What waits in one folder of the data folder, each for at most ``seconds``; ``clock`` gives Unix time."""

    def __init__(self, settings: Settings, folder: str, seconds: float, clock: Callable[[], float] = time.time) -> None:
        self._folder = settings.root / folder
        self._encryption = Encryption(settings)
        self._seconds = seconds
        self._clock = clock

    def put(self, content: dict[str, Any]) -> tuple[str, float]:
        """The text that leads to it, and until when; raises Problem if too much waits already."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._tidy()
        text = secrets.token_urlsafe(32)
        until = self._clock() + self._seconds
        plain = msgspec.json.encode({"until": until, "content": content})
        write_atomically(self._path(text), self._encryption.encrypt(plain.decode()).encode("ascii"))
        return text, until

    def take(self, text: str) -> dict[str, Any] | None:
        """What the text leads to, once; None for a text that is unknown, was used or is too old."""
        path = self._path(text)
        taken = path.with_suffix(f".{secrets.token_hex(8)}")
        try:
            # of two that come at once, one renames it
            path.rename(taken)
        except FileNotFoundError:
            return None
        try:
            kept = msgspec.json.decode(self._encryption.decrypt(taken.read_text("ascii")))
        except (SettingInvalid, msgspec.DecodeError, UnicodeDecodeError):
            return None
        finally:
            taken.unlink(missing_ok=True)
        content: dict[str, Any] = kept["content"]
        return content if self._clock() < kept["until"] else None

    def _path(self, text: str) -> Path:
        return self._folder / digest_of(text)

    def _tidy(self) -> None:
        """Remove what is too old, by the time of its file."""
        left = 0
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if self._clock() - path.stat().st_mtime > self._seconds:
                    path.unlink()
                else:
                    left += 1
        if left >= MOST:
            raise Problem("conflict", f"{MOST} sign-ins have been begun and not ended; try again in a few minutes")
