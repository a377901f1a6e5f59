"""TLS on the gateway: what is let in, what is never answered, and certificates that change (gateway/tls.py,
gateway/http/handshake.py)."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pki
import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from liveserver import PATIENCE_SECONDS, LiveServer, read, statuses

from apimgmt.errors import SettingInvalid, SnapshotRefused
from apimgmt.gateway.http.service import RESERVE
from apimgmt.gateway.tls import Tls, make_context
from apimgmt.model import AuthorityEntry
from apimgmt.settings import Settings

GET = b"GET /scope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
PLAIN = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
ACME, OTHER = pki.authority("Acme CA"), pki.authority("Other CA")
BETWEEN = ACME.issue("Acme Issuing CA", usage=(), ca=True)
GATEWAY = pki.server(ACME)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One worker that speaks HTTP and HTTPS and asks for client certificates of one authority."""
    folder = tmp_path_factory.mktemp("tls")
    (folder / "ca.pem").write_text(ACME.pem)
    with LiveServer(
        tls_certificate=GATEWAY.save(folder / "gateway.pem"), test_authorities=folder / "ca.pem"
    ) as running:
        yield running


def secret(server: LiveServer, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
    """A connection after its handshake."""
    plain = socket.create_connection(("127.0.0.1", server.tls_port), timeout=PATIENCE_SECONDS)
    return context.wrap_socket(plain, server_hostname="127.0.0.1", session=session)


def trusting(authority: pki.Holder = ACME) -> ssl.SSLContext:
    """What a client needs that trusts this authority."""
    return ssl.create_default_context(cadata=authority.pem)


def showing(holder: pki.Holder | None, folder: Path) -> ssl.SSLContext:
    """A client with this certificate."""
    context = trusting()
    if holder is not None:
        context.load_cert_chain(holder.save(folder / "client.pem"))
    return context


def scope_of(connection: ssl.SSLSocket) -> Any:
    """The scope of a request on this connection; None if the server ends it without an answer."""
    data = b""
    with connection, contextlib.suppress(ssl.SSLError, ConnectionError):
        connection.sendall(GET)
        while piece := connection.recv(65_536):
            data += piece
    return json.loads(data.partition(b"\r\n\r\n")[2]) if data else None


def scope(server: LiveServer, context: ssl.SSLContext) -> Any:
    """The same on a connection of its own; None also if the handshake fails."""
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        return scope_of(secret(server, context))
    return None


def serial(server: LiveServer, authority: pki.Holder = ACME) -> int:
    """The serial number of the certificate that the gateway shows."""
    with secret(server, trusting(authority)) as connection:
        shown = connection.getpeercert()
    assert shown is not None
    return int(str(shown["serialNumber"]), 16)


def eventually(condition: Callable[[], object]) -> None:
    """Wait for something that happens in another process."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


# ---- what is let in ----------------------------------------------------------------------------------------------


def test_http_and_https_side_by_side(server: LiveServer) -> None:
    """Each of the two ports speaks its own protocol, and the application is told which."""
    assert scope(server, trusting())["scheme"] == "https"
    assert json.loads(server.get("/scope")[1])["scheme"] == "http"


@pytest.mark.parametrize("version", (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3))
def test_versions(server: LiveServer, version: ssl.TLSVersion) -> None:
    """TLS 1.2 and 1.3, both with forward secrecy and nothing but HTTP/1.1."""
    context = trusting()
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    with secret(server, context) as connection:
        cipher = connection.cipher()
        assert cipher is not None and ("ECDHE" in cipher[0] or version == ssl.TLSVersion.TLSv1_3)
        assert connection.selected_alpn_protocol() == "http/1.1"


def test_minimum_version(tmp_path: Path) -> None:
    """A gateway of TLS 1.3 takes no TLS 1.2."""
    context = trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with LiveServer(tls_certificate=GATEWAY.save(tmp_path / "gateway.pem"), tls_minimum="1.3") as server:
        assert scope(server, trusting()) is not None
        with pytest.raises(ssl.SSLError):
            secret(server, context)


@pytest.mark.rows("C-023")
def test_the_client_certificate_is_in_the_scope(server: LiveServer, tmp_path: Path) -> None:
    """What the client showed, its own certificate first; nothing without one."""
    partner, distant = ACME.issue("partner-one"), BETWEEN.issue("partner-two")
    for holder in (partner, distant):
        digests = [hashlib.sha256(der).hexdigest() for der in holder.chain]
        # OpenSSL adds the root to what its user wants to show
        assert scope(server, showing(holder, tmp_path))["tls"][: len(digests)] == digests
    assert scope(server, trusting())["tls"] == []


@pytest.mark.parametrize("version", (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3))
def test_a_later_connection_shows_the_whole_chain_too(
    server: LiveServer, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """A resumed session would have the client's own certificate alone, which nobody vouches for."""
    context = showing(BETWEEN.issue("partner-two"), tmp_path)
    context.minimum_version = context.maximum_version = version
    first = secret(server, context)
    scope_of(first)
    later = scope_of(secret(server, context, first.session))
    assert len(later["tls"]) >= 2


@pytest.mark.rows("F-034", "F-035")
@pytest.mark.parametrize(
    "holder",
    [
        OTHER.issue("foreign"),
        pki.authority("self-signed", ca=False, usage=(pki.CLIENT,)),
        ACME.issue("expired", days=(-9, -1)),
        ACME.issue("not yet", days=(1, 9)),
        ACME.issue("a server", usage=(pki.SERVER,)),
        pki.authority("Acme CA").issue("of a namesake"),
        ACME.issue("no authority", usage=()).issue("of a partner"),
        ACME.issue("weak", key=pki.rsa_key(1024)),
    ],
    ids=lambda holder: holder.certificate.subject.rfc4514_string(),
)
def test_other_certificates_end_the_handshake(server: LiveServer, tmp_path: Path, holder: pki.Holder) -> None:
    """A certificate that nobody vouches for is no answer, not an anonymous caller."""
    try:
        context = showing(holder, tmp_path)
    except ssl.SSLError:
        # the client's own library does not even load it: show it without asking
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=ACME.pem)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.load_cert_chain(tmp_path / "client.pem")
    assert scope(server, context) is None


# ---- what is never answered --------------------------------------------------------------------------------------


def talk(server: LiveServer, data: bytes) -> bytes:
    """What the TLS port answers to these bytes."""
    with socket.create_connection(("127.0.0.1", server.tls_port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(data)
        return read(connection, 2.0)[0]


@pytest.mark.parametrize(
    "data",
    [PLAIN, b"GET", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + PLAIN, b"\x00" * 100, b"PRI * HTTP/2.0\r\n\r\n"],
)
def test_http_on_the_tls_port(server: LiveServer, data: bytes) -> None:
    """Whatever is not TLS gets no HTTP answer; the next connection is served."""
    assert not statuses(talk(server, data))
    assert scope(server, trusting()) is not None


def test_slow_handshakes_end(tmp_path: Path) -> None:
    """Who connects and says nothing, or half of it, is closed after the seconds for a header."""
    with LiveServer(tls_certificate=GATEWAY.save(tmp_path / "gateway.pem"), header_seconds=1) as server:
        for data in (b"", b"\x16\x03\x01\x02\x00\x01"):
            with socket.create_connection(("127.0.0.1", server.tls_port)) as connection:
                connection.sendall(data)
                assert read(connection, PATIENCE_SECONDS) == (b"", True)
        # the time for the header begins after the handshake
        with secret(server, trusting()) as connection:
            assert connection.recv(1) == b""


def test_handshakes_count_as_connections(tmp_path: Path) -> None:
    """They have their part of the limit from their first byte on, and give it back."""
    options = {"connections": 2, "header_seconds": 600}
    with LiveServer(tls_certificate=GATEWAY.save(tmp_path / "gateway.pem"), **options) as server:

        def silent() -> socket.socket:
            return socket.create_connection(("127.0.0.1", server.tls_port), timeout=PATIENCE_SECONDS)

        def status() -> int:
            return statuses(server.talk(PLAIN))[0]

        def refused() -> bool:
            opened.append(silent())
            return read(opened[-1], 1.0) == (b"", True)

        opened = [silent()]
        eventually(lambda: status() == 200)
        opened.append(silent())
        eventually(lambda: status() == 503)
        # what the calls above left may still end, so a few of the reserve may be theirs, but no more than a few
        opened += [silent() for _ in range(RESERVE)]
        assert read(opened[RESERVE // 2], 0.2) == (b"", False)
        # past the reserve: not even a handshake
        eventually(refused)
        for connection in opened:
            connection.close()
        eventually(lambda: status() == 200)
        assert scope(server, trusting()) is not None


# ---- files -------------------------------------------------------------------------------------------------------


def broken(folder: Path) -> dict[str, tuple[dict[str, Any], str]]:
    """Settings that cannot be, and what is said about them."""
    folder.mkdir()
    good = GATEWAY.save(folder / "good.pem")
    nonsense, empty, lone, other = (folder / name for name in ("nonsense", "empty", "lone.pem", "other.pem"))
    nonsense.write_text("not a certificate")
    empty.write_text("")
    lone.write_text(GATEWAY.pem)
    other.write_text(pki.server(OTHER).secret)
    locked = folder / "locked.pem"
    locked.write_bytes(
        GATEWAY.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password"))
    )
    torn = folder / "torn.pem"
    torn.write_text(GATEWAY.pem[:300] + "\n-----END CERTIFICATE-----\n" + GATEWAY.secret)
    return {
        "absent": ({"tls_certificate": folder / "absent"}, "absent: No such file"),
        "a folder": ({"tls_certificate": folder}, "Is a directory"),
        "nonsense": ({"tls_certificate": nonsense, "tls_key": good}, "no PEM certificate"),
        "empty": ({"tls_certificate": empty, "tls_key": good}, "no PEM certificate"),
        "torn": ({"tls_certificate": torn}, "no PEM certificate"),
        "no key": ({"tls_certificate": lone}, "no PEM private key"),
        "absent key": ({"tls_certificate": good, "tls_key": folder / "absent"}, "tls_key="),
        "nonsense as key": ({"tls_certificate": good, "tls_key": nonsense}, "no PEM private key"),
        "key of another": ({"tls_certificate": good, "tls_key": other}, "belongs to another certificate"),
        "locked key": ({"tls_certificate": lone, "tls_key": locked}, "the key is encrypted"),
        "no certificate": ({"tls_certificate": "", "tls_key": good}, "tls_certificate is empty"),
    }


CASES = ("absent", "a folder", "nonsense", "empty", "torn", "no key", "absent key", "nonsense as key", "key of another",
         "locked key", "no certificate")  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_files_that_cannot_be_used_are_said_in_a_sentence(tmp_path: Path, case: str) -> None:
    """The setting, the file, and what is wrong with it."""
    cases = broken(tmp_path / "files")
    assert set(CASES) == set(cases)
    settings, words = cases[case]
    with pytest.raises(SettingInvalid, match=r"tls_certificate|tls_key") as caught:
        make_context(Settings(**{name: str(value) for name, value in settings.items()}))
    assert words in str(caught.value)


def answers_in_plain(server: LiveServer) -> bool:
    """Whether a server that cannot have a TLS context answers anybody before it ends, if it ends."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while server.process.poll() is None and time.monotonic() < deadline:
        for port in (server.tls_port, server.port):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(PLAIN)
                if connection.recv(100):
                    return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("case", ("absent", "nonsense", "key of another", "no certificate"))
def test_fails_closed_without_a_tls_context(tmp_path: Path, case: str) -> None:
    """The server ends, with the reason in its log; it never speaks plain HTTP instead, on neither port."""
    settings, words = broken(tmp_path / "files")[case]
    server = LiveServer(**settings)
    try:
        assert not answers_in_plain(server)
        assert server.process.wait(PATIENCE_SECONDS) != 0
        assert words in server.log() and "Traceback" not in server.log()
    finally:
        server.stop()


def test_the_test_before_notices_a_server_that_fails_open(tmp_path: Path) -> None:
    """The same on a worker that falls back to plain HTTP."""
    settings, _ = broken(tmp_path / "files")["absent"]
    server = LiveServer(options={"worker_class": "server_mutant.FailOpen"}, **settings)
    try:
        assert answers_in_plain(server)
    finally:
        server.stop()


def test_options_of_gunicorn_do_not_pass_for_tls(tmp_path: Path) -> None:
    """Its certfile is not used here, so that a server with it would speak plain HTTP: it does not start."""
    server = LiveServer(options={"certfile": str(GATEWAY.save(tmp_path / "gateway.pem"))})
    try:
        assert server.process.wait(PATIENCE_SECONDS) != 0
        assert "set tls_certificate and tls_key" in server.log()
    finally:
        server.stop()


def test_a_certificate_that_is_replaced_counts_without_a_restart(tmp_path: Path) -> None:
    """New connections get the new one; one that cannot be used leaves the old one in place and is said once."""
    path = tmp_path / "gateway.pem"
    GATEWAY.save(path)
    with LiveServer(tls_certificate=path) as server:
        kept = secret(server, trusting())
        assert serial(server) == GATEWAY.certificate.serial_number
        path.write_text("not a certificate")
        eventually(lambda: "the TLS certificate in use stays" in server.log())
        assert serial(server) == GATEWAY.certificate.serial_number
        renewed = pki.server(ACME)
        renewed.save(path)
        eventually(lambda: serial(server) == renewed.certificate.serial_number)
        assert scope_of(kept)["scheme"] == "https"
        assert server.log().count("the TLS certificate in use stays") == 1


# ---- the context -------------------------------------------------------------------------------------------------


def entry(pem: str) -> list[AuthorityEntry]:
    """One authority as it is published."""
    return [AuthorityEntry(id="a", name="a", certificates=pem)]


def test_client_certificates_are_asked_for_when_an_authority_is_there(tmp_path: Path) -> None:
    """And only then; the same authorities make no new context."""
    tls = Tls(Settings(tls_certificate=str(GATEWAY.save(tmp_path / "gateway.pem"))))
    tls.trust([])
    assert tls.context.verify_mode == ssl.CERT_NONE
    tls.trust(entry(ACME.pem))
    asking = tls.context
    assert asking.verify_mode == ssl.CERT_OPTIONAL and len(asking.get_ca_certs()) == 1
    tls.trust(entry(ACME.pem))
    assert tls.context is asking
    tls.trust([])
    assert tls.context.verify_mode == ssl.CERT_NONE


def test_authorities_that_cannot_be_used_change_nothing(tmp_path: Path) -> None:
    """The snapshot with them is refused; the context stays, and asks for what it asked for."""
    tls = Tls(Settings(tls_certificate=str(GATEWAY.save(tmp_path / "gateway.pem"))))
    tls.trust(entry(ACME.pem))
    before = tls.context
    with pytest.raises(SnapshotRefused, match="the certificates of the authorities cannot be used"):
        tls.trust(entry("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"))
    assert tls.context is before
    tls.trust(entry(ACME.pem))
    assert tls.context is before


def test_the_fault_of_a_file_is_kept_until_it_is_mended(tmp_path: Path) -> None:
    """For the report of the worker."""
    path = GATEWAY.save(tmp_path / "gateway.pem")
    tls = Tls(Settings(tls_certificate=str(path)))
    path.unlink()
    tls.refresh()
    assert "No such file" in tls.fault
    GATEWAY.save(path)
    tls.refresh()
    assert tls.fault == ""
