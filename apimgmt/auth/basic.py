"""Basic: user name and password in UTF-8 (RFC 7617), and the rules of the user (F-029 to F-032, F-068)."""

from __future__ import annotations

import binascii
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from connexion.security import NO_VALUE, AbstractSecurityHandler

from apimgmt.auth import Surroundings, Verify
from apimgmt.auth.directories import Credentials
from apimgmt.auth.logins import Logins
from apimgmt.errors import Problem
from apimgmt.request import Request

# RFC 4648 section 4; the decoder itself, strict or not, also takes padding that is not needed.
BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Basic(AbstractSecurityHandler):  # type: ignore[misc]  # Connexion ships no types
    """Handler of the scheme ``http`` ``basic``."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._logins = surroundings.shared.part(Logins)

    def get_fn(self, scheme: Mapping[str, Any], scopes: object) -> Verify:
        """The check of one operation."""
        logins = self._logins

        async def verify(request: Request) -> Any:
            sent, _, text = request.headers.get(b"authorization", b"").partition(b" ")
            if sent.lower() != b"basic":
                return NO_VALUE
            name, password = name_and_password(text.strip(b" "))
            user = request.access.users.find(name)
            await logins.check(Credentials(name, password, user.password if user else ""), request)
            if user is None:
                raise Problem("forbidden", "No rule of this user covers the operation.", reason="the user has no rules")
            user.deciding(request.target)
            return user.caller(name)

        return verify


def name_and_password(text: bytes) -> tuple[str, str]:
    """The two, in NFC, so that every keyboard's ``ä`` is the same one (RFC 7617 section 2.1, RFC 8265).

    Raises Problem("credential-malformed") for anything but Base64 of UTF-8 with a colon and without control characters
    (F-031).
    """
    try:
        if not BASE64.fullmatch(text):
            raise ValueError
        decoded = binascii.a2b_base64(text).decode()
    except ValueError:
        raise _malformed("The text after Basic must be Base64 of UTF-8.") from None
    name, colon, password = unicodedata.normalize("NFC", decoded).partition(":")
    if not colon:
        raise _malformed("There must be a colon between user name and password.")
    if CONTROL.search(decoded):
        raise _malformed("User name and password must not contain control characters.")
    return name, password


def _malformed(detail: str) -> Problem:
    return Problem("credential-malformed", detail, reason=detail)
