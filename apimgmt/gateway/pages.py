"""The pages of an API on the gateway: its document and Swagger UI, so that "Try it out" works without CORS.

Swagger UI comes from the package flask-swagger-ui, as files; nothing is fetched from elsewhere, and neither a document
nor a configuration can be named in the URL (reliability.md T19).
"""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import NamedTuple

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_INDEX = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API</title>
<link rel="stylesheet" href="swagger-ui.css">
<link rel="icon" href="favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="swagger-ui-bundle.js"></script>
<script src="start.js"></script>
</body>
</html>
"""
_START = b"""window.ui = SwaggerUIBundle({
  url: "../openapi.json", dom_id: "#swagger-ui", deepLinking: true, queryConfigEnabled: false,
  persistAuthorization: false, validatorUrl: null, presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout"
});
"""
_ASSETS = (
    "swagger-ui.css",
    "swagger-ui-bundle.js",
    "favicon-32x32.png",
    "oauth2-redirect.html",
    "oauth2-redirect.js",
)


class Page(NamedTuple):
    """A static answer; ``headers`` include content type, length and ETag."""

    headers: list[tuple[bytes, bytes]]
    body: bytes
    tag: bytes


class Pages:
    """The pages of one API, by the path below its base path.

    The document is made when it is first asked for: most APIs are called far more often than they are read.
    """

    __slots__ = ("_document", "_make_document")

    def __init__(self, make_document: Callable[[], Page]) -> None:
        self._make_document = make_document
        self._document: Page | None = None

    async def find(self, path: str) -> Page | str | None:
        """The page at a path, or the relative URL to go to, or None."""
        if path == "/openapi.json":
            if self._document is None:
                self._document = await asyncio.to_thread(self._make_document)
            return self._document
        if path == "/ui":
            return "ui/"
        return swagger_ui().get(path.removeprefix("/ui/")) if path.startswith("/ui/") else None


@cache
def swagger_ui() -> dict[str, Page]:
    """The files of Swagger UI, by name; "" is the page itself."""
    folder = files("flask_swagger_ui") / "dist"
    pages = {
        name: make_page((folder / name).read_bytes(), mimetypes.guess_type(name)[0] or "text/plain") for name in _ASSETS
    }
    pages[""] = make_page(_INDEX, "text/html; charset=utf-8")
    pages["start.js"] = make_page(_START, "text/javascript; charset=utf-8")
    return pages


def make_page(body: bytes, content_type: str) -> Page:
    """A page that may be kept but is asked for again, and runs nothing that is not ours."""
    tag = b'"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"etag", tag),
        (b"cache-control", b"no-cache"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", _POLICY.encode()),
        (b"referrer-policy", b"no-referrer"),
    ]
    return Page(headers, body, tag)
