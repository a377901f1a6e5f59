"""apiKey: one text that is known to both sides, in a header field or in the query (C-011, C-012, P-001, P-002)."""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import quote, unquote_plus, urlsplit, urlunsplit

import msgspec

from apimgmt.connections import Call
from apimgmt.connections.authentication import Fixed, Kind, required, sendable
from apimgmt.connections.configuration import Secret
from apimgmt.errors import SettingInvalid
from apimgmt.registry import register

DEFAULT_SCHEME = "Basic"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2


@register("connection authentication", "apiKey")
class ApiKey(Kind, frozen=True):
    """``key`` is sent as the header field ``name``, or with ``in`` as ``query`` as the parameter ``name``.

    Without a ``name`` it is sent as ``Authorization: <scheme> <key>``, where ``scheme`` is ``Basic`` unless it is set.
    """

    key: Secret
    place: Literal["header", "query"] = msgspec.field(default="header", name="in")
    name: str = ""
    scheme: str = ""

    def build(self, connection: Any) -> Fixed:
        """What puts the key on; raises SettingInvalid."""
        required(self.key, "key")
        if self.place == "query":
            if self.scheme:
                raise SettingInvalid("a key in the query has no scheme", "/authentication/scheme")
            return Query(required(self.name, "name"), self.key)
        for member in ("name", "scheme"):
            if getattr(self, member) and not _TOKEN.fullmatch(getattr(self, member)):
                raise SettingInvalid("must be letters, digits and -._", f"/authentication/{member}")
        scheme = self.scheme or ("" if self.name else DEFAULT_SCHEME)
        key = sendable(self.key, "key")
        return Header(self.name or "Authorization", f"{scheme} {key}" if scheme else key)


class Header(Fixed):
    """Puts a key on as a header field."""

    def __init__(self, name: str, value: str) -> None:
        self._field = (name, value)

    def signed(self, call: Call) -> Call:
        """The call with the field, instead of one of the same name."""
        return call.with_headers(self._field)


class Query(Fixed):
    """Puts a key on as a query parameter."""

    def __init__(self, name: str, key: str) -> None:
        self._name = name
        self._pair = f"{quote(name, safe='')}={quote(key, safe='')}"

    def signed(self, call: Call) -> Call:
        """The call with the parameter, instead of those of the same name: two of them could be read in two ways."""
        parts = urlsplit(call.url)
        kept = [pair for pair in parts.query.split("&") if pair and unquote_plus(pair.partition("=")[0]) != self._name]
        return msgspec.structs.replace(call, url=urlunsplit(parts._replace(query="&".join([*kept, self._pair]))))
