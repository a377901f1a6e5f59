"""Allowed protocols, on a gateway without sockets (F-021 to F-026)."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from apimgmt.settings import Settings
from harness import Client, api_key, serve

DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "Orders", "version": "1"},
    "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}},
    "security": [{"key": []}],
    "paths": {"/orders": {"get": {"responses": {"200": {"description": "ok"}}}}},
}
KEY = "secret-key-of-crm"
PROXY = "192.0.2.7"
RUNS: list[int] = []


def count() -> str:
    """A process that leaves a trace."""
    RUNS.append(1)
    return "ran"


def gateway(allow: str | None, **options: Any) -> Client:
    """The document, with a key, and the policy unless ``allow`` is None."""
    trigger = {} if allow is None else {"policies": {"protocols": {"allow": allow}}}
    bindings = {"get /orders": {"kind": "python", "function": "count"}}
    more: dict[str, Any] = {"functions": {"count": count}, "authentication": "document", "keys": [api_key(KEY)]}
    return serve(DOCUMENT, trigger=trigger, bindings=bindings, **more, **options)


def call(client: Client, scheme: str, **fields: str) -> Any:
    """A GET with the good key over a connection of that scheme."""
    client.scheme = scheme
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    return client.get("/orders", {"X-API-Key": KEY, **headers})


@pytest.mark.rows("F-021", "F-022", "F-023", "F-024")
@pytest.mark.parametrize(
    ("allow", "scheme", "status"),
    [
        *(("https", "http", 403), ("https", "https", 200)),
        *(("http", "https", 403), ("http", "http", 200)),
        *(("both", "http", 200), ("both", "https", 200)),
        *((None, "http", 200), (None, "https", 200)),
    ],
)
def test_only_allowed_protocols_start_the_process(allow: str | None, scheme: str, status: int) -> None:
    """HTTP, HTTPS or both; another is 403, with a problem of its own and no trace of the process."""
    RUNS.clear()
    answer = call(gateway(allow), scheme)
    assert (answer.status, len(RUNS)) == (status, int(status == 200))
    if status == 403:
        assert answer.json()["type"].endswith("/protocol-not-allowed")
        assert f"by {allow}, not by {scheme}" in answer.json()["detail"]


class Tripwire:
    """Tables of access that nobody may look at."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the credentials were looked at: {name}")


@pytest.mark.rows("F-026")
def test_the_protocol_comes_before_the_credentials(caplog: pytest.LogCaptureFixture) -> None:
    """With good credentials over the wrong protocol nobody looks at them, and nothing of them is logged."""
    client = gateway("https")
    client.app.runtime.access = Tripwire()
    caplog.set_level(logging.DEBUG)
    answer = call(client, "http", Authorization="Bearer another-secret", Cookie="session=third-secret")
    assert answer.status == 403
    assert "get /orders was called by http; 192.0.2.7 is not a trusted proxy" in caplog.text
    assert not [secret for secret in (KEY, "another-secret", "third-secret") if secret in caplog.text + answer.text]
    # the wire does trip where the protocol is the right one
    assert call(client, "https").status == 500
    assert "the credentials were looked at" in caplog.text


@pytest.mark.rows("F-025")
@pytest.mark.parametrize("trusted", [PROXY, "192.0.2.0/24, 10.0.0.1", ""])
@pytest.mark.parametrize(
    "fields",
    [
        {"X_Forwarded_Proto": "https"},
        {"X_Forwarded_Proto": "HTTPS", "X_Forwarded_For": "198.51.100.1"},
        {"Forwarded": "for=198.51.100.1;proto=https"},
        {"Forwarded": 'proto="https"'},
    ],
)
def test_a_listed_proxy_says_the_protocol_of_its_caller(trusted: str, fields: dict[str, str]) -> None:
    """From a listed peer the field counts, from anybody else it does not."""
    client = gateway("https", settings=Settings(trusted_proxies=trusted))
    assert call(client, "http", **fields).status == (200 if trusted else 403)
    client = gateway("http", settings=Settings(trusted_proxies=trusted))
    assert call(client, "http", **fields).status == (403 if trusted else 200)
