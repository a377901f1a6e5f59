"""Signing in to a connection of the running product: a person with a browser, then calls through both workers."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from connections.identityserver import IdentityServer
from product_platform import PROGRAM, TOKEN, Product

DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "signed", "version": "1"},
    "paths": {"/api": {"get": {"responses": {"200": {"description": "What the other system says"}}}}},
}
CALLS = 50


@pytest.mark.rows("C-016", "C-056", "C-061")
def test_somebody_signs_in_and_both_workers_call_in_their_name(product: Product) -> None:
    """The command prints a link and waits; a browser follows it; 50 calls with a refused token lead to one refresh."""
    with IdentityServer() as server, requests.Session() as browser:
        connection = {
            "name": "signed-on",
            "baseUrl": server.url,
            "internalHosts": ["127.0.0.1"],
            "authentication": server.client("oauth2AuthorizationCode"),
        }
        product.ask("POST", "/connections", connection)
        product.upload("signed", DOCUMENT, basePath="/signed")
        product.bind("signed", {"get /api": {"kind": "proxy", "connection": "signed-on"}})
        headers = {"X-API-Key": product.key("signed")}
        url = f"{product.gateway}/signed/api"
        assert requests.get(url, headers=headers, timeout=60).status_code == 502
        words = ["connections", "authorize", "signed-on", "--url", product.admin.removesuffix("/api/v1")]
        command = subprocess.Popen(
            [PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"APIMGMT_TOKEN": TOKEN}
        )
        assert command.stderr is not None
        link = next(line.strip() for line in command.stderr if "ticket=" in line)
        page = browser.get(link, timeout=60)
        assert page.status_code == 200 and "signed-on is signed in" in page.text
        said, _ = command.communicate(timeout=60)
        assert command.returncode == 0 and "signed-on is signed in since" in said
        assert requests.get(url, headers=headers, timeout=60).status_code == 200
        server.revoke()
        server.pause = 0.2
        with ThreadPoolExecutor(CALLS) as pool:
            replies = list(pool.map(lambda _: requests.get(url, headers=headers, timeout=60).status_code, range(CALLS)))
        assert replies == [200] * CALLS
        assert [form["grant_type"] for form in server.requests] == ["authorization_code", "refresh_token"]
        tokens = [*server.tokens, *(form.get("refresh_token", "") for form in server.requests[1:])]
        written = b"".join(path.read_bytes() for path in Path(product.data).rglob("*") if path.is_file())
        assert not any(token.encode() in written for token in tokens)
