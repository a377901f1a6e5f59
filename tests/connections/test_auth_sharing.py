"""One renewal at a time: for the threads of a process, for tasks on a loop, for processes and for machines (C-061)."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from connections.identityserver import IdentityServer
from redis_server import RedisServer

import apimgmt.asgi  # noqa: F401  registers every kind
from apimgmt.connections import Call, Do
from apimgmt.connections.authentication.authorizationcode import AuthorizationCode, SignedIn
from apimgmt.connections.authentication.clientcredentials import Grant
from apimgmt.connections.authentication.remotestore import Remote
from apimgmt.connections.authentication.renewing import Renewed
from apimgmt.connections.authentication.tokenendpoint import TokenEndpoint
from apimgmt.connections.authentication.tokens import Token
from apimgmt.connections.authentication.tokenstore import Files, Memory, StoreAway
from apimgmt.connections.configuration import Configuration
from apimgmt.connections.connection import Connection
from apimgmt.errors import ConnectionFailed
from apimgmt.reading import read
from apimgmt.settings import Settings

CALLS = 50
REDIRECT = "https://ours.example/connections/callback"
VERIFIER = "v" * 64
CALL = Call(method="GET", url="https://crm.example/")
# A worker of its own: waits for the starting gun on stdin, then calls once per line it is given.
WORKER = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
import apimgmt.connections.authentication.authorizationcode
from apimgmt.connections.configuration import Configuration
from apimgmt.connections.connection import Connection
from apimgmt.reading import read
from apimgmt.settings import Settings
given = json.loads(sys.argv[1])
made = Connection("crm", read(given["configuration"], Configuration), {}, Settings(**given["settings"]))
print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(given["calls"]) as pool:
    print(json.dumps(list(pool.map(lambda _: made.get("/api").status, range(given["calls"])))), flush=True)
"""


@pytest.fixture
def server() -> Iterator[IdentityServer]:
    """A server whose token endpoint takes long enough for everybody to come at once."""
    with IdentityServer() as server:
        server.pause = 0.1
        yield server


def configuration(server: IdentityServer, kind: str = "oauth2ClientCredentials") -> dict[str, Any]:
    """A connection to it."""
    own = {"baseUrl": server.url, "internalHosts": ["127.0.0.1"], "authentication": server.client(kind)}
    return {**own, "retries": {"count": 0}, "timeout": 60}


def connected(server: IdentityServer, settings: Settings, kind: str = "oauth2ClientCredentials") -> Connection:
    """The connection called crm."""
    return Connection("crm", read(configuration(server, kind), Configuration), {}, settings)


def signed_in(server: IdentityServer, settings: Settings) -> Connection:
    """A connection that somebody has signed in to."""
    connection = connected(server, settings, "oauth2AuthorizationCode")
    authentication = connection.policy.authentication
    assert isinstance(authentication, SignedIn)
    sign_in(server, authentication)
    return connection


def sign_in(server: IdentityServer, authentication: SignedIn) -> None:
    """Somebody signs in."""
    answer = server.authorize(authentication.authorize_url(REDIRECT, "state", VERIFIER))
    authentication.sign_in(answer.partition("code=")[2].partition("&")[0], VERIFIER, REDIRECT)


def driven(signing: Generator[Any, Any, Any]) -> Any:
    """What a signing ends with; what blocks is done here."""
    try:
        step = next(signing)
        while True:
            step = signing.send(step.function())
    except StopIteration as end:
        return end.value


def at_once(call: Callable[[], Any], number: int = CALLS) -> list[Any]:
    """The results of so many threads that begin together; a failure is a result."""
    barrier = threading.Barrier(number)

    def one(_: int) -> Any:
        barrier.wait(60)
        try:
            return call()
        except ConnectionFailed as failure:
            return failure

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number)))


def refreshes(server: IdentityServer) -> int:
    """How often a refresh token was sent."""
    return sum(form["grant_type"] == "refresh_token" for form in server.requests)


# ---- in one process ----------------------------------------------------------------------------------------------


@pytest.mark.rows("C-061", "C-015")
def test_fifty_threads_fetch_one_token(server: IdentityServer, tmp_path: Path) -> None:
    """The first fetches, the others wait for it."""
    connection = connected(server, Settings(data=str(tmp_path)))
    assert [reply.status for reply in at_once(lambda: connection.get("/api"))] == [200] * CALLS
    assert len(server.requests) == 1


@pytest.mark.rows("C-061", "C-059")
def test_fifty_threads_whose_token_is_refused_renew_it_once(server: IdentityServer, tmp_path: Path) -> None:
    """Each call is repeated, with the same new token."""
    connection = connected(server, Settings(data=str(tmp_path)))
    connection.get("/api")
    server.revoke()
    assert [reply.status for reply in at_once(lambda: connection.get("/api"))] == [200] * CALLS
    assert len(server.requests) == 2


class Naive(Renewed):
    """The mutant: whoever finds no good token fetches one."""

    def _obtain(self, refused: str = "") -> Any:
        return self._taken(self._grant.renewed(None))


@pytest.mark.parametrize(("kind", "most"), [(Renewed, 1), (Naive, CALLS)], ids=["ours", "naive"])
def test_the_count_of_requests_can_tell(kind: type[Renewed], most: int, server: IdentityServer, tmp_path: Path) -> None:
    """Without the lock there are as many requests as threads, so that the tests above could fail."""
    connection = connected(server, Settings(data=str(tmp_path)))
    own = connection.policy.authentication
    assert isinstance(own, Renewed) and isinstance(own._grant, Grant)
    renewed = kind(own._grant, Memory())

    at_once(lambda: driven(renewed.sign(CALL)))
    assert (len(server.requests) == 1) if most == 1 else (len(server.requests) > 1)


@pytest.mark.rows("C-061")
async def test_fifty_tasks_on_one_loop_fetch_one_token(server: IdentityServer, tmp_path: Path) -> None:
    """And again one when it is refused; the loop goes on meanwhile."""
    connection = connected(server, Settings(data=str(tmp_path)))
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    ticking = asyncio.create_task(tick())
    for expected in (1, 2):
        replies = await asyncio.gather(*(connection.acall("GET", "/api") for _ in range(CALLS)))
        assert [reply.status for reply in replies] == [200] * CALLS
        assert len(server.requests) == expected
        server.revoke()
    ticking.cancel()
    assert ticks > 2
    await connection.streaming().close()


def test_who_waited_for_a_renewal_that_failed_does_not_ask_again(server: IdentityServer, tmp_path: Path) -> None:
    """All fail with what the one request was answered, however late they come; later calls ask again."""
    server.pause = 2.0
    server.failing = (400, json.dumps({"error": "invalid_scope"}))
    connection = connected(server, Settings(data=str(tmp_path)))
    failures = at_once(lambda: connection.get("/api"))
    assert {str(failure) for failure in failures} == {str(failures[0])} and "invalid_scope" in str(failures[0])
    assert len(server.requests) == 1
    server.failing, server.pause = None, 0.0
    until = time.monotonic() + 60
    while _status(connection) != 200 and time.monotonic() < until:
        time.sleep(0.05)
    assert _status(connection) == 200 and len(server.requests) == 2


def _status(connection: Connection) -> int | ConnectionFailed:
    try:
        return connection.get("/api").status
    except ConnectionFailed as failure:
        return failure


def test_while_one_call_renews_early_the_others_go_on(server: IdentityServer, tmp_path: Path) -> None:
    """The token at hand is still good: only one call waits for the token endpoint."""
    moment = time.time()
    connection = connected(server, Settings(data=str(tmp_path)))
    own = connection.policy.authentication
    assert isinstance(own, Renewed)
    renewed = Renewed(own._grant, own._store, lambda: moment)

    def sign() -> Any:
        signing = renewed.sign(CALL)
        try:
            step = next(signing)
        except StopIteration as end:
            return end.value
        return step

    first = sign()
    first.function()
    good = sign()
    moment += 2900
    server.pause = 0.0
    renew = sign()
    assert isinstance(renew, Do)
    with renewed._alone():
        assert sign() == good
    renew.function()
    assert sign() != good and len(server.requests) == 2


# ---- in several processes ----------------------------------------------------------------------------------------


def race(server: IdentityServer, settings: dict[str, Any], kind: str, processes: int = 3, calls: int = 17) -> list[Any]:
    """The statuses that all calls of several processes got, which began together."""
    given = {"configuration": configuration(server, kind), "settings": settings, "calls": calls}
    workers = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", WORKER, json.dumps(given)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        return [status for worker in workers for status in json.loads(worker.communicate(timeout=120)[0])]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


@pytest.mark.rows("C-061")
def test_three_processes_renew_a_rotating_refresh_token_once(server: IdentityServer, tmp_path: Path) -> None:
    """51 calls, one refresh: a refresh token that comes twice would end everything (T47)."""
    settings = {"data": str(tmp_path)}
    signed_in(server, Settings(**settings))
    server.revoke()
    assert race(server, settings, "oauth2AuthorizationCode") == [200] * 51
    assert refreshes(server) == 1


@pytest.mark.rows("C-061")
def test_machines_that_share_redis_renew_once(server: IdentityServer, tmp_path: Path) -> None:
    """Two data folders with the same keys and one Redis, as on two machines."""
    remote = RedisServer(tmp_path)
    try:
        key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
        settings = {"data": str(tmp_path / "one"), "redis_url": remote.url, "secret_keys": key}
        signed_in(server, Settings(**settings))
        server.revoke()
        assert race(server, settings, "oauth2AuthorizationCode", processes=2) == [200] * 34
        other = connected(server, Settings(**{**settings, "data": str(tmp_path / "two")}), "oauth2AuthorizationCode")
        assert other.get("/api").status == 200
        assert refreshes(server) == 1
        assert not (tmp_path / "one" / "connections").exists()
    finally:
        remote.stop()


def test_without_redis_a_client_goes_on_and_a_sign_in_is_not_risked(server: IdentityServer, tmp_path: Path) -> None:
    """Client credentials are fetched without sharing; a refresh token is not used without the lock."""
    remote = RedisServer(tmp_path)
    settings = Settings(data=str(tmp_path), redis_url=remote.url)
    signed = signed_in(server, settings)
    remote.stop()
    assert connected(server, settings).get("/api").status == 200
    with pytest.raises(ConnectionFailed, match="Redis is away") as caught:
        signed.get("/api")
    assert caught.value.cause == "token" and refreshes(server) == 0
    remote.start()


# ---- the stores --------------------------------------------------------------------------------------------------


def token(text: str = "a") -> Token:
    """Some token."""
    return Token(access=text, issued=1.0, proof="p", expires=2.0, refresh="r")


@pytest.fixture(params=["files", "redis"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """Makes stores of one connection, each as in a process of its own."""
    if request.param == "files":
        yield lambda: Files(Settings(data=str(tmp_path)), "key")
        return
    remote = RedisServer(tmp_path)
    yield lambda: Remote(Settings(data=str(tmp_path), redis_url=remote.url), "key")
    remote.stop()


def test_what_one_process_keeps_another_reads(stores: Callable[[], Any]) -> None:
    """Until it is replaced or forgotten."""
    one, other = stores(), stores()
    assert other.read() is None
    with one.locked(1):
        one.write(token())
    assert other.read() == token()
    with other.locked(1):
        other.write(token("b"))
    assert one.read() == token("b")
    one.forget()
    one.forget()
    assert other.read() is None


def test_a_lock_is_held_by_one(stores: Callable[[], Any]) -> None:
    """Whoever waits for too long is told so, and comes in once it is free."""
    one, other = stores(), stores()
    with one.locked(1), pytest.raises(StoreAway, match="too long"), other.locked(0.05):
        raise AssertionError("two hold it")
    with other.locked(1):
        pass


class Full(Memory):
    """A store that can be read, but at times not written."""

    is_full = False

    def write(self, token: Token) -> None:
        """As Memory, if there is room."""
        if self.is_full:
            raise StoreAway("no space left on device")
        super().write(token)


def test_a_refresh_token_is_not_lost_when_the_disk_is_full(server: IdentityServer, tmp_path: Path) -> None:
    """The new one stays in memory, and is kept before the next renewal; the old one is not sent again."""
    own = connected(server, Settings(data=str(tmp_path)), "oauth2AuthorizationCode")
    store, moment = Full(), [time.time()]
    settings = read({k: v for k, v in own.configuration.authentication.items() if k != "kind"}, AuthorizationCode)
    authentication = SignedIn(settings, TokenEndpoint(settings, own), store, lambda: moment[0])
    sign_in(server, authentication)
    first = driven(authentication.sign(CALL))
    store.is_full = True
    second = driven(authentication.renew(CALL, first))
    kept = store.read()
    assert kept is not None and f"Bearer {kept.access}" == first.headers[0][1] != second.headers[0][1]
    store.is_full = False
    moment[0] += 60
    third = driven(authentication.renew(CALL, second))
    kept = store.read()
    assert kept is not None and f"Bearer {kept.access}" == third.headers[0][1] != second.headers[0][1]
    assert refreshes(server) == 2


def test_a_folder_that_cannot_be_read_does_not_cost_a_refresh_token(server: IdentityServer, tmp_path: Path) -> None:
    """Nothing is sent while it is not known what the others have; afterwards it goes on."""
    connection = signed_in(server, Settings(data=str(tmp_path)))
    connection.get("/api")
    server.revoke()
    kept = next((tmp_path / "connections").glob("*.token"))
    aside = kept.rename(tmp_path / "aside")
    kept.mkdir()
    with pytest.raises(ConnectionFailed, match="cannot be read"):
        connection.get("/api")
    assert refreshes(server) == 0
    kept.rmdir()
    aside.rename(kept)
    again = connected(server, Settings(data=str(tmp_path)), "oauth2AuthorizationCode")
    assert again.get("/api").status == 200 and refreshes(server) == 1
