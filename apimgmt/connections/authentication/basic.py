"""basic: user name and password (C-013, P-003; RFC 7617)."""

from __future__ import annotations

import base64
import unicodedata
from typing import Any

from apimgmt.connections.authentication import Kind
from apimgmt.connections.authentication.apikey import Header
from apimgmt.connections.configuration import Secret
from apimgmt.errors import SettingInvalid
from apimgmt.registry import register


@register("connection authentication", "basic")
class Basic(Kind, frozen=True):
    """``username`` has no colon; both are sent in UTF-8, in the normal form NFC."""

    username: str
    password: Secret = ""

    def build(self, connection: Any) -> Header:
        """What puts both on; raises SettingInvalid."""
        if ":" in self.username:
            raise SettingInvalid("must not have a colon: what follows it would be read as the password", _USERNAME)
        for text, pointer in ((self.username, _USERNAME), (self.password, "/authentication/password")):
            if any(unicodedata.category(sign) == "Cc" for sign in text):
                raise SettingInvalid("must not have control characters, such as the end of a line", pointer)
        pair = unicodedata.normalize("NFC", f"{self.username}:{self.password}")
        return Header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode('ascii')}")


_USERNAME = "/authentication/username"
