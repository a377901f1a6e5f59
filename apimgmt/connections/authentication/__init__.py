"""How a connection proves who calls. This file holds the protocol; every kind is a file of its own.

A kind is a frozen struct registered as ``connection authentication``; its fields are what an administrator fills in,
those of the type ``Secret`` are encrypted. It is a generator of steps, so that it does no I/O itself.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Protocol

from apimgmt.connections import Call, Step
from apimgmt.errors import SettingInvalid
from apimgmt.model import Struct

Signing = Generator[Step, Any, Call]
Renewing = Generator[Step, Any, Call | None]


class Authentication(Protocol):
    """What a kind builds for one connection."""

    def sign(self, call: Call) -> Signing:
        """The call with its credential."""

    def renew(self, call: Call, refused: Call) -> Renewing:
        """The call with another credential after ``refused`` got a 401; None if there is none to be had."""


class Kind(Struct, frozen=True):
    """What every kind is made of; its text shows no field, for some are secrets."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Fixed:
    """A credential that never changes: nothing to fetch, nothing to renew."""

    def sign(self, call: Call) -> Signing:
        """The call as :meth:`signed` makes it."""
        yield from ()
        return self.signed(call)

    def renew(self, call: Call, refused: Call) -> Renewing:
        """None: a 401 is final."""
        yield from ()
        return None

    def signed(self, call: Call) -> Call:
        """The call with its credential."""
        raise NotImplementedError


def sendable(text: str, member: str) -> str:
    """A text that can stand in a header field (RFC 9110 section 5.5); raises SettingInvalid, which does not show it."""
    if text != text.strip() or not all(32 <= ord(sign) < 127 for sign in text):
        raise SettingInvalid(
            "must be printable ASCII without spaces around it; what a copy brought along is not part of it",
            f"/authentication/{member}",
        )
    return text


def required(text: str, member: str) -> str:
    """A text that is not empty; raises SettingInvalid."""
    if not text:
        raise SettingInvalid("is needed and must not be empty", f"/authentication/{member}")
    return text
