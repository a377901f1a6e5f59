"""Who or what a request is counted for: ``key``, ``address``, or a value of the request such as ``header.x-tenant``."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache, partial
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import parse_qsl, unquote

from apimgmt.errors import SettingInvalid
from apimgmt.origin import Proxies
from apimgmt.policies import Place
from apimgmt.reading import pointer
from apimgmt.request import Request

Identity = Callable[[Request], Hashable]
PREFIX_BITS = 64


def compile_expression(text: str, place: Place, index: int) -> Identity:
    """The function that reads it from a request, for the limit at this index.

    Raises SettingInvalid, with the place, for what the operation does not have.

    A value that a request lacks is one identity too: whoever leaves it out shares it with all who do.
    """
    if text == "key":
        return partial(_caller, _address(place))
    if text == "address":
        return _address(place)
    source, _, name = text.partition(".")
    if source not in _SOURCES or not name:
        sources = ", ".join(f"{source}.NAME" for source in _SOURCES)
        raise SettingInvalid(f"{text!r} is none of key, address, {sources}", _pointer(index))
    if source == "path" and name not in place.names:
        known = ", ".join(place.names) or "none"
        raise SettingInvalid(f"there is no path parameter {name!r}; there are: {known}", _pointer(index))
    return _SOURCES[source](name, place)


def _pointer(index: int) -> str:
    return pointer("limits", str(index), "by")


def _address(place: Place) -> Identity:
    proxies = Proxies(place.settings.trusted_proxies)
    return lambda request: _network(proxies.address(request))


@lru_cache(4096)
def _network(address: str) -> str:
    """An address as one caller has it: of IPv6 the first 64 bits, as each customer has at least so many to choose from
    (T32)."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(int(parsed) >> (128 - PREFIX_BITS))
    return str(parsed)


def _caller(address: Identity, request: Request) -> Hashable:
    """Who authentication says it is; an unknown caller is his address."""
    caller = request.caller
    if not caller:
        return address(request)
    return caller.get("kind"), caller.get("id"), caller.get("sub")


def _header(name: str, place: Place) -> Identity:
    field = name.lower().encode("latin-1", "replace")
    return lambda request: request.headers.get(field)


def _claim(name: str, place: Place) -> Identity:
    return lambda request: repr((request.caller.get("claims") or _NO_CLAIMS).get(name))


def _query(name: str, place: Place) -> Identity:
    return lambda request: next((value for known, value in query_pairs(request.query_string) if known == name), None)


def _path(name: str, place: Place) -> Identity:
    index = place.names.index(name)
    return lambda request: unquote(request.values[index])


@lru_cache(1024)
def query_pairs(query_string: bytes) -> tuple[tuple[str, str], ...]:
    """Names and values of a query string, decoded, ordered by name; of one name in the order in which they came."""
    pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
    return tuple(sorted(pairs, key=lambda pair: pair[0]))


_NO_CLAIMS: dict[str, Any] = {}
_SOURCES: dict[str, Callable[[str, Place], Identity]] = {
    "header": _header,
    "claim": _claim,
    "query": _query,
    "path": _path,
}
