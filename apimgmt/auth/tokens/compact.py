"""The text of a token, taken apart before anything in it is believed (RFC 7515 section 7.1, RFC 7519)."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import orjson
from joserfc.util import urlsafe_b64decode

from apimgmt.auth.tokens.refusal import refused
from apimgmt.errors import Problem

MOST_BYTES = 16_384
# They name a key, or another way to read the token; APISIX, PyJWT and Authlib have all been led astray by one (C3).
DANGEROUS = ("jwk", "jku", "x5u", "x5c", "crit", "b64")
# Absent, a JWT, or an access token (RFC 9068 section 2.1); never a logout token or a security event.
TYPES = ("", "jwt", "at+jwt")


class Compact(NamedTuple):
    """A token that can be read: ``signed`` are the bytes that ``signature`` is about; ``type`` is ``typ`` in lower
    case without ``application/``, empty if there is none; ``kid`` is None if the header names no key."""

    algorithm: str
    kid: str | None
    type: str
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def read(text: bytes) -> Compact:
    """Take a token apart; raises Problem("credential-malformed")."""
    if len(text) > MOST_BYTES:
        raise _malformed("The token is too long.", f"{len(text)} bytes, at most {MOST_BYTES}")
    parts = text.split(b".")
    if len(parts) != 3:
        raise _malformed("The token is not a signed JWT.", f"{len(parts)} parts instead of 3")
    try:
        header, claims, signature = _object(parts[0]), _object(parts[1]), urlsafe_b64decode(parts[2])
    except (ValueError, RecursionError) as error:
        raise _malformed("The token is not a signed JWT.", str(error)) from None
    algorithm, kid = header.get("alg"), header.get("kid")
    kind = _type(header.get("typ", ""))
    if not isinstance(algorithm, str) or not isinstance(kid, str | None) or kind not in TYPES:
        raise _malformed("The header of the token is not that of an access token.", f"header {header!r:.200}")
    for name in DANGEROUS:
        if name in header:
            raise _malformed("The header of the token has a member that is not allowed.", f"{name!r} in the header")
    return Compact(algorithm, kid, kind, claims, text[: text.rindex(b".")], signature)


def _object(part: bytes) -> dict[str, Any]:
    """The JSON object of a part; raises ValueError.

    orjson is strict about UTF-8, numbers and depth; the second reading finds members that come twice, of which two
    readers may each believe another.
    """
    text = urlsafe_b64decode(part)
    value = orjson.loads(text)
    if not isinstance(value, dict):
        raise ValueError("a part is no JSON object")
    json.loads(text, object_pairs_hook=_once)
    return value


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a member comes twice")


def _type(written: object) -> str | None:
    return written.lower().removeprefix("application/") if isinstance(written, str) else None


def _malformed(detail: str, reason: str) -> Problem:
    return refused("credential-malformed", detail, reason)
