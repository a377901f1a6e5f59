"""Authorities: who may issue client certificates, for which APIs, and what their holders may call (F-034).

Whatever could not work later is refused here, where somebody reads why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from apimgmt.auth.authorities import UNREADABLE, weakness
from apimgmt.auth.revocations import Revocations, split
from apimgmt.control.catalogue import live
from apimgmt.control.resources import Resources, wrong
from apimgmt.control.rows import ResourceRow
from apimgmt.control.rulesets import read_rules, rules_of, rulesets
from apimgmt.control.transaction import Transaction
from apimgmt.control.views import rule_views
from apimgmt.errors import Problem
from apimgmt.model import AuthorityEntry, Rule, Struct
from apimgmt.registry import register


class Authority(Struct, frozen=True):
    """What is stored of an authority; without rules and rulesets, holders of its certificates may call everything."""

    certificates: str
    revocations: str = ""
    apis: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    rulesets: tuple[str, ...] = ()


class Authorities(Resources[Authority]):
    """All authorities."""

    kind = "authority"
    noun = "an authority"
    content = Authority

    def read(self, body: Mapping[str, Any], before: Authority | None, transaction: Transaction) -> Authority:
        """``{"certificates": PEM, "revocations": PEM, "apis": [names or ids], "subjects": [RFC 4514], "rules": [...],
        "rulesets": [names]}``."""
        wanted = self.converted(body, Authority)
        certificates = _certificates(wanted.certificates)
        rules_of(transaction, wanted.rulesets)
        return Authority(
            certificates="".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates),
            revocations=_revocations(wanted.revocations, certificates),
            apis=tuple(_api(api, f"/apis/{number}", transaction) for number, api in enumerate(wanted.apis)),
            subjects=tuple(_subject(name, f"/subjects/{number}") for number, name in enumerate(wanted.subjects)),
            rules=read_rules(wanted.rules, body.get("rules", ()), transaction),
            rulesets=wanted.rulesets,
        )

    def view(self, row: ResourceRow) -> dict[str, Any]:
        """The authority, with what its PEM texts hold."""
        stored = self.stored(row)
        return {
            **super().view(row),
            "rules": rule_views(stored.rules),
            "issuers": [_issuer_view(one) for one in x509.load_pem_x509_certificates(stored.certificates.encode())],
            "lists": [_list_view(text) for text in split(stored.revocations)],
        }


@register("snapshot", "authorities")
def authorities(transaction: Transaction) -> tuple[AuthorityEntry, ...]:
    """The snapshot's field, with the rules of rulesets."""
    known = rulesets(transaction)
    return tuple(
        _entry(row, msgspec.json.decode(row.content, type=Authority), known)
        for row in transaction.resources(Authorities.kind)
    )


def _entry(row: ResourceRow, authority: Authority, known: Mapping[str, Sequence[Rule]]) -> AuthorityEntry:
    # rulesets without a rule narrow to nothing; only who names neither has no bounds
    shared = (rule for name in authority.rulesets for rule in known[name])
    bounded = bool(authority.rules or authority.rulesets)
    return AuthorityEntry(
        id=row.id,
        name=row.name,
        certificates=authority.certificates,
        revocations=authority.revocations,
        apis=authority.apis,
        subjects=authority.subjects,
        rules=(*authority.rules, *shared) if bounded else None,
    )


def _certificates(pem: str) -> list[x509.Certificate]:
    """Every certificate of the text, once; raises Problem for one that cannot vouch for others."""
    if "PRIVATE KEY-----" in pem:
        detail = "there is a private key in it: give the certificates only, and replace the key if it was in use"
        raise wrong("/certificates", "secret", detail)
    try:
        found = list(dict.fromkeys(x509.load_pem_x509_certificates(pem.encode())))
        faults = [(certificate.subject.rfc4514_string(), _fault(certificate)) for certificate in found]
    except UNREADABLE:
        raise wrong("/certificates", "format", "there is no PEM certificate in it, or a damaged one") from None
    for subject, fault in faults:
        if fault:
            raise wrong("/certificates", "unusable", f"{subject}: {fault}")
    return found


def _fault(certificate: x509.Certificate) -> str:
    """Why a certificate cannot vouch for others, or nothing."""
    try:
        is_authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    if not is_authority:
        return "this is no authority's certificate (its basic constraints do not say CA)"
    if certificate.not_valid_after_utc < datetime.now(UTC):
        return f"it ended at {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
    return weakness(certificate.public_key())


def _revocations(pem: str, issuers: list[x509.Certificate]) -> str:
    """The lists of the text and nothing else; raises Problem for one that cannot be relied on."""
    try:
        Revocations(pem, issuers)
        texts = split(pem)
        ended = [view for view in map(_list_view, texts) if view["expires"] < _time(datetime.now(UTC))]
    except UNREADABLE as error:
        raise wrong("/revocations", "format", str(error)) from None
    if ended:
        detail = f"the list of {ended[0]['issuer']} counted until {ended[0]['expires']}: give its present one"
        raise wrong("/revocations", "expired", detail)
    return "".join(f"{text}\n" for text in texts)


def _api(reference: str, pointer: str, transaction: Transaction) -> str:
    """The id of an API."""
    try:
        return live(transaction, reference).id
    except Problem as problem:
        raise wrong(pointer, "enum", problem.detail) from None


def _subject(text: str, pointer: str) -> str:
    """A name in the one spelling in which names are compared."""
    try:
        name = x509.Name.from_rfc4514_string(text).rfc4514_string()
    except ValueError:
        name = ""
    if not name:
        raise wrong(pointer, "format", "must be a name as RFC 4514 writes it, e.g. CN=partner-one,O=Acme")
    return name


def _issuer_view(certificate: x509.Certificate) -> dict[str, Any]:
    return {
        "subject": certificate.subject.rfc4514_string(),
        "expires": _time(certificate.not_valid_after_utc),
        "sha256": certificate.fingerprint(SHA256()).hex(),
    }


def _list_view(pem: str) -> dict[str, Any]:
    revocations = x509.load_pem_x509_crl(pem.encode())
    ends = revocations.next_update_utc
    return {
        "issuer": revocations.issuer.rfc4514_string(),
        "expires": _time(ends) if ends else "",
        "revoked": len(revocations),
    }


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
