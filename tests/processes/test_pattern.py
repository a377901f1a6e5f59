"""Texts made from patterns."""

from __future__ import annotations

import time
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimgmt.processes.sampling.pattern import LONGEST, example, judged, matches

KNOWN = [
    r"^[A-Z]{3}-\d{4}$",
    r"^(foo|bar)+\s*x?$",
    r"^\p{Lu}\p{L}*$",
    r"^[^a-z]+$",
    r"^\+?[1-9]\d{1,14}$",
    r"^#[0-9a-fA-F]{6}$",
    r"^(?P<year>\d{4})-(0[1-9]|1[0-2])$",
    r"^[\w.+-]+@[\w-]+\.[\w.]+$",
    r"^$",
    r"\d{3,}?",
    r"^\x41\t$",
    r"[\]a-]",
    r"^\W\D\S$",
    r"^(?:a|b){2}\.\/$",
    r"a|b|",
    r"^a{2,3}b{0}$",
    r"^\bword\b$",
    r"(?i)^ab$",
    r"\Ax{2}\z",
]


@pytest.mark.parametrize("pattern", KNOWN)
@pytest.mark.parametrize("seed", range(3))
def test_matches(pattern: str, seed: int) -> None:
    """What is made matches, by RE2's judgement, and is the same for the same seed."""
    made = example(pattern, Random(seed))
    assert made is not None
    assert matches(pattern, made)
    assert made == example(pattern, Random(seed))


@pytest.mark.parametrize(("shortest", "longest"), [(0, 3), (3, 3), (40, 45), (100, 100)])
def test_length(shortest: int, longest: int) -> None:
    """A repeat grows to the length that the schema wants, exactly if need be."""
    made = example("^[a-z]+$", Random(1), shortest, longest)
    assert made is not None
    assert shortest <= len(made) <= longest


@pytest.mark.parametrize("pattern", [r"(a)\1", "[", "(((", ")", "a{2", "\\", r"\p", "^a$b", f"a{{{LONGEST + 1}}}"])
def test_nothing_can_be_made(pattern: str) -> None:
    """A pattern that is broken, refers back, or matches nothing gives None; a brace that counts nothing is a brace."""
    made = example(pattern, Random(1))
    assert made is None or matches(pattern, made)
    assert (made is None) == (pattern != "a{2")


@pytest.mark.parametrize("pattern", ["(" * 5000, "(()*)*" * 50, "(a{1000}){1000}", "((((a*)*)*)*)*", f"a{{{LONGEST}}}"])
def test_hostile_patterns(pattern: str) -> None:
    """Nesting and counting cannot be made to take long or to fill the memory."""
    started = time.perf_counter()
    made = example(pattern, Random(1))
    assert time.perf_counter() - started < 2
    assert made is None or len(made) <= LONGEST


@given(st.text(alphabet="ab()[]{}*+?|^$.\\-,0123pPuxdw", max_size=15))
def test_any_pattern(pattern: str) -> None:
    """Whatever a document calls a pattern, there is a text that matches or None, and never an exception."""
    made = example(pattern, Random(1))
    assert made is None or matches(pattern, made)


def test_a_property_without_a_name_is_a_letter() -> None:
    """``\\p\\{C\\}``, escaped once too often, reads as ECMA-262 reads it: the letter p and two braces."""
    assert example(r"^\p\{C\}$", Random(1)) == "p{C}"


@pytest.mark.parametrize(
    ("pattern", "known"), [("a{1000}", True), ("a{1001}", False), ("(?=a)", False), ("[a-z]", True)]
)
def test_judged(pattern: str, known: bool) -> None:
    """What RE2 cannot judge is told apart from what matches."""
    assert judged(pattern) is known
