"""Media types in every spelling, ranges, and the kind of content."""

from __future__ import annotations

import pytest

from apimgmt.spec import media


@pytest.mark.parametrize(
    ("text", "name", "parameters"),
    [
        ("application/json", "application/json", {}),
        ("Application/JSON", "application/json", {}),
        (" application/json ; charset=UTF-8", "application/json", {"charset": "UTF-8"}),
        ('text/plain;charset="utf-8"', "text/plain", {"charset": "utf-8"}),
        ('multipart/form-data; boundary="a;b\\"c"', "multipart/form-data", {"boundary": 'a;b"c'}),
        ("text/plain;", "text/plain", {}),
        ("*/*", "*/*", {}),
        ("application/*+json", "application/*+json", {}),
    ],
)
def test_reading(text: str, name: str, parameters: dict[str, str]) -> None:
    """Case, white space and quotes make no difference (RFC 9110, 8.3.1)."""
    assert media.read(text) == (name, parameters)


@pytest.mark.parametrize(
    "text", ["", "json", "a/b/c", "a/b; c", "a /b", "application/json, text/plain", 'a/b; c="d', "a/b; c=d; C=e"]
)
def test_what_is_no_media_type(text: str) -> None:
    """What the grammar does not allow is not guessed at."""
    assert media.read(text) is None


@pytest.mark.parametrize(
    ("range_", "name", "matches"),
    [
        ("application/json", "application/json", True),
        ("application/json", "application/problem+json", False),
        ("application/*", "application/json", True),
        ("text/*", "application/json", False),
        ("*/*", "image/png", True),
        ("application/*+json", "application/problem+json", True),
        ("application/*+json", "application/json", False),
    ],
)
def test_ranges(range_: str, name: str, matches: bool) -> None:
    """A range covers its types; a suffix pattern those with the suffix."""
    read = media.read(range_)
    assert read is not None and read.matches(name) is matches


def test_the_more_precise_range_comes_first() -> None:
    """`*/*` is behind `type/*`, then come a suffix pattern, a type, and a type with parameters."""
    order = ["*/*", "application/*", "application/*+json", "application/json", "application/json;v=1"]
    precisions = [read.precision for text in order if (read := media.read(text)) is not None]
    assert precisions == sorted(precisions) and len(set(precisions)) == 5


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("application/json", "json"),
        ("Application/JSON; charset=x", "json"),
        ("application/vnd.api+json", "json"),
        ("text/json", "json"),
        ("application/x-www-form-urlencoded", "form"),
        ("multipart/form-data; boundary=x", "multipart"),
        ("multipart/mixed", "other"),
        ("text/xml", "xml"),
        ("application/atom+xml", "xml"),
        ("text/plain", "text"),
        ("application/x-ndjson", "other"),
        ("application/pdf", "other"),
    ],
)
def test_categories(name: str, category: str) -> None:
    """The kind of content follows from name or suffix."""
    assert media.category(name) == category
