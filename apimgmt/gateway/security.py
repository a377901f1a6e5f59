"""Connexion's SecurityMiddleware with our handlers: which alternatives an operation has, and what a refusal says.

Connexion reads only the skeleton that we made (``skeleton.py``), so a document names no code and no URL here.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from typing import Any

from connexion.middleware.security import SecurityAPI, SecurityMiddleware, SecurityOperation
from connexion.security import NO_VALUE, AbstractSecurityHandler, SecurityHandlerFactory

from apimgmt.auth import Surroundings, Verify
from apimgmt.auth.apikey import ApiKey
from apimgmt.auth.basic import Basic
from apimgmt.auth.bearer import Bearer
from apimgmt.auth.certificate import ClientCertificate
from apimgmt.auth.oauth2 import OAuth2
from apimgmt.errors import Problem
from apimgmt.request import SCOPE_KEY, Request

# Connexion warns of every alternative that has no handler; the intake has said that already, with a place
logging.getLogger("connexion").setLevel(logging.ERROR)


# Scheme to kind; a kind is made for each operation and scheme of an API, with the API's surroundings.
Kinds = Mapping[str, Callable[..., AbstractSecurityHandler]]
KINDS: Kinds = {
    "apiKey": ApiKey,
    "bearer": Bearer,
    "basic": Basic,
    "oauth2": OAuth2,
    "openIdConnect": OAuth2,
    "mutualtls": ClientCertificate,
}


# One text may be looked at by several kinds; to most of them it is strange.
SAYING_LITTLE = ("credential-malformed", "credential-unknown")


def security_map(surroundings: Surroundings, kinds: Kinds = KINDS) -> dict[str, Callable[[], AbstractSecurityHandler]]:
    """What Connexion calls to make the handlers of one API."""
    return {scheme: partial(kind, surroundings) for scheme, kind in kinds.items()}


class Alternatives(SecurityHandlerFactory):  # type: ignore[misc]
    """How the alternatives of an operation are weighed: the first that lets the caller in counts.

    Connexion forgets a credential that was sent and is wrong if another alternative succeeds, so that ``{}`` beside a
    key lets a wrong key in as anonymous; here it is refused. Of several refusals 403 counts before 401.
    """

    @classmethod
    def verify_security(cls, auth_funcs: Sequence[Verify]) -> Verify:
        """One check of all alternatives; returns what is known about the caller."""
        if any(iscoroutinefunction(check) for check in auth_funcs):
            return _awaiting(auth_funcs)
        if len(auth_funcs) == 1:
            return _only(auth_funcs[0])

        def verify(request: Request) -> Any:
            refusals = []
            for check in auth_funcs:
                try:
                    caller = check(request)
                except Problem as problem:
                    refusals.append(problem)
                    continue
                if caller is not NO_VALUE and (caller or not refusals):
                    return caller
            raise max(refusals, key=_weight) if refusals else _nothing_sent(request)

        return verify

    def verify_multiple_schemes(self, schemes: Mapping[str, Verify]) -> Verify:
        """All of them: the caller is what the first of them says, with what the others say under ``also``."""

        if any(iscoroutinefunction(check) for check in schemes.values()):
            return _awaiting_all(list(schemes.values()))

        def verify(request: Request) -> Any:
            return _together([check(request) for check in schemes.values()])

        return verify


def _weight(refusal: Problem) -> tuple[int, int]:
    """How much a refusal says: 403 before 401, and of these, that a credential was known before that it was not."""
    return refusal.status, SAYING_LITTLE.index(refusal.code) if refusal.code in SAYING_LITTLE else len(SAYING_LITTLE)


def _only(check: Verify) -> Verify:
    def verify(request: Request) -> Any:
        caller = check(request)
        if caller is NO_VALUE:
            raise _nothing_sent(request)
        return caller

    return verify


def _awaiting(checks: Sequence[Verify]) -> Verify:
    """The same as :meth:`Alternatives.verify_security`, where a check may have to wait."""

    async def verify(request: Request) -> Any:
        refusals = []
        for check in checks:
            try:
                caller = check(request)
                if isawaitable(caller):
                    caller = await caller
            except Problem as problem:
                refusals.append(problem)
                continue
            if caller is not NO_VALUE and (caller or not refusals):
                return caller
        raise max(refusals, key=_weight) if refusals else _nothing_sent(request)

    return verify


def _awaiting_all(checks: Sequence[Verify]) -> Verify:
    async def verify(request: Request) -> Any:
        callers = []
        for check in checks:
            caller = check(request)
            callers.append(await caller if isawaitable(caller) else caller)
        return _together(callers)

    return verify


def _together(callers: list[Any]) -> Any:
    """One caller of several credentials that are needed together."""
    if any(caller is NO_VALUE for caller in callers):
        return NO_VALUE
    return {**callers[0], "also": callers[1:]}


def _nothing_sent(request: Request) -> Problem:
    reason = f"{request.target.method} {request.target.path!r} was called without a credential that it takes"
    return Problem("credential-missing", "No credential was sent that this operation takes.", reason=reason)


class GuardedOperation(SecurityOperation):  # type: ignore[misc]
    """The check of one operation; ``challenge`` is set when the operation is made."""

    challenge: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waits = iscoroutinefunction(self.verification_fn)

    def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Awaitable[None]:
        request: Request = scope[SCOPE_KEY]
        if self._waits:
            return self._wait(request, scope, receive, send)
        try:
            request.caller = self.verification_fn(request)
        except Problem as problem:
            self._challenge(problem)
            raise
        answer: Awaitable[None] = self.next_app(scope, receive, send)
        return answer

    async def _wait(self, request: Request, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """The same, for a check that asks a directory or fetches keys."""
        try:
            request.caller = await self.verification_fn(request)
        except Problem as problem:
            self._challenge(problem)
            raise
        await self.next_app(scope, receive, send)

    def _challenge(self, problem: Problem) -> None:
        """A refusal says what is wanted, unless it said so itself (RFC 9110 section 11.6.1)."""
        if problem.status == 401 and not problem.headers:
            problem.headers = [("www-authenticate", self.challenge)]


class GuardedAPI(SecurityAPI):  # type: ignore[misc]
    """The checks of one API, by operation key."""

    def __init__(self, *args: Any, alternatives: Alternatives, **kwargs: Any) -> None:
        self._alternatives = alternatives
        super().__init__(*args, **kwargs)

    def make_operation(self, operation: Any) -> GuardedOperation:
        """The check of one operation of the skeleton."""
        guarded: GuardedOperation = GuardedOperation.from_operation(
            operation, next_app=self.next_app, security_handler_factory=self._alternatives
        )
        guarded.challenge = challenge(operation.security or (), operation.security_schemes)
        return guarded


class Security(SecurityMiddleware):  # type: ignore[misc]
    """Connexion's middleware with our API class."""

    api_cls = GuardedAPI


def challenge(security: Sequence[Mapping[str, Any]], schemes: Mapping[str, Mapping[str, Any]]) -> str:
    """The value of WWW-Authenticate for an operation (RFC 9110 section 11.6.1), one challenge per scheme it takes."""
    challenges: dict[str, None] = {}
    for alternative in security:
        for name in alternative:
            challenges[_challenge(schemes[name])] = None
    return ", ".join(challenges)


def _challenge(scheme: Mapping[str, Any]) -> str:
    if scheme["type"] == "apiKey":
        name = scheme["name"].translate({34: "", 92: "", 13: "", 10: ""}).encode("ascii", "ignore").decode()
        return f'ApiKey realm="api", in="{scheme["in"]}", name="{name}"'
    if scheme["type"] == "http" and scheme["scheme"] == "basic":
        return 'Basic realm="api", charset="UTF-8"'
    if scheme["type"] == "http" and scheme["scheme"] == "mutualtls":
        return 'Mutual realm="api"'
    return 'Bearer realm="api"'
