"""The base path of an API, from the first Server Object (OpenAPI 3) or from ``basePath`` (Swagger 2)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from apimgmt.spec.shape import mapping, text

_clean = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+")


def path_of_server(server: dict[str, Any]) -> str:
    """The path in a server's URL, with every variable replaced by its default as plain text."""
    url = text(server.get("url"))
    for name, variable in mapping(server.get("variables")).items():
        url = url.replace("{" + name + "}", text(mapping(variable).get("default")))
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def clean_path(path: str) -> str:
    """``/a/b`` without a slash at the end; "" for the root and for what cannot be the start of a request path."""
    path = "/" + "/".join(segment for segment in path.strip().split("/") if segment not in ("", "."))
    return path if _clean.fullmatch(path) and "/../" not in path + "/" else ""
