"""Allowed protocols: HTTP, HTTPS or both; any other is refused before credentials are looked at (F-021 to F-026)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Literal

from apimgmt.errors import Problem
from apimgmt.model import Struct
from apimgmt.origin import Proxies
from apimgmt.policies import App, Layers, Place
from apimgmt.registry import register
from apimgmt.request import SCOPE_KEY, Request


@register("policy", "protocols")
class Protocols(Struct, frozen=True):
    """``allow`` is ``http``, ``https`` or ``both``."""

    allow: Literal["http", "https", "both"] = "both"

    def layers(self, place: Place) -> Layers:
        """Nothing if both are allowed."""
        if self.allow == "both":
            return Layers()
        allowed, proxies = self.allow, Proxies(place.settings.trusted_proxies)
        operation = place.operation.key

        def layer(app: App) -> App:
            def check(scope: dict[str, Any], receive: Any, send: Any) -> Awaitable[None]:
                request: Request = scope[SCOPE_KEY]
                protocol = proxies.protocol(request)
                if protocol != allowed:
                    detail = f"This operation is called by {allowed}, not by {protocol}."
                    believed = "is" if proxies.has(request.peer) else "is not"
                    reason = f"{operation} was called by {protocol}; {request.peer} {believed} a trusted proxy"
                    raise Problem("protocol-not-allowed", detail, reason=reason)
                return app(scope, receive, send)

            return check

        return Layers(before=layer)
