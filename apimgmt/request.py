"""One request on its way through the gateway: what earlier steps found out for later ones.

Authentication and policies get it and nothing else of the gateway; they know neither routing nor formats.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from apimgmt.auth.access import Access

SCOPE_KEY = "apimgmt"
ANONYMOUS: dict[str, Any] = {}


class Target(NamedTuple):
    """What is called: the method in capitals, the full path template (base path included), the id of the API and our
    key of the operation."""

    method: str
    path: str
    api: str = ""
    operation: str = ""


NOWHERE = Target("", "")


class Request:
    """One request; it lies in the ASGI scope under ``SCOPE_KEY``.

    ``headers`` are the header fields by lower-case name, repeated ones joined; ``access`` who may call now; ``peer``
    the address of the connection's other end, which may be a proxy; ``scheme`` the connection's own, http or https;
    ``certificates`` what the client of the connection showed in TLS (DER), its own first; ``target`` the operation,
    once it is found;
    ``values`` the raw texts of its path parameters; ``caller`` what authentication found out; ``added`` header fields
    for the answer, whatever it will be. ``identity`` is what the answer has as ``X-Request-Id``, and ``began`` when it
    came (``time.monotonic``); ``run`` is the execution of the process, once there is one.
    """

    __slots__ = (
        "access",
        "added",
        "began",
        "caller",
        "certificates",
        "headers",
        "identity",
        "peer",
        "query_string",
        "run",
        "scheme",
        "segments",
        "start",
        "target",
        "values",
    )

    def __init__(
        self,
        segments: list[str],
        start: int,
        headers: Mapping[bytes, bytes],
        query_string: bytes,
        access: Access,
        peer: str = "",
        scheme: str = "http",
        certificates: tuple[bytes, ...] = (),
        identity: bytes = b"",
    ) -> None:
        self.segments = segments
        self.start = start
        self.headers = headers
        self.query_string = query_string
        self.access = access
        self.peer = peer
        self.scheme = scheme
        self.certificates = certificates
        self.target = NOWHERE
        self.values: Sequence[str] = ()
        self.caller = ANONYMOUS
        self.identity = identity
        self.added: list[tuple[bytes, bytes]] | None = [(b"x-request-id", identity)] if identity else None
        self.began = time.monotonic()
        self.run: Any = None

    @property
    def id(self) -> str:
        """The identity as text."""
        return self.identity.decode("ascii")

    def add(self, *fields: tuple[bytes, bytes]) -> None:
        """Send these header fields with the answer, be it a result, a problem or a preflight."""
        if self.added is None:
            self.added = []
        self.added.extend(fields)
