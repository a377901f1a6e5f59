"""API keys: a random text, known to us as its SHA-256, with rules that say what it may call (F-036, F-037, H-013).

A key of 256 random bits needs no slow hash; the look-up by digest takes the same time for every wrong key (T25). What
is wrong with a key is told to whoever sent it (H-108); which key it was, to the operator alone.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from connexion.security import NO_VALUE, AbstractSecurityHandler

from apimgmt.auth import Surroundings, Verify
from apimgmt.auth.decision import Decision
from apimgmt.auth.keytext import PREFIX, environment_of
from apimgmt.auth.rules import Rules
from apimgmt.errors import Problem
from apimgmt.model import KeyEntry, Rule
from apimgmt.request import Request, Target

# What a credential is written with (RFC 9110 section 11.2): a comma or a blank in it means that two were sent.
_CREDENTIAL = re.compile(rb"[A-Za-z0-9._~+/-]+=*")


class Key:
    """One text of a published key, ready to decide; ``until`` is the Unix time at which it ends, 0 for never."""

    __slots__ = ("_ended", "_label", "_rules", "_until", "info")

    def __init__(self, entry: KeyEntry, environment: str, until: float) -> None:
        self.info: dict[str, Any] = {"sub": entry.name, "kind": "apiKey", "id": entry.id}
        self._label = f"key {entry.id} ({entry.name})"
        self._rules = Rules(entry.rules)
        self._until = until
        self._ended = _ended(entry, environment)

    def deciding(self, target: Target) -> Rule:
        """The rule that opens the operation; raises the Problem of the refusal if there is none."""
        if self._ended is not None:
            code, detail, reason = self._ended
            raise Problem(code, detail, reason=f"{self._label}: {reason}")
        if self._until and time.time() >= self._until:
            when = datetime.fromtimestamp(self._until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            raise Problem("credential-expired", f"The API key ended at {when}.", reason=f"{self._label}: it expired")
        rule = self._rules.deciding(target)
        if rule is None:
            reason = f"{self._label}: no rule covers {target.method} {target.path!r}; looked at: {self._rules}"
            raise Problem("forbidden", "No rule of this API key covers the operation.", reason=reason)
        return rule


class Keys:
    """All keys of a snapshot, by digest; those of another environment are known to the operator only (H-099)."""

    __slots__ = ("_by_digest", "_by_name")
    schemes = frozenset({"apiKey", "bearer"})

    def __init__(self, entries: Iterable[KeyEntry] = (), environment: str = "default") -> None:
        self._by_digest: dict[bytes, Key] = {}
        self._by_name: dict[str, Key] = {}
        for entry in entries:
            for digest, until in entry.older.items():
                ends = min(until, entry.expires) if entry.expires else until
                self._by_digest[bytes.fromhex(digest)] = Key(entry, environment, ends)
            key = Key(entry, environment, entry.expires)
            self._by_digest[bytes.fromhex(entry.digest)] = self._by_name[entry.name] = key

    def find(self, text: bytes) -> Key | None:
        """The key with this text."""
        return self._by_digest.get(hashlib.sha256(text).digest())

    def names(self) -> Iterator[str]:
        """The names of all keys."""
        return iter(self._by_name)

    def decide(self, name: str, target: Target, scopes: Sequence[str]) -> Decision | None:
        """What comes of a call with the key of that name; an API key has no scopes, its rules stand for them."""
        key = self._by_name.get(name)
        if key is None:
            return None
        try:
            return Decision.by_rule(key.deciding(target))
        except Problem as problem:
            return Decision.refused(problem)


class ApiKey(AbstractSecurityHandler):  # type: ignore[misc]  # Connexion ships no types
    """Handler of the scheme type ``apiKey`` in header, query or cookie."""

    def __init__(self, surroundings: Surroundings) -> None:
        pass

    def get_fn(self, scheme: Mapping[str, Any], scopes: object) -> Verify:
        """The check of one operation."""
        return _check(_reader(scheme["in"], scheme["name"]))


class BearerKey(AbstractSecurityHandler):  # type: ignore[misc]
    """Handler of the scheme ``http`` ``bearer``: the token is an API key (H-013)."""

    def __init__(self, surroundings: Surroundings) -> None:
        pass

    def get_fn(self, scheme: Mapping[str, Any], scopes: object) -> Verify:
        """The check of one operation."""
        return _check(_bearer)


def _check(read: Callable[[Request], bytes | None]) -> Verify:
    def verify(request: Request) -> Any:
        text = read(request)
        if text is None:
            return NO_VALUE
        key = request.access.keys.find(text)
        if key is None:
            raise _unknown(text)
        key.deciding(request.target)
        return key.info

    return verify


def _ended(entry: KeyEntry, environment: str) -> tuple[str, str, str] | None:
    """Code, text for the caller and reason for the operator, if no text of the key can count any more."""
    if entry.environment != environment:
        reason = f"it belongs to the environment {entry.environment!r}, this is {environment!r}"
        return "credential-unknown", "The API key is not known.", reason
    if entry.revoked:
        return "credential-revoked", "The API key was revoked.", "it was revoked"
    return None


def _unknown(text: bytes) -> Problem:
    """Why a text opens nothing that is the text of no key: a typing error is not a wrong key (H-108)."""
    if not _CREDENTIAL.fullmatch(text):
        return _malformed("The API key cannot be read: exactly one is needed, without blanks, commas and quotes.")
    if not text.startswith(PREFIX.encode()):
        return Problem("credential-unknown", "The API key is not known.", reason="no key has this text")
    environment = environment_of(text.decode("latin-1"))
    if environment is None:
        return _malformed("The API key is not complete: a character is wrong, missing or too many.")
    reason = f"no key has this text, which names the environment {environment!r}"
    return Problem("credential-unknown", "The API key is not known.", reason=reason)


def _malformed(detail: str) -> Problem:
    return Problem("credential-malformed", detail, reason=detail)


def _reader(location: str, name: str) -> Callable[[Request], bytes | None]:
    if location == "header":
        header = name.lower().encode("latin-1", "replace")
        return lambda request: request.headers.get(header)
    wanted = name.encode()
    if location == "query":
        return lambda request: _pair(request.query_string, b"&", wanted)
    return lambda request: _pair(request.headers.get(b"cookie", b""), b";", wanted)


def _pair(text: bytes, separator: bytes, wanted: bytes) -> bytes | None:
    """The value of ``name=value`` with that name, percent-decoded; two of them are refused as two header fields are."""
    found = None
    for part in text.split(separator):
        name, equals, value = part.strip().partition(b"=")
        if equals and (name == wanted or _decoded(name) == wanted):
            if found is not None:
                raise _malformed("The API key was sent twice; exactly one is needed.")
            found = _decoded(value)
    return found


def _decoded(text: bytes) -> bytes:
    if b"%" not in text and b"+" not in text:
        return text
    return unquote_plus(text.decode("latin-1"), "latin-1").encode("latin-1", "replace")


def _bearer(request: Request) -> bytes | None:
    """The token of ``Authorization: Bearer TOKEN`` (RFC 6750 section 2.1); None for another scheme."""
    value = request.headers.get(b"authorization")
    if value is None:
        return None
    scheme, _, text = value.partition(b" ")
    if scheme.lower() == b"bearer":
        return text.strip()
    if not text:
        raise _malformed("The Authorization field names no scheme: write `Authorization: Bearer KEY`.")
    return None
