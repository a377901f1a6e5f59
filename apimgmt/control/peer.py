"""What another system shows in TLS, for whoever wants to know why it is not trusted."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_address

from cryptography import x509

from apimgmt.errors import ConnectionFailed


class Certificate:
    """The certificate that the other system shows, None if there is none; ``version`` is the one of TLS."""

    def __init__(self, certificate: x509.Certificate | None, version: str, host: str) -> None:
        self._certificate = certificate
        self._version = version
        self._host = host

    @property
    def sentence(self) -> str:
        """Version, subject, issuer and how long it is valid."""
        if self._certificate is None:
            return self._version
        one = self._certificate
        return (
            f"{self._version}, certificate of {one.subject.rfc4514_string() or ', '.join(self._names())} by "
            f"{one.issuer.rfc4514_string()}, valid until {one.not_valid_after_utc:%Y-%m-%d}"
        )

    def fault(self, otherwise: str) -> str:
        """What is wrong with it, as far as it can be seen."""
        one = self._certificate
        if one is None:
            return otherwise
        now = datetime.now(UTC)
        if one.not_valid_after_utc < now:
            return f"the certificate expired on {one.not_valid_after_utc:%Y-%m-%d}"
        if one.not_valid_before_utc > now:
            return f"the certificate is valid from {one.not_valid_before_utc:%Y-%m-%d} only; compare the clocks"
        if self._names() and not any(_covers(name, self._host) for name in self._names()):
            return f"the certificate is for {', '.join(self._names()[:5])}, not for {self._host}"
        if one.issuer == one.subject:
            return f"the certificate is self-signed ({one.subject.rfc4514_string()}) and not among the trusted ones"
        return f"the certificate is issued by {one.issuer.rfc4514_string()}, which is not trusted"

    def _names(self) -> list[str]:
        if self._certificate is None:
            return []
        try:
            found = self._certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (x509.ExtensionNotFound, ValueError):
            return []
        addresses = [str(address) for address in found.get_values_for_type(x509.IPAddress)]
        return [*found.get_values_for_type(x509.DNSName), *addresses]


def shown(plain: socket.socket, host: str) -> Certificate:
    """What a server shows in TLS; nothing is sent to it, so nothing is verified here: the call does that."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with _as_tls_failure(), context.wrap_socket(plain, server_hostname=host) as secure:
        content = secure.getpeercert(binary_form=True)
        version = (secure.version() or "TLS").replace("TLSv", "TLS ")
    try:
        return Certificate(x509.load_der_x509_certificate(content) if content else None, version, host)
    except ValueError:
        return Certificate(None, version, host)


@contextmanager
def _as_tls_failure() -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise ConnectionFailed("tls", "the TLS handshake is not answered") from None
    except ssl.SSLError as error:
        reason = (error.reason or "unknown").lower().replace("_", " ")
        raise ConnectionFailed("tls", f"what answers there does not speak TLS as it should ({reason})") from None
    except OSError:
        raise ConnectionFailed("tls", "the other system ends the connection during the TLS handshake") from None


def _covers(name: str, host: str) -> bool:
    """Whether a name of a certificate covers a host (RFC 9525 section 6.3)."""
    try:
        return ip_address(name) == ip_address(host)
    except ValueError:
        pass
    name, host = name.lower(), host.lower().rstrip(".")
    return name == host or (name.startswith("*.") and host.partition(".")[2] == name[2:])
