"""Local users: made through the admin API, kept as argon2id hashes (RFC 9106), published with the snapshot."""

from __future__ import annotations

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from apimgmt.auth.directories import Credentials
from apimgmt.settings import Settings

# OWASP's parameters (19 MiB, 2 passes, 1 lane) rather than RFC 9106's second choice (64 MiB, 3 passes, 4 lanes): a
# gateway hashes while it serves, so a check takes one core for some 40 ms and not four of them for 60 ms.
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


class Local:
    """Compares with the hash of the snapshot; two checks at a time keep the other cores free for requests."""

    threads = 2

    def __init__(self, settings: Settings, hasher: PasswordHasher = HASHER) -> None:
        self._hasher = hasher
        self._nobody = hasher.hash(secrets.token_urlsafe())

    def check(self, credentials: Credentials) -> bool:
        """Whether it is the password; an unknown user takes as long as a wrong password (T25)."""
        try:
            self._hasher.verify(credentials.stored or self._nobody, credentials.password)
        except (VerificationError, InvalidHashError):
            return False
        return bool(credentials.stored)
