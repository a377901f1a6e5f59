"""No way to say a URL leads to where nothing may be called: all spellings, by links, tokens, webhooks, discovery,
databases, proxies and flows (T43).

The suite takes a part of spellings times ways, each spelling and each way; ``APIMGMT_WAYS=all`` takes all of it.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from connections.dials import dialling
from connections.faults import Faults, pair
from connections.spellings import SPELLINGS
from connections.waysin import ANYWHERE, AT_HOME, HOME, THERE, WAYS, Place, Way, place

from apimgmt.connections.egress.resolving import Info
from apimgmt.errors import ConnectionFailed, DocumentRefused, Problem, SettingInvalid
from apimgmt.processes.flows import FlowFailed

pytest.importorskip("zeep", reason="the extra `soap` is not installed")
pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")

# zeep says on the way what it thinks of a WSDL whose schema cannot be had
pytestmark = pytest.mark.filterwarnings("ignore:The wsdl:")
PART = 1 if os.environ.get("APIMGMT_WAYS") == "all" else 16
REFUSED = (ConnectionFailed, SettingInvalid, Problem, DocumentRefused, FlowFailed)
TOKENS = ("token", "code", "refresh")  # sent to hosts of the internet by https only
EVERYTHING = ("0.0.0.0/0", "::/0")
_ask: Callable[..., list[Info]] = socket.getaddrinfo


def part(name: str) -> tuple[str, ...]:
    """The spellings that a way is tried with."""
    return SPELLINGS[list(WAYS).index(name) % PART :: PART]


def leading_to(*answers: str) -> Callable[..., list[Info]]:
    """A ``getaddrinfo`` for which every name is at the first of these addresses, then at the next, and so on."""
    left = list(answers)

    def ask(host: Any, port: Any, *arguments: Any, **options: Any) -> list[Info]:
        with suppress(ValueError):
            ipaddress.ip_address(host)
            return _ask(host, port, *arguments, **options)
        answer = left.pop(0) if len(left) > 1 else left[0]
        return [info for one in answer.split() for info in _ask(one, port, type=socket.SOCK_STREAM)]

    return ask


@pytest.fixture
def everything_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The DNS says that every name is this machine."""
    monkeypatch.setattr(socket, "getaddrinfo", leading_to("127.0.0.1 ::1"))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The product; the servers of the tests may be called."""
    with place(tmp_path_factory.mktemp("guarded"), HOME, THERE) as made:
        yield made


@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The mutant: every address may be called."""
    with place(tmp_path_factory.mktemp("open"), *EVERYTHING) as made:
        yield made


def tried(way: Way, where: Place, url: str) -> list[str]:
    """What a way that is refused, or not, asked its own server for."""
    with suppress(*REFUSED):
        return way(where, url)
    return []


def test_no_spelling_and_no_way_is_left_out() -> None:
    """Every spelling goes at least one way, and every way at least ten spellings."""
    assert {one for name in WAYS for one in part(name)} == set(SPELLINGS)
    assert len(WAYS) >= 25 and min(len(part(name)) for name in WAYS) >= 10


@pytest.mark.parametrize("name", WAYS)
def test_no_way_leads_to_them(name: str, guarded: Place, everything_is_here: None) -> None:
    """Nothing but the servers of the test is dialled, and nobody comes to the forbidden ones."""
    with pair("127.0.0.1", "::1", "close") as (four, six):
        for spelling in part(name):
            with dialling() as dialled:
                tried(WAYS[name], guarded, spelling.replace("{p}", str(four.port)))
            led = [one for one in dialled if not isinstance(one, tuple) or one[0] not in (HOME, THERE)]
            assert (led, four.connections + six.connections) == ([], 0), spelling


def answering(name: str, host: str, port: int = 0) -> Faults:
    """A server that answers, or cuts off who would wait for another protocol than HTTP."""
    return Faults("close" if name in ("database", "database_trial", *TOKENS) else "good", host=host, port=port)


@pytest.mark.parametrize("name", ANYWHERE)
def test_a_host_that_is_listed_is_reached(name: str, guarded: Place) -> None:
    """The same way to a host that may be called arrives, so that the test of spellings means something."""
    with answering(name, THERE) as there:
        tried(ANYWHERE[name], guarded, f"http://{THERE}:{there.port}/")
        assert there.connections > 0


@pytest.mark.parametrize("name", AT_HOME)
def test_a_link_at_home_is_followed(name: str, guarded: Place) -> None:
    """A way that stays at its origin goes on there."""
    assert "/next" in tried(AT_HOME[name], guarded, "/next")


@pytest.mark.parametrize("name", ANYWHERE)
def test_without_a_guard_they_are_reached(name: str, open_to_all: Place, everything_is_here: None) -> None:
    """The mutant makes connections, to both addresses: the guard is what keeps the others from them."""
    for host, url in (("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")):
        with answering(name, host) as forbidden:
            tried(ANYWHERE[name], open_to_all, f"http://{url}:{forbidden.port}/")
            assert forbidden.connections > 0


@pytest.mark.parametrize("name", WAYS)
def test_what_stays_at_home_needs_no_guard(name: str, open_to_all: Place) -> None:
    """Links, redirects, paths and references lead to no other system, even one that may be called."""
    if name in ANYWHERE:
        return
    with Faults("close", host=THERE) as there:
        tried(WAYS[name], open_to_all, f"http://{THERE}:{there.port}/next")
        assert there.connections == 0


@pytest.mark.parametrize("name", ANYWHERE)
def test_a_name_that_changes_leads_to_what_was_looked_at(
    name: str, guarded: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The DNS says something else from the second time on: only the first answer is dialled."""
    monkeypatch.setattr(socket, "getaddrinfo", leading_to(THERE, "127.0.0.1"))
    scheme = "https" if name in TOKENS else "http"
    with answering(name, THERE) as there, Faults("close", port=there.port) as forbidden:
        tried(ANYWHERE[name], guarded, f"{scheme}://rebinds.example:{there.port}/")
        assert (there.connections > 0, forbidden.connections) == (True, 0)
