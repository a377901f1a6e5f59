"""http: one request to any URL that may be called from here, without a connection (DSL: call http)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import msgspec

from apimgmt.connections import Reply
from apimgmt.connections.connector import base_of
from apimgmt.connections.known import connections
from apimgmt.errors import ConnectionFailed, SettingInvalid
from apimgmt.model import Struct
from apimgmt.processes.flows import STATUS, FlowFailed, Perform, Scope, failure
from apimgmt.processes.flows.authentication import authorization, check_authentication
from apimgmt.processes.flows.compiling import Compiler
from apimgmt.processes.flows.definition import Use
from apimgmt.processes.flows.tasks.call import members
from apimgmt.reading import pointer
from apimgmt.registry import register

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# steps that lead out of the place of a value, percent-encoded or not (RFC 3986 section 5.2.4)
DOTS = (".", "..")
SUCCESS, REDIRECTS = range(200, 300), range(300, 400)

Scalar = str | int | float | bool | None


class Arguments(Struct, frozen=True):
    """``endpoint`` is a URL, in which ``{name}`` is a member of the input, or an object with ``uri`` and
    ``authentication``. ``output`` is the content, the whole ``response``, or ``raw`` (Base64)."""

    method: str
    endpoint: str | dict[str, Any]
    headers: dict[str, Scalar] = {}  # noqa: RUF012  msgspec copies it
    query: dict[str, Scalar | list[Scalar]] = {}  # noqa: RUF012
    body: Any = None
    output: Literal["content", "response", "raw"] = "content"
    redirect: bool = False


@register("flow function", "http")
def build(compiler: Compiler, arguments: Mapping[str, Any], place: str) -> Perform:
    """What sends the request."""
    members(arguments, Arguments, place)
    check_endpoint(arguments["endpoint"], compiler.definition.use, f"{place}/endpoint")
    made = compiler.template(dict(arguments), place)
    authentications = compiler.definition.use.authentications

    async def perform(scope: Scope, given: Any) -> Any:
        asked: Arguments = converted(await made(scope, given), Arguments, place)
        endpoint = asked.endpoint if isinstance(asked.endpoint, dict) else {"uri": asked.endpoint}
        url = filled(str(endpoint.get("uri", "")), given, place)
        headers = {**authorization(endpoint.get("authentication"), authentications, place), **asked.headers}
        body = {"content": asked.body.encode()} if isinstance(asked.body, str) else {"json": asked.body}
        return await Sent(asked.method, url, headers, asked.query, body).outcome(asked.output, asked.redirect, place)

    return perform


class Sent(NamedTuple):
    """One request: ``content`` are the options that say its body, as :meth:`Connection.prepared` has them."""

    method: str
    url: str
    headers: Mapping[str, Any]
    query: Any = ()
    content: Mapping[str, Any] = {}

    async def outcome(self, output: str, redirect: bool, place: str) -> Any:
        """What comes of it; raises FlowFailed for what is no success, a redirect included unless it is asked for."""
        try:
            connection = connections.anonymous(base_of(self.url), True, connections.settings)
            options = {"headers": self.headers, "query": self.query, **self.content}
            reply: Reply = await connection.acall(self.method, self.url, **options)
        except ConnectionFailed as error:
            raise refused(error, place) from None
        if reply.status not in SUCCESS and not (redirect and reply.status in REDIRECTS):
            raise answered(reply, place)
        return outcome(reply, output, self.method, self.url, self.headers)


def check_endpoint(endpoint: Any, use: Use, place: str) -> None:
    """Raise SettingInvalid for an endpoint that cannot be one, whatever its expressions come to."""
    if isinstance(endpoint, Mapping):
        for name in endpoint:
            if name not in ("uri", "authentication"):
                raise SettingInvalid("an endpoint has uri and authentication", place + pointer(str(name)))
        check_authentication(endpoint.get("authentication"), use, f"{place}/authentication")
        endpoint, place = endpoint.get("uri"), f"{place}/uri"
    if not isinstance(endpoint, str) or not (_URL.match(endpoint) or endpoint.lstrip().startswith("${")):
        raise SettingInvalid("a whole URL is needed, https://host/path, or an expression", place)


@register("reusable", "authentications")
def check_policy(compiler: Compiler, value: Any, place: str) -> None:
    """Raise SettingInvalid for a policy that is none, or none that is done here."""
    check_authentication(value, compiler.definition.use, place)


def filled(url: str, given: Any, place: str) -> str:
    """A URL with its ``{name}`` filled from the input, percent-encoded (RFC 6570 section 3.2.2)."""

    def value(match: re.Match[str]) -> str:
        found = given
        for name in match[1].split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        if found is None or isinstance(found, dict | list):
            raise failure("expression", f"the input has no value for {{{match[1]}}} of the URL", place)
        if found in DOTS:
            raise failure("expression", f"a step of dots is no value for {{{match[1]}}} of the URL", place)
        return quote(str(found).lower() if isinstance(found, bool) else str(found), safe="")

    return _PLACEHOLDER.sub(value, url)


def outcome(reply: Reply, output: str, method: str, url: str, headers: Mapping[str, Any]) -> Any:
    """What a function makes of an answer."""
    if output == "raw":
        return base64.b64encode(reply.content).decode("ascii")
    content = content_of(reply)
    if output == "content":
        return content
    shown = {name: value for name, value in headers.items() if name.lower() != "authorization"}
    return {
        "request": {"method": method.upper(), "uri": url, "headers": shown},
        "statusCode": reply.status,
        "headers": dict(reply.headers),
        "content": content,
    }


def content_of(reply: Reply) -> Any:
    """The body: JSON as values, text as text, nothing as null."""
    if not reply.content:
        return None
    media_type = (reply.header("content-type") or "").partition(";")[0].strip().lower()
    if media_type.endswith(("/json", "+json")):
        return reply.json()
    return reply.text


def answered(reply: Reply, place: str) -> FlowFailed:
    """The error for an answer that is no success; its status is that of the answer."""
    error = failure("communication", f"the other system answers {reply.status}", place)
    error.error["status"] = reply.status
    return error


def refused(error: ConnectionFailed, place: str) -> FlowFailed:
    """The error for a call that got no answer."""
    if error.reply is not None:
        return answered(error.reply, place)
    kind = "timeout" if error.cause == "timeout" else "communication"
    failed = failure(kind, f"{error} ({error.cause})", place)
    failed.error["status"] = {"timeout": STATUS["timeout"]}.get(error.cause, 503 if kind == "communication" else 500)
    return failed


def converted(arguments: Any, kind: type[Any], place: str) -> Any:
    """Arguments whose expressions were worked out, as their struct; raises FlowFailed."""
    try:
        return msgspec.convert(arguments, kind)
    except (msgspec.ValidationError, SettingInvalid) as error:
        raise failure("configuration", str(error), place) from None
