"""HTTPS and client certificates against the real product: who is let in, and what changes without a restart."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pki
import pytest
from product_platform import Product, wait

ACME, OTHER = pki.authority("Acme CA", key=pki.rsa_key()), pki.authority("Other CA")
GATEWAY = pki.server(ACME)
GOOD = ACME.issue("partner-one", key=pki.rsa_key())
REVOKED = ACME.issue("revoked")
SHOWN = {
    "good": GOOD,
    "expired": ACME.issue("partner-one", days=(-9, -1)),
    "not yet valid": ACME.issue("partner-one", days=(1, 9)),
    "foreign issuer": pki.authority("Foreign CA").issue("partner-one"),
    "issuer of another API": OTHER.issue("partner-one"),
    "issuer of the same name": pki.authority("Acme CA").issue("partner-one"),
    "wrong usage": ACME.issue("partner-one", usage=(pki.SERVER,)),
    "self-signed": pki.authority("partner-one", ca=False, usage=(pki.CLIENT,)),
    "signed with SHA-1": pki.with_sha1(GOOD, ACME),
    "issued by CA:false": ACME.issue("Acme B", usage=(), ca=False).issue("partner-one"),
    "another name": ACME.issue("partner-two"),
    "revoked": REVOKED,
}
NAMES = ["CN=partner-one,O=Acme", "CN=revoked,O=Acme"]


def document(title: str) -> dict[str, Any]:
    """An API with one operation that takes a client certificate."""
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "servers": [{"url": f"/{title}"}],
        "components": {"securitySchemes": {"certificate": {"type": "mutualTLS"}}},
        "security": [{"certificate": []}],
        "paths": {"/me": {"get": {"operationId": f"me_{title}", "responses": {"200": {"description": "ok"}}}}},
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gateway's certificate and the clients'."""
    folder = tmp_path_factory.mktemp("certificates")
    GATEWAY.save(folder / "gateway.pem")
    for name, holder in SHOWN.items():
        holder.save(folder / f"{name}.pem")
    return folder


@pytest.fixture(scope="module")
def platform(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Two APIs, each with an authority of its own, on a gateway with HTTP and HTTPS."""
    made = Product(
        tmp_path_factory.mktemp("tls"),
        tls_certificate=files / "gateway.pem",
        gateway_tls_port=0,
        trusted_proxies="192.0.2.1",
        client_certificate_header="client-cert",
    )
    try:
        made.start()
        for title in ("acme", "other"):
            made.upload(title, document(title), bind="echo")
        authority = {"name": "acme", "certificates": ACME.pem, "apis": ["acme"], "subjects": NAMES}
        made.ask("POST", "/authorities", {**authority, "revocations": ACME.revoke(REVOKED)})
        made.ask("POST", "/authorities", {"name": "other", "certificates": OTHER.pem, "apis": ["other"]})
        yield made
    finally:
        made.stop()


def client(files: Path, name: str = "") -> ssl.SSLContext:
    """A client that shows this certificate, whatever its own library thinks of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ACME.pem)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    if name:
        context.load_cert_chain(files / f"{name}.pem")
    return context


class Connection(http.client.HTTPSConnection):
    """A connection to the gateway's HTTPS port."""

    def __init__(self, platform: Product, context: ssl.SSLContext) -> None:
        super().__init__("127.0.0.1", int(platform.secret.rpartition(":")[2]), context=context, timeout=20)

    def call(self, path: str = "/acme/me", **headers: str) -> str:
        """``200``, the code of a problem, or ``refused`` if TLS ends it."""
        try:
            self.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = self.getresponse()
            content = json.loads(answer.read())
        except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
            self.close()
            return "refused"
        return "200" if answer.status == 200 else str(content["type"].rpartition("/")[2])


def call(platform: Product, context: ssl.SSLContext, path: str = "/acme/me", **headers: str) -> str:
    """The same on a connection of its own."""
    with contextlib.closing(Connection(platform, context)) as connection:
        return connection.call(path, **headers)


def serial(platform: Product, files: Path) -> int:
    """The serial number of the certificate that the gateway shows now."""
    address = ("127.0.0.1", int(platform.secret.rpartition(":")[2]))
    with client(files).wrap_socket(socket.create_connection(address, 20), server_hostname="127.0.0.1") as connection:
        shown = connection.getpeercert()
    assert shown is not None
    return int(str(shown["serialNumber"]), 16)


@pytest.mark.rows("F-033", "F-034", "F-035", "S-24")
def test_exactly_one_certificate_opens_the_api(platform: Product, files: Path) -> None:
    """Everything else is refused, by TLS or by the API; so is whoever shows none or writes one into a field."""
    results = {name: call(platform, client(files, name)) for name in SHOWN}
    assert [name for name, result in results.items() if result == "200"] == ["good"]
    assert results["issuer of another API"] == "credential-unknown"
    assert results["revoked"] == "credential-revoked"
    assert results["another name"] == "credential-unknown"
    assert call(platform, client(files)) == "credential-missing"
    injected = {"Client_Cert": f":{GOOD.pem.split('-----')[2].replace(chr(10), '')}:"}
    assert call(platform, client(files), **injected) == "credential-missing"
    assert call(platform, client(files, "issuer of another API"), "/other/me") == "200"
    assert call(platform, client(files, "good"), "/other/me") == "credential-unknown"


@pytest.mark.rows("F-069")
def test_the_process_gets_the_subject(platform: Product, files: Path) -> None:
    """As its user name; over plain HTTP there is no certificate."""
    with contextlib.closing(Connection(platform, client(files, "good"))) as connection:
        connection.request("GET", "/acme/me")
        assert json.loads(connection.getresponse().read())["trigger"]["username"] == "CN=partner-one,O=Acme"
    plain = http.client.HTTPConnection("127.0.0.1", platform.port, timeout=20)
    with contextlib.closing(plain):
        plain.request("GET", "/acme/me")
        assert plain.getresponse().status == 401


def test_authorities_change_without_a_restart(platform: Product, files: Path) -> None:
    """On connections that are open, too: what was let in is refused with its next request."""
    third = pki.authority("Third CA")
    third.issue("partner-one").save(files / "third.pem")
    assert call(platform, client(files, "third")) == "refused"
    made = platform.ask("POST", "/authorities", {"name": "third", "certificates": third.pem, "apis": ["acme"]})
    with contextlib.closing(Connection(platform, client(files, "third"))) as kept:
        assert kept.call() == "200"
        revoked = {"certificates": third.pem, "subjects": ["CN=somebody else"]}
        platform.ask("PUT", f"/authorities/{made['id']}", revoked)
        assert kept.call() == "credential-unknown"
        platform.ask("PUT", f"/authorities/{made['id']}", {"certificates": third.pem})
        assert kept.call() == "200"
        platform.ask("DELETE", "/authorities/third")
        assert kept.call() == "credential-unknown"
    assert call(platform, client(files, "third")) == "refused"


def test_a_renewed_certificate_counts_without_a_restart(platform: Product, files: Path) -> None:
    """Every worker takes it over; one that cannot be used changes nothing, and the operator is told."""
    before = platform.pids()
    (files / "gateway.pem").write_text("not a certificate")
    reports = platform.data / "workers"
    wait(lambda: all("no PEM certificate" in path.read_text() for path in reports.glob("*.json")))
    assert serial(platform, files) == GATEWAY.certificate.serial_number
    renewed = pki.server(ACME)
    renewed.save(files / "gateway.pem")
    wait(lambda: not any('"tls"' in path.read_text() for path in reports.glob("*.json")))
    assert {serial(platform, files) for _ in range(10)} == {renewed.certificate.serial_number}
    assert platform.pids() == before


def test_a_gateway_that_comes_back_without_its_certificate_says_nothing(platform: Product, files: Path) -> None:
    """It does not serve at all, least of all plain HTTP on the port for HTTPS; when the file is mended it is back."""
    good = (files / "gateway.pem").read_text()
    (files / "gateway.pem").write_text("not a certificate")
    master = platform.master()
    assert master is not None
    master.kill()
    wait(lambda: "The worker did not start: tls_certificate=" in platform.log(), 30)
    for port in (platform.port, int(platform.secret.rpartition(":")[2])):
        with socket.create_connection(("127.0.0.1", port), 2) as connection:
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            with pytest.raises(TimeoutError):
                connection.recv(100)
    (files / "gateway.pem").write_text(good)
    wait(lambda: call(platform, client(files, "good")) == "200", 60)
