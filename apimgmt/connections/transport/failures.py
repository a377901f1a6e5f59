"""What requests, urllib3, http.client, ssl and the socket raise, as our own causes (C-073).

The messages are ours and constant: foreign ones may hold the URL with its query, or what was answered.
"""

from __future__ import annotations

import errno
import http.client
import re
import socket
import ssl
from collections.abc import Iterator

import requests.exceptions as foreign
from urllib3 import exceptions as pooled

from apimgmt.errors import ConnectionFailed

FOREIGN = (foreign.RequestException, pooled.HTTPError, http.client.HTTPException, OSError, ValueError)
_TUNNEL = re.compile(r"Tunnel connection failed: ([0-9]{3})")
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN, errno.EHOSTDOWN)
# in the handshake it is another matter (``dialling``)
_CUT_TLS = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
_TLS = (ssl.SSLError, pooled.SSLError, foreign.SSLError)
_PROXY = (pooled.ProxyError, foreign.ProxyError, foreign.InvalidProxyURL, pooled.ProxySchemeUnknown)
_NAME = (socket.gaierror, pooled.NameResolutionError)
_TIMEOUT = (TimeoutError, pooled.TimeoutError, foreign.Timeout)
_REFUSED = (ConnectionRefusedError,)
_RESET = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, http.client.RemoteDisconnected)
_CUT = (http.client.IncompleteRead,)
_REQUEST = (
    foreign.InvalidHeader,
    foreign.InvalidJSONError,
    foreign.UnrewindableBodyError,
    pooled.UnrewindableBodyError,
)
_ADDRESS = (
    foreign.URLRequired,
    foreign.MissingSchema,
    foreign.InvalidSchema,
    foreign.InvalidURL,
    http.client.InvalidURL,
    pooled.LocationValueError,
)

# Read from the top: the first row that one of the chained exceptions belongs to says the cause.
TABLE: tuple[tuple[tuple[type[BaseException], ...], str, str], ...] = (
    ((ssl.SSLCertVerificationError,), "certificate", "the certificate of the other system is not trusted"),
    ((pooled.InvalidHeader,), "protocol", "the answer says its length in two ways"),
    (_TIMEOUT, "timeout", "there was no answer in time"),
    (_PROXY, "proxy", "the proxy cannot be reached, or did not let the call through"),
    (_CUT_TLS, "reset", "the other system cut the connection off"),
    (_TLS, "tls", "TLS could not be agreed on"),
    (_NAME, "name", "the name of the host cannot be resolved"),
    (_REFUSED, "refused", "nothing listens there, or it may not be reached"),
    (_RESET, "reset", "the other system cut the connection off"),
    (_REQUEST, "request", "the request has values that cannot be sent"),
    (_ADDRESS, "address", "this is no URL that can be called"),
)


def failure(error: BaseException) -> ConnectionFailed:
    """The ConnectionFailed for a foreign exception; one that is unknown is of the cause ``protocol``."""
    causes = list(_chain(error))
    for one in causes:
        if isinstance(one, ConnectionFailed):
            return one
        tunnel = _TUNNEL.match(str(one)) if isinstance(one, OSError) else None
        if tunnel:
            return refused_by_proxy(int(tunnel[1]))
    for kinds, cause, detail in TABLE:
        found = next((one for one in causes if _belongs(one, kinds)), None)
        if found is not None:
            return ConnectionFailed(cause, _verified(found) if cause == "certificate" else detail)
    return _rest(causes)


def _belongs(error: BaseException, kinds: tuple[type[BaseException], ...]) -> bool:
    if isinstance(error, pooled.NewConnectionError) and kinds is _TIMEOUT:
        # for historical reasons urllib3 makes every failed connection a timeout
        return False
    return isinstance(error, kinds)


def _rest(causes: list[BaseException]) -> ConnectionFailed:
    for one in causes:
        if isinstance(one, OSError) and one.errno in _UNREACHABLE:
            return ConnectionFailed("unreachable", "there is no way to the host")
        if isinstance(one, OSError) and one.errno in _EXHAUSTED:
            return ConnectionFailed("unreachable", "this machine can open no further connection")
        if isinstance(one, _CUT) and not isinstance(one, pooled.InvalidChunkLength):
            return ConnectionFailed("reset", "the answer ends before its end")
    return ConnectionFailed("protocol", "what was answered is not HTTP as it should be")


def refused_by_proxy(status: int) -> ConnectionFailed:
    """What a proxy says instead of letting a call through."""
    if status == 407:
        return ConnectionFailed(
            "proxy", "the proxy asks for a user name and password, or refuses those that it got (407)"
        )
    return ConnectionFailed("proxy", f"the proxy did not let the call through ({status})")


def _verified(error: BaseException) -> str:
    """OpenSSL's own reason, which names no secret: expired, self-signed, another name."""
    reason = str(getattr(error, "verify_message", "") or "it is not trusted").rstrip(".")
    return f"the certificate of the other system cannot be accepted: {reason}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception, what caused it, and what is packed into its arguments."""
    pending, seen = [error], set()
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
        pending += [each for each in inner if isinstance(each, BaseException)]
