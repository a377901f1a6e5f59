"""The text of an API key: ``apim_<environment>_<random>_<checksum>`` (H-096, H-099).

The prefix lets scanners find leaked keys, the checksum lets them and us tell a key from a typing error without asking
anybody. The environment in the text is a hint for people; what counts is the environment of the stored key.
"""

from __future__ import annotations

import re
import secrets
import string
import zlib

PREFIX = "apim_"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_LENGTH = 43  # 62 ** 43 is a little more than 2 ** 256
CHECKSUM_LENGTH = 6  # 62 ** 6 is more than 2 ** 32
HINT_LENGTH = 4

ENVIRONMENT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_TEXT = re.compile(rf"{PREFIX}({ENVIRONMENT.pattern})_[0-9A-Za-z]{{{RANDOM_LENGTH}}}_[0-9A-Za-z]{{{CHECKSUM_LENGTH}}}")


def make(environment: str) -> str:
    """A fresh text with 256 random bits."""
    body = f"{PREFIX}{environment}_{''.join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))}"
    return f"{body}_{_checksum(body)}"


def environment_of(text: str) -> str | None:
    """The environment that a text names; None if it is not a whole text of ours."""
    match = _TEXT.fullmatch(text)
    body, _, checksum = text.rpartition("_")
    return match[1] if match is not None and checksum == _checksum(body) else None


def hint(text: str) -> str:
    """What may be kept of a text, so that people can tell their keys apart: it leaves 232 unknown bits."""
    return text[: len(PREFIX) + text[len(PREFIX) :].index("_") + 1 + HINT_LENGTH]


def _checksum(body: str) -> str:
    """CRC-32 in base 62."""
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
