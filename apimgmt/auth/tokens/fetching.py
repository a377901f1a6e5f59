"""Key sets over the network: from a URL that an administrator gave, or from the issuer's metadata.

Nothing here follows what a token says, nor a redirect. All of it blocks, so it runs in a thread.
"""

from __future__ import annotations

import ipaddress
import time
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
from urllib3.exceptions import HTTPError

from apimgmt.auth.tokens.keyset import KeySet
from apimgmt.errors import KeysNotFetched

MOST_BYTES = 1_048_576
CONNECT_SECONDS, READ_SECONDS, TOTAL_SECONDS = 3.0, 5.0, 10.0
PIECE_BYTES = 65_536


def fetch(issuer: str, jwks_url: str = "", total_seconds: float = TOTAL_SECONDS) -> KeySet:
    """The key set at ``jwks_url``, or else where the issuer's metadata say; raises KeysNotFetched with the reason."""
    deadline = time.monotonic() + total_seconds
    with requests.Session() as session:
        # an authentication that does nothing, for otherwise requests takes one from ~/.netrc
        session.auth = lambda request: request
        url = jwks_url or _discovered(session, issuer, deadline)
        try:
            return KeySet(_json(session, url, deadline, loopback=is_loopback(jwks_url or issuer)))
        except ValueError as error:
            raise KeysNotFetched(f"{url}: {error}") from None


def metadata_urls(issuer: str) -> tuple[str, str]:
    """Where an issuer's metadata may be: RFC 8414 section 3.1, OpenID Connect Discovery section 4.1."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    return (
        f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{path}",
        f"{parts.scheme}://{parts.netloc}{path}/.well-known/openid-configuration",
    )


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_url(url: object, loopback: bool) -> str:
    """The URL, if it may be asked: https, or http on this machine where ``loopback`` allows it; raises ValueError."""
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or not parts.hostname or parts.username is not None or parts.fragment:
        raise ValueError("this is no URL that can be asked")
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback and is_loopback(str(url))):
        raise ValueError(f"{url!r:.200} is not https")
    return str(url)


def _discovered(session: requests.Session, issuer: str, deadline: float) -> str:
    """The ``jwks_uri`` of the issuer's metadata, if they are about this very issuer (RFC 8414 section 3.3)."""
    reasons = []
    loopback = is_loopback(issuer)
    for url in metadata_urls(issuer):
        try:
            metadata = _json(session, url, deadline, loopback)
            if not isinstance(metadata, dict) or metadata.get("issuer") != issuer:
                raise ValueError(f"it is not about {issuer}")
            return check_url(metadata.get("jwks_uri"), loopback)
        except ValueError as error:
            reasons.append(f"{url}: {error}")
    raise KeysNotFetched("; ".join(reasons))


def _json(session: requests.Session, url: str, deadline: float, loopback: bool) -> Any:
    """The JSON at a URL; raises ValueError with the reason."""
    check_url(url, loopback)
    # not compressed, so that what is counted is what there is
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    try:
        timeout = (CONNECT_SECONDS, READ_SECONDS)
        with session.get(url, headers=headers, stream=True, allow_redirects=False, timeout=timeout) as response:
            if response.status_code != 200:
                raise ValueError(f"it answers {response.status_code}")
            content = _content(response, deadline)
    except (requests.RequestException, HTTPError, OSError) as error:
        raise ValueError(f"no answer ({type(error).__name__})") from None
    return orjson.loads(content)


def _content(response: requests.Response, deadline: float) -> bytes:
    """The body, piece by piece as it comes: neither more nor longer than allowed."""
    content = b""
    while piece := response.raw.read1(PIECE_BYTES, decode_content=False):
        content += piece
        if len(content) > MOST_BYTES:
            raise ValueError(f"it is longer than {MOST_BYTES} bytes")
        if time.monotonic() > deadline:
            raise ValueError("it takes too long")
    return content
