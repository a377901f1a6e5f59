"""Which addresses are the public internet's: a table of our own, so that it does not change with the Python version.

The sources are the IANA registries of special-purpose addresses (RFC 6890 and what was added since). Addresses that
carry others in them (NAT64, 6to4, Teredo) are left out as well: what they lead to cannot be told from here.
"""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(map(ipaddress.ip_network, texts))


SPECIAL = _networks(
    "0.0.0.0/8",  # this network
    "10.0.0.0/8",  # private
    "100.64.0.0/10",  # shared by carriers; 100.100.100.200 are the metadata of a cloud
    "127.0.0.0/8",  # loopback
    "168.63.129.16/32",  # a public address that is the host's own agent in a cloud
    "169.254.0.0/16",  # link-local, metadata
    "172.16.0.0/12",  # private
    "192.0.0.0/24",  # protocol assignments; 192.0.0.192 are the metadata of a cloud
    "192.0.2.0/24",  # documentation
    "192.88.99.0/24",  # 6to4 relays
    "192.168.0.0/16",  # private
    "198.18.0.0/15",  # benchmarks
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, broadcast
    "2001::/23",  # protocol assignments, Teredo, ORCHID
    "2001:db8::/32",  # documentation
    "2002::/16",  # 6to4
    "3fff::/20",  # documentation
)
# the only part of IPv6 that is given out: unique local, link-local, NAT64, site-local and multicast are outside
UNICAST = ipaddress.IPv6Network("2000::/3")

# What a listed name never leads to, only a listed address: metadata of clouds, and what belongs to no host.
BY_ADDRESS_ONLY = _networks(
    "0.0.0.0/8",
    "100.100.100.200/32",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "192.0.0.192/32",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "fd00:ec2::/32",
    "fe80::/10",
    "ff00::/8",
)


def address(text: str) -> Address:
    """An address from text, without its zone, and as IPv4 if it is one written as IPv6; raises ValueError."""
    ip = ipaddress.ip_address(text.partition("%")[0])
    return ip.ipv4_mapped or ip if isinstance(ip, ipaddress.IPv6Address) else ip


def is_public(ip: Address) -> bool:
    """Whether an address is one of the public internet."""
    if isinstance(ip, ipaddress.IPv6Address) and ip not in UNICAST:
        return False
    return not within(ip, SPECIAL)


def within(ip: Address, networks: tuple[Network, ...]) -> bool:
    """Whether an address is in one of these networks."""
    return any(ip.version == network.version and ip in network for network in networks)
