"""bearer: a token that somebody else gave out, sent as ``Authorization: Bearer`` (C-014; RFC 6750 section 2.1)."""

from __future__ import annotations

from typing import Any

from apimgmt.connections.authentication import Kind, required, sendable
from apimgmt.connections.authentication.apikey import Header
from apimgmt.connections.configuration import Secret
from apimgmt.registry import register


@register("connection authentication", "bearer")
class Bearer(Kind, frozen=True):
    """``token`` as it was given out, without the word Bearer."""

    token: Secret

    def build(self, connection: Any) -> Header:
        """What puts the token on; raises SettingInvalid."""
        return Header("Authorization", f"Bearer {sendable(required(self.token, 'token'), 'token')}")
