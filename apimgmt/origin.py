"""Where a request comes from: the caller's address and protocol, also through proxies that are listed in the settings.

Only a listed proxy is believed. Its ``Forwarded`` field (RFC 7239) counts before ``X-Forwarded-For`` and
``X-Forwarded-Proto``; the caller is the right-most hop that is not a listed proxy itself (T23, F-025).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from apimgmt.errors import SettingInvalid
from apimgmt.request import Request

Network = IPv4Network | IPv6Network
HOPS_MOST = 50


class Proxies:
    """The listed proxies: addresses and networks, separated by commas. Raises SettingInvalid for anything else."""

    def __init__(self, listed: str) -> None:
        self._networks = tuple(_network(text.strip()) for text in listed.split(",") if text.strip())
        self._is_listed = lru_cache(1024)(self._look_up)

    def has(self, address: str) -> bool:
        """Whether the address is one of a listed proxy."""
        return bool(self._networks) and self._is_listed(address)

    def address(self, request: Request) -> str:
        """The caller's address: the peer, or what a listed proxy says of it."""
        caller = request.peer
        if self.has(caller):
            for hop in _hops(request):
                if not _is_address(hop):
                    break
                caller = hop
                if not self.has(hop):
                    break
        return caller

    def protocol(self, request: Request) -> str:
        """``http`` or ``https``: that of the connection, or what a listed proxy says of the caller's."""
        if not self.has(request.peer):
            return request.scheme
        said = next((pair.get("proto", "") for pair in _forwarded(request)), "")
        said = said or request.headers.get(b"x-forwarded-proto", b"").decode("latin-1").split(",")[-1]
        said = said.strip().lower()
        return said if said in ("http", "https") else request.scheme

    def _look_up(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        mapped = getattr(parsed, "ipv4_mapped", None)
        return any((mapped or parsed) in network for network in self._networks)


def _hops(request: Request) -> Iterator[str]:
    """The addresses that proxies noted, the nearest first."""
    if b"forwarded" in request.headers:
        yield from (_bare(pair.get("for", "")) for pair in _forwarded(request))
    else:
        noted = request.headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
        yield from (_bare(text.strip()) for text in noted[: -HOPS_MOST - 1 : -1])


def _forwarded(request: Request) -> list[dict[str, str]]:
    """The elements of ``Forwarded``, the nearest hop first."""
    elements = request.headers.get(b"forwarded", b"").decode("latin-1").split(",")[: -HOPS_MOST - 1 : -1]
    found = []
    for element in elements:
        pairs = (pair.partition("=") for pair in element.split(";"))
        found.append({name.strip().lower(): value.strip().strip('"') for name, _, value in pairs})
    return found


def _bare(node: str) -> str:
    """An address without brackets and port."""
    if node.startswith("["):
        return node[1:].partition("]")[0]
    return node.partition(":")[0] if node.count(":") == 1 else node


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _network(text: str) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise SettingInvalid(f"trusted_proxies: {text!r} is neither an address nor a network") from None
