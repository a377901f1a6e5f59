"""Cleaning: what is taken out of a text, that a clean text stays as it is, and what it costs at worst."""

from __future__ import annotations

import time
import unicodedata
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apimgmt.spec.request.cleaning import JOINER, LONGEST_RUN, Cleaning, cleaned, compile_cleaning
from apimgmt.spec.request.multipart import UploadedFile

STEPS = ("control", "normalise", "trim")
SETS = [steps for count in (1, 2, 3) for steps in permutations(STEPS, count)]
HIDDEN = "\x00\x1b\x7f\x85\x9f\xad\u200b\u202e\u2066\u2069\u2060\ufeff\ufff9\U000e0041"
NEEDED = "\t\n\r\u200c\u200d\u200e\u200f\u061c"
# what makes steps undo each other: white space and letters beside what is removed, marks in the wrong order
TEXTS = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from(" aeK\u0301\u0323\u0344\u1e0b\u212a\u3000" + HIDDEN))
)
MARKS = st.text(st.sampled_from("e \u0301\u0323\u0344\u034f\u200b"), max_size=200)


def is_hidden(character: str) -> bool:
    """Whether nobody sees it, and no script needs it."""
    kind = unicodedata.category(character)
    return (kind == "Cc" and character not in NEEDED) or character in HIDDEN


@pytest.mark.rows("H-100")
@settings(max_examples=300, deadline=None)
@given(TEXTS | MARKS, st.sampled_from(SETS))
def test_a_clean_text_has_none_of_it_and_stays_as_it_is(text: str, steps: tuple[str, ...]) -> None:
    """No control characters, normal form C, no white space at the ends, and once is enough, whatever the steps."""
    clean = Cleaning(steps).text
    once = clean(text)
    assert clean(once) == once
    if "control" in steps:
        assert not any(map(is_hidden, once))
    if "normalise" in steps:
        assert unicodedata.is_normalized("NFC", once)
    if "trim" in steps:
        assert once == once.strip()


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_how_the_steps_are_written_decides_nothing(text: str) -> None:
    """They are a set: every order gives the same text."""
    assert len({Cleaning(steps).text(text) for steps in permutations(STEPS)}) == 1


@pytest.mark.parametrize("text", ["\u200b a", "e\u200b\u0301", "a \x00"])
def test_in_another_order_a_text_would_be_clean_at_the_second_time_only(text: str) -> None:
    """The mutant takes the steps as they were written: white space and a loose accent are left over."""

    def mutant(text: str) -> str:
        for step in ("trim", "normalise", "control"):
            text = Cleaning([step]).text(text)
        return text

    assert mutant(mutant(text)) != mutant(text)
    clean = Cleaning(STEPS).text
    assert clean(clean(text)) == clean(text) == mutant(mutant(text))


@pytest.mark.parametrize(
    ("steps", "text", "clean"),
    [
        (["trim"], " \t\u00a0a b\u3000\r\n", "a b"),
        (["trim"], "   ", ""),
        (["trim"], "\x00 e\u0301", "\x00 e\u0301"),
        (["normalise"], "e\u0301 \u212b \uac00 ", "\u00e9 \u00c5 \uac00 "),
        (["normalise"], "\ufb01 \u2460 \uff21", "\ufb01 \u2460 \uff21"),
        (["control"], "a\x00b\x1b[2J\x7f\x85", "ab[2J"),
        (["control"], "a\tb\r\nc ", "a\tb\r\nc "),
        (["control"], "user\u202etxt.exe\u2066", "usertxt.exe"),
        (["control"], "pay\u200bpal\u2060\ufeff\xad", "paypal"),
        (["control"], "hi\U000e0048\U000e0049\U000e007f", "hi"),
        (["control"], "\u0645\u06cc\u200c\u062e \U0001f468\u200d\U0001f469 \u05d0\u200e!", None),
        (["trim", "normalise", "control"], "\ufeff e\u200b\u0301 ", "\u00e9"),
    ],
)
def test_what_each_step_does(steps: list[str], text: str, clean: str | None) -> None:
    """None stands for the text itself: what Persian, emoji and mixed Hebrew are written with stays."""
    assert Cleaning(steps).text(text) == (text if clean is None else clean)


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0)])
def test_every_control_character_but_three_goes(code: int) -> None:
    """Tab, line feed and carriage return stay."""
    kept = chr(code) if chr(code) in "\t\n\r" else ""
    assert Cleaning(["control"]).text(f"a{chr(code)}b") == f"a{kept}b"


@pytest.mark.parametrize(("first", "last"), [(0x202A, 0x202E), (0x2060, 0x206F), (0xFFF9, 0xFFFB), (0xE0000, 0xE007F)])
def test_a_range_of_hidden_characters_ends_where_it_should(first: int, last: int) -> None:
    """The first and the last of it go; what is beside it stays."""
    clean = Cleaning(["control"]).text
    assert clean(chr(first) + chr(last)) == ""
    for code in (first - 1, last + 1):
        assert clean(chr(code)) == chr(code)


# ---- values ----------------------------------------------------------------------------------------------------------


def test_texts_at_any_depth_are_cleaned_and_names_are_not() -> None:
    """In objects and arrays; numbers, bytes and files stay what they are."""
    file = UploadedFile(filename=" a ", content_type="text/plain", content=b" \x00 ")
    value = {" a ": [" b ", {"c\x00": " d\x00 "}, [[" e "]], 5, None, True, b" f "], "g": " h ", "i": file}
    clean = Cleaning(["trim", "control"]).value
    assert clean(value) == {" a ": ["b", {"c\x00": "d"}, [["e"]], 5, None, True, b" f "], "g": "h", "i": file}
    assert (clean(" a "), clean(5), clean(None), clean(b" a ")) == ("a", 5, None, b" a ")


def test_depth_is_no_limit_of_cleaning() -> None:
    """It is bounded where a body is read; here nothing is called for each level."""
    value: Any = [" a "]
    for number in range(50_000):
        value = [value] if number % 2 else {"x": value}
    found = Cleaning(["trim"]).value(value)
    while found != ["a"]:
        found = found[0] if isinstance(found, list) else found["x"]


def test_without_steps_there_is_nothing() -> None:
    """An operation without cleaning has the very function that reads."""
    assert compile_cleaning(()) is None
    assert cleaned(str.upper, None) is str.upper
    assert cleaned(str.upper, compile_cleaning(["trim"]))(" a ") == "A"


# ---- what it costs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [LONGEST_RUN, LONGEST_RUN + 1])
def test_marks_are_sorted_up_to_the_limit_of_a_run(count: int) -> None:
    """At the limit all change places, as Unicode says; past it the run is divided (UAX #15 section 13)."""
    text = "a" + "\u0315" * (count - 1) + "\u0323"
    clean = Cleaning(["normalise"]).text(text)
    if count == LONGEST_RUN:
        assert clean == unicodedata.normalize("NFC", text) == "\u1ea1" + "\u0315" * (count - 1)
    else:
        assert clean == "a" + "\u0315" * (count - 1) + JOINER + "\u0323"
    assert unicodedata.is_normalized("NFC", clean)


@pytest.mark.parametrize("marks", ["\u0315\u0300", "\u0344", "\u0323\U0001d16e"], ids=["unsorted", "double", "astral"])
def test_a_megabyte_of_marks_takes_no_minutes(marks: str) -> None:
    """Python sorts the marks of a run in quadratic time: this one in several minutes. The bound is a generous one."""
    text = "a" + marks * (1_000_000 // len(marks.encode()))
    began = time.process_time()
    clean = Cleaning(STEPS).text(text)
    assert time.process_time() - began < 20
    assert unicodedata.is_normalized("NFC", clean)
