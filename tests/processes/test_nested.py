"""Bindings inside bindings, found at any depth and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

import apimgmt.processes.flow
import apimgmt.processes.mock
import apimgmt.processes.webhook  # noqa: F401  importing a kind registers it
from apimgmt.model import Binding
from apimgmt.processes.nested import with_nested, written

FLOW = {"kind": "flow", "flow": "paid"}


def kinds(value: dict[str, Any]) -> list[str]:
    """The kinds of a binding and of those in it."""
    return [one.kind for one in with_nested(written(value))]


def test_a_binding_inside_another_is_found() -> None:
    """With its own fields, after the one that it is in."""
    outer = {"kind": "webhook", "connection": "payments", "then": FLOW}
    assert list(with_nested(written(outer))) == [
        Binding(kind="webhook", config={"connection": "payments", "then": FLOW}),
        Binding(kind="flow", config={"flow": "paid"}),
    ]


def test_depth_is_no_limit() -> None:
    """What cannot be built, such as a webhook in a webhook, is walked all the same, and without recursion."""
    value: dict[str, Any] = FLOW
    for _ in range(5_000):
        value = {"kind": "webhook", "connection": "payments", "then": value}
    assert kinds(value) == ["webhook"] * 5_000 + ["flow"]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"kind": "mock", "then": FLOW}, ["mock"]),
        ({"kind": "flow", "definition": {"do": [{"a": {"set": {"then": FLOW}}}], "then": FLOW}}, ["flow"]),
        ({"kind": "gone", "then": FLOW}, ["gone"]),
        ({"then": FLOW}, [""]),
        ({"kind": "webhook", "then": "flow"}, ["webhook"]),
        ({"kind": "webhook", "then": {"flow": "paid"}}, ["webhook", ""]),
    ],
    ids=["another field", "inside a flow", "an unknown kind", "no kind", "a text", "no kind inside"],
)
def test_only_what_a_kind_runs_is_a_binding(value: dict[str, Any], found: list[str]) -> None:
    """Data that looks like a binding is none, and nothing raises."""
    assert kinds(value) == found
