"""Signatures of webhooks (Standard Webhooks 1.0): made with every live secret, accepted with any of them.

The package ``standardwebhooks`` does the same, but takes text only and raises whatever a malformed field makes it
raise, so the tests hold this against it instead.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence

from apimgmt.errors import Problem, SettingInvalid

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
TOLERANCE_SECONDS = 300
SECRET_BYTES = range(24, 65)
MOST_SIGNATURES = 10

_ID = re.compile(r"[!-~]{1,256}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_CHALLENGE = [("www-authenticate", "Webhook")]


class Signatures:
    """Signs and checks with ``secrets``: the present one first, then those that still count."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = [key_of(secret) for secret in secrets]

    def sign(self, identity: str, timestamp: int, body: bytes) -> str:
        """The value of ``webhook-signature``: one signature for each secret."""
        macs = self._macs(identity, str(timestamp), body)
        return " ".join(f"v1,{base64.b64encode(mac).decode('ascii')}" for mac in macs)

    def check(self, headers: Mapping[str, str | None], body: bytes, now: float) -> str:
        """The id of a webhook that was truly sent and not long ago; raises Problem 401. Names are in lower case."""
        identity, timestamp, signature = (headers.get(name) or "" for name in (ID, TIMESTAMP, SIGNATURE))
        if not (identity and timestamp and signature):
            raise _refused("credential-missing", f"Send {ID}, {TIMESTAMP} and {SIGNATURE}.")
        if not _ID.fullmatch(identity) or not _TIMESTAMP.fullmatch(timestamp):
            raise _refused("credential-malformed", f"{ID} or {TIMESTAMP} is not as Standard Webhooks has it.")
        macs = self._macs(identity, timestamp, body)
        given = [_mac(text) for text in signature.split(" ")[:MOST_SIGNATURES]]
        # every pair is compared, so that the time says nothing
        if not sum(hmac.compare_digest(mac, one) for mac in macs for one in given):
            raise _refused("credential-unknown", "The signature is not one of this webhook's secret.")
        if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
            raise _refused("credential-expired", f"It was signed more than {TOLERANCE_SECONDS} s from now.")
        return identity

    def _macs(self, identity: str, timestamp: str, body: bytes) -> list[bytes]:
        signed = f"{identity}.{timestamp}.".encode() + body
        return [hmac.digest(key, signed, hashlib.sha256) for key in self._keys]


def key_of(secret: str) -> bytes:
    """The key in a secret: ``whsec_`` and 24 to 64 bytes in Base64; raises SettingInvalid."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) not in SECRET_BYTES:
        raise SettingInvalid("a webhook secret is whsec_ and 24 to 64 random bytes in Base64")
    return key


def _mac(text: str) -> bytes:
    """The bytes of one ``v1,BASE64``; nothing for another version or what cannot be read."""
    version, _, encoded = text.partition(",")
    try:
        return base64.b64decode(encoded, validate=True) if version == "v1" else b""
    except (binascii.Error, ValueError):
        return b""


def _refused(code: str, detail: str) -> Problem:
    return Problem(code, detail, headers=_CHALLENGE)
