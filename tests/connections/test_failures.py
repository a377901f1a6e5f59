"""Every foreign exception becomes one of our causes, and says nothing of what it knows."""

from __future__ import annotations

import errno
import http.client
import inspect
import socket
import ssl
from typing import Any

import pytest
import requests.exceptions
import urllib3.exceptions

from apimgmt.connections.transport.failures import FOREIGN, failure
from apimgmt.errors import CAUSES, ConnectionFailed

# what each exception of requests, urllib3 and http.client becomes; a new one of a later release is missing here
WANTED = {
    "address": "InvalidSchema InvalidURL LocationParseError LocationValueError MissingSchema URLRequired "
    "URLSchemeUnknown",
    "name": "NameResolutionError",
    "proxy": "InvalidProxyURL ProxyError ProxySchemeUnknown",
    "timeout": "ConnectTimeout ConnectTimeoutError ReadTimeout ReadTimeoutError Timeout TimeoutError",
    "tls": "SSLError",
    "request": "InvalidHeader:requests InvalidJSONError JSONDecodeError UnrewindableBodyError",
    "reset": "IncompleteRead RemoteDisconnected",
    "protocol": """BadStatusLine BodyNotHttplibCompatible CannotSendHeader CannotSendRequest ChunkedEncodingError
        ClosedPoolError ConnectionError ContentDecodingError DecodeError EmptyPoolError FullPoolError
        HTTPError HTTPException HeaderParsingError HostChangedError ImproperConnectionState
        InvalidChunkLength InvalidHeader:urllib3 LineTooLong MaxRetryError NewConnectionError NotConnected
        PoolError ProtocolError ProxySchemeUnsupported RequestError RequestException ResponseError
        ResponseNotChunked ResponseNotReady RetryError StreamConsumedError TimeoutStateError
        TooManyRedirects UnimplementedFileMode UnknownProtocol UnknownTransferEncoding""",
}
CAUSE_OF = {name: cause for cause, names in WANTED.items() for name in names.split()}


def foreign() -> list[type[BaseException]]:
    """Every exception that the libraries below us define."""
    found: dict[str, type[BaseException]] = {}
    for module in (requests.exceptions, urllib3.exceptions, http.client):
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, Exception) and not issubclass(kind, Warning) and kind.__module__ == module.__name__:
                found[f"{kind.__module__}.{kind.__qualname__}"] = kind
    return [found[name] for name in sorted(found)]


def made(kind: type[BaseException]) -> BaseException:
    """One of them, however it wants to be made, with a secret in its text."""
    error = kind.__new__(kind)
    error.args = ("GET https://crm.example/?key=s3cret",)
    return error


@pytest.mark.rows("C-073")
@pytest.mark.parametrize("kind", foreign(), ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
def test_every_foreign_exception_is_mapped(kind: type[BaseException]) -> None:
    """Its row in the table above; none is left out, and each is caught by the driver."""
    wanted = CAUSE_OF.get(kind.__name__) or CAUSE_OF.get(f"{kind.__name__}:{kind.__module__.partition('.')[0]}")
    found = failure(made(kind))
    assert found.cause == wanted and found.cause in CAUSES
    assert "s3cret" not in str(found) and "s3cret" not in repr(found)
    assert issubclass(kind, FOREIGN)


def os_error(number: int) -> OSError:
    """As the socket raises it: Python chooses the subclass by the number."""
    return OSError(number, "s3cret")


SYSTEM: list[tuple[BaseException, str]] = [
    (socket.gaierror(socket.EAI_NONAME, "s3cret"), "name"),
    (os_error(errno.ECONNREFUSED), "refused"),
    (os_error(errno.ENETUNREACH), "unreachable"),
    (os_error(errno.EHOSTUNREACH), "unreachable"),
    (os_error(errno.EADDRNOTAVAIL), "unreachable"),
    (os_error(errno.ETIMEDOUT), "timeout"),
    (os_error(errno.ECONNRESET), "reset"),
    (os_error(errno.ECONNABORTED), "reset"),
    (os_error(errno.EPIPE), "reset"),
    (os_error(errno.EMFILE), "unreachable"),
    (ssl.SSLCertVerificationError(1, "s3cret"), "certificate"),
    (ssl.SSLError(1, "s3cret"), "tls"),
    (ssl.SSLEOFError(8, "s3cret"), "reset"),
    (ssl.SSLZeroReturnError(6, "s3cret"), "reset"),
    (OSError("Tunnel connection failed: 407 s3cret"), "proxy"),
    (OSError("Tunnel connection failed: 502 s3cret"), "proxy"),
    (ValueError("s3cret"), "protocol"),
    (ConnectionFailed("too-large", "ours"), "too-large"),
]


@pytest.mark.rows("C-073")
@pytest.mark.parametrize(("error", "cause"), SYSTEM, ids=[f"{type(e).__name__}-{n}" for n, (e, _) in enumerate(SYSTEM)])
@pytest.mark.parametrize("packed", ["bare", "caused", "argument", "reason"])
def test_what_the_system_raises_is_found_in_whatever_it_is_packed_into(
    error: BaseException, cause: str, packed: str
) -> None:
    """requests packs urllib3's exceptions, which pack the socket's: in arguments, ``reason`` or ``__cause__``."""
    outer: Any = error
    if packed == "caused":
        outer = requests.exceptions.ConnectionError("s3cret")
        outer.__cause__ = error
    elif packed == "argument":
        outer = requests.exceptions.ConnectionError(urllib3.exceptions.ProtocolError("aborted", error))
    elif packed == "reason":
        pool: Any = urllib3.HTTPConnectionPool("crm.example")
        outer = requests.exceptions.ConnectionError(
            urllib3.exceptions.MaxRetryError(pool, "/?key=s3cret", _held(error))
        )
    found = failure(outer)
    assert (found.cause, "s3cret" in str(found)) == (cause, False)


def _held(error: BaseException) -> Exception:
    held = urllib3.exceptions.ProtocolError("aborted")
    held.__context__ = error
    return held


def test_a_circle_of_causes_ends() -> None:
    """Two exceptions that are each other's context."""
    one, other = requests.exceptions.ConnectionError("a"), ConnectionResetError("b")
    one.__context__, other.__context__ = other, one
    assert failure(one).cause == "reset"
