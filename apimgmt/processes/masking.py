"""What must not be in the lines of a run: the secrets of every connection, and the credentials of the caller."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping

from apimgmt.connections.known import connections
from apimgmt.connections.layers.debugging import Masking, is_secret_name
from apimgmt.errors import ConnectionFailed, SettingInvalid

# of a cookie, so that its small values do not blacken words
SHORTEST_COOKIE = 8


def masking(headers: Mapping[bytes, bytes]) -> Callable[[str], str]:
    """A function that masks them in a text, wherever they stand; ``headers`` are those of the request."""
    every = [Masking(_credentials(headers))]
    for name in connections.names():
        try:
            every.append(connections.find(name).masking())
        except (ConnectionFailed, SettingInvalid):
            # it could not be opened, so nobody has its secrets, or it is gone
            continue

    def masked(text: str) -> str:
        for one in every:
            text = one.text(text)
        return text

    return masked


def _credentials(headers: Mapping[bytes, bytes]) -> Iterator[str]:
    for name, content in headers.items():
        value = content.decode("latin-1")
        if name == b"cookie":
            pairs = (pair.partition("=")[2].strip() for pair in value.split(";"))
            yield from (text for text in pairs if len(text) >= SHORTEST_COOKIE)
        elif is_secret_name(name.decode("latin-1")):
            scheme, _, rest = value.partition(" ")
            yield rest.strip() or scheme
            if scheme.lower() == "basic":
                yield _password(rest)


def _password(credentials: str) -> str:
    """The password of Basic credentials (RFC 7617); empty if they are none."""
    try:
        return base64.b64decode(credentials).decode("utf-8", "replace").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
