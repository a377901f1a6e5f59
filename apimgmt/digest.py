"""What is kept of a secret text that we made (API keys, tokens, codes, secrets of clients), and the name of a file for
a text that could not be one."""

from __future__ import annotations

import hashlib


def digest_of(text: str) -> str:
    """SHA-256 in hexadecimal. A secret text is random and long, so it needs neither salt nor stretching."""
    return hashlib.sha256(text.encode()).hexdigest()
