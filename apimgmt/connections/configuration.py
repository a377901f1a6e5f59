"""What an administrator says about a connection, as structs: unknown members are refused, secrets are marked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from apimgmt.model import Struct
from apimgmt.registry import find, names

# A member of this type is encrypted wherever it is kept and never shown (C-018).
Secret = Annotated[str, Meta(extra={"secret": True})]
Type = Literal["rest", "odata", "graphql", "webhook", "soap", "sql"]
MIB = 1_048_576


class Retries(Struct, frozen=True):
    """How often and when a call is repeated (C-009, C-062 to C-064): after ``delay`` seconds, twice as long each time
    if ``backoff``; after these ``statuses`` and after network errors, or after all errors; POST and PATCH only if
    ``unsafe`` or with an idempotency key."""

    count: Annotated[int, Meta(ge=0, le=10)] = 3
    delay: Annotated[float, Meta(ge=0, le=60)] = 1.0
    backoff: bool = True
    statuses: tuple[Annotated[int, Meta(ge=300, le=599)], ...] = (429, 500, 502, 503, 504)
    all_errors: bool = False
    unsafe: bool = False


class Limit(Struct, frozen=True):
    """So many requests in so many seconds; what is over waits (C-020, C-021)."""

    requests: Annotated[int, Meta(ge=1, le=1_000_000)]
    seconds: Annotated[float, Meta(gt=0, le=86_400)] = 60.0


class Breaker(Struct, frozen=True):
    """After so many ``failures`` in a row nothing is sent for ``seconds``; so many ``successes`` close it again."""

    failures: Annotated[int, Meta(ge=1)] = 5
    seconds: Annotated[float, Meta(gt=0)] = 30.0
    successes: Annotated[int, Meta(ge=1)] = 2


class Tls(Struct, frozen=True):
    """``authorities`` are trusted instead of the public ones; ``certificate`` and ``key`` are ours (all PEM)."""

    verify: bool = True
    authorities: str = ""
    certificate: str = ""
    key: Secret = ""

    def __repr__(self) -> str:
        """Without the key: this text ends up in tracebacks."""
        return f"<Tls verify={self.verify}>"


class Proxy(Struct, frozen=True):
    """The proxy that calls go through: ``http://host:port`` (C-024, C-025)."""

    url: str
    username: str = ""
    password: Secret = ""

    def __repr__(self) -> str:
        """Without the credential: this text ends up in tracebacks."""
        return "<Proxy>"


class Configuration(Struct, frozen=True):
    """A connection. ``timeout`` is for each attempt, ``deadline`` for the call with all its attempts (seconds).

    ``authentication`` is ``{"kind": ..., fields of that kind}``. ``secret_headers`` are header fields whose values are
    secrets. ``idempotency_key`` names the header field that makes a repeated POST harmless. ``internal_hosts`` may be
    called although they are not on the public internet. ``connect_timeout`` is for finding and reaching the host.
    ``redirects`` are how many may be followed, by GET and HEAD, to the same origin; if 0, a redirect is an answer.
    ``check`` holds calls of entities that were discovered from OpenAPI against their document: what does not fit is
    logged or refused.
    """

    type: Type = "rest"
    base_url: str = ""
    timeout: Annotated[float, Meta(gt=0, le=3600)] = 30.0
    deadline: Annotated[float, Meta(gt=0, le=3600)] = 120.0
    retries: Retries = Retries()
    authentication: dict[str, Any] = msgspec.field(default_factory=lambda: {"kind": "none"})
    headers: dict[str, str] = {}  # noqa: RUF012
    secret_headers: dict[str, Secret] = {}  # noqa: RUF012
    limit: Limit | None = None
    breaker: Breaker | None = Breaker()
    tls: Tls = Tls()
    proxy: Proxy | None = None
    idempotency_key: str = ""
    most_bytes: Annotated[int, Meta(ge=1)] = 10 * MIB
    internal_hosts: tuple[str, ...] = ()
    connect_timeout: Annotated[float, Meta(gt=0, le=3600)] = 10.0
    redirects: Annotated[int, Meta(ge=0, le=5)] = 0
    check: Literal["off", "report", "enforce"] = "off"

    def __repr__(self) -> str:
        """Without any of its secrets: this text ends up in tracebacks."""
        return f"<Configuration {self.type}>"


def secrets_of(settings: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Every secret in a Configuration as JSON: the object that has it, its name there, and its JSON pointer."""
    authentication = settings.get("authentication", {})
    kind = str(authentication.get("kind", "none"))
    if kind in names("connection authentication"):
        yield from _secrets(authentication, find("connection authentication", kind), "/authentication")
    else:  # a plug-in that is not installed any more: whatever it has may be a secret
        texts = [name for name, value in authentication.items() if name != "kind" and isinstance(value, str)]
        yield from ((authentication, name, f"/authentication/{name}") for name in texts)
    yield from _secrets(settings.get("tls") or {}, Tls, "/tls")
    yield from _secrets(settings.get("proxy") or {}, Proxy, "/proxy")
    secret_headers = settings.get("secretHeaders", {})
    for name in secret_headers:
        yield secret_headers, name, f"/secretHeaders/{name}"


def with_secrets(settings: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """A copy whose secrets went through a function: encrypted, decrypted or masked."""
    copy: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(settings))
    for holder, name, _ in secrets_of(copy):
        if holder[name]:
            holder[name] = change(holder[name])
    return copy


def _secrets(members: dict[str, Any], struct: Any, pointer: str) -> Iterator[tuple[dict[str, Any], str, str]]:
    for field in msgspec.inspect.type_info(struct).fields:  # type: ignore[attr-defined]
        if _is_secret(field.type) and field.encode_name in members:
            yield members, field.encode_name, f"{pointer}/{field.encode_name}"
        elif isinstance(field.type, msgspec.inspect.DictType) and _is_secret(field.type.value_type):
            held = members.get(field.encode_name, {})
            for name in held:
                yield held, name, f"{pointer}/{field.encode_name}/{name}"


def _is_secret(kind: Any) -> bool:
    return isinstance(kind, msgspec.inspect.Metadata) and bool((kind.extra or {}).get("secret"))
