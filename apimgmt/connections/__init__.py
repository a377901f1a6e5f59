"""Connections: other systems, called from processes. This file holds what is passed around; it imports no sibling.

A call goes through four layers, each named for what it handles (``exchange.py``)::

    authentication -> retries -> throttle -> single request

They are generators without any I/O: they yield steps, and whoever drives them sends back what became of each. One
driver speaks through ``requests`` (``blocking.py``), the other through ``aiohttp`` (``streaming.py``), so that both
follow the same rules.
"""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable, Generator
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import msgspec
import orjson

from apimgmt.errors import ConnectionFailed

Fields = tuple[tuple[str, str], ...]
# what Python has among its charsets and is none: some fail, and punycode takes hours for a body of 10 MB
NO_CHARSETS = frozenset(("idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"))


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request, complete: ``url`` is absolute, ``timeout`` is in seconds for each attempt, None for no limit.

    ``repeatable`` says whether it may be sent twice; ``streamed`` leaves the body of the answer unread.
    """

    method: str
    url: str
    headers: Fields = ()
    content: bytes = b""
    timeout: float | None = 30.0
    repeatable: bool = True
    streamed: bool = False

    def with_headers(self, *headers: tuple[str, str]) -> Call:
        """The same, with these fields instead of those of the same names."""
        names = {name.lower() for name, _ in headers}
        kept = tuple(field for field in self.headers if field[0].lower() not in names)
        return msgspec.structs.replace(self, headers=(*kept, *headers))

    def __repr__(self) -> str:
        """Without header fields, query and body, which have secrets: this text ends up in tracebacks."""
        return f"<Call {self.method} {self.url.partition('?')[0]}>"


class Reply:
    """What came back: ``headers`` are pairs with names in lower case, ``content`` the decoded body, ``seconds`` the
    time it took, ``attempts`` how often it was asked, ``refusal`` why a credential was not accepted."""

    __slots__ = ("attempts", "content", "headers", "method", "refusal", "seconds", "status", "stream", "url")

    def __init__(
        self, status: int, headers: Fields, content: bytes = b"", *, method: str = "", url: str = "", stream: Any = None
    ) -> None:
        self.status = status
        self.headers = headers
        self.content = content
        self.method = method
        self.url = url
        self.stream = stream
        self.seconds = 0.0
        self.attempts = 1
        self.refusal = ""

    def header(self, name: str) -> str | None:
        """The first field of that name, or None."""
        wanted = name.lower()
        return next((value for field, value in self.headers if field == wanted), None)

    @property
    def outcome(self) -> str:
        """``success`` (2xx), ``redirect`` (3xx), ``client-error`` (4xx) or ``server-error`` (5xx) (C-049)."""
        return {2: "success", 3: "redirect", 4: "client-error"}.get(self.status // 100, "server-error")

    @property
    def retry_after(self) -> float | None:
        """The seconds of ``Retry-After``, written as seconds or as a date (RFC 9110 section 10.2.3); None if there is
        none that can be read."""
        text = (self.header("retry-after") or "").strip()
        if text.isascii() and text.isdigit() and len(text) < 10:
            return float(text)
        try:
            return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
        except (TypeError, ValueError, OverflowError):
            return None

    @property
    def text(self) -> str:
        """The body as text: in the charset of its type, else UTF-8; what cannot be read becomes U+FFFD."""
        _, _, named = (self.header("content-type") or "").lower().partition("charset=")
        try:
            charset = codecs.lookup(named.split(";")[0].strip('" ') or "utf-8").name
            return self.content.decode("utf-8" if charset in NO_CHARSETS else charset, "replace")
        except (LookupError, ValueError):
            return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON; raises ConnectionFailed if it is none."""
        try:
            return orjson.loads(self.content)
        except ValueError:
            shown = self.header("content-type") or "no type"
            raise ConnectionFailed("protocol", f"{self.method} {self.url}: the answer is no JSON ({shown})") from None

    def raise_for_status(self) -> Reply:
        """This reply, if it is a success; otherwise raises ConnectionFailed with it: a 429 as ``rate-limited``, both
        with the seconds of the last ``Retry-After`` (C-076)."""
        if self.outcome == "success":
            return self
        cause = "rate-limited" if self.status == 429 else "status"
        text = f"{self.method} {self.url} answers {self.status}{f': {self.refusal}' if self.refusal else ''}"
        raise ConnectionFailed(cause, text, reply=self, retry_after=self.retry_after)


class Send(NamedTuple):
    """Step: send this now; a Reply is sent back, or ConnectionFailed is thrown."""

    call: Call


class Wait(NamedTuple):
    """Step: go on after so many seconds."""

    seconds: float


class Do(NamedTuple):
    """Step: run a function that blocks (a token is fetched, say); its result is sent back."""

    function: Callable[[], Any]


Step = Send | Wait | Do
Exchange = Generator[Step, Any, Reply]
