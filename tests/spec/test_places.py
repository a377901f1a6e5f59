"""Line and column of values in JSON and YAML."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimgmt.settings import Settings
from apimgmt.spec.intake.places import JsonPlaces
from apimgmt.spec.intake.yaml12 import read


def values(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """JSON values whose strings and names are of ``texts``."""
    return st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63) | texts,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=20,
    )


def every_way(value: Any, way: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The tokens that lead to each value."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way] + [found for key, inner in members for found in every_way(inner, (*way, str(key)))]


@given(values(st.text(max_size=5)), st.sampled_from([None, 0, 2]))
def test_json_places_are_where_the_text_goes_on_with_the_member(value: Any, indent: int | None) -> None:
    """At the place of each member stands its name, at that of each item its value, whatever the layout."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    places = JsonPlaces(text)
    lines = text.split("\n")
    for way in every_way(value):
        line, column = places.find(way)
        rest = "\n".join([lines[line - 1][column - 1 :], *lines[line:]])
        here = value
        for token in way[:-1]:
            here = here[int(token)] if isinstance(here, list) else here[token]
        if way and isinstance(here, dict):
            assert rest.startswith(json.dumps(way[-1], ensure_ascii=False))
        elif way:
            assert rest.startswith(json.dumps(here[int(way[-1])], indent=indent, ensure_ascii=False)[:1])


@given(values(st.text(st.characters(codec="ascii", exclude_characters="\x7f"), max_size=5)))
def test_yaml_and_json_agree_on_json(value: Any) -> None:
    """A JSON text read as YAML gives the same places (YAML 1.2 contains JSON, but for characters it forbids)."""
    text = json.dumps(value)
    source = read(text, Settings())
    assert source.root == value
    for way in every_way(value):
        assert source.places.find(way) == JsonPlaces(text).find(way)


@pytest.mark.parametrize("way", [["b"], ["a", "5"], ["a", "x"], ["a", "0", "y"]])
def test_a_way_to_nothing_ends_at_the_last_thing_there_is(way: list[str]) -> None:
    """Findings about what is missing point at what it is missing from."""
    text = '{\n"a": [\n{}]}'
    expected = {"b": (1, 1), "5": (2, 1), "x": (2, 1), "y": (3, 1)}[way[-1]]
    assert JsonPlaces(text).find(way) == expected
    assert read(text, Settings()).places.find(way) == expected
