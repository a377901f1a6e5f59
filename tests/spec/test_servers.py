"""The base path from Server Objects and from ``basePath``."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.spec.compiler.servers import clean_path, path_of_server


@pytest.mark.parametrize(
    ("server", "path"),
    [
        ({"url": "https://example.com/v1"}, "/v1"),
        ({"url": "https://example.com/v1//b/"}, "/v1/b"),
        ({"url": "https://example.com"}, ""),
        ({"url": "/"}, ""),
        ({"url": "v2"}, "/v2"),
        ({"url": "./v2"}, "/v2"),
        ({"url": "//example.com/v3"}, "/v3"),
        ({"url": "https://{h}/{v}/x", "variables": {"h": {"default": "a"}, "v": {"default": "v4"}}}, "/v4/x"),
        ({"url": "/{v}", "variables": {"v": {"default": 5}}}, "/5"),
        ({"url": "/{0.__class__}/{v}", "variables": {"v": {"default": "{0}"}}}, ""),
        ({"url": "/{missing}/x"}, ""),
        ({"url": "/a/../b"}, ""),
        ({"url": "../b"}, ""),
        ({"url": "/a b"}, ""),
        ({"url": "/a%2Fb"}, ""),
        ({"url": "https://[bad/x"}, ""),
        ({"url": "/rest/Train+Travel+API/1.0.0"}, "/rest/Train+Travel+API/1.0.0"),
        ({"url": None}, ""),
        ({}, ""),
    ],
)
def test_base_path_of_a_server(server: dict[str, Any], path: str) -> None:
    """Variables are replaced as text by their defaults; what no request path can start with counts as the root."""
    assert clean_path(path_of_server(server)) == path
