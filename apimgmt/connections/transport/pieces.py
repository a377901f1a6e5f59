"""The body of a streamed answer, piece by piece, for the driver over aiohttp."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import aiohttp

from apimgmt.connections.transport.failures import refused_by_proxy
from apimgmt.errors import ConnectionFailed

REFUSED = 111
NO_WAY = (100, 101, 112, 113)


class Pieces:
    """An iterator of bytes; raises ConnectionFailed if the body ends too early or stalls for ``seconds``.

    ``aclose`` gives the connection back, or cuts it off if the body has not come to its end; it may be called twice.
    ``owner`` is kept: as long as somebody reads, its session must not be closed.
    """

    __slots__ = ("_content", "_owner", "_response", "_seconds")

    def __init__(self, owner: Any, response: aiohttp.ClientResponse, seconds: float | None) -> None:
        self._owner = owner
        self._response = response
        self._content = response.content
        self._seconds = seconds

    def __aiter__(self) -> Pieces:
        return self

    async def __anext__(self) -> bytes:
        """What has come by now; waits only if that is nothing."""
        try:
            piece = self._content.read_nowait()
            if not piece and not self._content.at_eof():
                async with asyncio.timeout(self._seconds):
                    piece = await self._content.readany()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.cut()
            raise failure(error) from None
        if not piece:
            self.cut()
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        """Nobody reads on."""
        self.cut()

    def cut(self) -> None:
        """The same, where nothing can be awaited."""
        self._response.close()


class Forbidden(OSError):
    """The address that was about to be dialled may not be."""


def failure(error: BaseException) -> ConnectionFailed:
    """The ConnectionFailed for whatever aiohttp, ssl or the socket raise; its message names no secret."""
    if isinstance(getattr(error, "os_error", None), Forbidden):
        return ConnectionFailed("forbidden-address", "the host is not one that may be called from here")
    for kinds, cause, detail in TABLE:
        if isinstance(error, kinds):
            return ConnectionFailed(cause, detail)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return refused_by_proxy(error.status)
    number = error.errno if isinstance(error, OSError) else None
    if number == REFUSED:
        return ConnectionFailed("refused", "nothing listens there, or it may not be reached")
    if number in NO_WAY:
        return ConnectionFailed("unreachable", "there is no way to the host")
    if isinstance(error, aiohttp.ServerDisconnectedError | OSError) or _is_cut(error):
        return ConnectionFailed("reset", "the other system cut the connection off")
    return ConnectionFailed("protocol", "what was answered is not HTTP as it should be")


def _is_cut(error: BaseException) -> bool:
    """Whether a body ended before its end. aiohttp has one exception for this and for a wrong chunk."""
    return isinstance(error, aiohttp.ClientPayloadError) and "not completed" in str(error)


TABLE: tuple[tuple[Any, str, str], ...] = (
    (aiohttp.ClientConnectorCertificateError, "certificate", "the certificate of the other system is not trusted"),
    ((aiohttp.ClientConnectorSSLError, ssl.SSLError), "tls", "TLS could not be agreed on"),
    (aiohttp.ClientConnectorDNSError, "name", "the name of the host cannot be resolved"),
    (aiohttp.ClientProxyConnectionError, "proxy", "the proxy cannot be reached, or did not let the call through"),
    (TimeoutError, "timeout", "there was no answer in time"),
    (aiohttp.InvalidURL, "address", "this is no URL that can be called"),
)
