"""Allowed protocols: HTTP, HTTPS or both; any other is refused before credentials are looked at (F-021 to F-026)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Literal

from apimgmt.errors import Problem
from apimgmt.model import Struct
from apimgmt.origin import Proxies
from apimgmt.policies import App, Layers, Place
from apimgmt.registry import register
from apimgmt.request import SCOPE_KEY


@register("policy", "protocols")
class Protocols(Struct, frozen=True):
    """``allow`` is ``http``, ``https`` or ``both``."""

    allow: Literal["http", "https", "both"] = "both"

    def layers(self, place: Place) -> Layers:
        """Nothing if both are allowed."""
        if self.allow == "both":
            return Layers()
        allowed, proxies = self.allow, Proxies(place.settings.trusted_proxies)

        def layer(app: App) -> App:
            def check(scope: dict[str, Any], receive: Any, send: Any) -> Awaitable[None]:
                protocol = proxies.protocol(scope[SCOPE_KEY])
                if protocol != allowed:
                    raise Problem("protocol-not-allowed", f"This operation is called by {allowed}, not by {protocol}.")
                return app(scope, receive, send)

            return check

        return Layers(before=layer)
