"""Authorities and certificates for tests: each is made in one line, with exactly the faults that a test wants.

acme = authority("Acme CA")
partner = acme.issue("partner-one")
partner.save(tmp_path / "partner.pem")   # the certificate, what vouches for it, and its key
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.now(UTC).replace(microsecond=0)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
ANY = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
SHA256_RSA, SHA1_RSA = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")


@dataclass(frozen=True)
class Holder:
    """A certificate, its key, and the certificates between it and the root."""

    certificate: x509.Certificate
    key: Any
    between: tuple[x509.Certificate, ...] = ()

    def issue(
        self,
        name: str,
        *,
        usage: Sequence[x509.ObjectIdentifier] = (CLIENT,),
        ca: bool | None = False,
        days: tuple[float, float] = (-1, 30),
        key: Any = None,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> Holder:
        """A certificate below this one; ``ca=None`` leaves its basic constraints out."""
        between = (self.certificate, *self.between) if self.certificate.issuer != self.certificate.subject else ()
        return _make(name, self, between, usage, ca, days, key, extensions)

    def revoke(self, *revoked: Holder, days: tuple[float, float] = (-1, 7), extensions: Sequence[Any] = ()) -> str:
        """A revocation list of this authority, as PEM."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(NOW + timedelta(days=days[0]))
            .next_update(NOW + timedelta(days=days[1]))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        for holder in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(holder.certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(NOW - timedelta(hours=1)).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    @property
    def der(self) -> bytes:
        """The certificate itself."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The certificate and what is between it and the root, as a client shows them."""
        return (self.der, *(certificate.public_bytes(Encoding.DER) for certificate in self.between))

    @property
    def pem(self) -> str:
        """The certificate itself, as PEM."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def secret(self) -> str:
        """The key, as PEM."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def save(self, path: Path) -> Path:
        """Write the certificate, what is between it and the root, and the key into one file."""
        between = "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in self.between)
        path.write_text(self.pem + between + self.secret)
        return path


def authority(name: str, **options: Any) -> Holder:
    """An authority of its own, signed by itself; ``options`` are those of :meth:`Holder.issue`."""
    given = {"usage": (), "ca": True, "days": (-1, 30), "key": None, "extensions": (), **options}
    return _make(name, None, (), **given)


def server(issuer: Holder) -> Holder:
    """A certificate for the gateway at 127.0.0.1."""
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")])
    return issuer.issue("gateway", usage=(SERVER,), extensions=[(names, False)])


def rsa_key(bits: int = 2048) -> Any:
    """An RSA key."""
    return rsa.generate_private_key(65537, bits)


def with_sha1(holder: Holder, issuer: Holder) -> Holder:
    """The same certificate, signed anew with SHA-1; both keys are RSA keys."""
    content = holder.certificate.tbs_certificate_bytes.replace(SHA256_RSA, SHA1_RSA)
    signature = issuer.key.sign(content, padding.PKCS1v15(), hashes.SHA1())
    algorithm = _der(0x30, _der(0x06, SHA1_RSA) + _der(0x05, b""))
    der = _der(0x30, content + algorithm + _der(0x03, b"\0" + signature))
    return Holder(x509.load_der_x509_certificate(der), holder.key)


def to_pem(der: bytes) -> str:
    """A certificate as PEM."""
    return ssl.DER_cert_to_PEM_cert(der)


def full_name(name: str) -> x509.Name:
    """``CN=name,O=Acme`` in the order of RFC 4514."""
    parts = ((NameOID.ORGANIZATION_NAME, "Acme"), (NameOID.COMMON_NAME, name))
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts if name])


def _make(
    name: str,
    issuer: Holder | None,
    between: tuple[x509.Certificate, ...],
    usage: Sequence[x509.ObjectIdentifier],
    ca: bool | None,
    days: tuple[float, float],
    key: Any,
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
) -> Holder:
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(full_name(name))
        .issuer_name(issuer.certificate.subject if issuer else full_name(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, None), True)
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usage), False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Holder(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key, between)


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content
