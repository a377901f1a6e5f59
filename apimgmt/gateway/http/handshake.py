"""The time between the acceptance of a connection and the first byte of HTTP on it, where TLS comes first.

A connection counts among the others from its first byte on, and what is not TLS, or not in time, is closed without a
word: there is no way from here to plain HTTP.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import sys
from collections.abc import Callable
from typing import Any, Protocol

from apimgmt.gateway.http.service import RESERVE, Service

log = logging.getLogger("apimgmt.gateway")
SHUTDOWN_SECONDS = 2.0
ACCEPTED_AT_ONCE = 100
EXHAUSTED_SECONDS = 1.0

Connect = Callable[[Service], asyncio.Protocol]


class Tls(Protocol):
    """Where the TLS context of the moment is."""

    @property
    def context(self) -> ssl.SSLContext:
        """The one for the next connection."""


class SecretPort:
    """A listening socket on which every connection begins with TLS; ``connect`` makes the protocol that comes then."""

    def __init__(self, service: Service, listener: socket.socket, tls: Tls, connect: Connect) -> None:
        self._service = service
        self._listener = listener
        self._tls = tls
        self._connect = connect
        self._pause: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        self._open()

    def close(self) -> None:
        """Accept no more."""
        self._service.loop.remove_reader(self._listener)
        if self._pause is not None:
            self._pause.cancel()

    def _open(self) -> None:
        self._service.loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        try:
            for _ in range(ACCEPTED_AT_ONCE):
                peer, address = self._listener.accept()
                self._begin(peer, address[0] if address else "")
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            # no descriptor or memory is left: without a pause we would try again and again, and serve nobody
            self._service.log.error("no connection can be accepted: %s", error)
            self.close()
            self._pause = self._service.loop.call_later(EXHAUSTED_SECONDS, self._open)

    def _begin(self, peer: socket.socket, address: str) -> None:
        """Begin the handshake, unless there are far too many connections already."""
        if len(self._service.connections) >= self._service.settings.connections + RESERVE:
            peer.close()
        else:
            Handshake(self._service, peer, address, self._tls.context, self._connect)


class Handshake(asyncio.Protocol):
    """A connection on which TLS is being agreed; it is that connection's protocol until then."""

    def __init__(
        self, service: Service, peer: socket.socket, address: str, context: ssl.SSLContext, connect: Connect
    ) -> None:
        self._service = service
        self._address = address
        self._connect = connect
        service.connections.add(self)
        service.addresses[address] += 1
        self._task = service.loop.create_task(self._agree(peer, context), name="handshake")

    async def _agree(self, peer: socket.socket, context: ssl.SSLContext) -> None:
        seconds = self._service.settings.header_seconds
        try:
            await self._service.loop.connect_accepted_socket(
                lambda: self,
                peer,
                ssl=context,
                ssl_handshake_timeout=seconds,
                ssl_shutdown_timeout=min(seconds, SHUTDOWN_SECONDS),
            )
        except ssl.SSLCertVerificationError as error:
            log.info("no TLS with %s: the client certificate is refused: %s", self._address, error.verify_message)
        except OSError as error:
            log.debug("no TLS with %s: %s", self._address, error)
        finally:
            self._leave()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is agreed: hand over."""
        self._leave()
        connection = self._connect(self._service)
        transport.set_protocol(connection)
        connection.connection_made(transport)

    def _leave(self) -> None:
        """Make room for the connection proper, or for another one."""
        if self in self._service.connections:
            self._service.connections.discard(self)
            self._service.addresses[self._address] -= 1
            if not self._service.addresses[self._address]:
                del self._service.addresses[self._address]

    def check(self, now: float) -> None:
        """The handshake has a deadline of its own."""

    def drain(self) -> None:
        """Close: there is no request yet."""
        self.abort()

    def abort(self) -> None:
        """Close at once."""
        self._task.cancel()


def client_certificates(tls: ssl.SSLObject) -> tuple[bytes, ...]:
    """The certificate that the client has shown and OpenSSL has verified, and what came with it, as DER.

    Which of them make a path is for each API to find out, so they are all there, in the client's order.
    """
    leaf = tls.getpeercert(binary_form=True)
    if leaf is None:
        return ()
    if sys.version_info >= (3, 13):
        return (leaf, *tls.get_unverified_chain()[1:])
    # there before Python 3.13, without a public name
    shown: list[Any] = tls._sslobj.get_unverified_chain() or []  # type: ignore[attr-defined]
    return (leaf, *(ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in shown[1:]))
