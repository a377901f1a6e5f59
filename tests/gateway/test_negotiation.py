"""Accept and Accept-Encoding (RFC 9110 12.5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimgmt.gateway.messages.negotiation import accepts_coding, choose, preferences

OFFERS = ["application/json", "application/xml", "text/plain"]


@pytest.mark.rows("F-113")
@pytest.mark.parametrize(
    ("accept", "place"),
    [
        (b"*/*", 0),
        (b"text/*", 2),
        (b"TEXT/PLAIN", 2),
        (b"application/*;q=0.5, application/json;q=0.1", 1),
        (b"application/xml;q=0.4, application/json", 0),
        (b"application/xml; charset=utf-8 ; q=0.9, application/json;q=0.8", 1),
        (b"*/*, application/json;q=0, application/xml;q=0", 2),
        (b"image/png", None),
        (b"application/json;q=0", None),
        (b"application/json;q=nonsense", None),
        (b",,", None),
        (b"*", 0),
    ],
)
def test_choice(accept: bytes, place: int | None) -> None:
    """The most specific range gives an offer its weight, the heaviest wins, the first of equals."""
    assert choose(accept, OFFERS) == place


@pytest.mark.rows("H-103")
@pytest.mark.parametrize(
    ("field", "allowed"),
    [
        (b"gzip", True),
        (b"br, GZIP;q=0.1", True),
        (b"gzip;q=0", False),
        (b"*", True),
        (b"*;q=0", False),
        (b"gzip;q=0, *", False),
        (b"identity", False),
        (b"", False),
    ],
)
def test_coding(field: bytes, allowed: bool) -> None:
    """A coding is allowed by its name or by a star, and a weight of 0 is no."""
    assert accepts_coding(field, "gzip") is allowed


@given(st.binary(max_size=60))
def test_any_bytes(field: bytes) -> None:
    """Whatever a caller sends is read without an error, and weights lie between 0 and 1."""
    assert all(0 <= member.weight <= 1 for member in preferences(field))
