"""The work that one value is against one schema."""

from __future__ import annotations

import json
from typing import Any

from apimgmt.settings import Settings
from apimgmt.spec.intake.loader import load
from apimgmt.spec.lint.cost import COST_MOST, check


def codes(**schemas: Any) -> list[tuple[str, str]]:
    """Code and pointer of what is found in a document of these schemas."""
    document = load(json.dumps({"openapi": "3.1.0", "components": {"schemas": schemas}}).encode(), "", Settings())
    return [(code, pointer) for _, code, _, pointer in check(document)]


def doubling(levels: int, keyword: str = "allOf") -> dict[str, Any]:
    """Schemas of which each holds its value against the next twice."""
    schemas = {f"S{n}": {keyword: [{"$ref": f"#/components/schemas/S{n + 1}"}] * 2} for n in range(levels)}
    return {**schemas, f"S{levels}": {}}


def test_doubling_is_refused_where_it_gets_too_much() -> None:
    """Sixteen levels are less than 100,000 checks by a little, thirty are a billion."""
    assert codes(**doubling(14)) == []
    assert codes(**doubling(30)) == [("schema-cost", "/components/schemas/S0")]
    assert codes(**doubling(30, "oneOf"))


def test_many_alternatives_are_fine() -> None:
    """The cost of a list is the sum of its members: the limit passes, one more is refused."""
    assert codes(A={"anyOf": [{}] * (COST_MOST - 1)}) == []
    assert codes(A={"anyOf": [{}] * COST_MOST}) == [("schema-cost", "/components/schemas/A")]


def test_properties_and_items_do_not_count() -> None:
    """They are held against other values; a recursive schema costs nothing."""
    tree = {"type": "object", "properties": {key: {"$ref": "#/components/schemas/Tree"} for key in "abcdef"}}
    fan = {f"F{n}": {"items": {"$ref": f"#/components/schemas/F{n + 1}"}, "properties": {}} for n in range(40)}
    assert codes(Tree=tree, **fan, F40={}) == []


def test_circles_in_place_end() -> None:
    """A parent that lists its children, which extend their parent: common, and no reason to refuse."""
    children = {f"C{n}": {"allOf": [{"$ref": "#/components/schemas/P"}, {}]} for n in range(100)}
    parent = {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in children]}
    assert codes(P=parent, **children) == []
    assert codes(A={"allOf": [{"$ref": "#/components/schemas/A"}]}) == []


def test_everything_refers_to_everything() -> None:
    """A clique of circles is n factorial checks for an engine that follows them all."""
    names = [f"A{n}" for n in range(40)]
    clique = {name: {"allOf": [{"$ref": f"#/components/schemas/{other}"} for other in names]} for name in names}
    assert codes(**clique)


def test_chains_of_any_length_are_measured() -> None:
    """No recursion: a chain of 20,000 ``allOf`` is looked at like any other."""
    chain = {f"S{n}": {"allOf": [{"$ref": f"#/components/schemas/S{n + 1}"}]} for n in range(20_000)}
    assert codes(**chain, S20000={}) == []
