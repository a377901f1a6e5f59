"""Values of a document in the shape they should have."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.spec import shape


@pytest.mark.parametrize(("value", "text"), [("a", "a"), (1.0, "1.0"), (2, "2"), (True, ""), (None, ""), ([], "")])
def test_text(value: Any, text: str) -> None:
    """Numbers count as text, because versions are written as such; nothing else does."""
    assert shape.text(value) == text


def test_mapping_drops_extensions_and_members_keeps_them() -> None:
    """``x-`` means an extension only where names are given by the specification."""
    assert shape.mapping({"a": 1, "x-b": 2}) == {"a": 1}
    assert shape.members({"a": 1, "x-b": 2}) == {"a": 1, "x-b": 2}


@pytest.mark.parametrize("value", [None, 1, "a", [], {}])
def test_wrong_shapes_read_as_absent(value: Any) -> None:
    """Whatever is given, an object, an array and strings come out."""
    assert shape.mapping(value) == shape.members(value) == {}
    assert shape.items(value) == shape.texts(value) == []


def test_texts_are_the_strings_of_an_array() -> None:
    """Other items are left out."""
    assert shape.texts(["a", 1, None, "b"]) == ["a", "b"]
