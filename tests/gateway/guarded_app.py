"""A gateway for a live server: operations behind a key, CORS and allowed protocols; answers say who called."""

from __future__ import annotations

import os
from collections.abc import Awaitable
from typing import Any

from apimgmt.model import Struct
from apimgmt.origin import Proxies
from apimgmt.policies import App, Layers, Place
from apimgmt.registry import register
from apimgmt.request import SCOPE_KEY
from apimgmt.settings import from_environment
from harness import api_key, serve

KEY = "guarded-key"
PAGE = "https://a.example"
METHODS = {
    "/orders": ("get", "post", "delete"),
    "/orders/{id}": ("get", "put", "patch"),
    "/declared": ("get", "options"),
    "/written": ("post",),
    "/secure": ("get",),
    "/plain": ("get",),
}
PROTOCOLS = {"get /secure": "https", "get /plain": "http"}


@register("policy", "caller")
class Caller(Struct, frozen=True):
    """Puts the address and the protocol of the caller, as policies see them, into every answer."""

    def layers(self, place: Place) -> Layers:
        """A layer before everything but the other policies."""
        proxies = Proxies(place.settings.trusted_proxies)

        def layer(app: App) -> App:
            def tell(scope: dict[str, Any], receive: Any, send: Any) -> Awaitable[None]:
                request = scope[SCOPE_KEY]
                seen = f"{proxies.address(request)} {proxies.protocol(request)}"
                request.add((b"x-caller", seen.encode()))
                return app(scope, receive, send)

            return tell

        return Layers(before=layer)


def document() -> dict[str, Any]:
    """Every operation needs the key."""
    body = {"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}}
    paths: dict[str, Any] = {}
    for path, methods in METHODS.items():
        paths[path] = {method: {"responses": {"200": {"description": "ok"}}} for method in methods}
        if "post" in methods:
            paths[path]["post"]["requestBody"] = body
    return {
        "openapi": "3.0.3",
        "info": {"title": "Guarded", "version": "1"},
        "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}},
        "security": [{"key": []}],
        "paths": paths,
    }


def make() -> Any:
    """The application factory."""
    policies = {"cors": {"origins": PAGE}, "caller": {}}
    triggers = {key: {"policies": {"protocols": {"allow": allow}, "caller": {}}} for key, allow in PROTOCOLS.items()}
    client = serve(
        document(),
        authentication="document",
        trigger={"policies": policies},
        triggers=triggers,
        keys=[api_key(KEY)],
        settings=from_environment(os.environ),
    )
    return client.app
