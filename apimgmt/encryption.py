"""Secrets that we must be able to read again (signing keys, credentials of connections), encrypted at rest.

The keys come from the setting ``secret_keys``, or are kept in ``secrets/secret.keys`` of the data folder, which nobody
else may read; the first encrypts, all decrypt, so that a key is rotated by putting a new one before it (Fernet).
"""

from __future__ import annotations

import re
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from apimgmt.archive import write_atomically
from apimgmt.errors import SettingInvalid
from apimgmt.settings import Settings

# version 0x80, a time before the year 2106, then at least an IV, a block and a signature (the Fernet specification)
ENCRYPTED = re.compile(r"gAAAAA[A-Za-z0-9_-]{92,}={0,2}")


class Encryption:
    """Encrypts and decrypts texts. Raises SettingInvalid if a key is none."""

    def __init__(self, settings: Settings) -> None:
        texts = settings.secret_keys.replace(",", " ").split() or _kept(settings.root / "secrets" / "secret.keys")
        try:
            self._fernet = MultiFernet([Fernet(text) for text in texts])
        except ValueError:
            raise SettingInvalid("secret_keys: a key is 32 bytes in URL-safe Base64; make one with Fernet") from None

    def encrypt(self, text: str) -> str:
        """The text, unreadable without a key."""
        return self._fernet.encrypt(text.encode()).decode("ascii")

    def decrypt(self, text: str) -> str:
        """The text again; raises SettingInvalid if none of the keys fits."""
        try:
            return self._fernet.decrypt(text.encode("ascii")).decode()
        except InvalidToken:
            raise SettingInvalid(
                "secret_keys: none of the keys decrypts what is stored; restore the right one"
            ) from None

    def renewed(self, text: str) -> str:
        """The same secret, encrypted with the newest key; raises SettingInvalid if none of the keys fits."""
        return self.encrypt(self.decrypt(text))


def is_encrypted(value: object) -> bool:
    """Whether this is, or looks exactly like, what :meth:`Encryption.encrypt` gives."""
    return isinstance(value, str) and ENCRYPTED.fullmatch(value) is not None


def _kept(path: Path) -> list[str]:
    """The keys of the data folder; made at the first start."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, Fernet.generate_key() + b"\n")
    return path.read_text("ascii").split()
