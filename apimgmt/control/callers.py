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


class Callers(NamedTuple):
    """What the callers of each kind may call, all of a kind together, as far as it concerns one API.

    ``applications`` says whether there is any; ``holders`` is what holders of certificates may call, ``trusted`` says
    whether an authority is trusted, ``secret`` whether certificates can come at all.
    """

    keys: Rules
    users: Rules
    tokens: Rules
    applications: bool
    holders: Rules
    trusted: bool
    secret: bool

    def lacking(self, scheme: str, target: Target) -> str:
        """Why nobody can call the operation with a credential for this scheme; empty if somebody can."""
        key, token = self.keys.deciding(target) is not None, self.tokens.deciding(target) is not None
        if scheme == "apiKey":
            return "" if key else "no API key has a rule for them (`apimgmt keys add`)"
        if scheme == "basic":
            return "" if self.users.deciding(target) else "no user has a rule for them (`apimgmt users add`)"
        if scheme == "bearer":
            return "" if key or token else "no API key has a rule for them and no access policy is about them"
        if scheme in ("oauth2", "openIdConnect"):
            return "" if token else self._no_token()
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

    def all_of(rules: Iterable[Rule]) -> Rules:
        return Rules(rule for rule in dict.fromkeys(rules) if _concerns(rule, row))

    return Callers(
        keys=all_of(rule for key in living if key.environment == settings.environment for rule in key.rules),
        users=all_of(rule for user in users for rule in user.rules),
        tokens=all_of(
            rule
            for policy in policies
            if known & set(policy.applications) or (known and not policy.applications)
            for rule in policy.targets
        ),
        applications=bool(known),
        holders=all_of(
            rule for authority in trusted for rule in (authority.rules if authority.rules is not None else (Rule(),))
        ),
        trusted=bool(trusted),
        secret=bool(settings.tls_certificate or settings.client_certificate_header),
    )


def caller_findings(
    compiled: CompiledApi, row: ApiRow, triggers: Mapping[str, Trigger], callers: Callers
) -> list[Finding]:
    """At most one finding for each kind: of how many operations nobody can meet any alternative, and what it lacks."""
    lacking: dict[str, list[str]] = {}
    for operation in compiled.operations:
        target = Target(operation.method.upper(), row.base_path + operation.path, row.id, operation.key)
        demand = demand_of(operation, triggers.get(operation.key, row.trigger), compiled, target)
        reasons = [
            {scheme: callers.lacking(scheme, target) for scheme in alternative} for alternative in demand.alternatives
        ]
        if demand.open or any(not any(found.values()) for found in reasons):
            continue
        for scheme in {scheme for found in reasons for scheme, reason in found.items() if reason}:
            lacking.setdefault(scheme, []).append(callers.lacking(scheme, target))
    total = len(compiled.operations)
    return [
        Finding(
            severity="info",
            code="nobody-can-call",
            message=f"{scheme}: nobody can call {len(reasons)} of {total} operation(s) yet: {reasons[0]}",
        )
        for scheme, reasons in sorted(lacking.items())
    ]


def _concerns(rule: Rule, row: ApiRow) -> bool:
    """Whether a rule may cover an operation of this API, as far as its base path says."""
    if rule.api not in ("", row.id):
        return False
    pairs = zip(rule.path.split("/")[1:], row.base_path.split("/")[1:], strict=False)
    return all(wanted in ("*", "**", segment) for wanted, segment in pairs)
