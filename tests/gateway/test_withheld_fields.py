"""Header fields that speak of a client certificate reach the application from listed proxies only."""

from __future__ import annotations

import json

import pytest
from liveserver import PATIENCE_SECONDS, LiveServer, read

FIELDS = {
    "client-cert": ":YQ==:",
    "client-cert-chain": ":Yg==:",
    "x-forwarded-client-cert": "Hash=1",
    "x-ssl-cert": "c",
}
LINES = "".join(f"{name.title()}: {value}\r\n" for name, value in FIELDS.items())
REQUEST = f"GET /scope HTTP/1.1\r\nHost: x\r\nX-Other: kept\r\n{LINES}Connection: close\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("header", "proxies", "seen"),
    [
        ("", "", {"x-ssl-cert"}),
        ("", "127.0.0.1", {"x-ssl-cert"}),
        ("client-cert", "192.0.2.1", {"x-ssl-cert"}),
        ("client-cert", "127.0.0.1", {"client-cert", "client-cert-chain", "x-ssl-cert"}),
        ("x-forwarded-client-cert", "127.0.0.0/8", {"x-forwarded-client-cert", "x-ssl-cert"}),
        ("X-SSL-Cert", "192.0.2.1", set()),
        ("X-SSL-Cert", "127.0.0.1", {"x-ssl-cert"}),
    ],
)
def test_only_the_configured_field_of_a_listed_proxy_arrives(header: str, proxies: str, seen: set[str]) -> None:
    """Whatever a stranger says of certificates is as if it were not sent; everything else arrives."""
    with LiveServer(client_certificate_header=header, trusted_proxies=proxies) as server:
        with server.connect() as connection:
            connection.sendall(REQUEST)
            answer, _ = read(connection, PATIENCE_SECONDS)
        scope = json.loads(answer.partition(b"\r\n\r\n")[2])
    names = {name for name, _ in scope["headers"]}
    assert names & set(FIELDS) == seen
    assert "x-other" in names
