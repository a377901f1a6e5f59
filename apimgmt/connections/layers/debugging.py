"""The debug log of calls: what was sent and answered, with every credential masked (T46, P-038).

What is secret is known in two ways: by the name of a header field, query parameter or member of a body, and by value,
for the secrets of the connection are masked wherever they stand. Bodies that are neither JSON nor a form cannot be
looked into, so of them only type and length are logged; of an answer no body is.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit, urlunsplit

import orjson

from apimgmt.connections import Call, Fields, Reply

log = logging.getLogger("apimgmt.connections")
MASK = "***"
MOST_SIGNS = 2_000
SHORTEST_SECRET = 4
JSON_TYPE = re.compile(r"application/(.+\+)?json\b", re.ASCII | re.IGNORECASE)
SECRET_NAME = re.compile(
    r"auth|cookie|token|secret|passw|passphrase|api[-_ ]?key|credential|session|signature|jwt|bearer|saml|assertion"
    r"|(^|[-_ ])(key|sig|pwd|pass|code|pin|otp)$|[a-z](Key|Sig|Pwd)$"
)
URL_FIELDS = frozenset(("location", "content-location", "referer", "link", "refresh"))


def is_secret_name(name: str) -> bool:
    """Whether what stands under this name is as a rule a credential."""
    lower = name.lower()
    return "idempotency" not in lower and bool(SECRET_NAME.search(lower) or SECRET_NAME.search(name))


def in_basic(username: str, password: str) -> str:
    """A user and a password as HTTP carries them (RFC 7617)."""
    return base64.b64encode(unicodedata.normalize("NFC", f"{username}:{password}").encode()).decode("ascii")


class Masking:
    """``secrets`` are texts that are masked wherever they stand; ``names`` are header fields that are secret."""

    def __init__(self, secrets: Iterable[str] = (), names: Iterable[str] = ()) -> None:
        self._secrets = {text for text in secrets if len(text) >= SHORTEST_SECRET}
        spellings = {spelling for text in self._secrets for spelling in _spellings(text)}
        # the longest first: one may be a part of another
        pattern = "|".join(map(re.escape, sorted(spellings, key=len, reverse=True)))
        self._known = re.compile(pattern) if pattern else None
        self._names = frozenset(name.lower() for name in names)

    def beside(self, *secrets: str) -> Masking:
        """The same with more secrets."""
        return Masking({*self._secrets, *secrets}, self._names) if secrets else self

    def signed(self, call: Call) -> Masking:
        """The same with the credentials that a call carries, such as a token that was fetched for it."""
        secret = (value for name, value in call.headers if name.lower() in self._names or is_secret_name(name))
        return self.beside(*(value.rpartition(" ")[2] for value in secret))

    def text(self, text: str) -> str:
        """A text without the known secrets."""
        return self._known.sub(MASK, text) if self._known else text

    def url(self, url: str) -> str:
        """A URL with the secret values of its query masked."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return MASK
        netloc = parts.netloc.rpartition("@")[2]
        return self.text(urlunsplit(parts._replace(netloc=netloc, query=self.form(parts.query), fragment="")))

    def form(self, text: str) -> str:
        """A query or form with the secret values in it masked."""
        pairs = parse_qsl(text, keep_blank_values=True)
        shown = [(name, MASK if is_secret_name(name) else self.text(value)) for name, value in pairs]
        return urlencode(shown, safe="*")

    def headers(self, fields: Fields) -> dict[str, str]:
        """Header fields with the secret values masked."""
        shown: dict[str, str] = {}
        for name, value in fields:
            if name.lower() in self._names or is_secret_name(name):
                value = MASK
            else:
                value = self.url(value) if name.lower() in URL_FIELDS else self.text(value)
            shown[name] = f"{shown[name]}, {value}" if name in shown else value
        return shown

    def body(self, content: bytes, kind: str) -> str:
        """A body as the log shows it: JSON and forms with secret members masked, of everything else the length."""
        if not content:
            return "nothing"
        shown = ""
        if JSON_TYPE.match(kind):
            with suppress(ValueError):
                shown = _line(self._value(orjson.loads(content)))
        elif kind.startswith("application/x-www-form-urlencoded"):
            shown = self.form(content.decode("utf-8", "replace"))
        if not shown:
            return f"{len(content)} bytes of {self.text(kind) or 'no type'}"
        return shown if len(shown) <= MOST_SIGNS else f"{shown[:MOST_SIGNS]}... ({len(content)} bytes)"

    def _value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: MASK if is_secret_name(name) else self._value(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self._value(one) for one in value]
        return self.text(value) if isinstance(value, str) else value


def log_call(call: Call, masking: Masking, level: int) -> None:
    """One line for a request that is about to go."""
    if log.isEnabledFor(level):
        kind = next((value for name, value in call.headers if name.lower() == "content-type"), "")
        log.log(
            level,
            "%s %s, headers %s, body %s",
            call.method,
            masking.url(call.url),
            _line(masking.headers(call.headers)),
            masking.body(call.content, kind),
        )


def log_reply(call: Call, reply: Reply, masking: Masking, level: int) -> None:
    """One line for its answer."""
    if log.isEnabledFor(level):
        masking = masking.signed(call)
        shown = _line(masking.headers(reply.headers))
        url = masking.url(call.url)
        text = "%s %s answers %d in %.3f s, headers %s, %d bytes"
        log.log(level, text, call.method, url, reply.status, reply.seconds, shown, len(reply.content))


def log_failure(call: Call, cause: str, masking: Masking, level: int) -> None:
    """One line for a request that got no answer."""
    log.log(level, "%s %s fails: %s", call.method, masking.url(call.url), cause)


def _spellings(secret: str) -> set[str]:
    """A secret as a URL, a form and JSON write it."""
    quoted = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    return {secret, *quoted, _line(secret)[1:-1], json.dumps(secret)[1:-1]}


def _line(value: Any) -> str:
    """A value on one line, whatever is in it."""
    return orjson.dumps(value).decode()
