"""TLS of calls: what is trusted, what we show, and what is never spoken."""

from __future__ import annotations

import logging
import os
import ssl
import tempfile
import warnings
from pathlib import Path
from typing import Any

import pytest
import urllib3
from connections.faults import Faults, certificates
from pki import authority, rsa_key

from apimgmt.connections import Call
from apimgmt.connections.configuration import Configuration, Tls
from apimgmt.connections.egress.guard import Guard
from apimgmt.connections.egress.resolving import system
from apimgmt.connections.transport.blocking import Blocking
from apimgmt.connections.transport.tls import context
from apimgmt.errors import ConnectionFailed, SettingInvalid

ROOT, OTHER = authority("Root"), authority("Other")
HERE = certificates(ROOT)
PARTNER = ROOT.issue("partner-one")


def outcome(tls: Tls, upstream: Faults, host: str = "127.0.0.1") -> str:
    """``200``, or the cause of the failure."""
    driver = Blocking(Configuration(tls=tls, base_url="https://crm.example"), _guard())
    try:
        return str(driver.send(Call(method="GET", url=f"https://{host}:{upstream.port}/", timeout=5)).status)
    except ConnectionFailed as error:
        return error.cause
    finally:
        driver.close()


def _guard() -> Guard:
    return Guard(["127.0.0.1"], lambda host, port: system("127.0.0.1", port))


# the certificate of the server; what is said with its authority trusted, with nothing said, and without verification
SERVERS = [
    ("good", "200", "certificate", "200"),
    ("expired", "certificate", "certificate", "200"),
    ("not-yet", "certificate", "certificate", "200"),
    ("wrong-name", "certificate", "certificate", "200"),
    ("self-signed", "certificate", "certificate", "200"),
]


@pytest.mark.rows("C-022", "C-073")
@pytest.mark.parametrize(("name", "trusted", "public", "unverified"), SERVERS, ids=[row[0] for row in SERVERS])
def test_certificates_are_verified_unless_it_is_said_otherwise(
    name: str, trusted: str, public: str, unverified: str
) -> None:
    """S-46: bad certificates against what a connection can say; the request is not sent before it is verified."""
    with Faults(tls=HERE[name]) as upstream:
        assert outcome(Tls(), upstream) == public
        assert len(upstream.requests) == 0
        assert outcome(Tls(authorities=ROOT.pem), upstream) == trusted
        assert outcome(Tls(authorities=OTHER.pem), upstream) == "certificate"
        assert len(upstream.requests) == (trusted == "200")
        assert outcome(Tls(verify=False), upstream) == unverified


@pytest.mark.rows("C-022")
def test_a_self_signed_certificate_can_be_named() -> None:
    """As its own authority, and then for its own names only."""
    with Faults(tls=HERE["self-signed"]) as upstream:
        tls = Tls(authorities=HERE["self-signed"].pem)
        assert outcome(tls, upstream) == "200"
        assert outcome(tls, upstream, "localhost") == "200"
        assert outcome(tls, upstream, "other.example") == "certificate"


@pytest.mark.rows("C-022")
def test_named_authorities_stand_instead_of_the_public_ones() -> None:
    """One of ours does not make the public ones trusted as well."""
    assert len(context(Tls(authorities=ROOT.pem)).get_ca_certs()) == 1
    assert len(context(Tls(authorities=ROOT.pem + OTHER.pem)).get_ca_certs()) == 2
    assert len(context(Tls()).get_ca_certs()) > 50


@pytest.mark.rows("C-023")
def test_a_client_certificate_is_shown() -> None:
    """The server demands one and reads its name; without one, or with a stranger's, nothing is answered."""
    with Faults(tls=HERE["good"], clients=ROOT) as upstream:
        shown = Tls(authorities=ROOT.pem, certificate=PARTNER.pem, key=PARTNER.secret)
        assert outcome(shown, upstream) == "200"
        subject = dict(part[0] for part in upstream.requests[0].peer["subject"])
        assert subject["commonName"] == "partner-one"
        assert outcome(Tls(authorities=ROOT.pem), upstream) in ("tls", "reset")
        stranger = OTHER.issue("stranger")
        assert outcome(Tls(authorities=ROOT.pem, certificate=stranger.pem, key=stranger.secret), upstream) in (
            "tls",
            "reset",
        )
        assert len(upstream.requests) == 1


@pytest.mark.rows("C-023")
def test_a_client_certificate_may_come_with_its_chain() -> None:
    """What is between it and the root stands behind it in the same text; keys of RSA work like those of curves."""
    between = ROOT.issue("Between", ca=True, usage=())
    partner = between.issue("partner-two", key=rsa_key())
    tls = Tls(authorities=ROOT.pem, certificate=partner.pem + between.pem, key=partner.secret)
    with Faults(tls=HERE["good"], clients=ROOT) as upstream:
        assert outcome(tls, upstream) == "200"


@pytest.mark.rows("C-023")
@pytest.mark.parametrize("memory", [True, False], ids=["in-memory", "on-disk"])
def test_the_key_is_left_nowhere(memory: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in memory, or in a file that only we can read while OpenSSL reads it; neither stays."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if not memory:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    context(Tls(certificate=PARTNER.pem, key=PARTNER.secret))
    with pytest.raises(SettingInvalid):
        context(Tls(certificate=PARTNER.pem, key=OTHER.secret))
    assert list(tmp_path.iterdir()) == []
    assert not [one for one in os.listdir("/proc/self/fd") if "apimgmt-certificate" in _target(one)]


def _target(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"authorities": "nonsense"}, "tls.authorities"),
    ({"authorities": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"}, "tls.authorities"),
    ({"certificate": PARTNER.pem}, "tls.key"),
    ({"key": PARTNER.secret}, "tls.certificate"),
    ({"certificate": PARTNER.pem, "key": OTHER.secret}, "do not belong together"),
    ({"certificate": PARTNER.pem, "key": "-----BEGIN ENCRYPTED PRIVATE KEY-----"}, "without a passphrase"),
    ({"certificate": "-----BEGIN CERTIFICATE-----\nx", "key": PARTNER.secret}, "cannot be read"),
]


@pytest.mark.rows("C-023")
@pytest.mark.parametrize(("members", "told"), WRONG, ids=[told for _, told in WRONG])
def test_pem_that_cannot_be_used_is_refused_when_the_connection_is_made(members: dict[str, Any], told: str) -> None:
    """Not at the first call; the message names the member and shows nothing of it."""
    with pytest.raises(SettingInvalid, match=told) as caught:
        Blocking(Configuration(tls=Tls(**members)), Guard())
    assert "PRIVATE" not in str(caught.value)


@pytest.mark.rows("C-022")
def test_not_verifying_is_said_in_the_log_once(caplog: pytest.LogCaptureFixture) -> None:
    """Once per connection, however many calls there are; it names the host."""
    with Faults(tls=HERE["self-signed"]) as upstream, caplog.at_level(logging.WARNING, "apimgmt.connections"):
        driver = Blocking(Configuration(tls=Tls(verify=False), base_url=upstream.url), _guard())
        for _ in range(3):
            assert driver.send(Call(method="GET", url=upstream.url)).status == 200
        driver.close()
    assert [record.getMessage() for record in caplog.records] == [
        "the connection to 127.0.0.1 does not check certificates (tls.verify is false)"
    ]


def test_urllib3_repeats_no_warning_of_ours_and_keeps_those_of_others() -> None:
    """A call that verifies nothing gives no warning of Python; code of others that calls urllib3 itself has its own."""
    with Faults(tls=HERE["self-signed"]) as upstream, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert [outcome(Tls(verify=False), upstream), told] == ["200", []]
        with urllib3.PoolManager(cert_reqs="CERT_NONE", retries=False) as pools:
            assert pools.request("GET", upstream.url).status == 200
        assert [one.category for one in told] == [urllib3.exceptions.InsecureRequestWarning]


@pytest.mark.parametrize("tls", [Tls(verify=False), Tls(authorities=ROOT.pem)], ids=["off", "own"])
@pytest.mark.parametrize(
    ("version", "result"), [(ssl.TLSVersion.TLSv1_1, "tls"), (ssl.TLSVersion.TLSv1_2, "200")], ids=["1.1", "1.2"]
)
@pytest.mark.filterwarnings("ignore:.*TLSVersion.TLSv1_1 is deprecated")
def test_nothing_older_than_tls_12_is_spoken(tls: Tls, version: ssl.TLSVersion, result: str) -> None:
    """S-46: whatever else is switched off."""
    with Faults(tls=HERE["good"]) as upstream:
        assert upstream.context is not None
        upstream.context.set_ciphers("ALL:@SECLEVEL=0")
        upstream.context.minimum_version = upstream.context.maximum_version = version
        assert outcome(tls, upstream) == result
        assert context(tls).minimum_version == context(Tls()).minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.rows("C-073")
def test_a_port_that_speaks_no_tls_is_told_apart() -> None:
    """The cause is ``tls``; a mail server has answered."""
    with Faults("greeting") as upstream:
        driver = Blocking(Configuration(), _guard())
        with pytest.raises(ConnectionFailed) as caught:
            driver.send(Call(method="GET", url=f"https://127.0.0.1:{upstream.port}/", timeout=20))
        driver.close()
        assert caught.value.cause == "tls"


def test_two_connections_do_not_share_what_they_trust() -> None:
    """A pool that was opened without verification is of no use to another connection."""
    with Faults(tls=HERE["self-signed"]) as upstream:
        lax, strict = Tls(verify=False), Tls(authorities=ROOT.pem)
        assert [outcome(one, upstream) for one in (lax, strict, lax, strict)] == ["200", "certificate"] * 2
