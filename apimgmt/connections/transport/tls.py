"""What TLS is spoken with: the certificates that are trusted, ours, and never less than TLS 1.2 (C-022, C-023, T46).

The contexts suit both drivers. Nothing is taken from the environment: the public authorities are those of ``certifi``.
"""

from __future__ import annotations

import contextlib
import functools
import os
import ssl
import tempfile

import certifi

from apimgmt.connections.configuration import Tls
from apimgmt.errors import SettingInvalid


def context(tls: Tls) -> ssl.SSLContext:
    """The context of a connection; raises SettingInvalid, with the place, if its PEM texts cannot be used."""
    if tls == Tls():
        return _public()
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if not tls.verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    elif tls.authorities:
        _trust(made, tls.authorities)
    else:
        made.load_verify_locations(certifi.where())
    if tls.certificate or tls.key:
        _show(made, tls)
    return made


@functools.cache
def _public() -> ssl.SSLContext:
    # reading 140 authorities takes longer than most calls do: all connections without settings of their own share it
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_verify_locations(certifi.where())
    return made


def _trust(made: ssl.SSLContext, authorities: str) -> None:
    try:
        made.load_verify_locations(cadata=authorities)
    except (ssl.SSLError, ValueError, UnicodeError):
        raise SettingInvalid(
            "tls.authorities must be one or more certificates in PEM, each from -----BEGIN CERTIFICATE----- on",
            "/tls/authorities",
        ) from None
    # an authority may be an intermediate one, or a server that signs for itself
    made.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN


def _show(made: ssl.SSLContext, tls: Tls) -> None:
    """Load our certificate and key. OpenSSL reads them from a file: one in memory, or a private one, gone at once."""
    if "-----BEGIN CERTIFICATE-----" not in tls.certificate:
        raise SettingInvalid("tls.certificate must be a certificate in PEM, and those between it and the root")
    if "PRIVATE KEY-----" not in tls.key:
        raise SettingInvalid("tls.key must be the private key of tls.certificate in PEM", "/tls/key")
    if "ENCRYPTED" in tls.key:
        raise SettingInvalid("tls.key must be without a passphrase; it is kept encrypted here", "/tls/key")
    with _Private(f"{tls.certificate.strip()}\n{tls.key.strip()}\n") as path:
        try:
            made.load_cert_chain(path)
        except (ssl.SSLError, ValueError):
            raise SettingInvalid(
                "tls.certificate and tls.key cannot be read, or do not belong together", "/tls/key"
            ) from None


class _Private(contextlib.AbstractContextManager[str]):
    """The path of a file that nobody else can read, and that is gone afterwards."""

    def __init__(self, text: str) -> None:
        self._text = text.encode()
        self._path = ""
        self._file = -1

    def __enter__(self) -> str:
        if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
            self._file = os.memfd_create("apimgmt-certificate", os.MFD_CLOEXEC)
            path = f"/proc/self/fd/{self._file}"
        else:
            self._file, self._path = tempfile.mkstemp()
            path = self._path
        os.write(self._file, self._text)
        return path

    def __exit__(self, *_: object) -> None:
        os.close(self._file)
        if self._path:
            os.unlink(self._path)
