"""Methods and forwarded fields against the real server: tables, and the mutants that they catch (S-22, S-23)."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import guarded_app
import pytest
from guarded_app import KEY, METHODS, PAGE
from liveserver import LiveServer, statuses

from harness import Client

TRUSTED, STRANGER = "127.0.0.1", "127.0.0.2"
HERE = Path(__file__).parent


class GuardedServer(LiveServer):
    """The gateway of ``guarded_app`` behind the real server; the peer 127.0.0.1 is a listed proxy, 127.0.0.2 is not."""

    command: Sequence[str] = (
        *("env", f"PYTHONPATH={HERE}{os.pathsep}{HERE.parent}"),
        *(sys.executable, "-W", "ignore", "-m", "apimgmt.gateway.server", "guarded_app:make", "{bind}", "{workers}"),
    )

    def ask(self, method: str, target: str, fields: Sequence[tuple[str, str]], peer: str = TRUSTED) -> Seen:
        """One request on a connection of its own."""
        lines = [f"{method} {target} HTTP/1.1", "Host: gateway", *(f"{name}: {value}" for name, value in fields)]
        with socket.create_connection(("127.0.0.1", self.port), 20.0, source_address=(peer, 0)) as connection:
            connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))
            data = b"".join(iter(lambda: connection.recv(65_536), b""))
        head, _, body = data.partition(b"\r\n\r\n")
        (status,) = statuses(head)
        names = [line.decode("latin-1").partition(": ")[::2] for line in head.split(b"\r\n")[1:]]
        return Seen(status, dict(names), _ran(status, body), body)


class Seen(NamedTuple):
    """An answer; ``ran`` is the operation that answered it, if one did."""

    status: int
    fields: dict[str, str]
    ran: str
    body: bytes


def _ran(status: int, body: bytes) -> str:
    return str(json.loads(body)["operation"]["key"]) if status == 200 and body else ""


Ask = Callable[[str, str, Sequence[tuple[str, str]]], Seen]


@pytest.fixture(scope="module")
def server() -> Iterator[GuardedServer]:
    """One for all tests."""
    with GuardedServer(trusted_proxies=f"{TRUSTED}, 10.0.0.0/8") as running:
        yield running


def without_server(app: Any) -> Ask:
    """The same question to an application in this process."""
    client = Client(app)

    def ask(method: str, target: str, fields: Sequence[tuple[str, str]]) -> Seen:
        answer = client.request(method, target, fields)
        return Seen(answer.status, dict(answer.headers), _ran(answer.status, answer.body), answer.body)

    return ask


# ---- methods ---------------------------------------------------------------------------------------------------------

EVERY_METHOD = (
    *("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "QUERY", "get", "Get", "gET"),
    *("PROPFIND", "MOVE", "LOCK", "SEARCH", "PURGE", "DEBUG", "TRACK", "FOO", "GETT", "G", "M-SEARCH", "X" * 300),
)
OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-Method", "_method")
CREDENTIALS = [("X-API-Key", KEY)]
OPEN = [path for path in METHODS if path not in ("/secure", "/plain")]


def expected(path: str, method: str, fields: Sequence[tuple[str, str]]) -> tuple[int, str]:
    """Status, and the operation that runs; of a HEAD only the status is seen."""
    if method == "CONNECT":
        return 501, ""
    if method == "HEAD" and "get" in METHODS[path]:
        return (200 if fields else 401), ""
    if not method.isupper() or method.lower() not in METHODS[path]:
        return 405, ""
    return (200, f"{method.lower()} {path}") if fields else (401, "")


def check_methods(ask: Ask, methods: Sequence[str]) -> None:
    """Every method for each path: without the key, with it, and with it and all that could name another method."""
    overrides = [(name, other) for name in OVERRIDES for other in ("DELETE", "POST", "PUT")]
    for path in OPEN:
        target = path.replace("{id}", "7")
        for method in methods:
            for fields in ([], CREDENTIALS, [*CREDENTIALS, *overrides[::3]], [*CREDENTIALS, *overrides[1::3]]):
                seen = ask(method, f"{target}?_method=DELETE", fields)
                assert (seen.status, seen.ran) == expected(path, method, fields), (path, method, fields)
                assert method != "HEAD" or not seen.body


def test_methods(server: GuardedServer) -> None:
    """S-22: a method runs its own operation or none; HEAD is guarded as GET is; nothing overrides a method."""
    assert len(EVERY_METHOD) == 25
    check_methods(server.ask, EVERY_METHOD)


def overriding(app: Any) -> Any:
    """The mutant: what many frameworks do with a field that names another method."""

    async def override(scope: dict[str, Any], receive: Any, send: Any) -> None:
        named = dict(scope["headers"]).get(b"x-http-method-override")
        await app({**scope, "method": named.decode() if named else scope["method"]}, receive, send)

    return override


def obliging(app: Any) -> Any:
    """The mutant: an OPTIONS that is answered before anybody is asked who calls."""

    async def oblige(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["method"] != "OPTIONS":
            await app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", b"GET, POST")]})
        await send({"type": "http.response.body", "body": b""})

    return oblige


@pytest.mark.parametrize("mutant", [overriding, obliging])
def test_the_table_of_methods_catches_its_mutants(mutant: Callable[[Any], Any]) -> None:
    """The same table holds without a server, and fails on applications that know better."""
    methods = [method for method in EVERY_METHOD if method != "CONNECT"]
    check_methods(without_server(guarded_app.make()), methods)
    with pytest.raises(AssertionError):
        check_methods(without_server(mutant(guarded_app.make())), methods)


@pytest.mark.rows("F-052")
def test_options_is_answered_by_cors_alone(server: GuardedServer) -> None:
    """A preflight needs no key and runs nothing; the operation that the document declares needs its key."""
    asking = [("Origin", PAGE), ("Access-Control-Request-Method", "GET")]
    for path in ("/orders", "/orders/7", "/declared"):
        for fields in (asking, [*asking, *CREDENTIALS]):
            seen = server.ask("OPTIONS", path, fields)
            assert (seen.status, seen.body) == (204, b"")
            assert seen.fields["access-control-allow-origin"] == PAGE
    assert server.ask("OPTIONS", "/declared", CREDENTIALS).ran == "options /declared"
    assert server.ask("OPTIONS", "/plain", asking).status == 405
    for target in ("*", "/nowhere"):
        assert server.ask("OPTIONS", target, asking).status in (400, 404)


# ---- forwarded fields ------------------------------------------------------------------------------------------------

CALLER, FORGED, INNER = "198.51.100.1", "203.0.113.9", "10.0.0.1"
FOR, PROTO, STANDARD = "X-Forwarded-For", "X-Forwarded-Proto", "Forwarded"
Fields = list[tuple[str, str]]
# fields of a request -> who calls and how, if they come from a listed proxy
FORWARDED: list[tuple[Fields, str, str]] = [
    ([], TRUSTED, "http"),
    ([(FOR, CALLER)], CALLER, "http"),
    ([(FOR, f"{FORGED}, {CALLER}")], CALLER, "http"),
    ([(FOR, f"{CALLER}, {INNER}")], CALLER, "http"),
    ([(FOR, f"{FORGED},{CALLER},{INNER},10.9.9.9")], CALLER, "http"),
    ([(FOR, f"{CALLER}, {FORGED}")], FORGED, "http"),
    ([(FOR, INNER)], INNER, "http"),
    ([(FOR, "")], TRUSTED, "http"),
    ([(FOR, ",,,")], TRUSTED, "http"),
    ([(FOR, "gateway")], TRUSTED, "http"),
    ([(FOR, f"{CALLER}, gateway")], TRUSTED, "http"),
    ([(FOR, f"{CALLER}, unknown")], TRUSTED, "http"),
    ([(FOR, f"{CALLER}:4711")], CALLER, "http"),
    ([(FOR, "[2001:db8::7]:4711")], "2001:db8::7", "http"),
    ([(FOR, "2001:DB8:0::7")], "2001:db8::7", "http"),
    ([(FOR, FORGED), (FOR, CALLER)], CALLER, "http"),
    ([(FOR, TRUSTED)], TRUSTED, "http"),
    ([(FOR, "0x7f.1")], TRUSTED, "http"),
    ([(PROTO, "https")], TRUSTED, "https"),
    ([(PROTO, "HTTPS")], TRUSTED, "https"),
    ([(PROTO, "http, https")], TRUSTED, "https"),
    ([(PROTO, "https, http")], TRUSTED, "http"),
    ([(PROTO, "https"), (PROTO, "http")], TRUSTED, "http"),
    ([(PROTO, "gopher")], TRUSTED, "http"),
    ([(PROTO, "")], TRUSTED, "http"),
    ([(FOR, CALLER), (PROTO, "https")], CALLER, "https"),
    ([(STANDARD, f"for={CALLER}")], CALLER, "http"),
    ([(STANDARD, f"for={CALLER};proto=https")], CALLER, "https"),
    ([(STANDARD, f'By=10.0.0.1 ; For="{CALLER}:80"; Proto=HTTPS;host=x')], CALLER, "https"),
    ([(STANDARD, f"for={FORGED};proto=https, for={CALLER};proto=http")], CALLER, "http"),
    ([(STANDARD, f"for={FORGED};proto=https"), (STANDARD, f"for={CALLER};proto=http")], CALLER, "http"),
    ([(STANDARD, f"for={CALLER};proto=https, for={INNER};proto=http")], CALLER, "https"),
    ([(STANDARD, f'for=", for={CALLER};proto=http')], CALLER, "http"),
    ([(STANDARD, "for=unknown;proto=https")], TRUSTED, "https"),
    ([(STANDARD, "for=_hidden")], TRUSTED, "http"),
    ([(STANDARD, "proto=https")], TRUSTED, "https"),
    ([(STANDARD, "=;;=,")], TRUSTED, "http"),
    ([(STANDARD, f"for={FORGED};proto=https"), (FOR, CALLER), (PROTO, "http")], TRUSTED, "http"),
    ([(STANDARD, f"for={CALLER};proto=https"), (FOR, f"{FORGED}, {CALLER}"), (PROTO, "https")], CALLER, "https"),
    ([(STANDARD, f"for={CALLER};proto=https"), (FOR, CALLER), (PROTO, "http")], CALLER, "http"),
    ([("X-Real-IP", FORGED), ("True-Client-IP", FORGED), ("CF-Connecting-IP", FORGED)], TRUSTED, "http"),
    ([("Client-IP", FORGED), ("X-Client-IP", FORGED), ("X-Cluster-Client-IP", FORGED)], TRUSTED, "http"),
    ([("X-Forwarded-Host", "x"), ("X-Forwarded-Port", "443"), ("X-Forwarded-Prefix", "/orders")], TRUSTED, "http"),
    ([("X-Forwarded-Ssl", "on"), ("Front-End-Https", "on"), ("X-Forwarded-Scheme", "https")], TRUSTED, "http"),
    ([("X-Url-Scheme", "https"), ("X-Scheme", "https"), ("X-Forwarded-Protocol", "https")], TRUSTED, "http"),
    ([("Via", "1.1 proxy"), ("X-Forwarded-By", FORGED), ("Forwarded-For", FORGED)], TRUSTED, "http"),
]
# a proxy that honours it would drop the fields on the way; to us it says nothing
HOP_BY_HOP = ("Connection", "X-Forwarded-For, X-Forwarded-Proto, Forwarded")
COMBINATIONS = [(fields + more, *seen) for fields, *seen in FORWARDED for more in ([], [HOP_BY_HOP])]

See = Callable[[Fields, str, str], Seen]


def check_forwarded(see: See) -> None:
    """From the proxy the fields count, from a stranger none does; the allowed protocol follows the same word."""
    for fields, address, protocol in COMBINATIONS:
        for peer, caller in ((TRUSTED, f"{address} {protocol}"), (STRANGER, f"{STRANGER} http")):
            assert see(fields, "/orders", peer).fields["x-caller"] == caller, fields
            secure = caller.endswith(" https")
            assert see(fields, "/secure", peer).status == (200 if secure else 403), fields
            assert see(fields, "/plain", peer).status == (403 if secure else 200), fields


@pytest.mark.rows("F-025")
def test_forwarded_fields(server: GuardedServer) -> None:
    """S-23, over connections from two addresses of this machine."""
    assert len(COMBINATIONS) >= 60
    check_forwarded(lambda fields, target, peer: server.ask("GET", target, [*fields, *CREDENTIALS], peer))


def credulous(app: Any) -> Any:
    """The mutant: the left-most address and the first protocol, whoever says so."""

    async def believe(scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = {name: value.split(b",")[0].strip() for name, value in reversed(scope["headers"])}
        address = headers.get(b"x-forwarded-for", b"").decode() or scope["client"][0]
        protocol = headers.get(b"x-forwarded-proto", b"").decode() or scope["scheme"]
        kept = [field for field in scope["headers"] if b"forwarded" not in field[0]]
        await app({**scope, "client": (address, 1), "scheme": protocol, "headers": kept}, receive, send)

    return believe


@pytest.mark.parametrize(("mutate", "holds"), [(lambda app: app, True), (credulous, False)])
def test_the_table_of_forwarded_fields_catches_its_mutant(
    mutate: Callable[[Any], Any], holds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same table holds without a server, and fails on an application that believes everybody."""
    monkeypatch.setenv("APIMGMT_TRUSTED_PROXIES", f"{TRUSTED}, 10.0.0.0/8")
    app = mutate(guarded_app.make())

    def see(fields: Fields, target: str, peer: str) -> Seen:
        answer = Client(app, address=peer).get(target, [*fields, *CREDENTIALS])
        return Seen(answer.status, dict(answer.headers), "", answer.body)

    if holds:
        check_forwarded(see)
    else:
        with pytest.raises(AssertionError):
            check_forwarded(see)
