"""Calls through a proxy: http as it is, https through a tunnel, and the proxy's own refusals."""

from __future__ import annotations

from typing import Any

import pytest
from connections.faults import FAULTS, Faults, certificates
from connections.forwardproxy import ForwardProxy
from pki import authority

from apimgmt.connections import Call, Reply
from apimgmt.connections.configuration import Configuration, Proxy, Tls
from apimgmt.connections.egress.guard import Guard
from apimgmt.connections.egress.resolving import Info, system
from apimgmt.connections.transport.blocking import Blocking
from apimgmt.errors import ConnectionFailed, SettingInvalid

ROOT = authority("Root")
HERE = certificates(ROOT)


def here(host: str, port: int) -> list[Info]:
    """Every name is this machine."""
    return system("127.0.0.1", port)


def call(url: str, proxy: Proxy, guard: Guard | None = None, headers: Any = (), **members: Any) -> Reply:
    """One GET through a proxy."""
    driver = Blocking(Configuration(proxy=proxy, **members), guard or Guard(["127.0.0.1"], here))
    try:
        return driver.send(Call(method="GET", url=url, headers=headers, timeout=3))
    finally:
        driver.close()


def cause(url: str, proxy: Proxy, **members: Any) -> str:
    """Why a call failed."""
    with pytest.raises(ConnectionFailed) as caught:
        call(url, proxy, **members)
    assert "s3cret" not in str(caught.value) and "s3cret" not in repr(caught.value)
    return caught.value.cause


@pytest.mark.rows("C-024")
def test_http_goes_through_the_proxy() -> None:
    """The proxy gets the whole URL, the system behind it the path."""
    with Faults() as upstream, ForwardProxy() as proxy:
        assert call(f"{upstream.url}/x?y=1", Proxy(proxy.url)).json() == {"ok": True}
        assert proxy.asked == [f"GET {upstream.url}/x?y=1"]
        assert upstream.requests[0].headers["host"] == f"127.0.0.1:{upstream.port}"


@pytest.mark.rows("C-024")
def test_https_goes_through_a_tunnel() -> None:
    """The proxy reads where to, and nothing else; the certificate is that of the system behind it."""
    with Faults(tls=HERE["good"]) as upstream, ForwardProxy() as proxy:
        fields = (("Authorization", "Bearer s3cret"),)
        url = f"https://localhost:{upstream.port}/x"
        assert call(url, Proxy(proxy.url), headers=fields, tls=Tls(authorities=ROOT.pem)).status == 200
        assert proxy.asked == [f"CONNECT localhost:{upstream.port}"] and "s3cret" not in proxy.passed[0]
        assert upstream.requests[0].headers["authorization"] == "Bearer s3cret"
        assert cause(url, Proxy(proxy.url)) == "certificate"


@pytest.mark.rows("C-025")
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_the_proxy_gets_its_credential_and_nobody_else(secure: bool) -> None:
    """Basic, also with signs that a URL could not hold; the system behind the proxy does not see it."""
    with Faults(tls=HERE["good"] if secure else None) as upstream, ForwardProxy("us/er:s3cret@:ü") as proxy:
        given = Proxy(proxy.url, "us/er", "s3cret@:ü")
        assert call(upstream.url, given, tls=Tls(authorities=ROOT.pem)).status == 200
        assert not any(name.startswith("proxy") for name in upstream.requests[0].headers)


@pytest.mark.rows("C-025", "C-073")
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("given", [("", ""), ("user", "s3cret-wrong")], ids=["none", "wrong"])
def test_a_proxy_that_wants_another_credential_is_told_apart(secure: bool, given: tuple[str, str]) -> None:
    """The cause is ``proxy``, whether the refusal is an answer or the end of a tunnel."""
    with Faults(tls=HERE["good"] if secure else None) as upstream, ForwardProxy("user:s3cret") as proxy:
        assert cause(upstream.url, Proxy(proxy.url, *given)) == "proxy"
        assert upstream.connections == 0


@pytest.mark.rows("C-073")
@pytest.mark.parametrize("status", [403, 500, 502, 503])
def test_a_tunnel_that_the_proxy_refuses_is_told_apart(status: int) -> None:
    """The message has the status."""
    with Faults(tls=HERE["good"]) as upstream, ForwardProxy(refusing=status) as proxy:
        with pytest.raises(ConnectionFailed, match=str(status)) as caught:
            call(upstream.url, Proxy(proxy.url))
        assert caught.value.cause == "proxy"


@pytest.mark.rows("C-073")
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("fault", ["refuse", "reset", "garbage"])
def test_a_proxy_that_does_not_work_is_told_apart(fault: str, secure: bool) -> None:
    """A proxy that is not there has the cause ``proxy``; one that answers nonsense is not let pass."""
    assert fault == "refuse" or fault in FAULTS
    with Faults(tls=HERE["good"] if secure else None) as upstream, Faults(fault) as proxy:
        found = cause(upstream.url, Proxy(proxy.url))
        assert found == "proxy" if fault == "refuse" else found in ("proxy", "reset", "protocol")
        assert upstream.connections == 0


@pytest.mark.parametrize("fault", ["never-answer", "drip-headers"])
def test_a_slow_proxy_does_not_outlast_the_call(fault: str) -> None:
    """Neither a tunnel that is never opened nor one that is opened byte by byte."""
    with Faults(fault, headers=(("X", "y" * 500),), pause=0.02) as proxy:
        driver = Blocking(Configuration(proxy=Proxy(proxy.url)), Guard(["127.0.0.1"], here))
        with pytest.raises(ConnectionFailed) as caught:
            driver.send(Call(method="GET", url="https://127.0.0.1:9/", timeout=0.3))
        driver.close()
        assert caught.value.cause == "timeout"


def test_the_proxy_itself_has_to_be_listed() -> None:
    """Its address is looked at like any other; a port in the list keeps it from being called as a target."""
    with ForwardProxy(host="127.0.0.2") as proxy, Faults() as upstream:
        port = proxy.url.rpartition(":")[2]
        given = Proxy(proxy.url)
        assert cause(upstream.url, given, guard=Guard(["127.0.0.1"], here)) == "forbidden-address"
        assert call(upstream.url, given, Guard(["127.0.0.1", f"127.0.0.2:{port}"], here)).status == 200
        assert cause("http://127.0.0.2:80/", given, guard=Guard([f"127.0.0.2:{port}"], here)) == "forbidden-address"
        assert len(proxy.asked) == 1


def test_a_name_that_only_the_proxy_resolves_has_to_be_listed() -> None:
    """Otherwise nobody could look at where it leads."""

    def nothing(host: str, port: int) -> list[Info]:
        return []

    with ForwardProxy() as proxy, Faults() as upstream:
        url = f"http://only.there:{upstream.port}/"
        assert cause(url, Proxy(proxy.url), guard=Guard(["127.0.0.1"], nothing)) == "name"
        assert call(url, Proxy(proxy.url), Guard(["127.0.0.1", "*.there"], nothing)).status == 200


def test_a_name_with_one_bad_address_is_not_handed_over() -> None:
    """The proxy could choose that one."""
    with ForwardProxy() as proxy:
        guard = Guard(["127.0.0.1"], lambda host, port: [*system("127.0.0.1", port), *system("10.0.0.1", port)])
        assert cause("http://both.example/", Proxy(proxy.url), guard=guard) == "forbidden-address"
        assert proxy.asked == []


@pytest.mark.parametrize(
    "url",
    ["", "proxy:3128", "https://proxy:3128", "socks5://proxy", "http://u:s3cret@proxy", "http://proxy/x", "http://[:1"],
)
def test_a_proxy_is_written_as_http_host_port(url: str) -> None:
    """Anything else is refused when the connection is made, without the URL in the message."""
    with pytest.raises(SettingInvalid, match="http://host:port") as caught:
        Blocking(Configuration(proxy=Proxy(url)), Guard())
    assert caught.value.pointer == "/proxy/url" and "s3cret" not in str(caught.value)


def test_nothing_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Neither proxies nor .netrc nor authorities: only what the connection says."""
    with Faults() as upstream, ForwardProxy() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password s3cret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        driver = Blocking(Configuration(), Guard(["127.0.0.1"]))
        assert driver.send(Call(method="GET", url=upstream.url)).status == 200
        driver.close()
        assert proxy.asked == [] and "authorization" not in upstream.requests[0].headers
    with Faults(tls=HERE["good"]) as secure:
        (tmp_path / "ca.pem").write_text(ROOT.pem)
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            monkeypatch.setenv(name, str(tmp_path / "ca.pem"))
        with pytest.raises(ConnectionFailed) as caught:
            Blocking(Configuration(), Guard(["127.0.0.1"])).send(Call(method="GET", url=secure.url))
        assert caught.value.cause == "certificate"
