"""Where a request comes from: the caller's address and protocol, also through proxies that are listed in the settings.

Only a listed proxy is believed, and what it says is either ``Forwarded`` (RFC 7239) or ``X-Forwarded-For`` and
``X-Forwarded-Proto``. The caller is the right-most hop that is not a listed proxy itself (T23, F-025).

A proxy writes one of the two kinds of fields and passes the other on as the caller sent it. So where both are there
they have to agree; otherwise neither counts, and the caller is the proxy.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from apimgmt.errors import SettingInvalid
from apimgmt.request import Request

Network = IPv4Network | IPv6Network
HOPS_MOST = 50


class Hop(NamedTuple):
    """What a proxy noted of who called it: the address and ``http`` or ``https``, each "" where it does not say."""

    address: str
    protocol: str


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
        told = {caller.address for caller in self._told(request)}
        return told.pop() if len(told) == 1 else request.peer

    def protocol(self, request: Request) -> str:
        """``http`` or ``https``: that of the connection, or what a listed proxy says of the caller's."""
        told = {caller.protocol for caller in self._told(request)}
        return told.pop() if len(told) == 1 else request.scheme

    def _told(self, request: Request) -> list[Hop]:
        """The caller by each kind of fields that is there; none if the peer is not to be believed."""
        if not self.has(request.peer):
            return []
        kinds = (_forwarded(request.headers), _x_forwarded(request.headers))
        return [self._caller(request, hops) for hops in kinds if hops]

    def _caller(self, request: Request, hops: list[Hop]) -> Hop:
        address, protocol = request.peer, request.scheme
        for hop in hops:
            address = hop.address or address
            protocol = hop.protocol or protocol
            if not self.has(hop.address):
                break
        return Hop(address, protocol)

    def _look_up(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        mapped = getattr(parsed, "ipv4_mapped", None)
        return any((mapped or parsed) in network for network in self._networks)


def _forwarded(headers: Mapping[bytes, bytes]) -> list[Hop]:
    """The hops of ``Forwarded``, the nearest first."""
    hops = []
    for element in _nearest_first(headers, b"forwarded"):
        pairs = (pair.partition("=") for pair in element.split(";"))
        said = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
        hops.append(Hop(_address(said.get("for", "")), _protocol(said.get("proto", ""))))
    return hops


def _x_forwarded(headers: Mapping[bytes, bytes]) -> list[Hop]:
    """The hops of the X-Forwarded fields, the nearest first; the last protocol is the one that a listed proxy wrote."""
    addresses = _nearest_first(headers, b"x-forwarded-for")
    protocols = _nearest_first(headers, b"x-forwarded-proto")
    if not addresses and not protocols:
        return []
    protocol = _protocol(protocols[0]) if protocols else ""
    return [Hop(_address(text), protocol) for text in addresses or [""]]


def _nearest_first(headers: Mapping[bytes, bytes], name: bytes) -> list[str]:
    """The last members of a list in a header field, the very last one first."""
    if name not in headers:
        return []
    members = headers[name].decode("latin-1").split(",")
    return [member.strip() for member in members[: -HOPS_MOST - 1 : -1]]


def _protocol(text: str) -> str:
    return text.lower() if text.lower() in ("http", "https") else ""


def _address(node: str) -> str:
    """The address of a node (RFC 7239 section 6) without its port; "" for one that is hidden or unknown."""
    try:
        return str(ip_address(_bare(node)))
    except ValueError:
        return ""


def _bare(node: str) -> str:
    """An address without brackets and port."""
    if node.startswith("["):
        return node[1:].partition("]")[0]
    return node.partition(":")[0] if node.count(":") == 1 else node


def _network(text: str) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise SettingInvalid(f"trusted_proxies: {text!r} is neither an address nor a network") from None
