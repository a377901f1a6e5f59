"""What can be wrong with a configuration whose shape is right: refused before it is stored, with its place.

Nothing is resolved or called here; that is :mod:`apimgmt.control.diagnosis`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from apimgmt.connections.configuration import Configuration, Proxy, Tls
from apimgmt.connections.connection import ENTITIES
from apimgmt.connections.egress.guard import Guard
from apimgmt.connections.entities.entity import Entity
from apimgmt.errors import SettingInvalid
from apimgmt.reading import pointer, read
from apimgmt.registry import find

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")  # RFC 9110 section 5.6.2
ENTITY_NAME = re.compile(r"\w(?:[\w .-]{0,198}[\w.-])?")
# Of one hop (RFC 9110 section 7.6.1), or about the framing of the message, or with a place of their own.
OWN_FIELDS = frozenset(
    {
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
SCHEMES = ("http", "https")


def check(configuration: Configuration) -> None:
    """Raise SettingInvalid, with the JSON pointer of the first thing that cannot work."""
    if not receives_only(configuration):
        check_base_url(configuration.type, configuration.base_url)
    _check_authentication(configuration.authentication)
    _check_headers(configuration)
    _check_tls(configuration.tls)
    if configuration.proxy is not None:
        _check_proxy(configuration.proxy)
    for index, host in enumerate(configuration.internal_hosts):
        _at(pointer("internalHosts", str(index)), Guard, (host,))


def receives_only(configuration: Configuration) -> bool:
    """Whether it can do without a base URL: webhooks that come are checked with its secret, and nothing is called."""
    is_signed = configuration.authentication.get("kind") == "signature"
    return configuration.type == "webhook" and is_signed and not configuration.base_url


def check_entities(kind: str, entities: Any) -> None:
    """Raise SettingInvalid unless a connection of this type can have these entities."""
    shape = ENTITIES.get(kind, Entity)
    if not isinstance(entities, Mapping):
        raise SettingInvalid("must be an object: names and what they stand for", "/entities")
    for name, value in entities.items():
        place = pointer("entities", name)
        if not ENTITY_NAME.fullmatch(name):
            raise SettingInvalid("the name of an entity is 1 to 200 letters, digits, spaces and `_.-`", place)
        _at(place, read, value, shape)


def check_base_url(kind: str, url: str) -> None:
    """Raise SettingInvalid unless a connection of this type can have this base URL."""
    parts = _parts("/baseUrl", url, () if kind == "sql" else SCHEMES)
    if parts.password is not None or (parts.username is not None and kind != "sql"):
        raise SettingInvalid("no user name or password in the URL: they belong under `authentication`", "/baseUrl")
    if kind != "sql" and parts.fragment:
        raise SettingInvalid("a part after # is never sent: leave it out", "/baseUrl")


def _parts(place: str, url: str, schemes: tuple[str, ...]) -> SplitResult:
    """The parts of a URL with a scheme, a host (if the scheme is one of ours) and a port that is none or a number."""
    if not url:
        raise SettingInvalid("is needed: where the other system is", place)
    if any(ord(sign) <= 32 or ord(sign) == 127 for sign in url) or "\\" in url:
        raise SettingInvalid("there are spaces, control characters or backslashes in the URL", place)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise SettingInvalid(f"this is no URL: {error}", place) from None
    if not parts.scheme or (schemes and (parts.scheme not in schemes or not host)):
        wanted = " or ".join(f"{scheme}://host" for scheme in schemes) or "scheme://"
        raise SettingInvalid(f"must begin with {wanted}", place)
    return parts


def check_kind(fields: Mapping[str, Any]) -> Any:
    """The struct of a kind of authentication; raises SettingInvalid if there is none."""
    kind = fields.get("kind")
    if not isinstance(kind, str):
        raise SettingInvalid("the kind of authentication is needed, `none` for none", "/authentication/kind")
    return _at("/authentication/kind", find, "connection authentication", kind)


def _check_authentication(fields: Mapping[str, Any]) -> None:
    struct = check_kind(fields)
    _at("/authentication", read, {name: value for name, value in fields.items() if name != "kind"}, struct)


def _check_headers(configuration: Configuration) -> None:
    seen: set[str] = set()
    for member, headers in (("headers", configuration.headers), ("secretHeaders", configuration.secret_headers)):
        for name, value in headers.items():
            place = pointer(member, name)
            check_field_name(name, place)
            if name.lower() in seen:
                raise SettingInvalid(f"the header field {name!r} is given twice", place)
            if name.lower() == "authorization" and configuration.authentication.get("kind") != "none":
                raise SettingInvalid("Authorization is set by `authentication`; leave one of them out", place)
            if value != value.strip() or any(ord(sign) < 32 or ord(sign) == 127 for sign in value):
                raise SettingInvalid("no line ends, control characters or spaces around the value", place)
            if not _is_latin(value):
                raise SettingInvalid("a header field can have signs of Latin-1 only", place)
            seen.add(name.lower())
    if configuration.idempotency_key:
        check_field_name(configuration.idempotency_key, "/idempotencyKey")


def check_field_name(name: str, place: str) -> None:
    """Raise SettingInvalid unless a connection may set this header field."""
    if not TOKEN.fullmatch(name):
        raise SettingInvalid(f"{name[:100]!r} is no name of a header field", place)
    if name.lower() in OWN_FIELDS:
        raise SettingInvalid(f"the header field {name!r} is set by the product itself", place)


def _check_tls(tls: Tls) -> None:
    _certificates(tls.authorities, "/tls/authorities")
    own = _certificates(tls.certificate, "/tls/certificate")
    if bool(tls.certificate) != bool(tls.key):
        missing = "key" if tls.certificate else "certificate"
        raise SettingInvalid("a client certificate is a certificate and its key", f"/tls/{missing}")
    if not tls.key:
        return
    try:
        key = load_pem_private_key(tls.key.encode(), None)
    except TypeError:
        raise SettingInvalid("the key has a password: give it without one; it is kept encrypted", "/tls/key") from None
    except Exception:  # what OpenSSL raises depends on the key, and may show parts of it
        raise SettingInvalid("this is no private key in PEM", "/tls/key") from None
    if _bytes(key.public_key()) != _bytes(own[0].public_key()):
        raise SettingInvalid("the key does not belong to the (first) certificate", "/tls/key")


def _certificates(text: str, place: str) -> list[x509.Certificate]:
    if not text:
        return []
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise SettingInvalid("this is no certificate in PEM", place) from None


def _check_proxy(proxy: Proxy) -> None:
    parts = _parts("/proxy/url", proxy.url, ("http",))
    if "@" in parts.netloc:
        raise SettingInvalid("user name and password belong under `proxy.username` and `proxy.password`", "/proxy/url")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise SettingInvalid("a proxy is scheme, host and port", "/proxy/url")
    if proxy.password and not proxy.username:
        raise SettingInvalid("is needed, for there is a password", "/proxy/username")


def _at(place: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function returns; what it refuses is refused below ``place``."""
    try:
        return function(*arguments)
    except SettingInvalid as error:
        raise SettingInvalid(str(error), place + error.pointer) from None


def _bytes(key: Any) -> bytes:
    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _is_latin(text: str) -> bool:
    return all(ord(sign) < 256 for sign in text)
