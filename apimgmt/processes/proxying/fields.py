"""Header fields that are passed on: to the other system, and back to the caller.

Fields of one hop end here (RFC 9110 section 7.6.1), and so does what is between a caller and this gateway: his
credentials, his cookies, and what he says of where he comes from.
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Collection, Mapping

from apimgmt.errors import Problem, SettingInvalid
from apimgmt.model import CompiledApi
from apimgmt.origin import Proxies
from apimgmt.request import Request

Field = tuple[bytes, bytes]

# of one connection, or written by whoever sends the message
HOP = frozenset(
    (
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
        *("content-length", "expect", "host", "http2-settings", "proxy-authenticate", "proxy-authorization"),
        *("proxy-authentication-info", "proxy-status"),
    )
)
# what only this gateway says, or a proxy that it believes; never the caller
ORIGIN = frozenset(("forwarded", "via", "x-real-ip", "x-request-id", "client-cert", "client-cert-chain"))
CREDENTIALS = frozenset(("authorization", "x-api-key", "api_key"))
# an answer of one API must not speak for the whole host, which is ours
OF_HOST = frozenset(("alt-svc", "clear-site-data", "public-key-pins", "strict-transport-security"))
NAME = "1.1 apimgmt"
LOOPS_MOST = 5
NAMES_MOST = 1_000
NAME_LONGEST = 200
TEXT = bytes([9, *range(32, 127), *range(128, 256)])

_IDENTITY = re.compile(rb"[A-Za-z0-9._~:/+=@-]{1,128}").fullmatch
_HOST = re.compile(rb"[A-Za-z0-9._~-]+(:[0-9]{1,5})?|\[[0-9a-fA-F:.]+\](:[0-9]{1,5})?").fullmatch
_prefix = secrets.token_hex(6).encode()
_numbers = itertools.count(1)


class Forwarding:
    """Which fields of a request are sent on. ``wanted`` are names, or ``*`` for all that may be.

    Of ``*`` credentials and cookies are left out, and so is what ``set_here`` names; a credential that is named is
    passed on. Raises SettingInvalid for a field of one hop, which cannot be.
    """

    def __init__(
        self, wanted: Collection[str], api: CompiledApi, cookies: bool, set_here: Collection[str] = ()
    ) -> None:
        hop = sorted(name for name in wanted if name.lower() in HOP)
        if hop:
            raise SettingInvalid(f"forward: {hop[0]} belongs to one connection and is never passed on")
        keys = {scheme.name.lower() for scheme in api.security_schemes.values() if scheme.location == "header"}
        self._wanted = None if wanted == "*" else frozenset(name.lower() for name in wanted)
        self._never = HOP | ORIGIN | {name.lower() for name in set_here} | (frozenset() if cookies else {"cookie"})
        self._secret = CREDENTIALS | keys
        self._cookie_keys = {scheme.name for scheme in api.security_schemes.values() if scheme.location == "cookie"}
        self._names: dict[bytes, str] = {}

    def fields(self, headers: Collection[Field], connection: bytes | None) -> list[tuple[str, str]]:
        """The fields to send; ``connection`` is the field Connection, which may name more of one hop."""
        names = self._names
        kept: list[tuple[str, str]] = []
        for field, value in headers:
            name = names.get(field)
            if name is None:
                name = self._learn(field)
            if name:
                kept.append((name, value.decode("latin-1")))
        if connection is not None and connection.lower() not in (b"keep-alive", b"close"):
            hop = {name.strip().lower() for name in connection.decode("latin-1").split(",")}
            kept = [pair for pair in kept if pair[0] not in hop]
        if self._cookie_keys:
            kept = [pair if pair[0] != "cookie" else ("cookie", self._other_cookies(pair[1])) for pair in kept]
            kept = [pair for pair in kept if pair != ("cookie", "")]
        return kept

    def _learn(self, field: bytes) -> str:
        name = field.decode("latin-1").lower()
        if name in self._never or name.startswith(("x-forwarded-", "proxy-")):
            name = ""
        elif self._wanted is not None:
            name = name if name in self._wanted or name == "content-type" else ""
        elif name in self._secret:
            name = ""
        if len(self._names) >= NAMES_MOST:
            self._names.clear()
        if len(field) <= NAME_LONGEST:
            self._names[field] = name
        return name

    def _other_cookies(self, value: str) -> str:
        pairs = (pair.strip() for pair in value.split(";"))
        return "; ".join(pair for pair in pairs if pair.partition("=")[0].strip() not in self._cookie_keys)


class Origins:
    """Who calls, as this gateway knows it: ``Forwarded`` (RFC 7239), the older fields, and an id of the request.

    What a caller says of himself counts for nothing; of a listed proxy's word, the caller that it names.
    """

    def __init__(self, proxies: Proxies) -> None:
        self._proxies = proxies
        self._known: dict[tuple[str, str, bytes], list[tuple[str, str]]] = {}

    def fields(self, request: Request) -> list[tuple[str, str]]:
        """The fields to send; they are the same for all requests of a caller, but for the id and ``Via`` (RFC 9110
        section 7.6.3). Raises Problem for a request that has gone in a circle."""
        headers = request.headers
        key = (self._proxies.address(request), self._proxies.protocol(request), headers.get(b"host", b""))
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= NAMES_MOST:
                self._known.clear()
            known = self._known[key] = _origin(*key)
        via = headers.get(b"via", b"").decode("latin-1")
        if via.count(NAME) >= LOOPS_MOST:
            raise Problem("upstream-failed", reason="the request comes from here: connections lead in a circle")
        given = headers.get(b"x-request-id", b"")
        identity = (given if _IDENTITY(given) else request.identity or _made()).decode()
        return [("X-Request-Id", identity), ("Via", f"{via}, {NAME}" if via else NAME), *known]


def _made() -> bytes:
    """An identity for a request that has none."""
    return b"%b-%x" % (_prefix, next(_numbers))


def _origin(address: str, protocol: str, host: bytes) -> list[tuple[str, str]]:
    fields = [("X-Forwarded-Proto", protocol)]
    element = f"proto={protocol}"
    if _HOST(host):
        fields.append(("X-Forwarded-Host", host.decode()))
        element = f'host="{host.decode()}";{element}'
    if address:
        node = f'"[{address}]"' if ":" in address else address
        fields.append(("X-Forwarded-For", address))
        element = f"for={node};{element}"
    return [*fields, ("Forwarded", element)]


class Returning:
    """Which fields of an answer go back to the caller. ``dropped`` are left out besides those of one hop."""

    def __init__(self, cookies: bool, dropped: Collection[str] = ()) -> None:
        own = frozenset(dropped) | (frozenset() if cookies else {"set-cookie", "set-cookie2"})
        # an answer has the identity that the request has here
        self._never = (HOP - {"content-length", "proxy-status"}) | OF_HOST | own | {"x-request-id"}
        self._names: dict[str, bytes] = {}

    def fields(self, headers: Collection[tuple[str, str]], located: Mapping[str, str] | None) -> list[Field]:
        """The fields to send; ``located`` maps the URL of the other system to where that is here."""
        names = self._names
        kept: list[Field] = []
        hop: set[bytes] = set()
        for field, text in headers:
            name = names.get(field)
            if name is None:
                name = self._learn(field)
            if field == "connection" and text.lower() not in ("keep-alive", "close"):
                hop = {one.strip().lower().encode("latin-1") for one in text.split(",")}
            if not name:
                continue
            if located and name in (b"location", b"content-location"):
                text = here(text, located)
            value = text.encode("latin-1", "replace")
            if not value.translate(None, TEXT):
                kept.append((name, value))
        return [field for field in kept if field[0] not in hop] if hop else kept

    def _learn(self, field: str) -> bytes:
        name = b"" if field in self._never else field.encode("latin-1", "replace")
        if len(self._names) >= NAMES_MOST:
            self._names.clear()
        if len(field) <= NAME_LONGEST:
            self._names[field] = name
        return name


def here(location: str, located: Mapping[str, str]) -> str:
    """A URL of the other system as one of ours: its inside is no business of a caller's."""
    for there, base in located.items():
        if location == there or location.startswith((f"{there}/", f"{there}?")):
            return f"{base}{location[len(there) :]}" or "/"
    return location
