"""Authentication: who calls, and may they. This file holds the protocol; every kind is a file of its own.

A kind is a Connexion security handler: ``get_fn(scheme, scopes)`` returns ``verify(request)``, which returns what is
known about the caller (a dictionary with ``sub``), or NO_VALUE if no credential of its kind was sent, or raises
Problem("unauthenticated") or Problem("forbidden"). Nothing in it names code: handlers are put in by us, never found
by a name from a document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from apimgmt.auth.apikey import Keys

ANONYMOUS: dict[str, Any] = {}


class Target(NamedTuple):
    """What is called: the method in capitals and the full path template, base path included."""

    method: str
    path: str


NOWHERE = Target("", "")


class Request:
    """One request on its way through the gateway: what earlier steps found out for later ones.

    ``headers`` are the header fields by lower-case name, repeated ones joined; ``keys`` the API keys that count now;
    ``target`` the operation, once it is found; ``values`` the raw texts of its path parameters; ``caller`` what
    authentication found out.
    """

    __slots__ = ("caller", "headers", "keys", "query_string", "segments", "start", "target", "values")

    def __init__(
        self, segments: list[str], start: int, headers: Mapping[bytes, bytes], query_string: bytes, keys: Keys
    ) -> None:
        self.segments = segments
        self.start = start
        self.headers = headers
        self.query_string = query_string
        self.keys = keys
        self.target = NOWHERE
        self.values: Sequence[str] = ()
        self.caller = ANONYMOUS
