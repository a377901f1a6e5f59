"""The egress guard: nothing but the public internet is called, unless an administrator lists the host (T43).

What is checked is what is dialled: a name is resolved once, each of its addresses is looked at, and the connection goes
to one of those. A second look at the DNS, which could say something else, does not happen.

A driver that blocks does ``check_url(url)`` and dials what ``addresses(host, port)`` gives. One for asyncio does
``check_url(url)`` too (it looks at addresses that are written out, which aiohttp asks no resolver about), takes
``await resolved(host, port)`` as its resolver, and ``socket`` as the factory of its sockets, which looks once more at
the very address that is about to be dialled.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Iterable
from threading import Lock
from urllib.parse import SplitResult, urlsplit

import idna

from apimgmt.connections.egress.internet import BY_ADDRESS_ONLY, Network, address, is_public, within
from apimgmt.connections.egress.resolving import Info, Resolver, resolved, system
from apimgmt.errors import ConnectionFailed, SettingInvalid

_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f]")
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*", re.ASCII)
# what other programs read as a part of an IPv4 address (decimal, octal, hexadecimal)
_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)", re.ASCII)
_WITH_PORT = re.compile(r"(\[[^\]]*\]|[^:\[\]]+):([0-9]{1,5})", re.ASCII)
_REMEMBERED = 4096


class Guard:
    """``allowed`` are hosts that may be called besides: ``crm.internal``, ``*.corp.example``, ``10.1.0.0/16``, ``::1``.

    Each may end with a port, and then holds for that port alone: ``crm.internal:8443``, ``[fd00::1]:8080``. A name lets
    its host be called wherever it is, except at addresses where no host of a network should be (link-local, metadata):
    those have to be listed as addresses. ``resolver`` asks the DNS.
    """

    def __init__(self, allowed: Iterable[str] = (), resolver: Resolver = system) -> None:
        self._resolver = resolver
        self._names: set[tuple[str, int | None]] = set()
        self._suffixes: list[tuple[str, int | None]] = []
        self._networks: list[tuple[Network, int | None]] = []
        # addresses that were found for a listed name, for ``socket``, which is told no name
        self._found: dict[tuple[str, int], None] = {}
        self._lock = Lock()
        for text in filter(None, (one.strip().lower() for one in allowed)):
            self._allow(text)

    def _allow(self, entry: str) -> None:
        parts = _WITH_PORT.fullmatch(entry)
        text, port = (parts[1], int(parts[2])) if parts else (entry, None)
        try:
            self._networks.append((ipaddress.ip_network(text.strip("[]"), strict=False), port))
            return
        except ValueError:
            pass
        bare = text.removeprefix("*.")
        name = _canonical(bare)
        if not name or "/" in entry or _NUMBER.fullmatch(name):
            raise SettingInvalid(
                f"{entry!r} is no host that could be allowed; write a name, *.name, an address or a network, "
                "and :port behind it if only one port is meant"
            )
        if bare != text:
            self._suffixes.append((f".{name}", port))
        else:
            self._names.add((name, port))

    def check_url(self, url: str) -> SplitResult:
        """The parts of a URL that may be called; raises ConnectionFailed. A name is not resolved here."""
        if _CONTROL.search(url):
            raise ConnectionFailed("request", "there are spaces or control characters in the URL")
        try:
            parts = urlsplit(url)
            written, port = parts.hostname or "", parts.port
        except ValueError:
            raise ConnectionFailed("address", "this is no URL that can be called") from None
        if parts.scheme not in ("http", "https") or not written or "@" in parts.netloc or "\\" in url or port == 0:
            raise ConnectionFailed("address", "the URL must be http or https, with a host and without a user name")
        self._check_host(written, port or (443 if parts.scheme == "https" else 80))
        return parts

    def _check_host(self, written: str, port: int) -> None:
        host = _canonical(written)
        try:
            literal = str(address(written if ":" in written else host))
        except ValueError:
            if not host or _NUMBER.fullmatch(host):
                raise ConnectionFailed("address", "the host of the URL is neither a name nor an address") from None
            return
        if "%" in written:
            raise ConnectionFailed("address", "the address in the URL has a zone")
        if not self.permits(literal, literal, port):
            raise _forbidden(written)

    def addresses(self, host: str, port: int, seconds: float | None = None) -> list[Info]:
        """What may be dialled for a host, as ``getaddrinfo`` has it, within so many seconds; blocks.

        Raises ConnectionFailed: ``name`` if it cannot be resolved, ``forbidden-address`` if none may be called.
        """
        found = self._look_up(host, port, seconds)
        permitted = [info for info in found if self.permits(host, str(info[4][0]), port)]
        if not permitted:
            raise _forbidden(host)
        with self._lock:
            self._found.update(((str(info[4][0]), port), None) for info in permitted)
            for oldest in list(self._found)[: max(0, len(self._found) - _REMEMBERED)]:
                del self._found[oldest]
        return permitted

    async def resolved(self, host: str, port: int, seconds: float | None = None) -> list[Info]:
        """``addresses`` for asyncio: what it asks the DNS, it asks in a thread."""
        return await asyncio.to_thread(self.addresses, host, port, seconds)

    def socket(self, info: Info) -> socket.socket:
        """An unconnected socket for one of ``addresses``; any other raises ConnectionFailed.

        The ``socket_factory`` of aiohttp's connector: nothing is dialled but what goes through here.
        """
        where, port = str(info[4][0]), int(info[4][1])
        if (where, port) not in self._found and not self.permits(where, where, port):
            raise _forbidden(where)
        return socket.socket(info[0], info[1], info[2])

    def check_target(self, url: str, seconds: float | None = None) -> None:
        """Whether a proxy may be asked for a URL; raises ConnectionFailed.

        All addresses of its host must be permitted, because the proxy chooses one by itself. A listed name is not
        resolved, for there are names that only the proxy can resolve.
        """
        parts = self.check_url(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        name = _canonical(host)
        if name and self._is_listed(name, port):
            return
        if not all(self.permits(host, str(info[4][0]), port) for info in self._look_up(name or host, port, seconds)):
            raise _forbidden(host)

    def _look_up(self, host: str, port: int, seconds: float | None) -> list[Info]:
        try:
            literal = str(address(host))
        except ValueError:
            return resolved(self._resolver, host, port, seconds)
        # it leads nowhere else, so that no resolver has to be asked
        return socket.getaddrinfo(literal, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)

    def permits(self, host: str, where: str, port: int) -> bool:
        """Whether this address of a host may be dialled at this port."""
        ip = address(where)
        if is_public(ip):
            return True
        if any(within(ip, (network,)) and only in (None, port) for network, only in self._networks):
            return True
        return self._is_listed(host.lower().rstrip("."), port) and not within(ip, BY_ADDRESS_ONLY)

    def _is_listed(self, name: str, port: int) -> bool:
        if (name, None) in self._names or (name, port) in self._names:
            return True
        return any(name.endswith(suffix) and only in (None, port) for suffix, only in self._suffixes)


def _canonical(host: str) -> str:
    """A host name as the DNS has it: in lower case, in ASCII, without a last dot; "" if it is none."""
    name = host.lower().removesuffix(".")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except idna.IDNAError:
            return ""
    return name if _NAME.fullmatch(name) else ""


def _forbidden(host: str) -> ConnectionFailed:
    return ConnectionFailed("forbidden-address", f"{host[:253]!r} is not a host that may be called from here")
