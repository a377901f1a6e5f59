"""Access policies: what a refusal tells the operator, and who could call what (apimgmt/auth/accesspolicy.py)."""

from __future__ import annotations

import pytest
from tokensamples import APPLICATION, ENTRY, claims

from apimgmt.auth.accesspolicy import AccessPolicies, compiled
from apimgmt.auth.tokens.issuer import Token
from apimgmt.errors import Problem
from apimgmt.model import AccessPolicyEntry, Condition, Rule
from apimgmt.request import Target

TARGET = Target("GET", "/orders/{id}", "api1", "get /orders/{id}")
ORDERS = (Rule(path="/orders/**"),)
EDITORS = AccessPolicyEntry(
    id="p1", name="editors", targets=ORDERS, roles=("editor",), condition=Condition(claim="tenant", equals="acme")
)
OTHERS = AccessPolicyEntry(id="p2", name="others", targets=ORDERS, applications=("app2",))
ELSEWHERE = AccessPolicyEntry(id="p3", name="elsewhere", targets=(Rule(path="/pets"),))


def table(*policies: AccessPolicyEntry) -> AccessPolicies:
    """These policies, and the application ``shop``."""
    return AccessPolicies((APPLICATION,), policies)


def test_the_first_policy_that_allows_it_decides() -> None:
    """Its name is what an audit needs."""
    token = Token(ENTRY, claims(roles="editor", tenant="acme"), 0.0)
    assert table(ELSEWHERE, OTHERS, EDITORS).deciding(token, TARGET).entry.name == "editors"


def test_the_operator_is_told_why_every_policy_refused() -> None:
    """The caller learns that no policy allows it, the operator which ones were looked at and what each lacked."""
    with pytest.raises(Problem) as caught:
        table(ELSEWHERE, OTHERS, EDITORS).deciding(Token(ENTRY, claims(roles="reader"), 0.0), TARGET)
    assert caught.value.reason == (
        "token of 'shop': 'others': it is for other applications; 'editors': the token has none of its roles"
    )
    assert "editors" not in str(caught.value.document())
    with pytest.raises(Problem) as caught:
        table(EDITORS).deciding(Token(ENTRY, claims(roles="editor"), 0.0), TARGET)
    assert caught.value.reason.endswith("'editors': its condition does not hold")
    with pytest.raises(Problem) as caught:
        table(EDITORS).deciding(Token(ENTRY, claims(client_id="x"), 0.0), TARGET)
    assert caught.value.reason == "application 'x' of issuer iss1 is not registered"


def test_who_could_call_is_answered_before_run_time() -> None:
    """What a token of the application would need; nobody for an unknown name."""
    policies = table(OTHERS, EDITORS)
    assert list(policies.names()) == ["shop"]
    decision = policies.decide("shop", TARGET, ["read", "write"])
    assert decision is not None and decision.allowed
    assert decision.why == (
        "allowed by the access policy 'editors', which asks for a role of editor and its condition on claims; "
        "the operation asks for scopes: read, write"
    )
    refused = table(OTHERS).decide("shop", TARGET, [])
    assert refused is not None and refused.code == "forbidden"
    assert policies.decide("nobody", TARGET, []) is None


@pytest.mark.parametrize(
    "condition",
    [Condition(), Condition(all=()), Condition(claim="sub"), Condition(any=(Condition(),)), Condition(equals=1)],
)
def test_a_condition_that_says_nothing_never_holds(condition: Condition) -> None:
    """Nothing said is not everything allowed."""
    assert not compiled(condition)(claims())


@pytest.mark.parametrize(
    ("wanted", "value", "holds"),
    [(True, 1, False), (1, True, False), (1, 1.0, True), ("1", 1, False), ("a", ["b", "a"], True), (0, False, False)],
)
def test_values_are_compared_as_json_values(wanted: object, value: object, holds: bool) -> None:
    """true is not 1 and "1" is not 1, though in Python some of that is equal; one item of a list is enough."""
    assert compiled(Condition(claim="x", equals=wanted))({"x": value}) is holds  # type: ignore[arg-type]
    assert compiled(Condition(claim="x", one_of=(wanted,)))({"x": value}) is holds  # type: ignore[arg-type]
