"""What is still missing before anybody can call an API: which kinds its operations take, and whom nobody is of yet.

A security scheme of a document becomes a kind: ``apiKey`` an API key, ``basic`` Basic, ``oauth2`` and ``openIdConnect``
OAuth2, ``bearer`` a key or a token, ``mutualTLS`` a client certificate. Every other one lets nobody in.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from apimgmt.auth.demands import demand_of
from apimgmt.auth.rules import Rules
from apimgmt.control.rows import ApiRow
from apimgmt.control.transaction import Transaction
from apimgmt.model import CompiledApi, Finding, Rule, Trigger
from apimgmt.registry import find
from apimgmt.request import Target
from apimgmt.settings import Settings

# So many comparisons of an operation with a rule take about a second.
LOOKS_MOST = 500_000


class Callers(NamedTuple):
    """What the callers of each kind may call, all of a kind together, as far as it concerns one API.

    ``applications`` says whether there is any; ``holders`` is what holders of certificates may call, ``trusted`` says
    whether an authority is trusted, ``secret`` whether certificates can come at all, ``size`` how many rules there are.
    """

    keys: Rules
    users: Rules
    tokens: Rules
    applications: bool
    holders: Rules
    trusted: bool
    secret: bool
    size: int

    def lacking(self, scheme: str, target: Target) -> str:
        """Why nobody can call the operation with a credential for this scheme; empty if somebody can."""
        if scheme == "apiKey":
            return "" if self.keys.deciding(target) else "no API key has a rule for them (`apimgmt keys add`)"
        if scheme == "basic":
            return "" if self.users.deciding(target) else "no user has a rule for them (`apimgmt users add`)"
        if scheme == "bearer":
            known = self.keys.deciding(target) or self.tokens.deciding(target)
            return "" if known else "no API key has a rule for them and no access policy is about them"
        if scheme in ("oauth2", "openIdConnect"):
            return "" if self.tokens.deciding(target) else self._no_token()
        if scheme == "mutualtls":
            return "" if self.secret and self.holders.deciding(target) else self._no_certificate()
        return "the gateway does not know this kind; set their authentication to another one (`apimgmt trigger`)"

    def _no_token(self) -> str:
        if not self.applications:
            return "no application is registered (`apimgmt clients add`, or `issuers add` and `applications add`)"
        return "no access policy is about them (`apimgmt policies add`)"

    def _no_certificate(self) -> str:
        if not self.secret:
            return "HTTPS is off (set tls_certificate, or client_certificate_header behind a proxy)"
        if not self.trusted:
            return "no authority is trusted (`apimgmt authorities add`)"
        return "the rules of the authorities do not cover them"


def callers_of(transaction: Transaction, row: ApiRow, settings: Settings) -> Callers:
    """Who there is, as it would be published now."""
    keys, users, applications, policies, authorities = (
        find("snapshot", field)(transaction)
        for field in ("keys", "users", "applications", "access_policies", "authorities")
    )
    known = {application.id for application in applications}
    living = [key for key in keys if not key.revoked and (not key.expires or key.expires > time.time())]
    trusted = [authority for authority in authorities if not authority.apis or row.id in authority.apis]

    by_kind: list[Iterable[Rule]] = [
        (rule for key in living if key.environment == settings.environment for rule in key.rules),
        (rule for user in users for rule in user.rules),
        (
            rule
            for policy in policies
            if known & set(policy.applications) or (known and not policy.applications)
            for rule in policy.targets
        ),
        (rule for one in trusted for rule in (one.rules if one.rules is not None else (Rule(),))),
    ]
    concerning = [[rule for rule in dict.fromkeys(rules) if _concerns(rule, row)] for rules in by_kind]
    keys_may, users_may, tokens_may, holders_may = map(Rules, concerning)
    return Callers(
        keys=keys_may,
        users=users_may,
        tokens=tokens_may,
        applications=bool(known),
        holders=holders_may,
        trusted=bool(trusted),
        secret=bool(settings.tls_certificate or settings.client_certificate_header),
        size=sum(map(len, concerning)),
    )


def caller_findings(
    compiled: CompiledApi, row: ApiRow, triggers: Mapping[str, Trigger], callers: Callers
) -> list[Finding]:
    """At most one finding for each kind: of how many operations nobody can meet any alternative, and what it lacks.

    Of a large API with many rules only the first operations are looked at, so that an upload does not wait for it.
    """
    looked_at = compiled.operations[: max(1, LOOKS_MOST // (1 + callers.size))]
    lacking: dict[str, list[str]] = {}
    for operation in looked_at:
        target = Target(operation.method.upper(), row.base_path + operation.path, row.id, operation.key)
        demand = demand_of(operation, triggers.get(operation.key, row.trigger), compiled, target)
        found = [[(scheme, callers.lacking(scheme, target)) for scheme in one] for one in demand.alternatives]
        if not demand.open and all(any(reason for _, reason in one) for one in found):
            for scheme, reason in {pair for one in found for pair in one if pair[1]}:
                lacking.setdefault(scheme, []).append(reason)
    total = f"{'the first ' if len(looked_at) < len(compiled.operations) else ''}{len(looked_at)} operation(s)"
    return [
        Finding(
            severity="info",
            code="nobody-can-call",
            message=f"{scheme}: nobody can call {len(reasons)} of {total} yet: {reasons[0]}",
        )
        for scheme, reasons in sorted(lacking.items())
    ]


def _concerns(rule: Rule, row: ApiRow) -> bool:
    """Whether a rule may cover an operation of this API, as far as its base path says."""
    if rule.api not in ("", row.id):
        return False
    pairs = zip(rule.path.split("/")[1:], row.base_path.split("/")[1:], strict=False)
    return all(wanted in ("*", "**", segment) for wanted, segment in pairs)
