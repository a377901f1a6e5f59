"""Who may call what, answered before anybody calls: from the same tables and by the same rules as on the request path.

Every kind of caller (a key, a user, a certificate, an application) has a table that follows :class:`Holders`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol, Self

from apimgmt.auth.rules import described
from apimgmt.errors import Problem
from apimgmt.model import Rule
from apimgmt.request import Target

NOBODY = "nobody"


class Decision(NamedTuple):
    """What comes of a call: ``code`` is the problem that the caller would get, empty if the call is allowed; ``why``
    names what decided, or what is missing; ``rule`` is the rule that allowed it, if a rule did."""

    code: str
    why: str
    rule: Rule | None = None

    @property
    def allowed(self) -> bool:
        """Whether the call would reach the process."""
        return not self.code

    @classmethod
    def by_rule(cls, rule: Rule) -> Self:
        """Allowed by this rule."""
        return cls("", f"allowed by the rule {described(rule)}", rule)

    @classmethod
    def refused(cls, problem: Problem) -> Self:
        """Refused as a caller would be, with the operator's reason."""
        return cls(problem.code, problem.reason or problem.detail)


class Holders(Protocol):
    """All callers of one kind: which schemes (as ``demands.scheme_of`` calls them) their credentials are for, their
    names, and what one of them may do."""

    schemes: frozenset[str]

    def names(self) -> Iterable[str]:
        """Everybody of this kind."""

    def decide(self, name: str, target: Target, scopes: Sequence[str]) -> Decision | None:
        """What comes of a call to ``target``, which asks OAuth2 tokens for ``scopes``; None if nobody has the name."""


class Demand(NamedTuple):
    """One operation and what it demands: alternatives, each mapping the schemes that it needs to their scopes."""

    target: Target
    alternatives: Sequence[Mapping[str, Sequence[str]]]

    @property
    def open(self) -> bool:
        """Whether a caller without any credential is let in."""
        return not self.alternatives or any(not alternative for alternative in self.alternatives)


def decide(demand: Demand, who: str, holders: Mapping[str, Holders]) -> Decision:
    """What comes of a call by ``who`` (``key:crm``, ``user:ann`` ... or ``nobody``) with one valid credential.

    Raises Problem("not-found") if there is no such caller. As on the request path, a credential that is looked at and
    refused is refused even where none would do.
    """
    if who == NOBODY:
        return _without_credential(demand)
    kind, _, name = who.partition(":")
    if kind not in holders:
        raise Problem("not-found", f"{who[:100]!r} must be nobody, or a name after {': or '.join(holders)}:")
    refusals: list[Decision] = []
    for alternative in demand.alternatives:
        mine = [scheme for scheme in alternative if scheme in holders[kind].schemes]
        if not mine:
            continue
        decision = _known(holders[kind], name, demand.target, alternative[mine[0]], who)
        if decision.allowed and len(mine) < len(alternative):
            others = ", ".join(scheme for scheme in alternative if scheme not in mine)
            decision = Decision("credential-missing", f"{decision.why}, but it also takes {others}")
        if decision.allowed:
            return decision
        refusals.append(decision)
    if refusals:
        return max(refusals, key=lambda decision: decision.code == "forbidden")
    _known(holders[kind], name, demand.target, (), who)
    return _without_credential(demand)


def _known(holders: Holders, name: str, target: Target, scopes: Sequence[str], who: str) -> Decision:
    decision = holders.decide(name, target, scopes)
    if decision is None:
        raise Problem("not-found", f"nobody is called {who[:100]!r} in what is published")
    return decision


def _without_credential(demand: Demand) -> Decision:
    if demand.open:
        return Decision("", "no credential is needed")
    ways = " or ".join(dict.fromkeys(" with ".join(alternative) for alternative in demand.alternatives))
    return Decision("credential-missing", f"the operation takes {ways}")
