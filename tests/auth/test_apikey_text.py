"""The text of an API key (apimgmt/auth/keytext.py)."""

from __future__ import annotations

import math

import pytest

from apimgmt.auth.keytext import ALPHABET, ENVIRONMENT, RANDOM_LENGTH, environment_of, hint, make


@pytest.mark.rows("H-096")
def test_a_text_has_256_random_bits_and_is_found_by_a_scanner() -> None:
    """Prefix, environment, 43 characters of 62, checksum; no two are alike."""
    assert RANDOM_LENGTH * math.log2(len(ALPHABET)) >= 256
    texts = {make("production") for _ in range(200)}
    assert len(texts) == 200
    for text in texts:
        prefix, environment, random, checksum = text.split("_")
        assert (prefix, environment, len(random), len(checksum)) == ("apim", "production", RANDOM_LENGTH, 6)
        assert set(random + checksum) <= set(ALPHABET)


def test_one_wrong_character_is_noticed() -> None:
    """Any character replaced, two neighbours swapped, one left out or one too many."""
    text = make("default")
    assert environment_of(text) == "default"
    for index in range(len("apim_default_"), len(text)):
        other = "x" if text[index] != "x" else "y"
        assert environment_of(text[:index] + other + text[index + 1 :]) is None
        assert environment_of(text[:index] + text[index + 1 :]) is None
        assert environment_of(text[:index] + "x" + text[index:]) is None
    body = text[len("apim_default_") :]
    for index in range(len(body) - 1):
        swapped = body[:index] + body[index + 1] + body[index] + body[index + 2 :]
        assert swapped == body or environment_of("apim_default_" + swapped) is None


@pytest.mark.parametrize("environment", ["a", "default", "eu-west-1", "a" * 32])
def test_an_environment_can_be_read_back(environment: str) -> None:
    """One to 32 small letters, digits and hyphens."""
    assert ENVIRONMENT.fullmatch(environment)
    assert environment_of(make(environment)) == environment


@pytest.mark.parametrize("environment", ["", "a" * 33, "-a", "a-", "A", "a_b", "ä"])
def test_what_is_no_environment(environment: str) -> None:
    """One past the limit, hyphens at the ends, and what would make the text ambiguous."""
    assert not ENVIRONMENT.fullmatch(environment)
    assert environment_of(make(environment)) is None


def test_a_hint_tells_keys_apart_and_gives_nothing_away() -> None:
    """The environment and four of the random characters."""
    text = make("eu-1")
    assert text.startswith(hint(text)) and len(hint(text)) == len("apim_eu-1_") + 4
