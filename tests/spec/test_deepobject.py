"""Objects that are spread over several fields."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.settings import Settings
from apimgmt.spec.request.deepobject import ABSENT, deep, spread
from apimgmt.spec.request.fields import in_query, split
from apimgmt.spec.request.styles import Unreadable, form_decoded
from apimgmt.spec.request.values import Caster
from apimgmt.spec.validation.validator import Validators

NODE = {
    "type": "object",
    "properties": {
        "size": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "integer"}},
        "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
        "next": {"$ref": "#/$defs/Node"},
    },
}


def read(schema: Any, text: str, name: str = "q", settings: Settings | None = None) -> Any:
    """What `deep` makes of a query."""
    caster = Caster(Validators({"Node": NODE}), settings or Settings(), form_decoded)
    return deep(caster, name, schema)(split(text, [], in_query))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("q[size]=1", {"size": 1}),
        ("q%5Bsize%5D=1&other=2", {"size": 1}),
        ("q[next][next][size]=3", {"next": {"next": {"size": 3}}}),
        ("q[tags]=1&q[tags]=2", {"tags": [1, 2]}),
        ("q[tags][]=1&q[tags][]=2", {"tags": [1, 2]}),
        ("q[tags][1]=2&q[tags][0]=1", {"tags": [1, 2]}),
        ("q[children][0][size]=1&q[children][1][tags][]=2", {"children": [{"size": 1}, {"tags": [2]}]}),
        ("q[a+b]=x%20y", {"a b": "x y"}),
        ("q[new][er]=5", {"new": {"er": "5"}}),
        ("q[size]=x", {"size": "x"}),
    ],
)
def test_deep_objects(text: str, value: Any) -> None:
    """Objects in objects, arrays in the three ways they are written, recursive schemas; cast by the schema."""
    assert read({"$ref": "#/$defs/Node"}, text) == value


def test_names_in_the_brackets_are_no_items() -> None:
    """What is written as an object belongs to no array."""
    assert read({"type": "array", "items": {}}, "q[a]=1&q[b]=2") is ABSENT


def test_an_array_of_objects_as_a_property() -> None:
    """As JSON, whole or item by item, because no style says how it is written."""
    schema = {"type": "object", "properties": {"list": {"type": "array", "items": NODE}}}
    for text in ('q[list]=[{"size":1},{"size":2}]', 'q[list]={"size":1}&q[list]={"size":2}'):
        assert read(schema, text) == {"list": [{"size": 1}, {"size": 2}]}


@pytest.mark.parametrize("text", ["q[]=1&q[]=2", "q[0]=1&q[1]=2", "q%5B1%5D=2&q%5B0%5D=1"])
def test_deep_arrays(text: str) -> None:
    """An array of style deepObject, as Stripe and PHP write it; cast item by item."""
    assert read({"type": "array", "items": {"type": "integer"}}, text) == [1, 2]


@pytest.mark.parametrize("text", ["", "x[size]=1", "qq[size]=1", "q=1"])
def test_nothing_of_that_name(text: str) -> None:
    """Fields of another name are left alone."""
    assert read(NODE, text) is ABSENT


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("q[size=1", "style"),
        ("q[size]x=1", "style"),
        ("q[size]]=1", "style"),
        ("q[size]=1&q[size]=2", "repeated"),
        ("q[next]=1&q[next][size]=2", "style"),
        ("q[next][size]=2&q[next]=1", "style"),
        ("q[size][x]=2", "style"),
        ("q[tags][2]=2", "style"),
        ("q[tags][0]=2&q[tags][2000000000]=2", "style"),
        ("q[tags][x]=2", "style"),
        ("q[size]=%FF", "encoding"),
    ],
)
def test_what_is_not_well_written(text: str, code: str) -> None:
    """Brackets that do not close, gaps in the numbers, and two readings at once are refused."""
    with pytest.raises(Unreadable) as caught:
        read(NODE, text)
    assert caught.value.code == code


def test_the_limit_of_depth() -> None:
    """As deep as a JSON body may be, and not one deeper."""
    settings = Settings(json_depth=3)
    assert read(NODE, "q[next][next][size]=3", settings=settings)
    with pytest.raises(Unreadable):
        read(NODE, "q[next][next][next][size]=3", settings=settings)


@pytest.mark.parametrize(
    ("schema", "text", "value", "left"),
    [
        ({"properties": {"a": {"type": "integer"}}}, "a=1&b=2", {"a": 1}, ["b"]),
        ({"properties": {"a": {}}, "additionalProperties": True}, "a=1&b=2", {"a": "1", "b": "2"}, []),
        ({"properties": {"a": {}}, "additionalProperties": False}, "a=1&b=2", {"a": "1"}, ["b"]),
        ({"type": "object"}, "b=2&mine=1", {"b": "2"}, ["mine"]),
        ({"additionalProperties": {"type": "integer"}}, "b=2", {"b": 2}, []),
        ({"properties": {"a": {"type": "array", "items": {"type": "integer"}}}}, "a=1&a=2", {"a": [1, 2]}, []),
        ({"properties": {"mine": {"type": "integer"}}}, "mine=1", ABSENT, ["mine"]),
        ({"properties": {"a": {}}}, "", ABSENT, []),
    ],
)
def test_exploded_objects(schema: Any, text: str, value: Any, left: list[str]) -> None:
    """Declared properties are taken; others only where the document speaks of them; never another's parameter."""
    fields = split(text, [], in_query)
    caster = Caster(Validators({}), Settings(), form_decoded)
    assert spread(caster, schema, frozenset(("mine",)))(fields) == value
    assert list(fields) == left
