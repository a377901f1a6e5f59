"""proxy: what goes to the other system, and what of its answer comes back."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from connections.faults import Faults
from processes.proxied import proxied

from apimgmt.connections.known import connections
from apimgmt.settings import Settings


def ready(head: str, body: bytes = b"") -> bytes:
    """An answer as it is on the wire."""
    return head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body


def test_a_request_goes_on_as_it_came() -> None:
    """Method, path, declared query and body are the same bytes below the base URL."""
    with Faults() as upstream, proxied(f"{upstream.url}/v2") as client:
        assert client.get("/shop/items/a%2Cb%20c?q=1%202&q=x+y&deep%5Ba%5D=1").json() == {"ok": True}
        client.request("PUT", "/shop/items/7", {"Content-Type": "application/json"}, b'{"a":  1.50}')
    first, second = upstream.requests
    assert (first.method, first.target, first.body) == ("GET", "/v2/items/a%2Cb%20c?q=1%202&q=x+y&deep%5Ba%5D=1", b"")
    assert (second.method, second.target, second.body) == ("PUT", "/v2/items/7", b'{"a":  1.50}')
    assert (second.headers["content-type"], second.headers["content-length"]) == ("application/json", "12")


@pytest.mark.parametrize(
    ("query", "sent"),
    [("declared", "/items/1?q=a&deep[x]=2"), ("all", "/items/1?q=a&debug=1&deep[x]=2"), ("none", "/items/1")],
    ids=["declared", "all", "none"],
)
def test_what_the_document_does_not_declare_stays_here(query: str, sent: str) -> None:
    """Undeclared parameters, which nobody has looked at, go on only if that is wanted."""
    with Faults() as upstream, proxied(upstream.url, query=query) as client:
        client.get("/shop/items/1?q=a&debug=1&deep[x]=2")
    assert upstream.requests[0].target == sent


def test_credentials_cookies_and_fields_of_one_hop_stay_here() -> None:
    """What a caller proves himself with to us, what he says of his origin, and what belongs to his connection."""
    headers = {
        "Authorization": "Bearer t",
        "X-API-Key": "k",
        "X-Own-Key": "k",
        "Cookie": "key=k; lang=de",
        "Proxy-Authorization": "Basic x",
        "Connection": "close, X-Hop",
        "X-Hop": "1",
        "Keep-Alive": "timeout=5",
        "TE": "trailers",
        "Upgrade": "h2c",
        "Expect": "100-continue",
        "X-Forwarded-For": "6.6.6.6",
        "Forwarded": "for=6.6.6.6",
        "X-Real-IP": "6.6.6.6",
        "Via": "1.0 before",
        "Client-Cert": ":AA==:",
        "X-Mine": "kept",
        "Accept-Language": "de",
    }
    with Faults() as upstream, proxied(upstream.url) as client:
        client.get("/shop/items/1", headers)
    sent = upstream.requests[0].headers
    assert sent.pop("x-request-id")
    assert sent == {
        "host": upstream.url.removeprefix("http://"),
        "via": "1.0 before, 1.1 apimgmt",
        "x-mine": "kept",
        "accept-language": "de",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "gateway.example",
        "x-forwarded-for": "192.0.2.7",
        "forwarded": 'for=192.0.2.7;host="gateway.example";proto=http',
    }


def test_a_listed_proxy_is_believed_about_the_caller() -> None:
    """Behind a trusted proxy the caller is the one that it names."""
    with (
        Faults() as upstream,
        proxied(upstream.url, settings={"trusted_proxies": "192.0.2.7"}) as client,
    ):
        client.get("/shop/items/1", {"X-Forwarded-For": "2001:db8::7", "X-Forwarded-Proto": "https"})
    sent = upstream.requests[0].headers
    assert sent["forwarded"] == 'for="[2001:db8::7]";host="gateway.example";proto=https'
    assert sent["x-forwarded-for"] == "2001:db8::7"


def test_a_circle_ends() -> None:
    """A connection that leads back here is noticed by what each turn adds to Via."""
    with Faults() as upstream, proxied(upstream.url) as client:
        assert client.get("/shop/items/1", {"Via": ", ".join(["1.1 apimgmt"] * 4)}).status == 200
        assert client.get("/shop/items/1", {"Via": ", ".join(["1.1 apimgmt"] * 5)}).status == 502
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("given", ["abc-1", "bad id\t", "x" * 200], ids=["good", "spaces", "long"])
def test_a_request_has_an_id(given: str) -> None:
    """The caller's own, if it can be taken for one, or a new one."""
    with Faults() as upstream, proxied(upstream.url) as client:
        client.get("/shop/items/1", {"X-Request-Id": given})
    sent = upstream.requests[0].headers["x-request-id"]
    assert (sent == given) == (given == "abc-1") and sent.strip()


def test_listed_fields_and_nothing_else() -> None:
    """A list of names replaces `*`; a credential that is named is passed on; so are cookies but our own."""
    headers = {"Authorization": "Bearer t", "X-Mine": "1", "X-Other": "2", "Cookie": "a=1; key=secret; b=2"}
    forward = ["Authorization", "X-Mine", "Cookie"]
    with Faults() as upstream, proxied(upstream.url, forward=forward, cookies=True) as client:
        client.get("/shop/items/1", headers)
    sent = upstream.requests[0].headers
    assert (sent["authorization"], sent["x-mine"], sent["cookie"]) == ("Bearer t", "1", "a=1; b=2")
    assert "x-other" not in sent


def test_the_connection_proves_itself() -> None:
    """Its credential and its fields are sent, whatever the caller sends under their names."""
    connection = {
        "authentication": {"kind": "bearer", "token": "ours"},
        "headers": {"X-Tenant": "t1"},
    }
    with Faults() as upstream, proxied(upstream.url, connection, forward=["Authorization", "X-Tenant"]) as client:
        client.get("/shop/items/1", {"Authorization": "Bearer his", "X-Tenant": "his"})
    sent = upstream.requests[0].headers
    assert (sent["authorization"], sent["x-tenant"]) == ("Bearer ours", "t1")


def test_the_answer_comes_back_as_it_was() -> None:
    """Status, fields and body; what belongs to one hop, to the whole host or to cookies is left out."""
    body = b"\x00\xffraw"
    answer = ready(
        'HTTP/1.1 418 Teapot\nContent-Type: application/x-tea; v=1\nETag: "1"\nX-Two: a\nX-Two: b\nConnection: X-Hop'
        "\nX-Hop: 1\nKeep-Alive: timeout=5\nSet-Cookie: a=b\nStrict-Transport-Security: max-age=1\nAlt-Svc: clear"
        "\nProxy-Authenticate: Basic\nTrailer: x\nContent-Length: 5",
        body[:5],
    )
    with Faults(answer) as upstream, proxied(upstream.url) as client:
        got = client.get("/shop/items/1")
    assert (got.status, got.body) == (418, body[:5])
    assert sorted(field for field in got.headers if field[0] != "x-request-id") == [
        ("content-length", "5"),
        ("content-type", "application/x-tea; v=1"),
        ("etag", '"1"'),
        ("x-two", "a"),
        ("x-two", "b"),
    ]


def test_cookies_pass_if_wanted() -> None:
    """Every Set-Cookie, each in a field of its own."""
    answer = ready("HTTP/1.1 200 OK\nSet-Cookie: a=1\nSet-Cookie: b=2\nContent-Length: 0")
    with Faults(answer) as upstream, proxied(upstream.url, cookies=True) as client:
        assert client.get("/shop/items/1").all("set-cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize(
    ("head", "status", "length"),
    [
        ("HTTP/1.1 204 No Content", 204, None),
        ('HTTP/1.1 304 Not Modified\nETag: "x"', 304, None),
        ("HTTP/1.1 200 OK\nContent-Length: 0", 200, "0"),
        ("HTTP/1.1 205 Reset Content\nContent-Length: 0", 205, "0"),
    ],
    ids=["204", "304", "empty", "205"],
)
def test_answers_without_a_body(head: str, status: int, length: str | None) -> None:
    """They stay without one."""
    with Faults(ready(head)) as upstream, proxied(upstream.url) as client:
        got = client.get("/shop/items/1")
    assert (got.status, got.body, got.header("content-length")) == (status, b"", length)


@pytest.mark.parametrize("length", ["12", "5000000"])
def test_head_asks_for_the_head(length: str) -> None:
    """HEAD goes on as HEAD, and the length of the body that is not sent comes back."""
    with (
        Faults(ready(f'HTTP/1.1 200 OK\nContent-Length: {length}\nETag: "1"')) as upstream,
        proxied(upstream.url) as client,
    ):
        got = client.request("HEAD", "/shop/items/1")
    assert (upstream.requests[0].method, got.status, got.body) == ("HEAD", 200, b"")
    assert (got.header("content-length"), got.header("etag")) == (length, '"1"')


def test_compressed_answers_pass_as_they_are() -> None:
    """Neither unpacked nor packed again; the caller's Accept-Encoding decides."""
    with Faults("gzip", body=b'{"ok": true}' * 100) as upstream, proxied(upstream.url) as client:
        got = client.get("/shop/items/1", {"Accept-Encoding": "gzip"})
    assert upstream.requests[0].headers["accept-encoding"] == "gzip"
    assert got.all("content-encoding") == ["gzip"]
    assert gzip.decompress(got.body) == b'{"ok": true}' * 100
    assert got.header("content-length") == str(len(got.body))


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("{url}/v2/items/9?a=1", "/shop/items/9?a=1"),
        ("/v2/items/9", "/shop/items/9"),
        ("/elsewhere", "/elsewhere"),
        ("https://other.example/x", "https://other.example/x"),
    ],
    ids=["absolute", "path", "outside", "foreign"],
)
def test_redirects_are_the_callers_to_follow(location: str, expected: str) -> None:
    """A redirect is an answer; one to the other system leads here."""
    with Faults() as upstream:
        upstream.faults = [
            ready(f"HTTP/1.1 302 Found\nLocation: {location.format(url=upstream.url)}\nContent-Length: 0")
        ]
        with proxied(f"{upstream.url}/v2") as client:
            got = client.get("/shop/items/1")
    assert (got.status, got.header("location")) == (302, expected)
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        *(("refuse", 502), ("reset", 502), ("close", 502), ("reset-before-headers", 502), ("reset-after-headers", 502)),
        *(("reset-mid-body", 502), ("black-hole", 504), ("never-answer", 504), ("drip-headers", 504), ("delay", 504)),
        *(("garbage", 502), ("two-lengths", 502), ("bad-length", 502), ("bad-chunk", 502)),
        *(("longer-length", 502), ("endless-headers", 502), ("endless-header", 502), ("unavailable", 503)),
        *(("good", 200), ("chunked", 200), ("http10", 200), ("redirect", 302)),
    ],
)
@pytest.mark.rows("C-073")
def test_a_fault_of_the_other_system_is_told_by_its_status(fault: str, status: int) -> None:
    """502 for what cannot be reached or read, 504 for what takes too long; what it says itself passes (R-17)."""
    with Faults(fault, pause=0.02) as upstream, proxied(upstream.url, {"timeout": 0.3, "breaker": None}) as client:
        got = client.get("/shop/items/1")
    assert got.status == status
    if status in (502, 504):
        assert got.json()["type"].endswith("upstream-timeout" if status == 504 else "upstream-failed")
        assert upstream.url not in got.text and "127.0.0.1" not in got.text


def test_an_open_breaker_is_503() -> None:
    """A system that failed several times in a row is left alone, and the caller told when to come again."""
    with Faults("reset") as upstream, proxied(upstream.url, {"breaker": {"failures": 2}}) as client:
        statuses = [client.get("/shop/items/1").status for _ in range(4)]
        got = client.get("/shop/items/1")
    assert statuses == [502, 502, 503, 503]
    assert int(got.header("retry-after") or 0) > 0
    assert upstream.connections == 2


def test_what_may_be_repeated_is_repeated() -> None:
    """A GET that was cut off is sent again, with the same fields; a POST only with a key by which that is noticed."""
    retries = {"retries": {"count": 2, "delay": 0}}
    with Faults("reset-before-headers", "unavailable", "good") as upstream, proxied(upstream.url, retries) as client:
        assert client.get("/shop/items/1").status == 200
        assert [seen.headers["x-request-id"] for seen in upstream.requests] == [
            upstream.requests[0].headers["x-request-id"]
        ] * 3
    with Faults("reset-before-headers", "good") as upstream, proxied(upstream.url, retries) as client:
        assert client.post("/shop/items/1", json={}).status == 502
        assert len(upstream.requests) == 1
    keyed = {**retries, "idempotencyKey": "Idempotency-Key"}
    with Faults("reset-before-headers", "good") as upstream, proxied(upstream.url, keyed) as client:
        assert client.post("/shop/items/1", json={}).status == 200
        first, second = (seen.headers["idempotency-key"] for seen in upstream.requests)
    assert first == second
    with Faults("good") as upstream, proxied(upstream.url, keyed) as client:
        client.request("POST", "/shop/items/1", {"Idempotency-Key": "mine", "Content-Type": "application/json"}, b"1")
    assert upstream.requests[0].headers["idempotency-key"] == "mine"


def test_a_host_that_may_not_be_called_is_not_called() -> None:
    """The egress guard stands before the proxy, too."""
    with Faults() as upstream, proxied(upstream.url.replace("127.0.0.1", "127.0.0.2")) as client:
        assert client.get("/shop/items/1").status == 502
    assert upstream.connections == 0


def test_a_connection_that_is_gone_is_502() -> None:
    """The log says which; the caller is not told."""
    with Faults() as upstream, proxied(upstream.url) as client:
        connections.prepared([], Settings())()
        got = client.get("/shop/items/1")
    assert got.status == 502 and "upstream" not in json.dumps(got.json().get("detail", ""))


def test_a_changed_connection_counts_from_the_next_request() -> None:
    """The process follows the connection by its name."""
    with Faults(body=b"1") as first, Faults(body=b"2") as second, proxied(first.url) as client:
        before = client.get("/shop/items/1").body
        with proxied(second.url):
            after = client.get("/shop/items/1").body
    assert (before, after) == (b"1", b"2")


@pytest.mark.parametrize("size", [100_000, 5_000_000])
def test_large_bodies_arrive_whole(size: int) -> None:
    """In both directions."""
    content: Any = bytes(range(256)) * (size // 256)
    kind = "application/octet-stream"
    with Faults(body=content, headers=(("Content-Type", kind),)) as upstream, proxied(upstream.url) as client:
        got = client.request("PUT", "/shop/items/1", {"Content-Type": kind}, content[:1_000_000])
    assert upstream.requests[0].body == content[:1_000_000]
    assert got.body == content
    assert got.header("content-length") == str(len(content))
