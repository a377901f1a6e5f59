"""Who may issue client certificates: chains, dates, usage and revocation, for one API at a time (F-033 to F-035).

TLS has let in whoever some API trusts; here each API looks at its own authorities, whatever the connection or a proxy
has verified before (T24, S-24). A path is built as RFC 5280 section 6 says, by ``cryptography``: SHA-1, RSA below 2048
bits and critical extensions that it does not know are refused there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from apimgmt.auth.decision import Decision
from apimgmt.auth.revocations import Revocations
from apimgmt.auth.rules import Rules
from apimgmt.errors import Problem, SnapshotRefused
from apimgmt.model import AuthorityEntry
from apimgmt.request import Target

Chain = tuple[bytes, ...]
REMEMBERED_SECONDS = 60.0
REMEMBERED_MOST = 1_000
CHAIN_MOST = 10
# no subject is written so: who asks before run time means any
ANY_SUBJECT = "*"
RSA_BITS_LEAST = 2048
CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
USAGES = frozenset((ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE))
UNREADABLE = (
    ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)  # fmt: skip


class Refused(Exception):
    """A certificate is not accepted: a problem's code, what the caller is told, and the operator's reason."""

    def __init__(self, code: str, detail: str, reason: str = "") -> None:
        super().__init__(code, detail)
        self.refusal = Refusal(code, detail, reason or detail)


class Refusal(NamedTuple):
    """The same, to be kept."""

    code: str
    detail: str
    reason: str


class Authority:
    """A published authority: its certificates are where a chain may end."""

    __slots__ = ("_store", "certificates", "id", "name", "revocations", "rules", "subjects")

    def __init__(self, entry: AuthorityEntry) -> None:
        self.id = entry.id
        self.name = entry.name
        self.rules = None if entry.rules is None else Rules(entry.rules)
        self.subjects = frozenset(entry.subjects)
        try:
            self.certificates = x509.load_pem_x509_certificates(entry.certificates.encode())
            self.revocations = Revocations(entry.revocations, self.certificates)
            self._store = Store(self.certificates)
        except UNREADABLE as error:
            raise SnapshotRefused(f"authority {entry.name!r}: {error}") from None

    def admits(self, subject: str) -> bool:
        """Whether certificates with this subject are accepted; without a list, all are."""
        return not self.subjects or subject in self.subjects

    def path(self, chain: Sequence[x509.Certificate], now: datetime) -> list[x509.Certificate]:
        """The chain from the caller's certificate to one of the authority's; raises VerificationError without one."""
        policy = PolicyBuilder().store(self._store).time(now).extension_policies(ca_policy=_CA, ee_policy=_CALLER)
        return policy.build_client_verifier().verify(chain[0], list(chain[1:])).chain


class Certificate:
    """A certificate that was accepted, ready to decide; ``info`` is what is known about its holder (F-069)."""

    __slots__ = ("_authorities", "_decisions", "info")

    def __init__(self, subject: str, authorities: Sequence[Authority]) -> None:
        self._authorities = authorities
        self._decisions: dict[Target, Decision] = {}
        self.info: dict[str, Any] = {"sub": subject, "kind": "certificate", "id": f"{authorities[0].id}/{subject}"}

    def decide(self, target: Target) -> Decision:
        """Whether it may call the operation; worked out once per operation."""
        found = self._decisions.get(target)
        if found is None:
            found = self._decisions[target] = self._decide(target)
        return found

    def _decide(self, target: Target) -> Decision:
        """What one of the authorities that vouch for it allows: everything, or what its rules cover."""
        for authority in self._authorities:
            if authority.rules is None:
                return Decision("", f"the authority {authority.name!r} allows every operation")
            if (rule := authority.rules.deciding(target)) is not None:
                return Decision.by_rule(rule)
        looked_at = "; ".join(f"{authority.name!r}: {authority.rules}" for authority in self._authorities)
        reason = f"{self.info['sub']}: no rule covers {target.method} {target.path!r}; looked at {looked_at}"
        return Decision("forbidden", reason)


class Trust:
    """The authorities of one API. What was found out about a chain counts for a minute, and never beyond its dates."""

    def __init__(self, authorities: Sequence[Authority]) -> None:
        self.authorities = authorities
        self._remembered: dict[tuple[Chain, bool], tuple[float, Certificate | Refusal]] = {}

    def certificate(self, chain: Chain, accept_stale: bool, now: float) -> Certificate:
        """The caller's certificate, which comes first in ``chain`` (DER); raises Problem if it is not accepted.

        ``accept_stale``: whether a revocation list that is out of date counts as if it were not; ``now`` is Unix time.
        """
        key = (chain, accept_stale)
        until, verdict = self._remembered.get(key, (0.0, None))
        if verdict is None or now >= until:
            until, verdict = self._judge(chain, accept_stale, datetime.fromtimestamp(int(now), UTC))
            if len(self._remembered) >= REMEMBERED_MOST:
                self._remembered.clear()
            self._remembered[key] = min(until, now + REMEMBERED_SECONDS), verdict
        if isinstance(verdict, Refusal):
            raise Problem(verdict.code, verdict.detail, reason=verdict.reason)
        return verdict

    def _judge(self, chain: Chain, accept_stale: bool, now: datetime) -> tuple[float, Certificate | Refusal]:
        try:
            return self._examine(chain, accept_stale, now)
        except Refused as refused:
            return math.inf, refused.refusal

    def _examine(self, chain: Chain, accept_stale: bool, now: datetime) -> tuple[float, Certificate]:
        """The certificate and the Unix time until which it surely is what it is now; raises Refused."""
        certificates = _read(chain)
        subject = _checked_subject(certificates[0], now)
        paths = self._paths(certificates, subject, now)
        ends = [certificate.not_valid_after_utc for _, path in paths for certificate in path]
        for authority in self.authorities:
            for _, path in paths:
                ends += _unrevoked(authority, path, accept_stale, now)
        # dates have whole seconds and include the last one (RFC 5280 section 4.1.2.5)
        return min(ends).timestamp() + 1, Certificate(subject, [authority for authority, _ in paths])

    def _paths(
        self, certificates: list[x509.Certificate], subject: str, now: datetime
    ) -> list[tuple[Authority, list[x509.Certificate]]]:
        """Every authority that vouches for the certificate, with the path to it."""
        found, reasons = [], []
        for authority in self.authorities:
            try:
                path = authority.path(certificates, now)
            except (VerificationError, *UNREADABLE) as error:
                reasons.append(f"{authority.name!r}: {error}")
                continue
            if authority.admits(subject):
                found.append((authority, path))
            else:
                reasons.append(f"{authority.name!r}: the subject is not in its list")
        if not found:
            detail = "No authority that this API trusts vouches for the client certificate."
            raise Refused("credential-unknown", detail, f"{subject}: {'; '.join(reasons) or 'the API trusts nobody'}")
        return found


class Authorities:
    """All authorities of a snapshot, by the API that trusts them."""

    __slots__ = ("_by_api", "_for_all")
    schemes = frozenset({"mutualtls"})

    def __init__(self, entries: Iterable[AuthorityEntry] = ()) -> None:
        known = [(_authority(entry), entry.apis) for entry in entries]
        named = {api for _, apis in known for api in apis}
        self._for_all = Trust([authority for authority, apis in known if not apis])
        self._by_api = {
            api: Trust([authority for authority, apis in known if not apis or api in apis]) for api in named
        }

    def of(self, api: str) -> Trust:
        """What the API with that id trusts."""
        return self._by_api.get(api, self._for_all)

    def names(self) -> Iterator[str]:
        """The subjects that are listed, and ``*`` for those that an authority without a list gives certificates to."""
        return iter(sorted({name for one in self._all() for name in one.subjects or (ANY_SUBJECT,)}))

    def decide(self, name: str, target: Target, scopes: Sequence[str]) -> Decision | None:
        """What comes of a call with a valid certificate of that subject, from any authority that admits it."""
        admitting = [authority for authority in self.of(target.api).authorities if authority.admits(name)]
        if admitting:
            return Certificate(name, admitting).decide(target)
        if any(authority.admits(name) for authority in self._all()):
            return Decision("credential-unknown", f"{name}: no authority that this API trusts vouches for it")
        return None

    def _all(self) -> Iterator[Authority]:
        return (authority for trust in (self._for_all, *self._by_api.values()) for authority in trust.authorities)


@lru_cache(32)
def _authority(entry: AuthorityEntry) -> Authority:
    """Made once: a publish that does not touch it need not read a list of 100,000 revoked certificates again."""
    return Authority(entry)


def weakness(key: object) -> str:
    """Why a public key is not taken, or nothing."""
    if isinstance(key, rsa.RSAPublicKey):
        few = key.key_size < RSA_BITS_LEAST
        return f"its RSA key has {key.key_size} bits; {RSA_BITS_LEAST} are the least" if few else ""
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, CURVES):
        return ""
    return f"its key is of a kind that is not taken: RSA from {RSA_BITS_LEAST} bits on, P-256, P-384 and P-521 are"


def _read(chain: Chain) -> list[x509.Certificate]:
    try:
        if len(chain) > CHAIN_MOST:
            raise ValueError(f"{len(chain)} certificates are more than {CHAIN_MOST}")
        return [x509.load_der_x509_certificate(der) for der in chain]
    except UNREADABLE as error:
        detail = "The client certificate cannot be read."
        raise Refused("credential-malformed", detail, f"{detail} {error}") from None


def _checked_subject(certificate: x509.Certificate, now: datetime) -> str:
    """The subject as RFC 4514 writes it, of a certificate whose dates and key are right."""
    try:
        subject = certificate.subject.rfc4514_string()
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        weak = weakness(certificate.public_key())
    except UNREADABLE as error:
        raise Refused("credential-malformed", "The client certificate cannot be read.", str(error)) from None
    if now > ends:
        raise Refused("credential-expired", f"The client certificate ended at {ends:%Y-%m-%dT%H:%M:%SZ}.", subject)
    if now < begins:
        detail = f"The client certificate counts from {begins:%Y-%m-%dT%H:%M:%SZ} on."
        raise Refused("credential-unknown", detail, f"{subject}: {detail}")
    if weak:
        raise Refused("credential-unknown", f"The client certificate is too weak: {weak}.", f"{subject}: {weak}")
    if not subject:
        raise Refused("credential-unknown", "The client certificate has no subject name.")
    return subject


def _unrevoked(authority: Authority, path: list[x509.Certificate], accept_stale: bool, now: datetime) -> list[datetime]:
    """When the lists that were asked have to be asked again; raises Refused."""
    subject = path[0].subject.rfc4514_string()
    ends = []
    for certificate in path:
        for revocation in authority.revocations.of(certificate):
            if certificate.serial_number in revocation.serials:
                reason = f"{certificate.subject.rfc4514_string()} is in the list of {revocation.issuer}"
                raise Refused("credential-revoked", "The client certificate was revoked.", f"{subject}: {reason}")
            if accept_stale:
                continue
            if not revocation.begins <= now <= revocation.ends:
                detail = "Whether the client certificate was revoked cannot be checked now."
                reason = f"the list of {revocation.issuer} counted until {revocation.ends:%Y-%m-%dT%H:%M:%SZ}"
                raise Refused("credential-unknown", detail, f"{subject}: {authority.name!r}: {reason}; load a new one")
            ends.append(revocation.ends)
    return ends


def _for_callers(policy: Policy, certificate: x509.Certificate, usage: x509.ExtendedKeyUsage | None) -> None:
    """A certificate that says what it is for says that it is for clients (RFC 5280 section 4.2.1.12)."""
    if usage is not None and not USAGES.intersection(usage):
        raise ValueError("its extended key usage is not clientAuth")


def _may_sign(policy: Policy, certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("its key usage is not keyCertSign")


def _is_no_issuer(policy: Policy, certificate: x509.Certificate, basic: x509.BasicConstraints | None) -> None:
    if basic is not None and basic.ca:
        raise ValueError("it is an authority's own certificate")


# What RFC 5280 demands and no more: the library's own policies are those of the public web, where a certificate
# without a subjectAltName or an authority without a keyUsage has no place; in companies they are usual.
_CALLER = (
    ExtensionPolicy.permit_all()
    .may_be_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_no_issuer)
    .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _for_callers)
)
_CA = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign)
    .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _for_callers)
)
