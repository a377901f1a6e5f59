"""The driver over aiohttp: the same answers and the same failures as the one over requests, and nothing of its own."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from connections.faults import FAULTS, Faults, certificates
from connections.forwardproxy import ForwardProxy
from pki import authority

from apimgmt.connections import Call, Do, Exchange, Reply, Send, Wait
from apimgmt.connections.configuration import Configuration, Proxy, Tls
from apimgmt.connections.egress.guard import Guard
from apimgmt.connections.egress.resolving import Info, system
from apimgmt.connections.transport.blocking import Blocking
from apimgmt.connections.transport.pieces import TABLE, failure
from apimgmt.connections.transport.streaming import Resolver, Streaming, _sockets
from apimgmt.errors import CAUSES, ConnectionFailed

ROOT = authority("Root")
HERE = certificates(ROOT)
# one of them notices earlier: what was sent too much, that a head is none, that there will be no end of heads
APART = {
    "shorter-length": {"200", "protocol"},
    "endless-continue": {"protocol", "timeout"},
    "drip-handshake": {"protocol", "timeout"},
}
SLOW = ("drip-chunks",)


def guard() -> Guard:
    return Guard(["127.0.0.1", "localhost"])


def driver(**members: Any) -> Streaming:
    return Streaming(Configuration(**members), guard())


async def outcome(url: str, one: Streaming | None = None, **call: Any) -> str:
    """The status of a call, or the cause of its failure."""
    one = one or driver()
    try:
        reply = await one.send(Call(**{"method": "GET", "url": url, "timeout": 1.0, **call}))
        if reply.stream is not None:
            async for _ in reply.stream:
                pass
        return str(reply.status)
    except ConnectionFailed as error:
        return error.cause
    finally:
        await one.close()


def blocking_outcome(url: str, timeout: float = 1.0) -> str:
    one = Blocking(Configuration(), guard())
    try:
        return str(one.send(Call(method="GET", url=url, timeout=timeout)).status)
    except ConnectionFailed as error:
        return error.cause
    finally:
        one.close()


@pytest.mark.rows("C-073")
@pytest.mark.parametrize("fault", ["refuse", "full", *(name for name in FAULTS if name not in SLOW)])
async def test_both_drivers_say_the_same(fault: str) -> None:
    """Of every fault that a server can have (R-17)."""
    # unpacking takes a busy machine a while
    seconds = 20.0 if fault == "gzip-bomb" else 1.0
    with Faults(fault, pause=0.02) as upstream:
        url = upstream.url + "/"
        said = {await outcome(url, timeout=seconds), await asyncio.to_thread(blocking_outcome, url, seconds)}
    assert said == APART.get(fault, said) and (len(said) == 1 or fault in APART)


async def test_a_drip_does_not_outlast_the_call() -> None:
    """The time is for the whole attempt, however slowly its answer comes."""
    with Faults("drip-chunks", pause=0.02) as upstream:
        assert await outcome(upstream.url + "/", timeout=0.3) == "timeout"


async def test_the_decoded_body_is_counted() -> None:
    """A body longer than the connection allows is refused, packed or not; one of exactly that length is not."""
    for fault in ("good", "chunked", "gzip"):
        for most, said in ((1000, "200"), (999, "too-large")):
            with Faults(fault, body=b"x" * 1000) as upstream:
                assert await outcome(upstream.url + "/", driver(most_bytes=most)) == said


async def test_nothing_is_repeated_that_nobody_asked_for() -> None:
    """aiohttp would send a GET again whenever its connection breaks; here only the layers repeat."""
    with Faults("reset-before-headers") as upstream:
        assert await outcome(upstream.url + "/") == "reset"
        assert len(upstream.requests) == 1


@pytest.mark.parametrize("repeatable", [True, False], ids=["repeatable", "not repeatable"])
async def test_a_kept_connection_may_have_been_closed_meanwhile(repeatable: bool) -> None:
    """What may be sent twice then goes over a new one, once; nothing else does."""
    with Faults("good", "reset-before-headers", "good") as upstream:
        one = driver()
        call = Call(method="GET", url=upstream.url + "/", repeatable=repeatable)
        assert (await one.send(call)).status == 200
        assert await outcome(upstream.url + "/", one, repeatable=repeatable) == ("200" if repeatable else "reset")
        assert len(upstream.requests) == (3 if repeatable else 2)


async def test_connections_are_kept_open() -> None:
    """Ten calls, one connection."""
    with Faults() as upstream:
        one = driver()
        for _ in range(10):
            await one.send(Call(method="GET", url=upstream.url + "/"))
        assert (len(upstream.requests), upstream.connections) == (10, 1)
        await one.close()


async def test_cookies_are_not_kept_and_redirects_not_followed() -> None:
    """An answer is an answer."""
    redirect = b"HTTP/1.1 302 Found\r\nLocation: /other\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    with Faults(redirect, "good") as upstream:
        one = driver()
        assert (await one.send(Call(method="GET", url=upstream.url + "/"))).status == 302
        await one.send(Call(method="GET", url=upstream.url + "/"))
        assert [seen.target for seen in upstream.requests] == ["/", "/"]
        assert "cookie" not in upstream.requests[1].headers
        await one.close()


async def test_redirects_are_followed_at_home_if_it_is_said() -> None:
    """To the same origin, and no further than that."""
    with Faults(b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n", "good") as upstream:
        assert await outcome(upstream.url + "/", driver(redirects=1)) == "200"
        assert [seen.target for seen in upstream.requests] == ["/", "/other"]
    with Faults(b"HTTP/1.1 302 Found\r\nLocation: http://crm.example/\r\nContent-Length: 0\r\n\r\n") as upstream:
        assert await outcome(upstream.url + "/", driver(redirects=1)) == "redirect"


async def test_nothing_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """No proxy and no password."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Faults() as upstream:
        assert await outcome(upstream.url + "/") == "200"
        assert "authorization" not in upstream.requests[0].headers


async def test_what_is_sent_is_what_was_said() -> None:
    """To a call of a process little is added, to one that is passed on nothing; URLs stay as they are written."""
    with Faults() as upstream:
        one = driver()
        url = f"{upstream.url}/a%2fb/%7E?q=%5b1%5D+2&q="
        await one.send(Call(method="POST", url=url, headers=(("X-A", "1"),), content=b"x"))
        await one.send(Call(method="POST", url=url, headers=(("X-A", "1"),), content=b"x", streamed=True))
        await one.close()
    own, passed = upstream.requests
    assert own.target == passed.target == "/a%2fb/%7E?q=%5b1%5D+2&q="
    assert own.headers.keys() - passed.headers.keys() == {"accept-encoding", "user-agent"}
    assert passed.headers.keys() == {"host", "x-a", "content-length"}


@pytest.mark.parametrize("size", [1, 1_048_576, 1_048_577, 3_000_000])
async def test_bodies_are_sent_whole(size: int) -> None:
    """Small ones at once, large ones in pieces."""
    with Faults() as upstream:
        assert await outcome(upstream.url + "/", method="POST", content=b"x" * size, timeout=20.0) == "200"
        assert upstream.requests[0].body == b"x" * size
        assert upstream.requests[0].headers["content-length"] == str(size)


@pytest.mark.parametrize(
    "call",
    [
        {"headers": (("X-A", "1\r\nX-B: 2"),)},
        {"headers": (("X-A\r\nX-B", "1"),)},
        {"method": "GET / HTTP/1.1\r\nX-B: 2\r\n\r\nGET"},
        {"headers": (("Transfer-Encoding", "chunked"),)},
        {"headers": (("Content-Length", "7"),)},
    ],
    ids=["value", "name", "method", "chunked", "length"],
)
async def test_nothing_can_become_a_second_field(call: dict[str, Any]) -> None:
    """It is refused before anything is dialled."""
    with Faults() as upstream:
        assert await outcome(upstream.url + "/", **call) == "request"
        assert upstream.connections == 0


@pytest.mark.parametrize("line", ["/a\r\nX-B: 1", "/a b", "/a\x00", "/\\a"], ids=["newline", "space", "null", "slash"])
async def test_a_url_that_was_good_does_not_let_a_bad_one_pass(line: str) -> None:
    """What is remembered is the origin; the rest is looked at each time."""
    with Faults() as upstream:
        one = driver()
        await one.send(Call(method="GET", url=upstream.url + "/"))
        assert await outcome(upstream.url + line, one) in ("request", "address")
        assert len(upstream.requests) == 1


# ---- where it may go


def rebinding(host: str, port: int) -> list[Info]:
    """A resolver whose first answer is good and whose later ones are not."""
    rebinding.calls += 1  # type: ignore[attr-defined]
    return system("127.0.0.1" if rebinding.calls == 1 else "127.0.0.2", port)  # type: ignore[attr-defined]


async def test_what_was_looked_at_is_what_is_dialled() -> None:
    """A name is resolved once for a connection; a second answer of the DNS leads nowhere."""
    rebinding.calls = 0  # type: ignore[attr-defined]
    with Faults() as upstream:
        one = Streaming(Configuration(), Guard(["127.0.0.1"], rebinding))
        assert await outcome(f"http://crm.example:{upstream.port}/", one) == "200"
        assert rebinding.calls == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("host", ["127.0.0.2", "[::1]", "2130706433", "0x7f.1", "169.254.169.254", "crm.example"])
async def test_a_forbidden_host_is_not_dialled(host: str) -> None:
    """Be it a name or an address in whatever spelling."""
    with Faults() as upstream:
        one = Streaming(Configuration(), Guard([], lambda name, port: system("127.0.0.1", port)))
        assert await outcome(f"http://{host}:{upstream.port}/", one) in ("forbidden-address", "address")
        assert upstream.connections == 0


async def test_the_socket_is_the_last_that_looks() -> None:
    """Even if the resolver were wrong and the URL not looked at, nothing is dialled (the mutant: both are)."""
    with Faults() as upstream:
        for factory, connected in ((_sockets(Guard([])), 0), (None, 1)):
            connector = aiohttp.TCPConnector(resolver=Careless(), socket_factory=factory)
            async with aiohttp.ClientSession(connector=connector) as session:
                for url in (f"http://crm.example:{upstream.port}/", f"http://127.0.0.1:{upstream.port}/"):
                    try:
                        async with session.get(url) as response:
                            assert factory is None and response.status == 200
                    except aiohttp.ClientError as error:
                        assert failure(error).cause == "forbidden-address"
            assert bool(upstream.connections) is bool(connected)


class Careless(Resolver):
    """A resolver that asks no guard."""

    def __init__(self) -> None:
        super().__init__(Guard([]))

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> Any:
        """This machine, twice: several addresses are dialled in another way than one."""
        return [
            {"hostname": host, "host": one, "port": port, "family": 2, "proto": 6, "flags": 0}
            for one in ("127.0.0.1", "127.0.0.3")
        ]


# ---- TLS and proxies


@pytest.mark.rows("C-022")
@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("verify", [True, False], ids=["verified", "unverified"])
async def test_certificates_are_verified_unless_it_is_said_otherwise(name: str, verify: bool) -> None:
    """The same settings as of the other driver."""
    with Faults(tls=HERE[name]) as upstream:
        tls = Tls(verify=verify, authorities=ROOT.pem if verify else "")
        said = await outcome(upstream.url + "/", driver(tls=tls))
    assert said == ("200" if name == "good" or not verify else "certificate")


@pytest.mark.rows("C-023")
async def test_a_client_certificate_is_shown() -> None:
    """Where one is demanded; without it there is no answer."""
    partner = ROOT.issue("partner-one")
    with Faults(tls=HERE["good"], clients=ROOT) as upstream:
        tls = Tls(authorities=ROOT.pem, certificate=partner.pem, key=partner.secret)
        assert await outcome(upstream.url + "/", driver(tls=tls)) == "200"
        assert upstream.requests[0].peer
        assert await outcome(upstream.url + "/", driver(tls=Tls(authorities=ROOT.pem))) in ("tls", "reset")


@pytest.mark.rows("C-024", "C-025")
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
async def test_calls_go_through_the_proxy(secure: bool) -> None:
    """With its credential, which the system behind it does not get; a wrong one is told apart."""
    with ForwardProxy("user:secret") as proxy, Faults(tls=HERE["good"] if secure else None) as upstream:
        url = upstream.url.replace("127.0.0.1", "localhost") + "/x"
        tls = Tls(authorities=ROOT.pem)
        right = Proxy(url=proxy.url, username="user", password="secret")
        assert await outcome(url, driver(proxy=right, tls=tls), timeout=5.0) == "200"
        assert proxy.asked == [f"CONNECT localhost:{upstream.port}" if secure else f"GET {url}"]
        assert "proxy-authorization" not in upstream.requests[0].headers
        wrong = Proxy(url=proxy.url, username="user", password="other")
        assert await outcome(url, driver(proxy=wrong, tls=tls), timeout=5.0) == "proxy"
        assert len(upstream.requests) == 1


async def test_a_proxy_is_not_asked_for_what_may_not_be_called() -> None:
    """The guard looks at the target as well."""
    with ForwardProxy() as proxy:
        one = Streaming(Configuration(proxy=Proxy(url=proxy.url)), Guard(["127.0.0.1:" + proxy.url.rpartition(":")[2]]))
        assert await outcome("http://127.0.0.1:9/", one) == "forbidden-address"
        assert proxy.asked == []


# ---- exchanges


def exchange(*steps: Any) -> Exchange:
    """Perform the steps; the result is the last reply."""
    reply: Any = None
    for step in steps:
        result = yield step
        reply = result if isinstance(step, Send) else reply
    return reply


async def test_every_kind_of_step_is_performed() -> None:
    """Send, Wait, and Do in a thread of its own."""
    threads: list[Any] = []
    with Faults("unavailable", "good") as upstream:
        call = Call(method="GET", url=upstream.url + "/")
        one = driver()
        steps = (Send(call), Wait(0.0), Do(lambda: threads.append(asyncio._get_running_loop())), Send(call))
        reply = await one.run(exchange(*steps))
        await one.close()
    assert (reply.status, threads) == (200, [None])


async def test_answers_that_lead_to_another_attempt_are_let_go_of() -> None:
    """A streamed answer that nobody will read does not keep its connection."""
    with Faults("endless-body", "good") as upstream:
        call = Call(method="GET", url=upstream.url + "/", streamed=True)
        one = driver()
        reply = await one.run(exchange(Send(call), Send(call)))
        assert (reply.status, reply.stream) == (200, None)
        await eventually(lambda: upstream.live == 1)
        await one.close()


async def test_an_exchange_hears_that_it_was_given_up() -> None:
    """Cancelled in the midst of a request, its layers get to know, and the connection is closed."""
    heard: list[str] = []

    def watched(call: Call) -> Exchange:
        try:
            return (yield Send(call))
        except GeneratorExit:
            heard.append("left")
            raise

    with Faults("never-answer") as upstream:
        one = driver()
        task = asyncio.create_task(one.run(watched(Call(method="GET", url=upstream.url + "/"))))
        await eventually(lambda: upstream.requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert heard == ["left"]
        upstream.close()
        await one.close()


@pytest.mark.parametrize("how", ["closed", "read", "forgotten"])
async def test_a_streamed_answer_gives_its_connection_back(how: str) -> None:
    """Read to its end it is used again; closed or forgotten it is cut off."""
    with Faults("good", body=bytes(200_000)) as upstream:
        one = driver()
        reply: Reply | None = await one.send(Call(method="GET", url=upstream.url + "/", streamed=True))
        assert reply is not None and reply.stream is not None
        if how == "read":
            assert sum([len(piece) async for piece in reply.stream]) == 200_000
        elif how == "closed":
            await reply.stream.aclose()
            await reply.stream.aclose()
        reply = None
        gc.collect()
        await one.send(Call(method="GET", url=upstream.url + "/", streamed=True))
        await eventually(lambda: upstream.connections == (1 if how == "read" else 2))
        await one.close()
        await eventually(lambda: upstream.live == 0)


async def test_sessions_end_with_their_connection() -> None:
    """Nobody has to close what nobody uses any more; an answer that is still read keeps it."""
    with Faults("good", "good", body=bytes(200_000)) as upstream:
        one = driver()
        reply = await one.send(Call(method="GET", url=upstream.url + "/", streamed=True))
        gone = weakref.ref(one)
        del one
        gc.collect()
        assert gone() is not None
        assert sum([len(piece) async for piece in reply.stream]) == 200_000
        del reply
        gc.collect()
        assert gone() is None
        await eventually(lambda: upstream.live == 0)


async def eventually(condition: Any) -> None:
    """Wait for a condition, letting the loop run."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


# ---- failures


def foreign() -> Iterator[type[BaseException]]:
    """Every exception of aiohttp's client."""
    for name in aiohttp.client_exceptions.__all__:
        kind = getattr(aiohttp.client_exceptions, name)
        if issubclass(kind, aiohttp.ClientError):
            yield kind


@pytest.mark.parametrize("kind", [*foreign()])
def test_every_foreign_exception_is_mapped(kind: type[BaseException]) -> None:
    """To a cause of ours, with a constant text: no URL, nothing of what was answered."""
    error = kind.__new__(kind)
    error.__dict__.update(status=502, message="https://x.example/?secret", os_error=OSError(111, "secret"))
    with_state = {"_os_error": OSError(111, "secret"), "_url": "https://x.example/?secret", "request_info": None}
    error.__dict__.update({name: value for name, value in with_state.items() if name not in dir(kind)})
    mapped = failure(error)
    assert mapped.cause in CAUSES and "secret" not in str(mapped) and "example" not in str(mapped)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (TimeoutError(), "timeout"),
        (ConnectionResetError(104, "x"), "reset"),
        (BrokenPipeError(32, "x"), "reset"),
        (OSError(111, "x"), "refused"),
        (OSError(113, "x"), "unreachable"),
        (OSError(101, "x"), "unreachable"),
        (ValueError("x"), "protocol"),
        (RuntimeError("x"), "protocol"),
        (aiohttp.ServerDisconnectedError(), "reset"),
        (aiohttp.ClientPayloadError("Response payload is not completed: x"), "reset"),
        (aiohttp.ClientPayloadError("400, message: bad chunk"), "protocol"),
        (aiohttp.InvalidURL("http://x"), "address"),
    ],
    ids=lambda value: "" if isinstance(value, str) else type(value).__name__,
)
def test_a_failure_has_its_cause(error: BaseException, cause: str) -> None:
    """The table of causes."""
    assert failure(error).cause == cause


def test_the_table_names_causes_that_there_are() -> None:
    """Each row leads to a cause of the catalogue."""
    assert {cause for _, cause, _ in TABLE} <= CAUSES.keys()
