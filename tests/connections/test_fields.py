"""What a request is made of cannot become a second field, or a second request."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import pytest
from connections.faults import Faults

import apimgmt.asgi  # noqa: F401 (it registers the kinds)
from apimgmt.connections import Call
from apimgmt.connections.configuration import Configuration, Proxy, Tls
from apimgmt.connections.connection import Connection
from apimgmt.connections.egress.guard import Guard
from apimgmt.connections.transport.blocking import Blocking
from apimgmt.errors import ConnectionFailed
from apimgmt.settings import Settings

BREAKS = ["\r\n", "\n", "\r", "\0", "\x0b", "\x7f", "\x1b"]
IDS = [repr(sign) for sign in BREAKS]


def refused(upstream: Faults, **members: Any) -> str:
    """Why a call is not sent."""
    driver = Blocking(Configuration(), Guard(["127.0.0.1"]))
    with pytest.raises(ConnectionFailed) as caught:
        driver.send(Call(**{"method": "GET", "url": upstream.url, **members}))
    driver.close()
    assert upstream.connections == 0 and "s3cret" not in str(caught.value)
    return caught.value.cause


@pytest.mark.parametrize("sign", BREAKS, ids=IDS)
def test_nothing_is_injected(sign: str) -> None:
    """Line ends and other controls in names, values, the method and the URL: the call is not sent."""
    with Faults() as upstream:
        assert refused(upstream, headers=((f"X{sign}Y", "s3cret"),)) == "request"
        assert refused(upstream, headers=(("X", f"s3cret{sign}Y: z"),)) == "request"
        assert refused(upstream, method=f"GET{sign}") == "request"
        for url in (f"{upstream.url}/{sign}", f"{upstream.url}/?s3cret={sign}", f"{upstream.url}{sign}/"):
            assert refused(upstream, url=url) == "request"


@pytest.mark.parametrize(
    "field",
    [
        ("", "a"),
        ("a b", "c"),
        ("a:", "b"),
        ("é", "b"),
        ("X", "λ"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "9"),
    ],
    ids=lambda field: repr(field[0]),
)
def test_a_field_is_one_of_http(field: tuple[str, str]) -> None:
    """Names are tokens, values are of Latin-1, and the framing is not for the taking."""
    with Faults() as upstream:
        assert refused(upstream, headers=(field,), content=b"x") == "request"


def test_what_a_field_may_have_is_sent_as_it_is() -> None:
    """Tabs and signs beyond ASCII; a length that is the true one."""
    with Faults() as upstream:
        driver = Blocking(Configuration(), Guard(["127.0.0.1"]))
        headers = (("X-One", "a\tb"), ("X-Two", "café"), ("Content-Length", "2"))
        driver.send(Call(method="POST", url=upstream.url, headers=headers, content=b"ab"))
        driver.close()
        seen = upstream.requests[0]
        assert (seen.headers["x-one"], seen.headers["x-two"], seen.body) == ("a\tb", "café", b"ab")


@pytest.mark.parametrize(
    "fault", ["refuse", "reset-before-headers", "never-answer", "garbage", "bad-gzip", "two-lengths"]
)
def test_a_failure_says_no_secret(fault: str, caplog: pytest.LogCaptureFixture) -> None:
    """S-44: neither the message nor the traceback with all that caused it, nor what is logged meanwhile."""
    caplog.set_level(logging.DEBUG)
    with Faults(fault) as upstream:
        driver = Blocking(Configuration(), Guard(["127.0.0.1"]))
        call = Call(
            method="POST",
            url=f"{upstream.url}/x?key=s3cret",
            headers=(("Authorization", "Bearer s3cret"),),
            content=b"s3cret",
            timeout=0.2 if fault == "never-answer" else 20,
        )
        with pytest.raises(ConnectionFailed) as caught:
            driver.send(call)
        driver.close()
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(call) + caplog.text
    assert "s3cret" not in told


def test_a_warning_of_urllib3_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """It has the whole URL, with its query."""
    with Faults(b"HTTP/1.1 200 OK\r\nbroken line\r\nContent-Length: 2\r\n\r\n{}") as upstream:
        driver = Blocking(Configuration(), Guard(["127.0.0.1"]))
        driver.send(Call(method="GET", url=f"{upstream.url}/x?key=s3cret"))
        driver.close()
    assert "s3cret" not in caplog.text


def test_settings_are_shown_without_secrets() -> None:
    """The ``repr`` of a connection, its configuration and parts of it."""
    configuration = Configuration(
        base_url="https://crm.example/?key=s3cret",
        headers={"X": "s3cret"},
        secret_headers={"Y": "s3cret"},
        tls=Tls(key="s3cret", verify=False),
        proxy=Proxy("http://proxy", "user", "s3cret"),
        authentication={"kind": "none", "x": "s3cret"},
    )
    assert "s3cret" not in repr(configuration) + repr(configuration.tls) + repr(configuration.proxy)
    plain = Connection("crm", Configuration(secret_headers={"X": "s3cret"}), {}, Settings())
    assert "s3cret" not in repr(plain) + repr(plain.policy) + repr(plain.guard)
