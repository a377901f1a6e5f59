"""The Prefer field (RFC 7240)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimgmt.processes.preferences import applied, preferences


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ([b"code=404, example=cat"], {"code": "404", "example": "cat"}),
        ([b"code=404", b"code=200"], {"code": "404"}),
        ([b'Example="a, \\"b\\""; x=y, dynamic = true'], {"example": 'a, "b"', "dynamic": "true"}),
        ([b"respond-async"], {"respond-async": ""}),
        ([b""], {}),
    ],
)
def test_read(fields: list[bytes], found: dict[str, str]) -> None:
    """Names without case, tokens and quoted strings, parameters passed over, the first of two counts."""
    assert preferences(fields) == found


@given(st.dictionaries(st.sampled_from(["code", "example"]), st.text(st.characters(codec="latin-1", min_codepoint=32))))
def test_applied_can_be_read_again(wished: dict[str, str]) -> None:
    """What was honoured is written so that it reads the same."""
    wished = {name: value for name, value in wished.items() if value}
    assert preferences([applied(wished.items()).encode("latin-1")]) == wished
