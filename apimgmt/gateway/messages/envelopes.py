"""The envelope ``{HttpStatusCode, Content, ContentEncoding, ContentType, HttpHeaders}`` (F-114 to F-121)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from apimgmt.errors import Problem
from apimgmt.gateway.messages.reply import Field, Reply, checked_fields, checked_status
from apimgmt.processes import Envelope

_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s\";]+)\"?", re.IGNORECASE)
_UNICODE_BY_DEFINITION = re.compile(r"application/(json|xml|[^;]*\+(json|xml))\s*(;|$)", re.IGNORECASE)


def is_envelope(result: Mapping[str, Any]) -> bool:
    """Whether a result says how it wants to be sent: both properties are needed (F-114, F-120)."""
    return "HttpStatusCode" in result and "Content" in result


def envelope_of(result: Mapping[str, Any]) -> Envelope:
    """The envelope that a dictionary describes; raises Problem ``bad-result`` if a member has the wrong type."""
    content = result["Content"]
    content_type, encoding = result.get("ContentType"), result.get("ContentEncoding")
    if not isinstance(content, str | bytes | None):
        raise Problem("bad-result", "Content is not a string.")
    if not isinstance(content_type, str | None) or not isinstance(encoding, str | None):
        raise Problem("bad-result", "ContentType or ContentEncoding is not a string.")
    headers = list(_pairs(result.get("HttpHeaders")))
    return Envelope(result["HttpStatusCode"], content or "", content_type, encoding, headers)


def envelope_reply(envelope: Envelope, default_type: str) -> Reply:
    """The reply for an envelope; ``default_type`` is for one that names no type, neither itself nor in its headers."""
    status = checked_status(envelope.status)
    fields = checked_fields(envelope.headers)
    named = envelope.content_type or next(
        (value.decode("latin-1") for name, value in fields if name == b"content-type"), ""
    )
    body, content_type = _encoded(envelope.content, named or default_type, envelope.encoding)
    others = [field for field in fields if field[0] != b"content-type"]
    # an empty body has a type only if the process says so
    return framed(status, [*_typed(content_type), *others] if body or named else others, body)


def framed(status: int, fields: list[Field], body: bytes) -> Reply:
    """A reply with its length; 204, 205 and 304 have no body, whatever the process gave (RFC 9110 15.3.5, 15.4.5)."""
    if status in (204, 205, 304):
        fields = [field for field in fields if field[0] != b"content-type" or status == 304]
        return Reply(status, [*fields, (b"content-length", b"0")] if status == 205 else fields, b"")
    return Reply(status, [*fields, (b"content-length", b"%d" % len(body))], body)


@lru_cache(maxsize=256)
def _typed(content_type: str) -> tuple[Field, ...]:
    return tuple(checked_fields([("content-type", content_type)]))


def _encoded(content: str | bytes, content_type: str, encoding: str | None) -> tuple[bytes, str]:
    """Body and Content-Type that agree on the charset (F-117)."""
    if isinstance(content, bytes):
        return content, content_type
    named = _CHARSET.search(content_type)
    charset = encoding or (named.group(1) if named else "utf-8")
    try:
        body = content.encode(charset)
    except (LookupError, ValueError) as error:
        raise Problem("bad-result", "Content cannot be written in the encoding that it names.") from error
    if named:
        return body, f"{content_type[: named.start()]}; charset={charset}{content_type[named.end() :]}"
    if encoding is None and (body.isascii() or not content_type.lower().startswith("text/")):
        return body, content_type
    if charset.lower() in ("utf-8", "utf8") and _UNICODE_BY_DEFINITION.match(content_type):
        return body, content_type
    return body, f"{content_type}; charset={charset}"


def _pairs(headers: Any) -> Iterator[tuple[str, Any]]:
    """Pairs of ``[{Key, Value}]``, ``[[name, value]]`` or ``{name: value or [values]}`` (F-119)."""
    if isinstance(headers, Mapping):
        for name, value in headers.items():
            yield from ((name, single) for single in (value if isinstance(value, list | tuple) else (value,)))
        return
    if not isinstance(headers, list | tuple | None):
        raise _not_pairs()
    for pair in headers or ():
        yield _pair(pair)


def _pair(pair: Any) -> tuple[str, Any]:
    if isinstance(pair, Mapping):
        members = {str(name).lower(): value for name, value in pair.items()}
        name = members.get("key", members.get("name"))
        if name is not None and "value" in members:
            return name, members["value"]
    elif isinstance(pair, list | tuple) and len(pair) == 2:
        return pair[0], pair[1]
    raise _not_pairs()


def _not_pairs() -> Problem:
    return Problem("bad-result", "HttpHeaders is not a list of key and value pairs.")
