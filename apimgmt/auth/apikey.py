"""API keys: a random text, known to us as its SHA-256, with rules that say what it may call (F-036, F-037, H-013).

A key of at least 128 random bits needs no slow hash; the look-up by digest takes the same time for every wrong key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote_plus

from connexion.security import NO_VALUE, AbstractSecurityHandler

from apimgmt.auth import Surroundings, Verify
from apimgmt.errors import Problem
from apimgmt.model import KeyEntry, Rule
from apimgmt.request import Request, Target


class Key:
    """A key that was published, ready to decide."""

    __slots__ = ("_allowed", "_rules", "info")

    def __init__(self, entry: KeyEntry) -> None:
        self.info: dict[str, Any] = {"sub": entry.name, "kind": "apiKey", "id": entry.id}
        self._rules = entry.rules
        self._allowed: dict[Target, bool] = {}

    def allows(self, target: Target) -> bool:
        """Whether a rule covers the operation; worked out once per operation."""
        allowed = self._allowed.get(target)
        if allowed is None:
            allowed = self._allowed[target] = any(covers(rule, target) for rule in self._rules)
        return allowed


class Keys:
    """All keys of a snapshot, by digest."""

    __slots__ = ("_by_digest",)

    def __init__(self, entries: Iterable[KeyEntry] = ()) -> None:
        self._by_digest = {bytes.fromhex(entry.digest): Key(entry) for entry in entries}

    def find(self, text: bytes) -> Key | None:
        """The key with this text."""
        return self._by_digest.get(hashlib.sha256(text).digest())


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


def covers(rule: Rule, target: Target) -> bool:
    """Whether a rule covers an operation.

    The rule's path is compared with the template, segment by segment, so that a key for ``/pet`` does not open
    ``/pets`` (T27); ``*`` stands for one segment, ``**`` at the end for any number.
    """
    if "*" not in rule.methods and target.method not in rule.methods:
        return False
    wanted = rule.path.strip("/").split("/")
    segments = target.path.strip("/").split("/")
    if wanted[-1] == "**":
        wanted.pop()
        if len(segments) < len(wanted):
            return False
    elif len(wanted) != len(segments):
        return False
    return all(pattern in ("*", segment) for pattern, segment in zip(wanted, segments, strict=False))


def _check(read: Callable[[Request], bytes | None]) -> Verify:
    def verify(request: Request) -> Any:
        text = read(request)
        if text is None:
            return NO_VALUE
        key = request.access.keys.find(text)
        if key is None:
            raise Problem("unauthenticated", "The API key is not known.")
        if not key.allows(request.target):
            raise Problem("forbidden", "No rule of this API key covers the operation.")
        return key.info

    return verify


def _reader(location: str, name: str) -> Callable[[Request], bytes | None]:
    if location == "header":
        header = name.lower().encode("latin-1", "replace")
        return lambda request: request.headers.get(header)
    wanted = name.encode()
    if location == "query":
        return lambda request: _pair(request.query_string, b"&", wanted)
    return lambda request: _pair(request.headers.get(b"cookie", b""), b";", wanted)


def _pair(text: bytes, separator: bytes, wanted: bytes) -> bytes | None:
    """The value of the first ``name=value`` with that name, percent-decoded."""
    for part in text.split(separator):
        name, equals, value = part.strip().partition(b"=")
        if equals and (name == wanted or _decoded(name) == wanted):
            return _decoded(value)
    return None


def _decoded(text: bytes) -> bytes:
    if b"%" not in text and b"+" not in text:
        return text
    return unquote_plus(text.decode("latin-1"), "latin-1").encode("latin-1", "replace")


def _bearer(request: Request) -> bytes | None:
    value = request.headers.get(b"authorization")
    if value is None:
        return None
    scheme, _, text = value.partition(b" ")
    return text.strip() if scheme.lower() == b"bearer" else None
