"""Why another system does not accept a credential, as far as it lets that be known (C-074).

A refusal says it in WWW-Authenticate (RFC 9110 section 11.6.1, RFC 6750 section 3) or in a member of its JSON. Nothing
of what it wrote is repeated but the names of schemes: a server may write down the credential that it was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import orjson

from apimgmt.connections import Reply
from apimgmt.connections.authentication.apikey import DEFAULT_SCHEME
from apimgmt.connections.configuration import Configuration

Reason = Literal["missing", "wrong-kind", "expired", "invalid", "forbidden", "proxy"]

READ_BYTES = 8_192
# Members in which APIs say what is wrong; one level of nesting is looked into (`{"error": {"message": ...}}`).
MEMBERS = frozenset(
    ("error", "errors", "error_description", "code", "type", "title", "detail", "message", "reason", "status")
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]{0,29}")
# A scheme with what follows it, a parameter, or a token68; texts in quotes are passed over as a whole.
_PART = re.compile(r'\s*(?:([^\s",=]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s",]*)|([^\s",=]+=*)|(,)|("(?:[^"\\]|\\.)*"?))')
_EXPIRED = re.compile(r"expired|has ended|no longer valid|token[_ -]?expir", re.I)
_MISSING = re.compile(
    r"missing|not provided|no (?:api[ _-]?key|credentials?|token|authorization)|(?:is|are) (?:required|needed)"
    r"|credential[_ -]missing|unauthenticated request",
    re.I,
)


class Refusal(NamedTuple):
    """What is the matter, in a word and in a sentence that says what to do."""

    reason: Reason
    sentence: str


class Challenge(NamedTuple):
    """One challenge of WWW-Authenticate: the scheme as it was written, its parameters with names in lower case."""

    scheme: str
    parameters: dict[str, str]


def told_apart(reply: Reply, configuration: Configuration) -> Refusal | None:
    """Why a connection was refused; None if the answer is no refusal of a credential (401, 403 or 407)."""
    if reply.status == 407:
        return Refusal("proxy", "the proxy wants another user name or password; look at `proxy`")
    if reply.status not in (401, 403):
        return None
    challenges = [one for name, value in reply.headers if name == "www-authenticate" for one in parsed(value)]
    if reply.status == 403:
        return _forbidden(challenges)
    scheme = _scheme(configuration)
    return _by_scheme(challenges, scheme) or _by_words(reply, challenges, scheme or "")


def parsed(field: str) -> list[Challenge]:
    """The challenges of a field; what cannot be read is passed over.

    >>> parsed('Basic realm="a, b", Bearer error="invalid_token"')
    [Challenge(scheme='Basic', parameters={'realm': 'a, b'}),
     Challenge(scheme='Bearer', parameters={'error': 'invalid_token'})]
    """
    challenges: list[Challenge] = []
    fresh = True
    for match in _PART.finditer(field[:READ_BYTES]):
        name, value, word, comma, _ = match.groups()
        if comma:
            fresh = True
        elif word and fresh and _SCHEME.fullmatch(word):
            challenges.append(Challenge(word, {}))
            fresh = False
        elif name and challenges:
            challenges[-1].parameters.setdefault(name.lower(), _unquoted(value))
            fresh = False
    return challenges


def _by_scheme(challenges: list[Challenge], scheme: str | None) -> Refusal | None:
    """What the schemes alone tell."""
    wanted = list(dict.fromkeys(one.scheme for one in challenges))
    named = " or ".join(wanted[:3])
    if scheme is None:
        return Refusal("missing", f"no credential was sent{f': it wants {named}' if wanted else ''}; set one")
    if wanted and scheme.lower() not in [one.lower() for one in wanted]:
        sent = scheme or "a key in a field or parameter of its own"
        return Refusal("wrong-kind", f"it wants {named}, but was sent {sent}; set another kind of `authentication`")
    return None


def _by_words(reply: Reply, challenges: list[Challenge], scheme: str) -> Refusal:
    """What it says in words, of itself or in its body."""
    own = [one.parameters for one in challenges if one.scheme.lower() == scheme.lower()]
    said = [one.get(name, "") for one in own for name in ("error", "error_description")]
    texts = " ".join((*said, *_texts(reply)))
    if _EXPIRED.search(texts):
        return Refusal("expired", "the credential has expired; get a new one")
    if "invalid_token" not in said and _MISSING.search(texts):
        sentence = "it has found no credential: look at the name of the header field or parameter, and at the scheme"
        return Refusal("missing", sentence)
    return Refusal("invalid", "the credential is not accepted: it is wrong or of another environment, or was revoked")


def _forbidden(challenges: list[Challenge]) -> Refusal:
    if any(one.parameters.get("error") == "insufficient_scope" for one in challenges):
        return Refusal("forbidden", "the credential counts, but lacks a scope; add it to `scopes`")
    return Refusal("forbidden", "the credential counts, but does not allow this; have its permissions extended")


def _scheme(configuration: Configuration) -> str | None:
    """The scheme that a connection sends in Authorization, "" if it sends a key otherwise, None if it sends none."""
    authentication = configuration.authentication
    kind = authentication.get("kind", "none")
    if kind == "none":
        return "" if configuration.secret_headers else None
    if kind == "apiKey":
        own = "" if authentication.get("name") or authentication.get("in") == "query" else DEFAULT_SCHEME
        return authentication.get("scheme") or own
    return "Basic" if kind == "basic" else "Bearer"


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:].removesuffix('"')) if value.startswith('"') else value


def _texts(reply: Reply) -> Iterator[str]:
    """The texts in the first bytes of a body that can say why."""
    if "json" not in (reply.header("content-type") or "") or len(reply.content) > READ_BYTES:
        return
    try:
        yield from _inside(orjson.loads(reply.content), 0)
    except ValueError:
        return


def _inside(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value[:500]
    elif isinstance(value, dict) and depth < 3:
        for name, part in value.items():
            if name.lower() in MEMBERS:
                yield from _inside(part, depth + 1)
    elif isinstance(value, list) and depth < 3:
        for part in value[:5]:
            yield from _inside(part, depth + 1)
