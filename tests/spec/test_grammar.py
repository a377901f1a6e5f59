"""The table of what stands where, and the walk that follows it."""

from __future__ import annotations

import pytest

from apimgmt.spec.grammar import CONTAINERS, TABLE, kind_at, walk


def test_the_walk_visits_objects_in_the_order_of_the_document() -> None:
    """Each with its kind and pointer; extensions, examples and names of properties are no objects of their own."""
    document = {
        "info": {"title": "t"},
        "paths": {
            "/a": {
                "get": {
                    "parameters": [{"schema": {"items": [{}, True]}}],
                    "responses": {"200": {"content": {"x/y": {"example": {"schema": {}}}}}, "x-note": {}},
                    "x-more": {"schema": {}},
                }
            },
            "x-note": {},
        },
        "components": {"schemas": {"properties": {"properties": {"properties": {}}}, "x-a": False}},
    }
    operation = "/paths/~1a/get"
    assert [(node.kind, node.pointer) for node in walk(document)] == [
        ("document", ""),
        ("path", "/paths/~1a"),
        ("operation", operation),
        ("parameter", f"{operation}/parameters/0"),
        ("schema", f"{operation}/parameters/0/schema"),
        ("schema", f"{operation}/parameters/0/schema/items/0"),
        ("schema", f"{operation}/parameters/0/schema/items/1"),
        ("response", f"{operation}/responses/200"),
        ("mediaType", f"{operation}/responses/200/content/x~1y"),
        ("components", "/components"),
        ("schema", "/components/schemas/properties"),
        ("schema", "/components/schemas/properties/properties/properties"),
        ("schema", "/components/schemas/x-a"),
    ]


@pytest.mark.parametrize(
    ("way", "kind"),
    [
        ("", "document"),
        ("paths", None),
        ("paths /a", "path"),
        ("paths /a get responses 200", "response"),
        ("components schemas A properties b items", "schema"),
        ("components schemas A properties", None),
        ("components schemas A items 0", None),
        ("definitions A allOf 3", "schema"),
        ("components callbacks c url post", "operation"),
        ("x-parts A", None),
        ("info title", None),
    ],
)
def test_the_kind_of_a_place_is_known(way: str, kind: str | None) -> None:
    """By the table alone, without the document."""
    assert kind_at(way.split()) == kind


def test_every_kind_of_the_table_is_described() -> None:
    """No field holds a kind that the table does not have; what can be referred to has a place or is put in line."""
    kinds = {kind for fields in TABLE.values() for _, kind in fields.values()}
    assert kinds <= set(TABLE)
    assert set(CONTAINERS) <= set(TABLE)


def test_wrong_shapes_do_not_stop_the_walk() -> None:
    """A list where an object belongs is not gone into; the metaschema says what is wrong."""
    assert [node.kind for node in walk({"paths": [1], "components": {"schemas": {"A": {"allOf": {"a": 1}}}}})] == [
        "document",
        "components",
        "schema",
    ]
