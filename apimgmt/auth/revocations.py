"""Certificate revocation lists (RFC 5280 section 5): which serial numbers an issuer has taken back, and until when
the list counts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes

_BLOCK = re.compile(r"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)
_WEAK = (hashes.MD5, hashes.SHA1)


class Revocation(NamedTuple):
    """One list: the issuer's name, the serial numbers, and from when until when it counts."""

    issuer: str
    serials: frozenset[int]
    begins: datetime
    ends: datetime


class Revocations:
    """The lists in a PEM text, by the name of their issuer, each signed by one of ``issuers``.

    Raises ValueError, in words, for a list that cannot be relied on.
    """

    __slots__ = ("_by_issuer",)

    def __init__(self, pem: str, issuers: Iterable[x509.Certificate]) -> None:
        known = tuple(issuers)
        self._by_issuer: dict[bytes, list[Revocation]] = {}
        for block in split(pem):
            revocations = x509.load_pem_x509_crl(block.encode())
            name = revocations.issuer.public_bytes()
            self._by_issuer.setdefault(name, []).append(_checked(revocations, known))

    def __iter__(self) -> Iterator[Revocation]:
        return chain.from_iterable(self._by_issuer.values())

    def of(self, certificate: x509.Certificate) -> Sequence[Revocation]:
        """The lists of whoever issued the certificate."""
        return self._by_issuer.get(certificate.issuer.public_bytes(), ())


def split(pem: str) -> list[str]:
    """The lists in a PEM text, each as PEM; raises ValueError if there is a text but no list in it."""
    blocks = _BLOCK.findall(pem)
    if pem.strip() and not blocks:
        raise ValueError("there is no PEM block X509 CRL in it")
    return blocks


def _checked(revocations: x509.CertificateRevocationList, issuers: tuple[x509.Certificate, ...]) -> Revocation:
    issuer = revocations.issuer.rfc4514_string()
    ends = revocations.next_update_utc
    if ends is None:
        raise ValueError(f"the revocation list of {issuer} does not say when the next one comes")
    for extension in revocations.extensions:
        # a list of some reasons, some certificates or changes only, read as a whole one, would let revoked ones in
        if extension.critical:
            raise ValueError(f"the revocation list of {issuer} is not a complete one ({extension.oid.dotted_string})")
    if isinstance(revocations.signature_hash_algorithm, _WEAK):
        raise ValueError(f"the revocation list of {issuer} is signed with {revocations.signature_hash_algorithm.name}")
    keys = [one.public_key() for one in issuers if one.subject == revocations.issuer]
    if not any(_signed(revocations, key) for key in keys):
        raise ValueError(f"the revocation list of {issuer} is signed by none of the authority's certificates")
    serials = frozenset(entry.serial_number for entry in revocations)
    return Revocation(issuer, serials, revocations.last_update_utc, ends)


def _signed(revocations: x509.CertificateRevocationList, key: Any) -> bool:
    """Whether the list has a signature by this key; a key of a kind that signs nothing has made none."""
    try:
        return revocations.is_signature_valid(key)
    except TypeError:
        return False
