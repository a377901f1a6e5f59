"""CORS: which pages of other sites may call an operation from a browser, and what they may send and read (F-045 to
F-052, H-052 to H-054; the CORS protocol of the Fetch standard).

An origin is compared whole, scheme, host and port: nothing is a prefix or a suffix of anything (T30). A preflight is
answered for the one operation that the browser is about to call, so that what is said of GET opens no DELETE.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from ipaddress import AddressValueError, IPv6Address
from typing import Annotated, Any

import idna
import msgspec

from apimgmt.errors import Problem, SettingInvalid
from apimgmt.model import METHODS, Struct
from apimgmt.policies import App, Layers, Place
from apimgmt.registry import register
from apimgmt.request import SCOPE_KEY, Request

log = logging.getLogger("apimgmt.policies")

Names = str | tuple[str, ...]
Field = tuple[bytes, bytes]

DAY = 86_400
EVERYBODY = "*"
VARY: Field = (b"vary", b"Origin")
DEFAULT_PORTS = {"http": "80", "https": "443"}

_SEPARATOR = re.compile("[,;]")
_NAME = re.compile(r"[!#$%&'+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2, without the asterisk
_ORIGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)(?::([1-9][0-9]{0,4}))?")
_HOST = re.compile("[a-z0-9._-]+")


@register("policy", "cors")
class Cors(Struct, frozen=True):
    """A list may be one text, too, with `,` or `;` between its members.

    ``origins`` are those of the pages that may call, scheme, host and port as in ``https://a.example:8443``, or ``*``
    for all. ``methods`` may be called; none named, every one of the path. ``headers`` may be sent; none named, those
    that the operation takes. ``expose`` are the header fields of an answer that a page may read. ``credentials`` lets
    browsers send cookies along, which ``*`` excludes. ``maxAge`` is how long a browser keeps the answer to a preflight,
    in seconds, at most a day.
    """

    origins: Names
    methods: Names = ()
    headers: Names = ()
    expose: Names = ()
    credentials: bool = False
    max_age: Annotated[int, msgspec.Meta(ge=0, le=DAY)] = 600

    def layers(self, place: Place) -> Layers:
        """Header fields for every answer, problems too, and the answer to preflights."""
        sharing = Sharing(self, place)

        def layer(app: App) -> App:
            def share(scope: dict[str, Any], receive: Any, send: Any) -> Awaitable[None]:
                request: Request = scope[SCOPE_KEY]
                request.add(VARY)
                origin = request.headers.get(b"origin")
                if origin is None:
                    return app(scope, receive, send)
                fields = sharing.fields(origin, request)
                request.add(*fields)
                return app(scope, receive, _sending_only(fields, send))

            return share

        return Layers(before=layer, preflight=sharing.preflight)


class Sharing:
    """What pages may do with one operation, worked out when it is loaded; raises SettingInvalid with the place."""

    def __init__(self, config: Cors, place: Place) -> None:
        self._operation = place.operation.key
        self._origins = Origins(_members(config.origins))
        if self._origins.everybody and config.credentials:
            raise SettingInvalid("`*` excludes `credentials`: list the origins that may send cookies", "/origins")
        self._methods = _methods(config, place)
        headers = _names(config.headers, "/headers") or _taken(place)
        expose = _names(config.expose, "/expose")
        self._headers = frozenset(name.lower() for name in headers)
        credentials = [(b"access-control-allow-credentials", b"true")] if config.credentials else []
        exposed = [(b"access-control-expose-headers", _joined(expose))] if expose else []
        self._of_answer: list[Field] = [*credentials, *exposed]
        self._of_preflight: list[Field] = [
            *credentials,
            (b"access-control-allow-methods", _joined(self._methods)),
            (b"access-control-allow-headers", _joined(headers)),
            (b"access-control-max-age", b"%d" % config.max_age),
            VARY,
        ]

    def fields(self, origin: bytes, request: Request) -> list[Field]:
        """What an answer says to a page of this origin; nothing to one that may not read it, which the log tells."""
        allowed = self._origins.allow(origin)
        if allowed is not None and self._methods:
            return [(b"access-control-allow-origin", allowed), *self._of_answer]
        # a page of the gateway itself sends its origin, too, and asks for nothing
        if not origin.endswith(b"://" + request.headers.get(b"host", b"")):
            what = _quoted("origin", origin) if allowed is None else "its method"
            log.info("%s: CORS does not allow %s", self._operation, what)
        return []

    async def preflight(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer a preflight without a body; raises Problem("cors-not-allowed"), the log says for what (H-112)."""
        headers = scope[SCOPE_KEY].headers
        allowed = self._origins.allow(headers[b"origin"])
        refused = self._refused(allowed, headers)
        if refused:
            reason = f"{self._operation}: CORS does not allow {refused}"
            raise Problem("cors-not-allowed", headers=[("vary", "Origin")], reason=reason)
        fields = [(b"access-control-allow-origin", allowed), *self._of_preflight]
        await send({"type": "http.response.start", "status": 204, "headers": fields})
        await send({"type": "http.response.body", "body": b""})

    def _refused(self, allowed: bytes | None, headers: Any) -> str:
        """Which of origin, method or header is not allowed; nothing if all are."""
        if allowed is None:
            return _quoted("origin", headers[b"origin"])
        method = headers[b"access-control-request-method"]
        if method.decode("latin-1") not in self._methods:
            return _quoted("method", method)
        asked = headers.get(b"access-control-request-headers", b"").decode("latin-1").lower().split(",")
        others = [name for name in map(str.strip, asked) if name and name not in self._headers]
        return _quoted("header", others[0].encode("latin-1")) if others else ""


class Origins:
    """Allowed origins; two are the same if scheme, host and port are (RFC 6454 section 5).

    ``everybody`` says that ``*`` is among them.
    """

    def __init__(self, listed: tuple[str, ...]) -> None:
        if not listed:
            raise SettingInvalid("list an origin; to switch CORS off, remove the policy", "/origins")
        self.everybody = EVERYBODY in listed
        self._texts = frozenset(_listed(text) for text in listed if text != EVERYBODY)

    def allow(self, origin: bytes) -> bytes | None:
        """What Access-Control-Allow-Origin tells a page of this origin; None if it is not allowed."""
        if self.everybody:
            return b"*"
        text = origin.decode("latin-1")
        # browsers send the one form that is kept; others may write it differently
        return origin if text in self._texts or (text.isascii() and canonical(text) in self._texts) else None


def canonical(text: str) -> str:
    """An origin as browsers send it (RFC 6454 section 6.2): lower case, punycode, no default port; "" for no origin."""
    found = _ORIGIN.fullmatch(text)
    if found is None:
        return ""
    scheme, host, port = found[1].lower(), _host(found[2]), found[3] or ""
    if not host or int(port or 0) > 65_535:
        return ""
    return f"{scheme}://{host}" if port in ("", DEFAULT_PORTS.get(scheme)) else f"{scheme}://{host}:{port}"


def _host(text: str) -> str:
    try:
        if text.startswith("["):
            return f"[{IPv6Address(text[1:-1]).compressed}]"
        host = text.lower() if text.isascii() else idna.encode(text, uts46=True).decode("ascii")
    except (AddressValueError, UnicodeError):
        return ""
    return host if _HOST.fullmatch(host) else ""


def _listed(text: str) -> str:
    origin = canonical(text)
    if not origin:
        hint = "write scheme://host or scheme://host:port, as in https://a.example:8443, or `*` for all"
        raise SettingInvalid(f"{text[:200]!r} is no origin: {hint}", "/origins")
    return origin


def _methods(config: Cors, place: Place) -> tuple[str, ...]:
    """What pages may ask of this operation: its own method, if it is one of those named, and HEAD where GET is."""
    named = [name.upper() for name in _members(config.methods)]
    known = [method.upper() for method in METHODS]
    for name in named:
        if name not in known:
            raise SettingInvalid(f"there is no method {name[:200]!r}; there are: {', '.join(known)}", "/methods")
    own = place.operation.method.upper()
    if named and own not in named:
        return ()
    return ("GET", "HEAD") if own == "GET" else (own,)


def _taken(place: Place) -> tuple[str, ...]:
    """The header fields that the operation takes: those of its credentials, its body and its parameters."""
    operation, schemes = place.operation, place.api.security_schemes
    used = [schemes[name] for alternative in operation.security or () for name in alternative if name in schemes]
    keys = [scheme.name for scheme in used if scheme.location == "header"]
    parameters = [parameter.name for parameter in operation.parameters if parameter.location == "header"]
    names = ["Content-Type", "Authorization", "X-API-Key", *keys, *parameters]
    return tuple({name.lower(): name for name in names if _NAME.fullmatch(name)}.values())


def _names(value: Names, place: str) -> tuple[str, ...]:
    names = _members(value)
    for name in names:
        if not _NAME.fullmatch(name):
            raise SettingInvalid(f"{name[:200]!r} is no name of a header field; list each by its name", place)
    return names


def _members(value: Names) -> tuple[str, ...]:
    texts = _SEPARATOR.split(value) if isinstance(value, str) else value
    return tuple(text.strip() for text in texts if text.strip())


def _joined(names: tuple[str, ...]) -> bytes:
    return ", ".join(names).encode("ascii")


def _quoted(what: str, value: bytes) -> str:
    return f"the {what} {value.decode('latin-1')[:200]!r}"


def _sending_only(fields: list[Field], send: Any) -> Callable[[Any], Any]:
    """``send`` with our word on CORS instead of the process's: a browser refuses an answer that has both."""

    def send_only(message: dict[str, Any]) -> Any:
        if message["type"] == "http.response.start":
            others = [field for field in message["headers"] if not field[0].startswith(b"access-control-")]
            message = {**message, "headers": [*others, *fields]}
        return send(message)

    return send_only
