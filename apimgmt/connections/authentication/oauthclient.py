"""A client of an authorization server, as an administrator describes it: what all its kinds have in common."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from apimgmt.connections.authentication import Kind, required, sendable
from apimgmt.connections.configuration import Secret
from apimgmt.errors import ConnectionFailed, SettingInvalid

# What requests have of their own; the last two are arguments of oauthlib.
RESERVED = frozenset(
    (
        *("grant_type", "response_type", "client_id", "client_secret", "redirect_uri", "scope", "state", "code"),
        *("code_verifier", "code_challenge", "code_challenge_method", "refresh_token"),
        *("client_assertion", "client_assertion_type", "body", "include_client_id"),
    )
)


class OAuth(Kind, frozen=True, kw_only=True):
    """What a client of an authorization server has in common, whatever it does there (P-004, P-008).

    ``scopes`` are separated by spaces and sent so. ``headers`` are sent with every request for a token, ``parameters``
    (``audience``, ``resource``) in its body. ``client_authentication`` is how the client says who it is; one without a
    ``client_secret`` says only its id.
    """

    token_url: str
    client_id: str
    client_secret: Secret = ""
    scopes: str = ""
    client_authentication: Literal["client_secret_basic", "client_secret_post"] = "client_secret_basic"
    headers: dict[str, Secret] = {}  # noqa: RUF012  msgspec copies it
    parameters: dict[str, str] = {}  # noqa: RUF012

    def check(self, connection: Any) -> None:
        """Raises SettingInvalid for what cannot work."""
        required(self.client_id, "clientId")
        check_url(self.token_url, "tokenUrl", connection)
        check_parameters(self.parameters, "parameters")
        for name, value in self.headers.items():
            sendable(required(name, "headers"), "headers")
            sendable(value, f"headers/{name.replace('~', '~0').replace('/', '~1')}")

    @property
    def client(self) -> str:
        """What of the settings says whose the tokens are, without secrets."""
        # how the client says who it is may change: it remains the same client
        left_out = ("client_secret", "client_authentication", "headers")
        fields = [field.name for field in msgspec.structs.fields(self) if field.name not in left_out]
        members = {name: getattr(self, name) for name in fields}
        return msgspec.json.encode(members, order="sorted").decode()

    @property
    def proof(self) -> str:
        """A digest of them and of the secret: tokens that were given out for others do not count."""
        return hashlib.sha256(f"{self.client}\0{self.client_secret}".encode()).hexdigest()


def check_url(url: str, member: str, connection: Any) -> None:
    """Raise SettingInvalid unless a URL is https, or leads to this machine or to one that an administrator listed."""
    pointer = f"/authentication/{member}"
    try:
        parts = connection.guard.check_url(required(url, member))
    except ConnectionFailed as error:
        raise SettingInvalid(str(error), pointer) from None
    if parts.fragment:
        raise SettingInvalid("must not have a fragment (RFC 6749 section 3)", pointer)
    listed = (*connection.settings.egress_allow.split(","), *connection.configuration.internal_hosts)
    if parts.scheme != "https" and not _is_near(parts.hostname or "", listed):
        raise SettingInvalid("must be https, for secrets go there; http only to a host of internalHosts", pointer)


def check_parameters(parameters: Mapping[str, str], member: str) -> None:
    """Raise SettingInvalid for a parameter that the protocol itself sets."""
    for name in sorted(RESERVED & parameters.keys()):
        raise SettingInvalid(f"must not have {name}, which is set by the other members", f"/authentication/{member}")


def _is_near(host: str, listed: Iterable[str]) -> bool:
    """Whether a host is not on the public internet; the guard has permitted it already."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        names = [entry.strip().lower().partition(":")[0] for entry in listed]
        return any(host == name or (name.startswith("*.") and host.endswith(name[1:])) for name in names)


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL (RFC 6454)."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
