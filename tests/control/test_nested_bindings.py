"""Flows and connections that operations use in a binding inside another are seen by every check of names."""

from __future__ import annotations

from typing import Any

import pytest
from control_samples import JSON, document
from processes.flows.flowing import definition

import apimgmt.asgi  # noqa: F401  registers every kind of process
from apimgmt.control.service import Control
from apimgmt.errors import Problem

KEY = "get /books"
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def shop(control: Control) -> Control:
    """An API, two flows, and two connections."""
    for name in ("paid", "other"):
        control.flows.create({"name": name, "definition": definition({"set": {"text": name}})})
    signed = {
        "type": "webhook",
        "baseUrl": "https://payments.example",
        "authentication": {"kind": "signature", "secret": SECRET},
    }
    control.connections.create({"name": "payments", **signed})
    control.connections.create({"name": "crm", "baseUrl": "https://crm.example"})
    control.upload(document(), JSON, name="shop", publish=True)
    return control


def bind(control: Control, then: dict[str, Any], connection: str = "payments") -> None:
    """What runs once a webhook is genuine."""
    control.bind("shop", {KEY: {"kind": "webhook", "connection": connection, "then": then}}, publish=True)


def refusal(change: Any, *arguments: Any) -> Problem:
    """What the change is refused with."""
    with pytest.raises(Problem) as refused:
        change(*arguments)
    return refused.value


def test_a_flow_that_a_webhook_runs_stays(shop: Control) -> None:
    """It is neither removed nor renamed, and the refusal names the operation; no longer bound it goes."""
    bind(shop, {"kind": "flow", "flow": "paid"})
    renamed = {"name": "settled", "definition": definition({"set": {"text": "paid"}})}
    for problem in (refusal(shop.flows.delete, "paid"), refusal(shop.flows.replace, "paid", renamed)):
        assert problem.status == 409
        assert f"operations are bound to 'paid': shop: {KEY};" in problem.detail
    bind(shop, {"kind": "flow", "flow": "other"})
    shop.flows.replace("paid", renamed)
    shop.flows.delete("settled")


def test_a_connection_that_a_webhook_passes_on_to_stays(shop: Control) -> None:
    """As does the one that has the secrets of the webhook."""
    bind(shop, {"kind": "proxy", "connection": "crm"})
    for name in ("crm", "payments"):
        view = shop.connections.get(name).view
        renamed = {member: view[member] for member in ("type", "baseUrl", "authentication")} | {"name": "away"}
        for change, *arguments in ((shop.connections.delete, name), (shop.connections.replace, name, renamed)):
            problem = refusal(change, *arguments)
            assert (problem.status, f"{name!r}: shop: {KEY};" in problem.detail) == (409, True)
    shop.bind("shop", {KEY: {"kind": "mock"}}, publish=True)
    shop.connections.delete("crm")
    shop.connections.delete("payments")


@pytest.mark.parametrize(
    ("then", "message"),
    [
        ({"kind": "flow", "flow": "gone"}, "there is no flow 'gone'; there are: other, paid"),
        ({"kind": "proxy", "connection": "gone"}, "there is no connection 'gone'; there are: crm, payments"),
        ({"kind": "python", "function": "apimgmt.control.createKey"}, "belong to the admin API"),
    ],
    ids=["flow", "connection", "function of the admin API"],
)
def test_what_is_not_there_is_not_bound_inside_another_either(
    shop: Control, then: dict[str, Any], message: str
) -> None:
    """Refused with the place in the body, like a binding of its own; nothing is stored."""
    problem = refusal(bind, shop, then)
    assert message in problem.detail
    assert problem.errors[0]["pointer"] == "/get ~1books"
    assert shop.operation("shop", KEY).binding == {"kind": "mock"}


def test_a_run_of_a_flow_inside_another_binding_is_drawn(shop: Control) -> None:
    """The flow is found by what the webhook runs; without one there is no picture."""
    bind(shop, {"kind": "flow", "flow": "paid"})
    run = {"api": "shop", "operation": KEY, "tasks": []}
    assert "<svg" in shop.flows.diagram_of_run(run)
    bind(shop, {"kind": "mock"})
    assert "not bound to a flow" in refusal(shop.flows.diagram_of_run, run).detail
