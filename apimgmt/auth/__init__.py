"""Authentication: who calls, and may they. This file holds the protocol; every kind is a file of its own.

A kind is a Connexion security handler: ``get_fn(scheme, scopes)`` returns ``verify(request)``, a function or a
coroutine function, which returns what is known about the caller (a dictionary with ``sub``, the name, ``kind`` and
``id``; for OAuth2 also ``claims``), or NO_VALUE if no credential of its kind was sent, or raises a problem: one of the
``credential-`` types (401) or ``forbidden`` (403). Nothing in it names code: handlers are put in by us, never found by
a name from a document.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from apimgmt.model import ApiEntry
from apimgmt.request import Request
from apimgmt.settings import Settings
from apimgmt.shared import Shared

Verify = Callable[[Request], Any | Awaitable[Any]]


class Surroundings(NamedTuple):
    """What a kind may know when it is built for an API: the API, the settings, and what the worker keeps."""

    entry: ApiEntry
    settings: Settings
    shared: Shared
