"""Tokens of a living issuer on the real platform: registered at the command line, verified by two workers."""

from __future__ import annotations

import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from product_platform import PROGRAM, TOKEN, Product
from tokensamples import AUDIENCE, EC, JWKS, RSA, STRANGER, site, token

DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "t", "version": "1"},
    "components": {"securitySchemes": {"o": {"type": "oauth2", "flows": {}}}},
    "paths": {"/x": {"get": {"security": [{"o": ["read", "write"]}], "responses": {}}}},
}


def run(product: Product, *arguments: str) -> Any:
    """A command of the product, and the JSON that it prints."""
    environment = {**os.environ, "APIMGMT_URL": product.admin.removesuffix("/api/v1"), "APIMGMT_TOKEN": TOKEN}
    done = subprocess.run([PROGRAM, *arguments, "--output", "json"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.rows("F-038", "F-039", "F-040", "F-042", "F-070")
def test_a_token_opens_what_a_policy_allows_and_no_more(product: Product) -> None:
    """401, 403 and 200 in turn; a storm and a dead issuer change nothing; without its policy the token is 403."""
    product.upload("tokens", DOCUMENT, basePath="/tokens", bind="echo")

    def call(text: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {text}"}
        return requests.get(f"{product.gateway}/tokens/x", headers=headers, timeout=60)

    with site() as here:
        here.pages = {
            "/.well-known/oauth-authorization-server": {"issuer": here.url, "jwks_uri": f"{here.url}/keys"},
            "/keys": JWKS,
        }
        good = token(EC, iss=here.url, scope="read")
        assert call(good).status_code == 401
        found = run(product, "issuers", "add", "living", here.url, "--audience", AUDIENCE)["found"]
        assert len(found["keys"]) == 3
        assert call(good).status_code == 403
        run(product, "applications", "add", "living-shop", "shop-client", "--issuer", "living")
        assert call(good).status_code == 403
        run(product, "policies", "add", "living-x", "--allow", "GET /tokens/**", "--application", "living-shop")
        answers = [call(good) for _ in range(10)]
        assert {answer.status_code for answer in answers} == {200}
        assert answers[0].json()["trigger"]["username"] == "ann"
        assert call(token(EC, iss=here.url)).status_code == 403
        assert call(token(STRANGER, iss=here.url, scope="read")).status_code == 401
        before = here.asked.count("/keys")
        with ThreadPoolExecutor(8) as threads:
            unknown = [token(EC, header={"kid": f"k{number}"}, iss=here.url) for number in range(200)]
            assert set(threads.map(lambda text: call(text).status_code, unknown)) == {401}
        # each of the two workers may ask once in 30 s
        assert here.asked.count("/keys") - before <= 2
        url = here.url
    assert {call(token(RSA, iss=url, scope="write")).status_code for _ in range(10)} == {200}
    run(product, "policies", "remove", "living-x")
    acknowledged = time.monotonic()
    statuses = set()
    while time.monotonic() < acknowledged + 2:
        status = call(good).status_code
        if time.monotonic() > acknowledged + 1:
            statuses.add(status)
    assert statuses == {403}
