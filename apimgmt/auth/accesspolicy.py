"""Access policies: what the bearer of a token may call (F-038, F-039). What no policy allows is not allowed.

A policy speaks of an operation (its targets) and of a token (application, roles, conditions on claims). Which policies
speak of an operation is worked out once; a request asks only those what they say of its token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from apimgmt.auth.decision import Decision
from apimgmt.auth.rules import covers
from apimgmt.auth.tokens.claims import claim
from apimgmt.auth.tokens.issuer import Token
from apimgmt.errors import Problem
from apimgmt.model import AccessPolicyEntry, ApplicationEntry, Condition
from apimgmt.request import Target

Holds = Callable[[Mapping[str, Any]], bool]


class AccessPolicy:
    """A policy, ready to decide about tokens."""

    __slots__ = ("_applications", "_holds", "_roles", "entry")

    def __init__(self, entry: AccessPolicyEntry) -> None:
        self.entry = entry
        self._applications = frozenset(entry.applications)
        self._roles = frozenset(entry.roles)
        self._holds = None if entry.condition is None else compiled(entry.condition)

    def __str__(self) -> str:
        """Its name, with what else it asks of a token."""
        asked = [f"a role of {', '.join(self.entry.roles)}"] if self._roles else []
        asked += ["its condition on claims"] if self._holds is not None else []
        return f"{self.entry.name!r}" + (f", which asks for {' and '.join(asked)}" if asked else "")

    def is_for(self, application: str) -> bool:
        """Whether it is about tokens of the application with this id."""
        return not self._applications or application in self._applications

    def objection(self, token: Token, application: str) -> str:
        """Why it does not allow this token of the application with this id; empty if it does."""
        if not self.is_for(application):
            return "it is for other applications"
        if self._roles and self._roles.isdisjoint(token.roles):
            return "the token has none of its roles"
        if self._holds is not None and not self._holds(token.claims):
            return "its condition does not hold"
        return ""


class AccessPolicies:
    """All access policies of a snapshot, with the applications that they speak of."""

    __slots__ = ("_applications", "_by_target", "_policies")
    schemes = frozenset({"oauth2", "openIdConnect", "bearer"})

    def __init__(self, applications: Iterable[ApplicationEntry], policies: Iterable[AccessPolicyEntry]) -> None:
        self._applications = {(entry.issuer, entry.client): entry for entry in applications}
        self._policies = [AccessPolicy(entry) for entry in policies]
        self._by_target: dict[Target, list[AccessPolicy]] = {}

    def deciding(self, token: Token, target: Target) -> AccessPolicy:
        """The first policy that allows the operation to the token; raises Problem("forbidden")."""
        application = self._applications.get(token.client)
        if application is None:
            reason = f"application {token.client[1]!r:.200} of issuer {token.client[0]} is not registered"
            raise Problem("forbidden", "The application of the token is not registered here.", reason=reason)
        policies = self.of(target)
        for policy in policies:
            if not policy.objection(token, application.id):
                return policy
        raise _forbidden(token, application, policies)

    def of(self, target: Target) -> list[AccessPolicy]:
        """The policies that speak of an operation, worked out at its first request."""
        found = self._by_target.get(target)
        if found is None:
            found = [policy for policy in self._policies if any(covers(rule, target) for rule in policy.entry.targets)]
            self._by_target[target] = found
        return found

    def names(self) -> Iterator[str]:
        """The names of all applications."""
        return (application.name for application in self._applications.values())

    def decide(self, name: str, target: Target, scopes: Sequence[str]) -> Decision | None:
        """What comes of a call with a good token of the application of that name, and on what its token must have."""
        application = next((one for one in self._applications.values() if one.name == name), None)
        if application is None:
            return None
        for policy in self.of(target):
            if policy.is_for(application.id):
                asked = f"; the operation asks for scopes: {', '.join(scopes)}" if scopes else ""
                return Decision("", f"allowed by the access policy {policy}{asked}")
        return Decision("forbidden", f"no access policy is about this operation and {name!r}")


def compiled(condition: Condition) -> Holds:
    """A condition as a function of the claims; everything that it says must hold, and one that says nothing never does.

    Of a claim that is a list, one item must be as it is said.
    """
    parts: list[Holds] = [compiled(part) for part in condition.all]
    if condition.any:
        parts.append(_either([compiled(part) for part in condition.any]))
    if condition.claim:
        parts.append(_of_claim(condition))
    return lambda claims: bool(parts) and all(part(claims) for part in parts)


def _either(parts: list[Holds]) -> Holds:
    return lambda claims: any(part(claims) for part in parts)


def _of_claim(condition: Condition) -> Holds:
    name, wanted, start = condition.claim, [_value(value) for value in condition.one_of], condition.starts_with
    tests: list[Callable[[Any], bool]] = []
    if condition.equals is not None:
        equal = _value(condition.equals)
        tests.append(lambda value: _value(value) == equal)
    if wanted:
        tests.append(lambda value: _value(value) in wanted)
    if start:
        tests.append(lambda value: isinstance(value, str) and value.startswith(start))

    def holds(claims: Mapping[str, Any]) -> bool:
        found = claim(claims, name)
        values = found if isinstance(found, list) else [found]
        return bool(tests) and any(all(test(value) for test in tests) for value in values)

    return holds


def _value(value: Any) -> tuple[bool, Any]:
    """A value to compare: as in JSON, true is not 1, though 1 is 1.0."""
    return isinstance(value, bool), value


def _forbidden(token: Token, application: ApplicationEntry, policies: list[AccessPolicy]) -> Problem:
    if not policies:
        reason = f"no access policy is about this operation; token of {application.name!r}"
        return Problem("forbidden", "No access policy is about this operation.", reason=reason)
    said = "; ".join(f"{policy.entry.name!r}: {policy.objection(token, application.id)}" for policy in policies)
    reason = f"token of {application.name!r}: {said}"
    return Problem("forbidden", "No access policy allows this operation to the token.", reason=reason)
