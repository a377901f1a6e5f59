"""TLS of the gateway: our certificate, and the authorities whose client certificates are asked for.

A context is made anew when a file or the authorities change, and serves every connection from then on; one that cannot
be made leaves the one before in place. Without a first one the gateway does not start: never plain HTTP instead.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509

from apimgmt.errors import SettingInvalid, SnapshotRefused
from apimgmt.model import AuthorityEntry
from apimgmt.settings import Settings

log = logging.getLogger("apimgmt.gateway")
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
# of TLS 1.2 what has forward secrecy and authenticated encryption (RFC 9325 section 4.2); TLS 1.3 has nothing else
CIPHERS = "@SECLEVEL=2:ECDHE+AESGCM:ECDHE+CHACHA20"
PROTOCOLS = ["http/1.1"]
Mark = tuple[tuple[int, int, int] | None, ...]


class Tls:
    """The TLS of one worker; ``context`` is for the next connection, ``fault`` says why a new certificate is not used.

    Raises SettingInvalid if there is no first context.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._authorities = ""
        self._mark = self._look()
        self.fault = ""
        self.context = make_context(settings)

    def trust(self, entries: Iterable[AuthorityEntry]) -> None:
        """Ask for client certificates of these authorities from now on; raises SnapshotRefused, changing nothing."""
        authorities = "\n".join(entry.certificates for entry in entries)
        with self._lock:
            if authorities == self._authorities:
                return
            try:
                self.context = make_context(self._settings, authorities)
            except SettingInvalid as error:
                raise SnapshotRefused(str(error)) from None
            self._authorities = authorities

    def refresh(self) -> None:
        """Take over a certificate that was replaced on disk, if it can be used."""
        with self._lock:
            mark = self._look()
            if mark == self._mark:
                return
            self._mark = mark
            try:
                self.context = make_context(self._settings, self._authorities)
                self.fault = ""
            except SettingInvalid as error:
                self.fault = str(error)
                log.error("the TLS certificate in use stays: %s", error)

    def _look(self) -> Mark:
        """Something cheap that changes whenever one of the files does."""
        return tuple(_mark(path) for path in (self._settings.tls_certificate, self._settings.tls_key) if path)


def make_context(settings: Settings, authorities: str = "") -> ssl.SSLContext:
    """The context of a server with our certificate, which asks clients for one of these authorities (PEM), if any.

    Raises SettingInvalid, in a sentence, for files that cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = VERSIONS[settings.tls_minimum]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(PROTOCOLS)
    _load_certificate(context, settings)
    if authorities:
        _ask_for_certificates(context, authorities)
    return context


def load_certificate(settings: Settings) -> x509.Certificate:
    """The gateway's own certificate; raises SettingInvalid if the file holds none."""
    try:
        return x509.load_pem_x509_certificates(_content("tls_certificate", settings.tls_certificate))[0]
    except ValueError:
        raise SettingInvalid(f"tls_certificate={settings.tls_certificate}: there is no PEM certificate in it") from None


def _load_certificate(context: ssl.SSLContext, settings: Settings) -> None:
    if not settings.tls_certificate:
        raise SettingInvalid("tls_certificate is empty: HTTPS needs a PEM file with the gateway's certificate")
    load_certificate(settings)
    key = settings.tls_key or settings.tls_certificate
    if b"PRIVATE KEY-----" not in _content("tls_key", key):
        raise SettingInvalid(f"tls_key={key}: there is no PEM private key in it")
    try:
        context.load_cert_chain(settings.tls_certificate, key, password=_refuse_encrypted_key)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error)
        meaning = {"KEY_VALUES_MISMATCH": "the key belongs to another certificate"}.get(reason, f"unusable ({reason})")
        raise SettingInvalid(f"tls_certificate={settings.tls_certificate}, tls_key={key}: {meaning}") from None


def _ask_for_certificates(context: ssl.SSLContext, authorities: str) -> None:
    try:
        context.load_verify_locations(cadata=authorities)
    except (ssl.SSLError, ValueError) as error:
        raise SettingInvalid(f"the certificates of the authorities cannot be used: {error}") from None
    context.verify_mode = ssl.CERT_OPTIONAL
    # an authority that is listed is trusted, whoever else vouches for it
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_TRUSTED_FIRST
    # a resumed session has no chain, and was verified against what was trusted then
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0


def _content(name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SettingInvalid(f"{name}={path}: {error.strerror or error}") from None


def _refuse_encrypted_key() -> str:
    """Nobody is there to be asked for a password, least of all when a worker is replaced at night."""
    raise ValueError("the key is encrypted; store it decrypted, readable by the gateway's user alone")


def _mark(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_ctime_ns, status.st_size
