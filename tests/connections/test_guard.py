"""The egress guard: no spelling, no answer of the DNS and no redirect leads to where nothing may be called (T43)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from connections.dials import dialling
from connections.faults import Faults, pair
from connections.spellings import SPELLINGS

import apimgmt.asgi  # noqa: F401 (it registers the kinds)
from apimgmt.connections import Call
from apimgmt.connections.configuration import Configuration, Proxy
from apimgmt.connections.egress.guard import Guard
from apimgmt.connections.egress.internet import address, is_public
from apimgmt.connections.egress.resolving import Info, system
from apimgmt.connections.transport.blocking import Blocking
from apimgmt.connections.transport.streaming import Streaming
from apimgmt.errors import ConnectionFailed, SettingInvalid

REFUSED = {"address", "forbidden-address", "request", "name"}
NUMBERS = range(len(SPELLINGS))


def everything_is_here(host: str, port: int) -> list[Info]:
    """A resolver for which every name is this machine."""
    return [*system("127.0.0.1", port), *system("::1", port)]


def call(url: str, guard: Guard, **members: object) -> None:
    """One call without patience."""
    driver = Blocking(Configuration(**members), guard)
    try:
        driver.send(Call(method="GET", url=url, timeout=0.5))
    finally:
        driver.close()


@pytest.fixture(scope="module")
def listeners() -> Iterator[tuple[Faults, Faults]]:
    """Listeners on both loopback addresses, on the same port."""
    with pair("127.0.0.1", "::1") as (four, six):
        yield four, six


def seen(listeners: tuple[Faults, ...]) -> int:
    """How many connections were accepted."""
    return sum(one.connections for one in listeners)


def test_there_are_many_spellings() -> None:
    """At least 150, and none twice."""
    assert len(SPELLINGS) >= 150 and len(set(SPELLINGS)) == len(SPELLINGS)


@pytest.mark.parametrize("number", NUMBERS)
def test_no_spelling_is_dialled(number: int, listeners: tuple[Faults, Faults]) -> None:
    """Whatever a name resolves to and however an address is written: nothing is dialled, the cause says why."""
    with dialling() as dialled, pytest.raises(ConnectionFailed) as caught:
        call(SPELLINGS[number].replace("{p}", str(listeners[0].port)), Guard(resolver=everything_is_here))
    assert (dialled, seen(listeners)) == ([], 0)
    assert caught.value.cause in REFUSED


async def call_on_the_loop(url: str, guard: Guard) -> None:
    """The same call with the driver for asyncio."""
    driver = Streaming(Configuration(), guard)
    try:
        await driver.send(Call(method="GET", url=url, timeout=0.5))
    finally:
        await driver.close()


@pytest.mark.parametrize("number", NUMBERS)
async def test_no_spelling_is_dialled_on_the_loop(number: int, listeners: tuple[Faults, Faults]) -> None:
    """The driver for asyncio stands behind the same guard."""
    url = SPELLINGS[number].replace("{p}", str(listeners[0].port))
    with dialling() as dialled, pytest.raises(ConnectionFailed) as caught:
        await call_on_the_loop(url, Guard(resolver=everything_is_here))
    assert (dialled, seen(listeners)) == ([], 0)
    assert caught.value.cause in REFUSED


@pytest.mark.parametrize("number", NUMBERS)
def test_no_spelling_is_handed_to_a_proxy(number: int, listeners: tuple[Faults, Faults]) -> None:
    """The target is looked at before the proxy is asked for it."""
    with Faults(host="127.0.0.3") as proxy, pytest.raises(ConnectionFailed) as caught:
        guard = Guard(["127.0.0.3"], everything_is_here)
        call(SPELLINGS[number].replace("{p}", str(listeners[0].port)), guard, proxy=Proxy(proxy.url))
    assert (proxy.requests, seen(listeners)) == ([], 0)
    assert caught.value.cause in REFUSED


@pytest.mark.parametrize("hops", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("most", [0, 5])
def test_no_redirect_leads_to_them(hops: int, most: int, listeners: tuple[Faults, Faults]) -> None:
    """After so many redirects at home one leads away: it is not followed, nor is one that may not be followed."""
    for spelling in SPELLINGS[::9]:
        away = spelling.replace("{p}", str(listeners[0].port)).encode("utf-8", "ignore")
        found = [f"/{hop}".encode() for hop in range(1, hops)] + [b"".join(away.split())]
        answers = [b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + one + b"\r\n\r\n" for one in found]
        with Faults(*answers, b"HTTP/1.1 200 OK\r\n\r\n", host="127.0.0.2") as home, suppress(ConnectionFailed):
            call(home.url, Guard(["127.0.0.2"], everything_is_here), redirects=most)
        assert len(home.requests) <= (hops if most else 1) + (away == b"")
    assert seen(listeners) == 0


class NoGuard(Guard):
    """The mutant without a guard: every address is permitted."""

    def permits(self, host: str, where: str, port: int) -> bool:
        return True


class ChecksThenDialsTheName(Guard):
    """The mutant that looks at one answer of the DNS, and dials what the next one says."""

    def addresses(self, host: str, port: int, seconds: float | None = None) -> list[Info]:
        super().addresses(host, port, seconds)
        return self._look_up(host, port, seconds)


def test_the_test_of_spellings_finds_a_missing_guard() -> None:
    """The same calls without a guard reach the listeners many times."""
    with pair("127.0.0.1", "::1") as (four, six), dialling() as dialled:
        for spelling in SPELLINGS[:70]:
            with suppress(ConnectionFailed):
                call(spelling.replace("{p}", str(four.port)), NoGuard(resolver=everything_is_here))
        assert seen((four, six)) > 20 and len(dialled) >= seen((four, six))


async def test_the_test_on_the_loop_finds_a_missing_guard() -> None:
    """The same for the driver for asyncio."""
    with pair("127.0.0.1", "::1") as (four, six):
        for spelling in SPELLINGS[:70]:
            with suppress(ConnectionFailed):
                await call_on_the_loop(spelling.replace("{p}", str(four.port)), NoGuard(resolver=everything_is_here))
        assert seen((four, six)) > 20


def rebinding(*answers: str) -> object:
    """A resolver whose answers change: the last one stays."""
    left = list(answers)
    return lambda host, port: system(left.pop(0) if len(left) > 1 else left[0], port)


@pytest.mark.parametrize(
    ("kind", "reached"), [(Guard, (1, 0)), (ChecksThenDialsTheName, (0, 1))], ids=["guard", "mutant"]
)
def test_what_is_checked_is_what_is_dialled(kind: type[Guard], reached: tuple[int, int]) -> None:
    """The DNS says something else the second time: that is not asked for. The mutant asks, and is led astray."""
    with pair("127.0.0.2", "127.0.0.1") as (permitted, forbidden):
        guard = kind(["127.0.0.2"], rebinding("127.0.0.2", "127.0.0.1"))
        call(f"http://rebinds.example:{permitted.port}/", guard)
        assert (permitted.connections, forbidden.connections) == reached


@pytest.mark.parametrize(
    ("kind", "reached"), [(Guard, (1, 0)), (ChecksThenDialsTheName, (0, 1))], ids=["guard", "mutant"]
)
async def test_what_is_checked_is_what_is_dialled_on_the_loop(kind: type[Guard], reached: tuple[int, int]) -> None:
    """The same with the driver for asyncio; its sockets are looked at once more, and so the mutant is stopped there."""
    with pair("127.0.0.2", "127.0.0.1") as (permitted, forbidden):
        guard = kind(["127.0.0.2"], rebinding("127.0.0.2", "127.0.0.1"))
        with suppress(ConnectionFailed):
            await call_on_the_loop(f"http://rebinds.example:{permitted.port}/", guard)
        assert (permitted.connections, forbidden.connections) == (reached[0], 0)


def test_a_pooled_connection_is_not_asked_for_anew() -> None:
    """A connection that is open goes on; the next one is looked at like the first."""
    with pair("127.0.0.2", "127.0.0.1") as (permitted, forbidden):
        driver = Blocking(Configuration(), Guard(["127.0.0.2"], rebinding("127.0.0.2", "127.0.0.1")))
        for _ in range(3):
            driver.send(Call(method="GET", url=f"http://rebinds.example:{permitted.port}/"))
        driver.close()
        with pytest.raises(ConnectionFailed, match="may be called"):
            driver.send(Call(method="GET", url=f"http://rebinds.example:{permitted.port}/"))
        assert (permitted.connections, forbidden.connections) == (1, 0)


def test_of_several_addresses_only_the_permitted_are_dialled() -> None:
    """A name with a good and a bad address reaches the good one, in whatever order they come."""
    with pair("127.0.0.2", "127.0.0.1") as (permitted, forbidden):
        for names in (("127.0.0.1", "127.0.0.2"), ("127.0.0.2", "127.0.0.1")):
            guard = Guard(
                ["127.0.0.2"], lambda host, port, names=names: [*system(names[0], port), *system(names[1], port)]
            )
            call(f"http://both.example:{permitted.port}/", guard)
        assert (permitted.connections, forbidden.connections) == (2, 0)


ALLOWED = [
    ("127.0.0.1", "127.0.0.1", True),
    ("127.0.0.0/8", "127.0.0.1", True),
    ("127.0.0.1:{p}", "127.0.0.1", True),
    ("127.0.0.1:9", "127.0.0.1", False),
    ("127.0.0.2", "127.0.0.1", False),
    ("::1", "[::1]", True),
    ("[::1]", "[::1]", True),
    ("[::1]:{p}", "[::1]", True),
    ("[::1]:9", "[::1]", False),
    ("127.0.0.1", "[::ffff:127.0.0.1]", True),
    ("crm.internal", "crm.internal", True),
    ("CRM.Internal.", "crm.internal", True),
    ("crm.internal", "crm.internal.", True),
    ("crm.internal:{p}", "crm.internal", True),
    ("crm.internal:9", "crm.internal", False),
    ("crm.internal", "other.internal", False),
    ("crm.internal", "crm.internal.example", False),
    ("crm.internal", "evilcrm.internal", False),
    ("*.corp.example", "a.b.corp.example", True),
    ("*.corp.example:{p}", "a.corp.example", True),
    ("*.corp.example:9", "a.corp.example", False),
    ("*.corp.example", "corp.example", False),
    ("*.corp.example", "evilcorp.example", False),
    ("bücher.internal", "xn--bcher-kva.internal", True),
    ("xn--bcher-kva.internal", "bücher.internal", True),
]


@pytest.mark.parametrize(("entry", "host", "may"), ALLOWED, ids=[f"{entry}-{host}" for entry, host, _ in ALLOWED])
def test_an_administrator_lists_what_may_be_called(
    entry: str, host: str, may: bool, listeners: tuple[Faults, Faults]
) -> None:
    """A name, all names below one, an address, a network; with a port only that port."""
    with pair("127.0.0.1", "::1") as (four, _):
        guard = Guard([entry.replace("{p}", str(four.port))], everything_is_here)
        url = f"http://{host}:{four.port}/"
        if may:
            call(url, guard)
        else:
            with pytest.raises(ConnectionFailed) as caught:
                call(url, guard)
            assert caught.value.cause == "forbidden-address"


@pytest.mark.parametrize(
    "where", ["169.254.169.254", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fe80::1", "0.0.0.0"]
)
def test_a_listed_name_does_not_lead_to_metadata(where: str) -> None:
    """Whoever controls the DNS of a listed name cannot lead it to them; listed as an address they can be called."""
    assert not Guard(["crm.internal"]).permits("crm.internal", where, 80)
    assert Guard([where]).permits("anything", where, 80)


@pytest.mark.parametrize(
    "entry", ["*", "*.", "http://a", "a/b", "10.0.0.0/33", "a b", "127.1", "a:70000000", "::1:x", "a@b"]
)
def test_what_is_no_host_cannot_be_listed(entry: str) -> None:
    """The error names the entry and says what may stand there."""
    with pytest.raises(SettingInvalid, match="is no host that could be allowed"):
        Guard([entry])


PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "198.17.0.0",
]
PUBLIC += ["198.20.0.0", "223.255.255.255", "169.253.255.255", "2606:4700::1111", "2001:200::1", "2a00::1", "3ffe::1"]


@pytest.mark.parametrize("text", PUBLIC)
def test_the_public_internet_may_be_called(text: str) -> None:
    """Addresses next to those that are kept back are not kept back."""
    assert is_public(address(text)) and Guard().permits("any.example", text, 443)


async def test_the_asynchronous_form_gives_the_same_addresses() -> None:
    """One look-up, checked addresses, and a socket for them and for nothing else."""
    guard = Guard(["127.0.0.2", "crm.internal"], rebinding("127.0.0.2", "127.0.0.1"))
    found = await guard.resolved("rebinds.example", 80)
    assert [info[4] for info in found] == [("127.0.0.2", 80)]
    guard.socket(found[0]).close()
    for where in ("127.0.0.1", "169.254.169.254", "10.0.0.1"):
        with pytest.raises(ConnectionFailed) as caught:
            guard.socket(system(where, 80)[0])
        assert caught.value.cause == "forbidden-address"
    (listed,) = await guard.resolved("crm.internal", 80)
    assert listed[4] == ("127.0.0.1", 80)
    guard.socket(listed).close()


@pytest.mark.rows("C-073")
def test_a_name_that_is_not_resolved_is_told_apart() -> None:
    """No answer, an error and no end of the look-up have the cause ``name``; the call ends in its time."""

    def never(host: str, port: int) -> list[Info]:
        done.wait()
        return []

    def fails(host: str, port: int) -> list[Info]:
        raise socket.gaierror(-2, "unknown")

    done = threading.Event()
    for resolver in (never, fails, lambda host, port: []):
        with pytest.raises(ConnectionFailed) as caught:
            call("http://crm.example/", Guard(resolver=resolver))
        assert caught.value.cause == "name"
    done.set()
