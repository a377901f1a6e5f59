"""Examinations of certificates: our own, those of the authorities, and their revocation lists."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509

from apimgmt.archive import Archive
from apimgmt.auth.revocations import Revocations
from apimgmt.cli.diagnosis import Check
from apimgmt.errors import SettingInvalid, SnapshotRefused
from apimgmt.gateway.tls import load_certificate, make_context
from apimgmt.model import AuthorityEntry
from apimgmt.settings import Settings

SOON = timedelta(days=30)


def examine_tls(settings: Settings) -> list[Check]:
    """The gateway's certificate can be used, and for more than 30 days."""
    if not (settings.tls_certificate or settings.tls_key):
        return []
    try:
        make_context(settings)
        certificate = load_certificate(settings)
    except SettingInvalid as error:
        return [Check("tls certificate", "wrong", str(error), "mend the file, or the setting")]
    ends = certificate.not_valid_after_utc
    return [_judge_end("tls certificate", certificate.subject.rfc4514_string(), ends, "renew it; no restart is needed")]


def examine_takeover(settings: Settings) -> list[Check]:
    """Every worker has taken over the certificate that is there."""
    if not (settings.root / "workers").exists():
        return []
    remedy = "mend the file: the worker looks at it every second"
    reports = Archive(settings.root).reports()
    return [Check(f"worker {report.pid} TLS", "wrong", report.tls, remedy) for report in reports if report.tls]


def examine_authorities(settings: Settings) -> list[Check]:
    """The published issuers of client certificates count for more than 30 days, and their revocation lists now."""
    if not (settings.root / "snapshots").exists():
        return []
    archive = Archive(settings.root)
    try:
        authorities = [entry for digest in archive.current()[:1] for entry in archive.load_snapshot(digest).authorities]
    except SnapshotRefused:
        # that is said of the snapshot already
        return []
    return [check for entry in authorities for check in _examine_authority(entry)]


def _examine_authority(entry: AuthorityEntry) -> list[Check]:
    subject = f"authority {entry.name}"
    certificates = x509.load_pem_x509_certificates(entry.certificates.encode())
    checks = [
        _judge_end(subject, one.subject.rfc4514_string(), one.not_valid_after_utc, "replace it before it ends")
        for one in certificates
    ]
    remedy = f"apimgmt authorities revocations {entry.name} FILE"
    lists = Revocations(entry.revocations, certificates)
    # a list comes anew every few days: that its end is near is no news, that it is over is
    checks += [_judge_end(subject, f"list of {one.issuer}", one.ends, remedy, timedelta()) for one in lists]
    return checks


def _judge_end(subject: str, name: str, ends: datetime, remedy: str, soon: timedelta = SOON) -> Check:
    left = ends - datetime.now(UTC)
    found = f"{name} until {ends:%Y-%m-%d %H:%M} UTC"
    if left < timedelta():
        return Check(subject, "wrong", found, remedy)
    return Check(subject, "warning", found, remedy) if left < soon else Check(subject, "fine", found)


EXAMINATIONS = (examine_tls, examine_takeover, examine_authorities)
