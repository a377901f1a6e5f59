"""Access policies as people make them (apimgmt/control/accesspolicies.py)."""

from __future__ import annotations

from typing import Any

import pytest
from control_samples import JSON, document
from test_applications import SHOP
from test_issuers import PASTED, published

from apimgmt.archive import Archive
from apimgmt.control.service import Control
from apimgmt.errors import Problem
from apimgmt.model import AccessPolicyEntry, Condition, Rule

EDITORS: dict[str, Any] = {
    "name": "editors",
    "targets": [{"methods": ["get"], "path": "/shop/**"}],
    "applications": ["shop"],
    "roles": ["editor"],
    "condition": {"any": [{"claim": "tenant", "equals": "acme"}, {"claim": "org.unit", "startsWith": "sales-"}]},
}


def nested(depth: int) -> dict[str, Any]:
    """A condition of so many levels."""
    condition: dict[str, Any] = {"claim": "a", "equals": 1}
    for _ in range(depth - 1):
        condition = {"all": [condition]}
    return condition


def test_a_policy_reaches_the_gateway(control: Control, archive: Archive) -> None:
    """Applications by id, methods in capitals; an API by its id, whatever it is called."""
    control.issuers.create(PASTED)
    shop = control.applications.create(SHOP).view["id"]
    api = control.upload(document("a"), JSON, name="shop-api").id
    made = control.access_policies.create(EDITORS).view
    assert made["applications"] == ["shop"]
    whole = control.access_policies.create({"name": "whole", "targets": [{"api": "shop-api"}], "applications": [shop]})
    assert (whole.view["targets"][0]["api"], whole.view["applications"]) == (api, ["shop"])
    editors, rest = published(archive).access_policies
    assert editors == AccessPolicyEntry(
        id=made["id"],
        name="editors",
        targets=(Rule(methods=("GET",), path="/shop/**"),),
        applications=(shop,),
        roles=("editor",),
        condition=Condition(
            any=(Condition(claim="tenant", equals="acme"), Condition(claim="org.unit", starts_with="sales-"))
        ),
    )
    assert (rest.applications, rest.targets[0].api) == ((shop,), api)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"targets": []}, "/targets"),
        ({"targets": [{}]}, "/targets/0/path"),
        ({"targets": [{"path": "/a"}, {"path": "shop"}]}, "/targets/1/path"),
        ({"applications": ["nobody"]}, "/applications/0"),
        ({"condition": {}}, "/condition"),
        ({"condition": {"claim": "a"}}, "/condition"),
        ({"condition": {"equals": 1}}, "/condition"),
        ({"condition": {"claim": "a", "oneOf": []}}, "/condition"),
        ({"condition": {"all": [{"claim": "a", "equals": 1}, {"any": []}]}}, "/condition/all/1"),
        ({"condition": nested(11)}, "/condition" + "/all/0" * 10),
        ({"condition": {"any": [{"claim": "a", "equals": 1}] * 100}}, "/condition/any/0"),
    ],
)
def test_what_could_not_work_is_refused_with_its_place(control: Control, change: Any, pointer: str) -> None:
    """400, and nothing is kept."""
    control.issuers.create(PASTED)
    control.applications.create(SHOP)
    with pytest.raises(Problem) as caught:
        control.access_policies.create({**EDITORS, **change})
    assert (caught.value.code, caught.value.errors[0]["pointer"]) == ("validation", pointer)
    assert control.access_policies.all() == []


def test_the_largest_conditions_are_taken(control: Control) -> None:
    """10 levels, and 100 parts."""
    targets = [{"path": "/**"}]
    control.access_policies.create({"name": "deep", "targets": targets, "condition": nested(10)})
    wide = {"any": [{"claim": "a", "equals": number} for number in range(99)]}
    control.access_policies.create({"name": "wide", "targets": targets, "condition": wide})


def test_an_application_stays_while_a_policy_names_it(control: Control, archive: Archive) -> None:
    """Taken out of the list, a policy for one application would become one for all."""
    control.issuers.create(PASTED)
    control.applications.create(SHOP)
    control.access_policies.create(EDITORS)
    with pytest.raises(Problem, match="editors"):
        control.applications.delete("shop")
    with pytest.raises(Problem, match="editors"):
        control.applications.replace("shop", {**SHOP, "name": "renamed"})
    control.access_policies.delete("editors")
    control.applications.delete("shop")
    assert published(archive).access_policies == ()
