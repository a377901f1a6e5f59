"""Pointers, percent-encoding, references on the way, identifiers and anchors."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.spec.references import References

ROOT: dict[str, Any] = {
    "components": {
        "schemas": {
            "A": {"properties": {"b": {"$ref": "#/components/schemas/B"}}},
            "B": {"properties": {"c": {"type": "integer"}}},
            "Ä b": {"type": "string"},
        },
        "parameters": {"P": {"$ref": "#/components/parameters/Q"}, "Q": {"name": "q"}, "L": {"$ref": "#/loop"}},
    },
    "paths": {"/x/{id}": {"parameters": [{"name": "id"}]}},
    "loop": {"$ref": "#/components/parameters/L"},
}


@pytest.mark.parametrize(
    ("reference", "pointer"),
    [
        ("#/paths/~1x~1{id}/parameters/0", "/paths/~1x~1{id}/parameters/0"),
        ("#/paths/~1x~1%7Bid%7D/parameters/0", "/paths/~1x~1{id}/parameters/0"),
        ("#/components/schemas/%C3%84%20b", "/components/schemas/Ä b"),
        ("#/components/schemas/A/properties/b/properties/c", "/components/schemas/B/properties/c"),
        ("#", ""),
    ],
)
def test_pointer_leads_to_its_canonical_place(reference: str, pointer: str) -> None:
    """Percent-encoding is undone, and a step that is not in an object is looked for behind its reference."""
    target = References(ROOT, "3.0").find(reference)
    assert target is not None
    assert target.pointer == pointer


@pytest.mark.parametrize(
    "reference", ["#/nope", "#/paths/~1x~1{id}/parameters/1", "#/paths/~1x~1{id}/parameters/-1", "other.json", "#x"]
)
def test_reference_to_nothing_is_none(reference: str) -> None:
    """What is not in the document, or not a pointer, leads nowhere instead of failing."""
    assert References(ROOT, "3.0").find(reference) is None


def test_follow_goes_to_the_end_and_stops_in_a_loop() -> None:
    """Reference Objects are followed to the end; a loop and a value of another shape read as an empty object."""
    references = References(ROOT, "3.0")
    assert references.follow({"$ref": "#/components/parameters/P"}) == {"name": "q"}
    assert references.follow({"$ref": "#/loop"}) == {}
    assert references.follow("nonsense") == {}


def test_identifiers_and_anchors_of_3_1() -> None:
    """``$id`` makes a base, ``$anchor`` a name in it; a relative reference is read against the nearest base."""
    root = {
        "components": {
            "schemas": {
                "Tree": {"$id": "https://example.com/tree", "$defs": {"leaf": {"$anchor": "leaf", "type": "null"}}},
                "Plain": {"$anchor": "plain"},
                "Named": {"properties": {"$id": {"type": "string"}}},
            }
        }
    }
    references = References(root, "3.1")
    leaf = "/components/schemas/Tree/$defs/leaf"
    for reference, base in (
        ("https://example.com/tree#leaf", ""),
        ("tree#leaf", "https://example.com/forest"),
        ("#leaf", "https://example.com/tree"),
        ("#/$defs/leaf", "https://example.com/tree"),
    ):
        target = references.find(reference, base)
        assert target is not None and target.pointer == leaf
    plain = references.find("#plain")
    assert plain is not None and plain.pointer == "/components/schemas/Plain"
    assert references.find("#leaf") is None


def test_identifiers_mean_nothing_before_3_1() -> None:
    """OpenAPI 3.0 has no ``$id``: a reference to one leads nowhere."""
    assert References({"a": {"$id": "urn:a"}}, "3.0").find("urn:a") is None
    assert References({"a": {"$id": "urn:a"}}, "3.1").find("urn:a") is not None
