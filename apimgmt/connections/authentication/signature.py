"""signature: every request is signed as a webhook (Standard Webhooks 1.0; C-004, S-48)."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

from apimgmt.connections import Call
from apimgmt.connections.authentication import Fixed, Kind
from apimgmt.connections.configuration import Secret
from apimgmt.connections.webhooks.signature import ID, SIGNATURE, TIMESTAMP, Signatures
from apimgmt.errors import SettingInvalid
from apimgmt.registry import register


@register("connection authentication", "signature")
class Signature(Kind, frozen=True):
    """``secret`` is ``whsec_`` and 24 to 64 bytes in Base64; ``previous`` is one that still counts while it is
    replaced: what we send is signed with both, what is sent to us may be signed with either."""

    secret: Secret
    previous: Secret = ""

    def build(self, connection: Any) -> Signed:
        """What signs; raises SettingInvalid."""
        return Signed(self.signatures())

    def signatures(self) -> Signatures:
        """The signatures of both secrets; raises SettingInvalid with the place of a wrong one."""
        for name, text in (("secret", self.secret), ("previous", self.previous)):
            try:
                Signatures([text]) if text or name == "secret" else None
            except SettingInvalid as error:
                raise SettingInvalid(str(error), f"/authentication/{name}") from None
        return Signatures([text for text in (self.secret, self.previous) if text])


class Signed(Fixed):
    """Signs calls; each has an id, which a repetition keeps."""

    def __init__(self, signatures: Signatures) -> None:
        self.signatures = signatures

    def signed(self, call: Call) -> Call:
        """The call with id, time and signature."""
        identity = next((value for name, value in call.headers if name.lower() == ID), f"msg_{uuid4().hex}")
        now = int(time.time())
        signature = self.signatures.sign(identity, now, call.content)
        return call.with_headers((ID, identity), (TIMESTAMP, str(now)), (SIGNATURE, signature))
