"""Key sets over the network: where from, how much, how long (apimgmt/auth/tokens/fetching.py)."""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from tokensamples import JWKS, Site, redirect, site

from apimgmt.auth.tokens import fetching
from apimgmt.auth.tokens.fetching import check_url, fetch, metadata_urls
from apimgmt.auth.tokens.keyset import KeySet
from apimgmt.errors import KeysNotFetched


def test_keys_are_discovered_in_both_ways() -> None:
    """RFC 8414 first, OpenID Connect after it, with a path in the issuer or without."""
    assert metadata_urls("https://id.example/t/") == (
        "https://id.example/.well-known/oauth-authorization-server/t",
        "https://id.example/t/.well-known/openid-configuration",
    )
    with site() as here:
        issuer = f"{here.url}/t"
        here.pages = {"/keys": JWKS}
        for path in ("/.well-known/oauth-authorization-server/t", "/t/.well-known/openid-configuration"):
            metadata = {"issuer": issuer, "jwks_uri": f"{here.url}/keys"}
            assert len(_with(here, path, metadata, issuer).keys) == 3


def _with(here: Site, path: str, metadata: Any, issuer: str) -> KeySet:
    here.pages = {"/keys": JWKS, path: metadata}
    return fetch(issuer)


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example", "jwks_uri": "URL/keys"},
        {"issuer": "URL/", "jwks_uri": "URL/keys"},
        {"issuer": "URL"},
        {"issuer": "URL", "jwks_uri": 7},
        {"issuer": "URL", "jwks_uri": "file:///etc/passwd"},
        {"issuer": "URL", "jwks_uri": "http://192.0.2.1/keys"},
        ["issuer"],
    ],
)
def test_metadata_that_are_not_the_issuers_are_refused(metadata: Any) -> None:
    """Another issuer, no keys, or keys where none may be fetched."""
    with site() as here:
        text = json.loads(json.dumps(metadata).replace("URL", here.url))
        with pytest.raises(KeysNotFetched, match="openid-configuration"):
            _with(here, "/.well-known/oauth-authorization-server", text, here.url)
        assert "/keys" not in here.asked


def _drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(40):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


def _cut_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{")


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (None, "404"),
        (b"<html>", "keys: "),
        ({"no": "keys"}, "no JWK Set"),
        (b" " * fetching.MOST_BYTES + b"{}", "longer than"),
        (redirect("https://other.example/keys"), "302"),
        (_drip, "takes too long"),
        (_cut_off, "keys: "),
    ],
)
def test_what_is_no_key_set_at_a_url_is_said(page: Any, reason: str) -> None:
    """Errors, other texts, too much, too slow, elsewhere: all are one kind of failure with a reason."""
    with site() as here:
        here.pages = {"/keys": page}
        with pytest.raises(KeysNotFetched, match=reason):
            fetch("https://id.example", f"{here.url}/keys", total_seconds=0.5)


def test_a_megabyte_is_taken_and_nobody_there_is_said() -> None:
    """The limit itself, and a port where nobody listens."""
    with site() as here:
        text = json.dumps(JWKS).encode()
        here.pages = {"/keys": text + b" " * (fetching.MOST_BYTES - len(text))}
        url = f"{here.url}/keys"
        assert len(fetch("https://id.example", url).keys) == 3
    with pytest.raises(KeysNotFetched, match="no answer"):
        fetch("https://id.example", url)


@pytest.mark.parametrize(
    ("url", "loopback", "good"),
    [
        ("https://id.example/keys", False, True),
        ("http://id.example/keys", True, False),
        ("http://127.0.0.1:9/keys", True, True),
        ("http://[::1]/keys", True, True),
        ("http://localhost/keys", True, True),
        ("http://127.0.0.1:9/keys", False, False),
        ("http://127.0.0.1.evil.example/keys", True, False),
        ("https://user:secret@id.example/keys", True, False),
        ("https:///keys", True, False),
        ("ftp://127.0.0.1/keys", True, False),
        ("", True, False),
        (None, True, False),
    ],
)
def test_only_https_and_this_machine_are_asked(url: Any, loopback: bool, good: bool) -> None:
    """http is for tests on this machine, and only where the administrator wrote it so."""
    if good:
        assert check_url(url, loopback) == url
    else:
        with pytest.raises(ValueError, match=r"URL|https"):
            check_url(url, loopback)
