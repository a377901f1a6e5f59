"""What can go wrong, as one tree, and the catalogue of problems that a caller may see.

    ApimgmtError
    ├── Problem            an answer with a status and a catalogue code (RFC 9457)
    ├── DocumentRefused    an uploaded document is not acceptable; carries every finding
    ├── SnapshotRefused    a snapshot does not build; the one before goes on serving
    ├── ConnectionFailed   a call to another system failed; ``cause`` is one of CAUSES
    ├── KeysNotFetched     an issuer's keys cannot be had; says where and why
    ├── NameTaken          a plug-in is registered twice; names both places
    ├── Disconnected       the caller went away before its request was complete
    ├── SettingInvalid     a setting has a value that it cannot have
    └── StoreConflict      somebody else wrote in between (If-Match)

Everything that is not in this tree is a defect of ours: the caller gets a 500 with an id, the details go to the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from apimgmt.model import Finding

PROBLEM_BASE = "/.well-known/apimgmt/problems/"


class ApimgmtError(Exception):
    """Anything that this product raises on purpose."""


class Kind(NamedTuple):
    """One row of the catalogue: the constant part of a problem."""

    status: int
    title: str
    remedy: str


CATALOGUE: dict[str, Kind] = {
    "bad-request": Kind(400, "The request cannot be read", "Send well-formed HTTP/1.1 with one Host header."),
    "ambiguous-path": Kind(
        400, "The path can be read in two ways", "Send the path in its canonical form: no dot segments, no encoded /."
    ),
    "validation": Kind(400, "The request is not valid", "Mend every entry of `errors`; each names its place."),
    "malformed-body": Kind(400, "The body cannot be parsed", "Send a body of the declared media type, in UTF-8."),
    "credential-missing": Kind(401, "A credential is needed", "Send the credential named in WWW-Authenticate."),
    "credential-malformed": Kind(401, "The credential cannot be read", "Write it as its scheme says."),
    "credential-unknown": Kind(
        401, "The credential is not known", "Check that it is complete and of this environment."
    ),
    "credential-expired": Kind(401, "The credential has expired", "Get a new one."),
    "credential-revoked": Kind(401, "The credential was revoked", "Get a new one."),
    "forbidden": Kind(403, "The credential does not allow this operation", "Ask for a rule that covers it."),
    "scope-missing": Kind(403, "The token lacks a scope", "Ask for a token with one of the scopes that are named."),
    "protocol-not-allowed": Kind(403, "This protocol is not allowed here", "Use the other of http and https."),
    "cors-not-allowed": Kind(
        403, "Pages of another site may not send this", "Have origin, method or header added to the CORS settings."
    ),
    "not-found": Kind(404, "There is nothing at this path", "Compare the path with the API's document."),
    "method-not-allowed": Kind(405, "The path does not have this method", "Use a method listed in Allow."),
    "not-acceptable": Kind(406, "No offered media type is acceptable", "Ask for one of the offered media types."),
    "timeout": Kind(408, "The request came too slowly", "Send the whole request within the time limit."),
    "conflict": Kind(409, "This clashes with what is there", "Read the current state and decide again."),
    "precondition-failed": Kind(412, "It was changed by somebody else", "Read it again and send its new ETag."),
    "too-large": Kind(413, "The body is too large", "Send less, or have the operation's limit raised."),
    "uri-too-long": Kind(414, "The request line is too long", "Send long values in the body."),
    "unsupported-media-type": Kind(415, "The operation does not take this media type", "Use a listed media type."),
    "connection-failed": Kind(
        422, "The connection does not work", "Mend the step that failed, or store it untested (`?untested=true`)."
    ),
    "document-refused": Kind(422, "The document is not acceptable", "Mend every finding of severity error."),
    "locked": Kind(409, "locked by the specification", "Change method and path in the document and upload it."),
    "quota-exceeded": Kind(429, "Too many requests", "Wait as long as Retry-After says, then try again."),
    "header-too-large": Kind(431, "The header is too large", "Send fewer or shorter header fields."),
    "internal": Kind(500, "Something went wrong on our side", "Report the id given in `instance`."),
    "process-failed": Kind(500, "The process failed", "Report the id given in `instance`."),
    "not-implemented": Kind(501, "The method is not known", "Use a method of HTTP."),
    "bad-result": Kind(502, "The process gave an answer that cannot be sent", "Report the id given in `instance`."),
    "unavailable": Kind(503, "The gateway cannot serve this now", "Try again after Retry-After."),
    "upstream-failed": Kind(502, "The system behind this operation failed", "Report the id given in `instance`."),
    "upstream-unavailable": Kind(
        503, "The system behind this operation is not available", "Try again after Retry-After."
    ),
    "process-timeout": Kind(504, "The process took too long", "Try again, or have the operation's timeout raised."),
    "upstream-timeout": Kind(504, "The system behind this operation took too long", "Try again later."),
}


class Cause(NamedTuple):
    """Why a call to another system failed: what to do about it, and the problem that a caller of ours gets."""

    remedy: str
    problem: str = "upstream-failed"


CAUSES: dict[str, Cause] = {
    "unusable": Cause("Give the connection's secrets again, or restore the key in `secret_keys`; then publish."),
    "address": Cause("Correct the URL: http or https, a host, no user name in it."),
    "forbidden-address": Cause("Have an administrator allow this host, if it may be called from here."),
    "name": Cause("Check the host name, and that this machine can resolve it."),
    "refused": Cause("Check host, port and firewall: nothing listens there, or it may not be reached."),
    "unreachable": Cause("Check the network between this machine and the host."),
    "timeout": Cause("Try again later, or set a longer timeout.", "upstream-timeout"),
    "reset": Cause("Try again; if it stays, look at the other system's log."),
    "certificate": Cause("Have the certificate renewed, or give its authority in `tls.authorities`."),
    "tls": Cause("Check that the port speaks TLS, in version 1.2 or later, and whether it asks for a certificate."),
    "unverified": Cause("Have an administrator permit it: `tls.verify` of the connection, or `ignore_tls_errors`."),
    "proxy": Cause("Check the proxy's address, user name and password."),
    "protocol": Cause("Check the URL: what answers there is not what is expected."),
    "too-large": Cause("Ask for less at a time, or raise `mostBytes`."),
    "redirect": Cause("Use the URL that it redirects to."),
    "credential": Cause("Check the credential and its kind."),
    "token": Cause("Check client id, secret, scopes and token URL; for an authorization code, sign in again."),
    "rate-limited": Cause(
        "Wait as long as Retry-After says, or set a limit on the connection.", "upstream-unavailable"
    ),
    "breaker-open": Cause("Wait: the other system failed too often and is left alone.", "upstream-unavailable"),
    "status": Cause("Look at the answer: the other system refuses the request or has failed."),
    "data-path": Cause("Correct the data path; the top-level names that there are follow."),
    "database": Cause("Try again; if it stays, look at the database's log."),
    "schema": Cause("Correct the entity's fields: the answer looks otherwise."),
    "pagination": Cause("Correct the pagination: the other system repeats itself."),
    "request": Cause("Correct the values that the request is made of."),
}


class Problem(ApimgmtError):
    """An answer to the caller: a row of the catalogue plus what is particular to this request (RFC 9457).

    ``errors`` has one entry per violation:
    ``{"in": "query", "name": "limit", "pointer": "", "code": "type", "detail": ...}``. ``reason`` is for the operator
    alone: it goes to the log under the id of the request, never to the caller.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        status: int | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Sequence[tuple[str, str]] = (),
        extra: Mapping[str, Any] | None = None,
        reason: str = "",
    ) -> None:
        super().__init__(detail or CATALOGUE[code].title)
        self.code = code
        self.kind = CATALOGUE[code]
        self.status = status or self.kind.status
        self.detail = detail
        self.errors = errors
        self.headers = headers
        self.extra = extra
        self.reason = reason

    def document(self, instance: str = "") -> dict[str, Any]:
        """The problem as the JSON object of RFC 9457."""
        body: dict[str, Any] = {"type": PROBLEM_BASE + self.code, "title": self.kind.title, "status": self.status}
        if self.detail:
            body["detail"] = self.detail
        if instance:
            body["instance"] = instance
        if self.errors:
            body["errors"] = list(self.errors)
        if self.extra:
            body.update(self.extra)
        return body


class DocumentRefused(ApimgmtError):
    """The document cannot become an API; ``findings`` says everything that is wrong with it, with places."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        errors = [finding for finding in self.findings if finding.severity == "error"]
        super().__init__(f"{len(errors)} error(s): {errors[0].message}" if errors else "the document is not acceptable")


class SnapshotRefused(ApimgmtError):
    """The snapshot does not build; nothing that serves has changed."""


class ConnectionFailed(ApimgmtError):
    """A call through a connection failed; ``cause`` is a key of CAUSES, ``reply`` what was answered, if anything was.

    ``retry_after`` are the seconds that the other system asked for, None if it did not. The message never has a secret.
    """

    def __init__(self, cause: str, detail: str, *, reply: Any = None, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.cause = cause
        self.reply = reply
        self.retry_after = retry_after

    @property
    def remedy(self) -> str:
        """What to do next."""
        return CAUSES[self.cause].remedy

    def problem(self) -> Problem:
        """What a caller of ours is told: not which system, nor what it said."""
        code = CAUSES[self.cause].problem
        wait = 5.0 if self.retry_after is None else self.retry_after
        headers = [("retry-after", str(max(1, round(wait))))] if code == "upstream-unavailable" else []
        return Problem(code, headers=headers, reason=f"{self.cause}: {self}")


class KeysNotFetched(ApimgmtError):
    """The key set of an issuer cannot be fetched or read; the message says what was asked and what came."""


class NameTaken(ApimgmtError):
    """Two plug-ins of one kind want the same name."""


class Disconnected(ApimgmtError):
    """The caller went away before its request was complete; there is nobody to answer."""


class SettingInvalid(ApimgmtError):
    """A setting has a value that it cannot have; the message names the setting and what it may be.

    ``pointer`` is the place of the value in what was read (RFC 6901), "" for the whole of it.
    """

    def __init__(self, message: str, pointer: str = "") -> None:
        super().__init__(message)
        self.pointer = pointer


class StoreConflict(ApimgmtError):
    """The row was changed since it was read."""
