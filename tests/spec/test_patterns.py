"""ECMA-262 patterns in the linear-time engine."""

from __future__ import annotations

import time

import jsonschema_rs
import pytest

from apimgmt.spec.patterns import ENGINE, linear_pattern, needs_slash, unquoted


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        (r"^\d+$", ["1"], ["٣", "1\n", ""]),
        (r"^\w$", ["a", "_"], ["é"]),
        (r"^\s$", ["\u00a0", "\ufeff"], ["a"]),
        (r"^.$", ["a", "é"], ["\n", "\r", "\u2028"]),
        (r"^[^]$", ["\n", "a"], [""]),
        (r"^[]$", [], ["", "a"]),
        (r"^a\/b\-c\_d\@\<\>$", ["a/b-c_d@<>"], ["ab"]),
        (r"^(?<year>\d{4})$", ["2024"], ["24"]),
        (r"^\u0041\x42\u{43}\cA\0$", ["ABC\x01\x00"], ["ABC"]),
        (r"^\ud83d\ude00$", ["😀"], [""]),
        (r"^a{,3}{$", ["a{,3}{"], ["aaa"]),
        (r"^[\w-.]+$", ["a-.b"], ["+"]),
        (r"^[a-z&&[^b]]$", ["&]", "a]"], ["a"]),
        (r"^[a-\d-]$", ["a", "-", "7"], ["b"]),
        (r"^[a-c-e]$", ["b", "-", "e"], ["d"]),
        (r"^[\b]$", ["\b"], ["b"]),
        (r"^\p{Lu}$", ["É"], ["é"]),
        (r"\A\d\Z", ["1"], ["12"]),
        (r"^[~~+--/]$", ["~", "+", ",", "-", "/"], ["."]),
    ],
)
def test_pattern_means_what_ecma_262_says(pattern: str, fits: list[str], fits_not: list[str]) -> None:
    """Each construct keeps its meaning, also where the engine's own syntax reads it differently or not at all."""
    translated = linear_pattern(pattern)
    assert translated is not None
    validator = jsonschema_rs.Draft202012Validator({"pattern": translated}, pattern_options=ENGINE)
    assert [text for text in fits if not validator.is_valid(text)] == []
    assert [text for text in fits_not if validator.is_valid(text)] == []


@pytest.mark.parametrize(
    "pattern", ["(?=a)", "(?!a)b", "(?<=a)b", r"(a)\1", r"(?<n>a)\k<n>", "(", "[a", "a\\", "*", "[b-a]", r"\ud83d"]
)
def test_pattern_without_linear_form_is_none(pattern: str) -> None:
    """Lookaround, backreferences and what is no pattern have no translation."""
    assert linear_pattern(pattern) is None


def test_pattern_too_large_for_the_engine_is_none() -> None:
    """Nested counts that would fill the memory are refused by the engine, and so here."""
    assert linear_pattern("((a{1,1000}){1,1000}){1,1000}") is None


def test_evil_pattern_takes_no_time() -> None:
    """The classic exponential pattern answers at once on a long text; a backtracking engine would never come back."""
    translated = linear_pattern("^(a+)+$")
    validator = jsonschema_rs.Draft202012Validator({"pattern": translated}, pattern_options=ENGINE)
    start = time.perf_counter()
    assert not validator.is_valid("a" * 50_000 + "b")
    assert time.perf_counter() - start < 1.0


@pytest.mark.parametrize(
    ("pattern", "needed"),
    [
        ("^a/b$", True),
        (r"^a\/b$", True),
        ("^(a/b)$", True),
        ("^(?:a/b)+$", True),
        ("^(a|b)/(c)$", True),
        (r"^a\/[b-d]*$", True),
        (r"^a/\d?$", True),
        ("^a/(b)*$", True),
        ("^[^/]+$", False),
        ("^a[/]$", False),
        ("^a/?$", False),
        ("^a/{0,1}$", False),
        ("^(a/b)?$", False),
        ("^(a/b|c)$", False),
        ("^x:((a/b)|(c/d)|/)$", True),
        ("^a/b|c/d$", True),
        ("^a/b|c$", False),
        ("^(?!a/b).*$", False),
        (r"^a\\b$", False),
        ("", False),
        ("x" * 1_999 + "/", True),
        ("x" * 2_000 + "/", False),
        ("(" * 2_000, False),
    ],
)
def test_whether_a_text_must_have_a_slash(pattern: str, needed: bool) -> None:
    """Only a slash outside of classes, alternatives and options is certain; long patterns are not looked at."""
    assert needs_slash(pattern) is needed


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        (r"/^\d{4}$/", r"^\d{4}$"),
        ("/^a$/gi", "(?i)^a$"),
        ("/^a$/g", "^a$"),
        ("/a/", "/a/"),
        ("/^a/", "/^a/"),
        ("^/a/$", "^/a/$"),
        ("/^a$/b", "/^a$/b"),
    ],
)
def test_a_literal_of_javascript_loses_its_slashes(pattern: str, meant: str) -> None:
    """Only where nothing could match it otherwise: a slash before the beginning and behind the end."""
    assert unquoted(pattern) == meant
