"""Secrets of connections on their way into the store: encrypted, kept where a body leaves them out, and kept only
while what they are sent to stays the same.

Otherwise whoever may change a connection could send its secret to a host of their own without ever having known it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from apimgmt.connections.configuration import secrets_of, with_secrets
from apimgmt.encryption import Encryption
from apimgmt.errors import SettingInvalid
from apimgmt.settings import Settings

MASK = "***"


class Sealing:
    """Encrypts and decrypts the secrets of a configuration."""

    def __init__(self, settings: Settings) -> None:
        self._encryption = Encryption(settings)

    def sealed(self, settings: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
        """The settings with every secret encrypted; one that is left out or is the mask is the one ``before`` has.

        Raises SettingInvalid, with the place, if there is none before, or if it would be sent elsewhere now.
        """
        copy: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(settings))
        known = {} if before is None else {place: holder[name] for holder, name, place in secrets_of(dict(before))}
        _put_masks(copy, before or {}, known)
        stays = before is not None and destinations(before) == destinations(copy)
        for holder, name, place in secrets_of(copy):
            if holder[name] == MASK:
                holder[name] = _kept(known.get(place), place, stays)
            elif holder[name] and isinstance(holder[name], str):
                holder[name] = self._encryption.encrypt(holder[name])
        return copy

    def opened(self, settings: dict[str, Any]) -> dict[str, Any]:
        """The settings with their secrets in the clear; raises SettingInvalid, with the place of one that is lost."""
        copy: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(settings))
        for holder, name, place in secrets_of(copy):
            if holder[name] and isinstance(holder[name], str):
                try:
                    holder[name] = self._encryption.decrypt(holder[name])
                except SettingInvalid:
                    detail = "cannot be decrypted with any key of secret_keys: give it again, or restore the key"
                    raise SettingInvalid(detail, place) from None
        return copy

    def lost(self, settings: dict[str, Any]) -> bool:
        """Whether a secret cannot be decrypted."""
        return self.renewed(settings) is None

    def renewed(self, settings: dict[str, Any]) -> dict[str, Any] | None:
        """The settings with their secrets encrypted by the newest key; None if one cannot be decrypted."""
        try:
            return with_secrets(settings, self._encryption.renewed)
        except SettingInvalid:
            return None


def destinations(settings: Mapping[str, Any]) -> tuple[Any, ...]:
    """Where the secrets of a configuration go: the origin of its base URL, its proxy, and every URL that its
    authentication names (where tokens come from)."""
    kind = settings.get("type", "rest")
    base = str(settings.get("baseUrl", ""))
    authentication = settings.get("authentication") or {}
    urls = sorted((name, value) for name, value in authentication.items() if isinstance(value, str) and "://" in value)
    proxy = (settings.get("proxy") or {}).get("url", "")
    # the URL of a database can name its host anywhere
    return kind, base if kind == "sql" else _origin(base), authentication.get("kind", "none"), urls, _origin(proxy)


def _origin(url: str) -> tuple[Any, ...]:
    try:
        parts = urlsplit(url)
        return parts.scheme.lower(), parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme.lower())
    except ValueError:
        return (url,)


def _put_masks(settings: dict[str, Any], before: Mapping[str, Any], known: Mapping[str, str]) -> None:
    """The mask for each secret that is left out, if the object that had it is still there and of the same kind.

    A header field that is left out is gone: otherwise it could never be taken away.
    """
    for place in known:
        parent, _, name = place[1:].rpartition("/")
        holder = settings.get(parent)
        if parent == "secretHeaders" or not isinstance(holder, dict) or name in holder:
            continue
        if parent != "authentication" or holder.get("kind") == before.get("authentication", {}).get("kind"):
            holder[name] = MASK


def _kept(secret: str | None, place: str, stays: bool) -> str:
    if not secret:
        raise SettingInvalid("*** stands for a secret that is set, and there is none: give it", place)
    if not stays:
        detail = "must be given again, for it would be sent elsewhere: the type, the origin of the URL, the proxy or "
        raise SettingInvalid(detail + "the authentication is another one", place)
    return secret
