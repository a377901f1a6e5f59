"""Client certificates that a proxy passes on in a header field: RFC 9440, Envoy's field, and URL-encoded PEM as nginx
writes it.

Two fields of the same name, of which a caller may have added one, are never read as a certificate.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from apimgmt.auth.authorities import Chain
from apimgmt.errors import Problem
from apimgmt.origin import Proxies
from apimgmt.request import Request
from apimgmt.settings import Settings

Reader = Callable[[Request], Chain]
CLIENT_CERT, CLIENT_CERT_CHAIN, ENVOY = b"client-cert", b"client-cert-chain", b"x-forwarded-client-cert"

_BYTES = re.compile(rb":([A-Za-z0-9+/]+={0,2}):")
_PEM = re.compile(rb"\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*")
_PAIR = re.compile(rb'([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^",;]*)(;|$)')


class Forwarded:
    """The field in which listed proxies pass certificates on, as the settings say."""

    def __init__(self, settings: Settings) -> None:
        self._proxies = Proxies(settings.trusted_proxies)
        self._read = _reader(settings.client_certificate_header) if settings.client_certificate_header else None

    def chain(self, request: Request) -> Chain | None:
        """The caller's certificates, none of which is the proxy's own; None if nobody passes on any.

        Raises Problem for a field that cannot be read; a field of anybody but a listed proxy has no effect.
        """
        return self._read(request) if self._read is not None and self._proxies.has(request.peer) else None


def _reader(name: str) -> Reader:
    """What reads the field of that name."""
    field = name.lower().encode()
    if field == CLIENT_CERT:
        return _read_standard
    parse = _envoy if field == ENVOY else _encoded_pem
    return lambda request: _read(parse, request.headers.get(field, b""), name)


def _read_standard(request: Request) -> Chain:
    """``Client-Cert``, with what ``Client-Cert-Chain`` adds to it (RFC 9440 section 2)."""
    leaf = _read(_standard, request.headers.get(CLIENT_CERT, b""), "Client-Cert")
    if not leaf:
        return ()
    return leaf + _read(_standard_chain, request.headers.get(CLIENT_CERT_CHAIN, b""), "Client-Cert-Chain")


def _read(parse: Callable[[bytes], Chain], value: bytes, name: str) -> Chain:
    """What a field holds, nothing if it is empty; raises Problem if it cannot be read."""
    if not value:
        return ()
    try:
        return parse(value)
    except ValueError as error:
        detail = "The client certificate that the proxy passes on cannot be read."
        raise Problem("credential-malformed", detail, reason=f"{name}: {error}") from None


# The same certificate comes with every request of a caller; a value that cannot be read is not kept.


@lru_cache(256)
def _standard(value: bytes) -> Chain:
    return (_byte_sequence(value),)


@lru_cache(256)
def _standard_chain(value: bytes) -> Chain:
    return tuple(_byte_sequence(item) for item in value.split(b","))


@lru_cache(256)
def _envoy(value: bytes) -> Chain:
    """The certificates of the one element of the field; ``Chain`` begins with the caller's own (``Cert``)."""
    pairs = dict(_pairs(value))
    if b"chain" in pairs:
        chain = _encoded_pem(pairs[b"chain"])
        return chain if b"cert" not in pairs else _one(pairs[b"cert"]) + chain[1:]
    if b"cert" in pairs:
        return _one(pairs[b"cert"])
    raise ValueError("it has neither Cert nor Chain; let the proxy set them")


@lru_cache(256)
def _encoded_pem(value: bytes) -> Chain:
    text = unquote_to_bytes(value)
    found, at = [], 0
    while match := _PEM.match(text, at):
        found.append(base64.b64decode(b"".join(match[1].split()), validate=True))
        at = match.end()
    if at != len(text) or not found:
        raise ValueError("it is not URL-encoded PEM of certificates and nothing else")
    return tuple(found)


def _one(value: bytes) -> Chain:
    chain = _encoded_pem(value)
    if len(chain) != 1:
        raise ValueError("Cert holds more than one certificate")
    return chain


def _byte_sequence(item: bytes) -> bytes:
    """A byte sequence of structured fields (RFC 8941 section 3.3.5)."""
    match = _BYTES.fullmatch(item.strip(b" \t"))
    if match is None:
        raise ValueError("it is not a byte sequence (:base64:) in each of its places")
    return base64.b64decode(match[1], validate=True)


def _pairs(value: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The pairs of an element, names in lower case. A second element was added by a caller or is another proxy's."""
    at, names = 0, set()
    while at < len(value):
        match = _PAIR.match(value, at)
        if match is None:
            raise ValueError("it is not one element of NAME=VALUE pairs; let the proxy sanitize the field and set it")
        name, text, at = match[1].lower(), match[2], match.end()
        # a caller may have several names of its own, but is one caller
        if name in names and name not in (b"uri", b"dns", b"by"):
            raise ValueError(f"it has {name.decode()} twice")
        names.add(name)
        yield name, re.sub(rb"\\(.)", rb"\1", text[1:-1]) if text.startswith(b'"') else text
