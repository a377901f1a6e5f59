"""The caller's address and protocol, by what listed proxies say (T23)."""

from __future__ import annotations

import pytest

from apimgmt.auth.access import Access
from apimgmt.errors import SettingInvalid
from apimgmt.model import Snapshot
from apimgmt.origin import HOPS_MOST, Proxies
from apimgmt.request import Request

ACCESS = Access(Snapshot(number=1, created=""))
SAID = {"x_forwarded_for": "198.51.100.1"}
LISTED = "10.0.0.0/8, 2001:db8:aa::/48,192.0.2.1"


def caller(peer: str, listed: str = LISTED, scheme: str = "http", **fields: str) -> tuple[str, str]:
    """Address and protocol of a request from ``peer`` with these header fields."""
    headers = {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in fields.items()}
    request = Request([""], 1, headers, b"", ACCESS, peer, scheme)
    proxies = Proxies(listed)
    return proxies.address(request), proxies.protocol(request)


@pytest.mark.rows("F-025")
@pytest.mark.parametrize(
    ("peer", "fields", "expected"),
    [
        ("10.1.2.3", {}, ("10.1.2.3", "http")),
        ("10.1.2.3", {"x_forwarded_for": "198.51.100.1"}, ("198.51.100.1", "http")),
        ("::ffff:10.1.2.3", {"x_forwarded_for": "198.51.100.1"}, ("198.51.100.1", "http")),
        ("2001:db8:aa::1", {"forwarded": 'for="[2001:DB8:0::7]:4711"'}, ("2001:db8::7", "http")),
        ("2001:db8:ab::1", {"forwarded": "for=198.51.100.1"}, ("2001:db8:ab::1", "http")),
        ("192.0.2.1", {"x_forwarded_for": "198.51.100.1:4711"}, ("198.51.100.1", "http")),
        ("192.0.2.2", {"x_forwarded_for": "198.51.100.1"}, ("192.0.2.2", "http")),
        ("", {"x_forwarded_for": "198.51.100.1"}, ("", "http")),
        # the element of the caller counts, not that of the way between two proxies
        (
            "10.0.0.1",
            {"forwarded": "for=198.51.100.1;proto=https, for=10.0.0.2;proto=http"},
            ("198.51.100.1", "https"),
        ),
        # an address that a proxy hides ends the way, for nobody knows whom it believes
        (
            "10.0.0.1",
            {"forwarded": "for=198.51.100.1;proto=https, for=_hidden;proto=http, for=10.0.0.2;proto=https"},
            ("10.0.0.2", "http"),
        ),
        # a proxy that writes the one kind passes on the other, as its caller forged it
        (
            "10.0.0.1",
            {"forwarded": "for=203.0.113.9;proto=https", **SAID, "x_forwarded_proto": "http"},
            ("10.0.0.1", "http"),
        ),
        (
            "10.0.0.1",
            {"forwarded": "for=198.51.100.1;proto=https", **SAID},
            ("198.51.100.1", "http"),
        ),
        (
            "10.0.0.1",
            {"forwarded": "for=198.51.100.1;proto=https", **SAID, "x_forwarded_proto": "https"},
            ("198.51.100.1", "https"),
        ),
    ],
)  # fmt: skip
def test_who_calls(peer: str, fields: dict[str, str], expected: tuple[str, str]) -> None:
    """The right-most hop that is no listed proxy, and how it came."""
    assert caller(peer, **fields) == expected


def test_an_endless_way_is_followed_for_so_many_hops() -> None:
    """A list of proxies alone ends at the last hop that is looked at."""
    hops = [f"10.0.{index}.1" for index in range(HOPS_MOST + 1)]
    assert caller("10.9.9.9", x_forwarded_for=", ".join(reversed(hops)))[0] == f"10.0.{HOPS_MOST - 1}.1"


def test_nobody_is_listed_by_default() -> None:
    """Not even this machine itself."""
    assert caller("127.0.0.1", listed="", x_forwarded_for="198.51.100.1", x_forwarded_proto="https") == (
        "127.0.0.1",
        "http",
    )


@pytest.mark.parametrize("listed", ["proxy.example", "10.0.0.0/33", "10.0.0.1 10.0.0.2"])
def test_a_proxy_is_an_address_or_a_network(listed: str) -> None:
    """Anything else is refused with what was written."""
    with pytest.raises(SettingInvalid, match="trusted_proxies"):
        Proxies(listed)
