"""S-44: redirects are answers, or followed at home; a foreign listener never sees a credential, a field or a body."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from connections.faults import Faults

from apimgmt.connections import Call, Reply
from apimgmt.connections.configuration import Configuration
from apimgmt.connections.egress.guard import Guard
from apimgmt.connections.egress.resolving import system
from apimgmt.connections.transport.blocking import Blocking
from apimgmt.connections.transport.redirects import FOLLOWED
from apimgmt.errors import ConnectionFailed

FIELDS = (("Authorization", "Bearer s3cret"), ("X-API-Key", "s3cret"))


def to(location: str, status: int = 302) -> bytes:
    """An answer that redirects."""
    fields = f"Location: {location}\r\nContent-Length: 0\r\nConnection: close"
    return f"HTTP/1.1 {status} Elsewhere\r\n{fields}\r\n\r\n".encode()


def call(upstream: Faults, most: int, method: str = "GET", path: str = "/a/b?key=s3cret") -> Reply:
    """One call that follows so many redirects, with every host permitted."""
    guard = Guard(["127.0.0.0/8", "::1"], lambda host, port: system("127.0.0.1", port))
    driver = Blocking(Configuration(redirects=most), guard)
    content = b"s3cret" if method == "POST" else b""
    try:
        return driver.send(Call(method=method, url=upstream.url + path, headers=FIELDS, content=content, timeout=20))
    finally:
        driver.close()


@pytest.fixture
def foreign() -> Iterator[Faults]:
    """A listener of somebody else, on this machine as well."""
    with Faults() as listener:
        yield listener


@pytest.mark.parametrize("status", [300, *sorted(FOLLOWED), 304])
def test_a_redirect_is_an_answer_unless_it_is_said_otherwise(status: int) -> None:
    """With its status and where it leads; nothing else is asked."""
    with Faults(to("/c", status), "good") as upstream:
        reply = call(upstream, 0)
        assert (reply.status, reply.header("location"), reply.outcome) == (status, "/c", "redirect")
        assert len(upstream.requests) == 1


@pytest.mark.parametrize("location", ["/c", "c", "?x=1", "//{home}/c", "http://{home}/c", "HTTP://{home}/c#part"])
def test_a_redirect_at_home_is_followed(location: str) -> None:
    """However it is written; the credential stays on, because it is the same system."""
    with Faults() as upstream:
        upstream.faults[:0] = [to(location.replace("{home}", upstream.url.partition("//")[2]))]
        assert call(upstream, 1).json() == {"ok": True}
        first, second = upstream.requests
        assert (first.headers["authorization"], second.headers["authorization"]) == ("Bearer s3cret",) * 2
        assert "#" not in second.target


def test_the_body_of_a_redirect_is_bounded_like_any_other() -> None:
    """It is not read aside, without a limit, to find out where it leads."""
    for fault in ("gzip-bomb", "endless-body"):
        with Faults(fault, headers=(("Location", "/c"),)) as upstream:
            upstream.status = "HTTP/1.1 302 Found"
            with pytest.raises(ConnectionFailed) as caught:
                call(upstream, 0)
            assert caught.value.cause == "too-large"


@pytest.mark.parametrize("hops", [1, 2, 3, 4, 5])
def test_so_many_redirects_are_followed(hops: int) -> None:
    """As many as allowed lead to an answer; with one less allowed the cause is ``redirect``."""
    chain = [to(f"/{hop}") for hop in range(hops)]
    with Faults(*chain, "good") as upstream:
        assert call(upstream, hops).status == 200
    if hops > 1:
        with Faults(*chain, "good") as upstream, pytest.raises(ConnectionFailed, match="more than") as caught:
            call(upstream, hops - 1)
        assert caught.value.cause == "redirect" and caught.value.reply.status == 302


AWAY = [
    "http://127.0.0.1:{p}/",
    "//127.0.0.1:{p}/",
    "http://localhost:{p}/",
    "http://127.0.0.2:{p}/",
    "https://127.0.0.1:{p}/",
    "http://foreign.example:{p}/?key=s3cret",
    "http://user:pass@127.0.0.1:{p}/",
    "ftp://127.0.0.1:{p}/",
    "http://[::1]:{p}/",
    "http://[/",
]


@pytest.mark.parametrize("location", AWAY)
@pytest.mark.parametrize("most", [0, 5])
@pytest.mark.parametrize("hops", [1, 3, 5])
def test_nothing_is_sent_to_another_origin(location: str, most: int, hops: int, foreign: Faults) -> None:
    """Another scheme, host or port, after one hop or several: no connection, no secret in the message."""
    away = to(location.replace("{p}", str(foreign.port)))
    with Faults(*(to(f"/{hop}") for hop in range(1, hops)), away, "good") as upstream:
        if not most:
            assert call(upstream, most).status == 302
        else:
            with pytest.raises(ConnectionFailed) as caught:
                call(upstream, most)
            assert caught.value.cause == "redirect" and "s3cret" not in str(caught.value)
        assert len(upstream.requests) == (hops if most else 1)
    assert foreign.connections == 0


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_only_reading_is_followed(method: str) -> None:
    """A body is not sent a second time, and no method becomes another one."""
    with Faults(to("/c"), "good") as upstream:
        assert call(upstream, 5, method).status == 302
        assert [seen.method for seen in upstream.requests] == [method]


def test_head_stays_head() -> None:
    """It is followed like GET."""
    with Faults(to("/c"), b"HTTP/1.1 200 OK\r\n\r\n") as upstream:
        assert call(upstream, 5, "HEAD").status == 200
        assert [seen.method for seen in upstream.requests] == ["HEAD", "HEAD"]


@pytest.mark.rows("C-065")
def test_all_hops_share_the_time_of_one_attempt() -> None:
    """Five slow hops do not take five times as long."""
    with Faults("delay", seconds=0.2, headers=(("Location", "/again"),)) as upstream:
        upstream.status = "HTTP/1.1 302 Found"
        driver = Blocking(Configuration(redirects=5), Guard(["127.0.0.1"]))
        with pytest.raises(ConnectionFailed) as caught:
            driver.send(Call(method="GET", url=upstream.url, timeout=0.5))
        driver.close()
        assert caught.value.cause == "timeout" and len(upstream.requests) < 5
