"""Trying a connection: each step, each failure at its step, with its cause and what to do; bounded in time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from connections.faults import Faults, certificates
from connections.forwardproxy import ForwardProxy
from pki import authority

import apimgmt.asgi  # noqa: F401  registers every plug-in
from apimgmt.control.diagnosis import STEPS, Diagnosis, Step, diagnosed
from apimgmt.errors import CAUSES
from apimgmt.settings import Settings

HOST = "127.0.0.1"
ROOT = authority("Root")
HERE = certificates(ROOT)
OPEN = Settings(egress_allow="127.0.0.1, localhost")


def tried(url: str, path: str = "", settings: Settings = OPEN, seconds: float = 15.0, **members: Any) -> Diagnosis:
    """What comes of trying a connection to a URL."""
    return diagnosed({"baseUrl": url, **members}, settings, path, most_seconds=seconds)


def states(found: Diagnosis) -> list[str]:
    """The states in their order; a failure as its cause."""
    assert tuple(step.step for step in found.steps) == STEPS
    return [step.cause if step.state == "failed" else step.state for step in found.steps]


def failure(found: Diagnosis) -> Step:
    """The one step that failed; those after it are skipped, and it says what to do."""
    failed = [step for step in found.steps if step.state == "failed"]
    assert len(failed) == 1 and not found.ok
    after = found.steps[found.steps.index(failed[0]) + 1 :]
    assert all(step.state == "skipped" for step in after)
    assert failed[0].remedy == CAUSES[failed[0].cause].remedy
    return failed[0]


@pytest.mark.rows("C-005")
def test_what_works_is_ok_at_every_step() -> None:
    """Each step says what it found: address, host, TLS, certificate, credential, status, type and time."""
    with Faults(tls=HERE["good"]) as upstream:
        bearer = {"kind": "bearer", "token": "t0ken-of-a-test"}
        found = tried(upstream.url, tls={"authorities": ROOT.pem}, authentication=bearer)
        assert upstream.requests[0].headers["authorization"] == "Bearer t0ken-of-a-test"
    assert found.ok and states(found) == ["ok"] * 7
    told = {step.step: step.detail for step in found.steps}
    assert told["address"] == f"127.0.0.1, port {upstream.port}"
    assert told["tls"].startswith("TLS 1.3, certificate of") and "O=Acme" in told["tls"]
    assert told["authenticated"] == "the credential is accepted"
    assert told["answered"].startswith("200 OK, application/json, ")
    assert "t0ken" not in repr(found)


@pytest.mark.rows("C-005")
def test_without_tls_and_credential_the_steps_say_so() -> None:
    """What is not used is no failure."""
    with Faults() as upstream:
        found = tried(upstream.url)
    assert found.ok
    told = {step.step: step.detail for step in found.steps}
    assert (told["tls"], told["authenticated"]) == ("not used (http)", "no credential is needed here")


@pytest.mark.rows("C-073")
def test_a_name_that_is_none_fails_at_the_name() -> None:
    """DNS; nothing after it is tried."""
    step = failure(tried("https://no-such-host.invalid"))
    assert (step.step, step.cause) == ("name", "name")


@pytest.mark.rows("C-073")
@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://[::1]:9", "http://169.254.169.254"])
def test_an_internal_host_fails_at_the_permission(url: str) -> None:
    """The egress guard, with its own remedy; what is dialled by nobody says nothing about who listens."""
    step = failure(tried(url, settings=Settings()))
    assert (step.step, step.cause) == ("permitted", "forbidden-address")


@pytest.mark.rows("C-073")
def test_a_closed_port_fails_at_the_connection() -> None:
    """Refused, or a firewall that says no."""
    with Faults("refuse") as upstream:
        step = failure(tried(upstream.url))
    assert (step.step, step.cause) == ("connected", "refused")


@pytest.mark.rows("C-073")
def test_a_port_that_nobody_answers_fails_at_the_connection() -> None:
    """A firewall that drops: the connection is never established."""
    with Faults("full") as upstream:
        step = failure(tried(upstream.url, timeout=0.5))
    assert (step.step, step.cause) == ("connected", "timeout")
    assert "firewall" in step.detail


@pytest.mark.rows("C-073")
def test_a_wrong_url_is_told_from_a_wrong_certificate() -> None:
    """https to a port of http fails at TLS; http to a port that speaks something else while the answer is awaited."""
    with Faults() as upstream:
        step = failure(tried(upstream.url.replace("http:", "https:"), timeout=2))
        assert (step.step, step.cause) == ("tls", "tls")
    with Faults(b"SSH-2.0-OpenSSH_9.6\r\n") as upstream:
        step = failure(tried(upstream.url))
        assert (step.step, step.cause) == ("answered", "protocol")


CERTIFICATES = [
    ("expired", {"authorities": ROOT.pem}, "the certificate expired on"),
    ("not-yet", {"authorities": ROOT.pem}, "only; compare the clocks"),
    ("wrong-name", {"authorities": ROOT.pem}, "not for 127.0.0.1"),
    ("self-signed", {"authorities": ROOT.pem}, "self-signed"),
    ("good", {}, "which is not trusted"),
]


@pytest.mark.rows("C-073", "C-022")
@pytest.mark.parametrize(("name", "tls", "said"), CERTIFICATES, ids=[row[0] for row in CERTIFICATES])
def test_a_bad_certificate_fails_at_tls_and_says_why(name: str, tls: dict[str, Any], said: str) -> None:
    """Expired, not yet valid, of another host, self-signed, of an authority that is not trusted; nothing is sent."""
    with Faults(tls=HERE[name]) as upstream:
        step = failure(tried(upstream.url, tls=tls, authentication={"kind": "bearer", "token": "t0ken"}))
        assert upstream.requests == []
    assert (step.step, step.cause) == ("tls", "certificate")
    assert said in step.detail


@pytest.mark.rows("C-022")
def test_an_unchecked_certificate_is_said_to_be_unchecked() -> None:
    """It works, and the step does not let anybody forget."""
    with Faults(tls=HERE["expired"]) as upstream:
        found = tried(upstream.url, tls={"verify": False})
    assert found.ok
    assert found.steps[4].detail.endswith("; it is not checked (tls.verify)")


@pytest.mark.rows("C-023")
def test_a_client_certificate_is_shown() -> None:
    """A server that demands one answers with it, and not without."""
    partner = ROOT.issue("partner-one")
    with Faults(tls=HERE["good"], clients=ROOT) as upstream:
        shown = {"authorities": ROOT.pem, "certificate": partner.pem, "key": partner.secret}
        assert tried(upstream.url, tls=shown).ok
        assert upstream.requests[0].peer is not None
        assert failure(tried(upstream.url, tls={"authorities": ROOT.pem}, timeout=2)).step in ("tls", "answered")


ANSWERS = [
    (b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", "none", "authenticated"),
    (b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", "bearer", "authenticated"),
    (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "bearer", "authenticated"),
    (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", "bearer", "answered"),
    (b"HTTP/1.1 503 Oh\r\nContent-Length: 0\r\n\r\n", "none", "answered"),
]


@pytest.mark.rows("C-005", "C-074")
@pytest.mark.parametrize(
    ("answer", "kind", "step"), ANSWERS, ids=["401-none", "401-wrong-kind", "403", "500-credential", "503"]
)
def test_a_refused_credential_and_an_error_are_told_apart(answer: bytes, kind: str, step: str) -> None:
    """401 and 403 fail at the authentication; 5xx at the answer, of one attempt only."""
    authentication = {"kind": kind} | ({"token": "t0ken"} if kind == "bearer" else {})
    with Faults(answer) as upstream:
        found = failure(tried(upstream.url, authentication=authentication))
        assert len(upstream.requests) == 1
    assert (found.step, found.cause) == (step, "credential" if step == "authenticated" else "status")


@pytest.mark.parametrize(
    ("status", "path", "said"),
    [
        ("404 Not Found", "", "nothing at the base URL itself"),
        ("404 Not Found", "/x", ""),
        ("302 Found", "", "redirects"),
    ],
    ids=["404-base", "404-path", "redirect"],
)
def test_an_answer_below_500_is_an_answer(status: str, path: str, said: str) -> None:
    """A base URL need not have anything at itself; the step says what may be meant."""
    with Faults(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()) as upstream:
        found = tried(upstream.url, path)
        assert upstream.requests[0].target == (path or "/")
    assert found.ok and said in found.steps[-1].detail


def test_graphql_is_asked_for_its_type() -> None:
    """A POST that changes nothing."""
    with Faults() as upstream:
        assert tried(upstream.url, type="graphql").ok
        assert (upstream.requests[0].method, b"__typename" in upstream.requests[0].body) == ("POST", True)


@pytest.mark.rows("C-005")
def test_through_a_proxy_the_first_steps_are_about_the_proxy() -> None:
    """A proxy that is not there fails at the connection, one that refuses, too; one that works leads to an answer."""
    with Faults() as upstream:
        with ForwardProxy() as proxy:
            found = tried(upstream.url, proxy={"url": proxy.url})
            assert found.ok and "(the proxy)" in found.steps[0].detail
        with Faults("refuse") as closed:
            step = failure(tried(upstream.url, proxy={"url": closed.url}))
            assert (step.step, step.cause) == ("connected", "refused")
        with ForwardProxy("user:secret") as proxy:
            step = failure(tried(upstream.url, proxy={"url": proxy.url}))
            assert step.cause == "proxy"


@pytest.mark.rows("C-005")
@pytest.mark.parametrize("fault", ["never-answer", "drip-body"])
def test_a_server_that_does_not_end_is_given_up(fault: str) -> None:
    """All steps together take as long as they may, whatever the connection's own timeout says."""
    with Faults(fault, seconds=60, pause=0.2) as upstream:
        began = time.monotonic()
        step = failure(tried(upstream.url, seconds=1.0, timeout=600))
    assert time.monotonic() - began < 10  # a loaded machine; the naive one takes 60
    assert (step.step, step.cause) == ("answered", "timeout")


def test_a_test_is_one_request() -> None:
    """Neither retries nor the breaker nor the limit of the connection have a part in it."""
    with Faults(b"HTTP/1.1 503 Oh\r\nContent-Length: 0\r\n\r\n") as upstream:
        for _ in range(10):
            tried(upstream.url, limit={"requests": 1, "seconds": 3600}, breaker={"failures": 1})
        assert len(upstream.requests) == 10


def test_a_database_answers_or_not(tmp_path: Path) -> None:
    """A file of SQLite that is there, and one that is not."""
    (tmp_path / "databases").mkdir()
    settings = Settings(data=str(tmp_path))
    url, members = "sqlite:///shop.db", {"type": "sql"}
    assert failure(tried(url, settings=settings, **members)).step == "answered"
    (tmp_path / "databases" / "shop.db").touch()
    found = tried(url, settings=settings, **members)
    assert found.ok and states(found) == ["ok", *["skipped"] * 5, "ok"]
