"""500 generated tables of access policies, tokens and scopes: the gateway and a plain reference decide alike (S-28).

The reference is written from the sentences of the documentation, without the gateway's code. Mutants of it show that
the tables notice what they are for.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from tokensamples import ENTRY, token

from apimgmt.auth import Surroundings
from apimgmt.auth.access import Access
from apimgmt.auth.oauth2 import OAuth2
from apimgmt.errors import Problem
from apimgmt.model import AccessPolicyEntry, ApiEntry, ApplicationEntry, Condition, Rule, Snapshot, Trigger
from apimgmt.request import Request, Target
from apimgmt.settings import Settings
from apimgmt.shared import Shared

TABLES = 500
CALLS = 40
PATHS = ("/pet", "/pets", "/pets/{id}", "/pets/{id}/toys", "/orders/{id}", "/")
METHODS = ("GET", "POST", "DELETE")
RULE_PATHS = (
    "/**",
    "/**",
    "/**",
    "/pet",
    "/pet/**",
    "/pets/**",
    "/pets/*",
    "/pets/{id}",
    "/*/{id}/**",
    "/orders/*",
    "/",
)
SCOPES = ("read", "write", "admin", "rea")
ROLES = ("editor", "reader", "edit")
CLAIMS: dict[str, list[Any]] = {
    "tenant": ["acme", "acme-eu", "other", 1, True, 1.0, None],
    "groups": [[], ["a"], ["a", "acme"], ["b", 1], "a"],
    "org.unit": ["sales", 7],
}
APPLICATIONS = tuple(ApplicationEntry(id=f"app{n}", name=f"app{n}", client=f"client{n}", issuer="iss1") for n in (1, 2))
TARGETS = [
    Target(method, path, api, f"{method.lower()} {path}")
    for method in METHODS
    for path in PATHS
    for api in ("api1", "api2")
]
Judge = Callable[["Case"], int]


class Case:
    """One call: who, what, which scopes it needs, and the policies of its table."""

    def __init__(
        self, policies: list[AccessPolicyEntry], claims: dict[str, Any], target: Target, scopes: list[str], every: bool
    ) -> None:
        self.policies = policies
        self.claims = claims
        self.target = target
        self.scopes = scopes
        self.every = every


# ---- the reference -----------------------------------------------------------------------------------------------


def reference(case: Case, *, all_scopes: bool = False, empty_is_any: bool = False, prefixes: bool = False) -> int:
    """200 or 403; the flags are the mutants."""
    application = next((app.id for app in APPLICATIONS if app.client == case.claims.get("client_id")), None)
    if application is None:
        return 403
    for policy in case.policies:
        if not policy.targets and empty_is_any:
            break
        if not any(_covers(rule, case.target, prefixes) for rule in policy.targets):
            continue
        if policy.applications and application not in policy.applications:
            continue
        if policy.roles and not set(policy.roles) & set(_several(case.claims.get("roles"))):
            continue
        if policy.condition is not None and not _holds(policy.condition, case.claims, empty_is_any):
            continue
        break
    else:
        return 403
    held = str(case.claims.get("scope", "")).split()
    if not case.scopes or (empty_is_any and not held):
        return 200
    hits = [scope in held for scope in case.scopes]
    return 200 if (all(hits) if case.every or all_scopes else any(hits)) else 403


def _covers(rule: Rule, target: Target, prefixes: bool) -> bool:
    if target.method not in rule.methods and "*" not in rule.methods:
        return False
    if rule.api not in ("", target.api) or rule.operation not in ("", target.operation):
        return False
    if prefixes:
        return target.path.startswith(rule.path.rstrip("*").rstrip("/"))
    written = re.escape(rule.path).replace(r"/\*\*", "(/.*)?").replace(r"\*", "[^/]+")
    return re.fullmatch(written, target.path) is not None


def _holds(condition: Condition, claims: dict[str, Any], empty_is_any: bool) -> bool:
    said = bool(condition.all or condition.any or condition.claim) or empty_is_any
    every = all(_holds(part, claims, empty_is_any) for part in condition.all)
    some = not condition.any or any(_holds(part, claims, empty_is_any) for part in condition.any)
    return said and every and some and (not condition.claim or _as_said(condition, claims, empty_is_any))


def _as_said(condition: Condition, claims: dict[str, Any], empty_is_any: bool) -> bool:
    value: Any = claims
    for part in condition.claim.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    silent = condition.equals is None and not condition.one_of and not condition.starts_with
    return any(
        (not silent or empty_is_any)
        and (condition.equals is None or _same(condition.equals, item))
        and (not condition.one_of or any(_same(wanted, item) for wanted in condition.one_of))
        and (not condition.starts_with or (str(item).startswith(condition.starts_with) and isinstance(item, str)))
        for item in _several(value)
    )


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _same(one: Any, other: Any) -> bool:
    return one == other and (type(one) is bool) == (type(other) is bool)


# ---- the tables --------------------------------------------------------------------------------------------------


def table(chance: random.Random) -> list[Case]:
    """Up to six policies and 40 calls."""
    policies = [policy(chance, number) for number in range(chance.randint(0, 6))]
    return [call(chance, policies) for _ in range(CALLS)]


def policy(chance: random.Random, number: int) -> AccessPolicyEntry:
    """Most of them say little, for what says much allows nothing."""
    return AccessPolicyEntry(
        id=f"p{number}",
        name=f"p{number}",
        targets=tuple(rule(chance) for _ in range(chance.choice((0, 1, 2, 3)))),
        applications=tuple(chance.sample([app.id for app in APPLICATIONS], chance.choice((0, 0, 1, 2)))),
        roles=tuple(chance.sample(ROLES, chance.choice((0, 0, 1, 2)))),
        condition=condition(chance, 2) if chance.random() < 0.4 else None,
    )


def rule(chance: random.Random) -> Rule:
    """A target by path, API or operation."""
    return Rule(
        methods=chance.choice((("*",), ("*",), ("GET",), ("POST", "DELETE"))),
        path=chance.choice(RULE_PATHS),
        api=chance.choice(("", "", "", "api1")),
        operation=chance.choice(("", "", "", "", "get /pets/{id}")),
    )


def condition(chance: random.Random, depth: int) -> Condition:
    """Something about claims, or several such things together."""
    if depth and chance.random() < 0.4:
        parts = tuple(condition(chance, depth - 1) for _ in range(chance.randint(0, 3)))
        return Condition(all=parts) if chance.random() < 0.5 else Condition(any=parts)
    name = chance.choice([*CLAIMS, "missing"])
    values = [value for value in _flat(CLAIMS.get(name, ["x"])) if value is not None]
    return Condition(
        claim=name,
        equals=chance.choice([None, None, *values]),
        one_of=tuple(chance.sample(values, chance.choice((0, 0, min(2, len(values)))))),
        starts_with=chance.choice(("", "", "acme", "a")),
    )


def call(chance: random.Random, policies: list[AccessPolicyEntry]) -> Case:
    """A token with some claims, an operation with some scopes."""
    claims: dict[str, Any] = {"client_id": chance.choice(("client1", "client2", "client1", "client3"))}
    for name, values in CLAIMS.items():
        if chance.random() < 0.7:
            claims |= {"org": {"unit": chance.choice(values)}} if "." in name else {name: chance.choice(values)}
    if chance.random() < 0.6:
        claims["roles"] = chance.choice([*ROLES, list(ROLES[:2]), []])
    if chance.random() < 0.7:
        claims["scope"] = " ".join(chance.sample(SCOPES, chance.randint(0, 3)))
    scopes = chance.sample(SCOPES, chance.choice((0, 0, 0, 1, 2, 3)))
    return Case(policies, claims, chance.choice(TARGETS), scopes, chance.random() < 0.3)


def _flat(values: list[Any]) -> list[Any]:
    return [item for value in values for item in _several(value)]


@pytest.fixture(scope="module")
def decided() -> list[tuple[Case, int]]:
    """Every call of every table with what the gateway's check says."""
    return asyncio.run(_decided())


async def _decided() -> list[tuple[Case, int]]:
    chance, shared, found = random.Random(28), Shared(Settings()), []
    for _ in range(TABLES):
        cases = table(chance)
        snapshot = Snapshot(
            number=1, created="", issuers=(ENTRY,), applications=APPLICATIONS, access_policies=tuple(cases[0].policies)
        )
        access = Access(snapshot)
        for case in cases:
            found.append((case, await _status(case, access, shared)))
    return found


async def _status(case: Case, access: Access, shared: Shared) -> int:
    trigger = Trigger(scopes="all" if case.every else "any")
    entry = ApiEntry(id=case.target.api, name="a", base_path="", revision=1, digest="", trigger=trigger)
    check = OAuth2(Surroundings(entry, Settings(), shared)).get_fn({"type": "oauth2"}, case.scopes)
    request = Request([], 0, {b"authorization": b"Bearer " + token(**case.claims).encode()}, b"", access)
    request.target = case.target
    try:
        await check(request)
    except Problem as problem:
        return problem.status
    return 200


@pytest.mark.rows("F-038", "F-039", "F-041", "F-042", "F-043")
def test_the_gateway_and_the_reference_decide_alike(decided: list[tuple[Case, int]]) -> None:
    """20,000 calls, each allowed or refused by both; a good part of them is allowed."""
    different = [vars(case) for case, status in decided if status != reference(case)]
    assert different == []
    allowed = sum(status == 200 for _, status in decided)
    assert len(decided) == TABLES * CALLS and len(decided) * 0.1 < allowed < len(decided) * 0.9


@pytest.mark.parametrize("mutant", ["all_scopes", "empty_is_any", "prefixes"])
def test_the_tables_notice_what_is_wrong(decided: list[tuple[Case, int]], mutant: str) -> None:
    """All scopes instead of any, an empty list that means everything, a prefix of text: each decides otherwise."""
    assert any(status != reference(case, **{mutant: True}) for case, status in decided)
