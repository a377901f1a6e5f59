"""Splitting of texts: before decoding, by the style alone."""

from __future__ import annotations

import pytest

from apimgmt.spec.request import styles
from apimgmt.spec.request.styles import Unreadable


@pytest.mark.parametrize(
    ("text", "value"), [("a", "a"), ("a%20b", "a b"), ("%C3%A9", "é"), ("%2525", "%25"), ("a+b", "a+b"), ("", "")]
)
def test_percent_encoding_is_undone_once(text: str, value: str) -> None:
    """Each triplet is one byte, bytes are UTF-8, nothing is decoded twice, a plus is a plus."""
    assert styles.percent_decoded(text) == value


def test_in_forms_a_plus_is_a_space() -> None:
    """`+` is a space, `%2B` is a plus."""
    assert styles.form_decoded("a+b%2Bc") == "a b+c"


@pytest.mark.parametrize("text", ["%", "%4", "%zz", "100%", "%C3", "%FF", "%ED%A0%80", "%C0%AF"])
def test_broken_encodings_are_refused(text: str) -> None:
    """A triplet that is none, and bytes that are not UTF-8 (overlong forms and surrogates too), are not guessed at."""
    with pytest.raises(Unreadable) as caught:
        styles.percent_decoded(text)
    assert caught.value.code == "encoding"


@pytest.mark.rows("F-095", "F-096", "F-097", "F-098")
@pytest.mark.parametrize(
    ("style", "explode", "text", "items"),
    [
        ("form", False, "a,b", ["a", "b"]),
        ("form", False, "a,b%2Cc", ["a", "b%2Cc"]),
        ("form", False, "a%2Cb%2cc", ["a", "b", "c"]),
        ("form", False, "", []),
        ("form", False, "a,", ["a", ""]),
        ("simple", False, "a,b", ["a", "b"]),
        ("spaceDelimited", False, "a%20b+c d", ["a", "b", "c", "d"]),
        ("tabDelimited", False, "a%09b\tc", ["a", "b", "c"]),
        ("pipeDelimited", False, "a|b%7Cc%7cd", ["a", "b", "c", "d"]),
        ("label", False, ".a,b", ["a", "b"]),
        ("label", False, ".a.b", ["a", "b"]),
        ("label", True, ".a.b,c", ["a", "b,c"]),
        ("label", True, ".", []),
        ("matrix", False, ";n=a,b", ["a", "b"]),
        ("matrix", True, ";n=a;n=b", ["a", "b"]),
        ("matrix", False, ";n", []),
    ],
)
def test_items_by_style(style: str, explode: bool, text: str, items: list[str]) -> None:
    """Each style has its separator; an item may hold it encoded."""
    assert styles.splitter(style, explode, "n", form=True)(text) == items


def test_outside_of_forms_an_encoded_comma_is_data() -> None:
    """In a path nobody encodes for a form: `%2C` is always part of an item."""
    assert styles.splitter("simple", False, "n")("a%2Cb") == ["a%2Cb"]


@pytest.mark.parametrize(
    ("style", "explode", "text"),
    [
        ("label", False, "a"),
        ("matrix", False, "n=a"),
        ("matrix", False, ";m=a"),
        ("matrix", True, ";n=a;m=b"),
    ],
)
def test_a_text_of_another_style_is_refused(style: str, explode: bool, text: str) -> None:
    """A prefix or name that is not there is a violation, not an empty value."""
    with pytest.raises(Unreadable) as caught:
        styles.splitter(style, explode, "n")(text)
    assert caught.value.code == "style"


@pytest.mark.parametrize(
    ("style", "explode", "text"),
    [
        ("simple", False, "a,1,b"),
        ("simple", True, "a=1,b"),
        ("label", True, ".a.b"),
        ("matrix", False, ";m=a,1"),
        ("matrix", True, "a=1"),
    ],
)
def test_an_object_needs_names_and_values(style: str, explode: bool, text: str) -> None:
    """An odd number of parts, or a part without `=`, is refused."""
    with pytest.raises(Unreadable):
        styles.pairs(style, explode, "n")(text)
