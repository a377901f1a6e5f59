"""none: nothing is sent (C-010)."""

from __future__ import annotations

from typing import Any

from apimgmt.connections import Call
from apimgmt.connections.authentication import Fixed, Kind
from apimgmt.registry import register


@register("connection authentication", "none")
class Anonymous(Kind, frozen=True):
    """No credential."""

    def build(self, connection: Any) -> Unsigned:
        """The same for every connection."""
        return Unsigned()


class Unsigned(Fixed):
    """Sends calls as they are."""

    def signed(self, call: Call) -> Call:
        """The call itself."""
        return call
