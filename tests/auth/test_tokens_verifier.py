"""Tokens from their text to what is known of them, over real connections (apimgmt/auth/tokens/verifier.py)."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from tokensamples import AUDIENCE, EC, ED, JWKS, RSA, claims, signed, site, token

from apimgmt.auth.tokens.issuer import Issuers
from apimgmt.auth.tokens.verifier import Verifier
from apimgmt.errors import Problem
from apimgmt.model import IssuerEntry
from apimgmt.settings import Settings


async def test_tokens_of_a_living_issuer() -> None:
    """Discovery, a good token, a storm and a foreign key over a real connection: three requests in all."""
    with site() as here:
        here.pages = {
            "/.well-known/openid-configuration": {"issuer": here.url, "jwks_uri": f"{here.url}/keys"},
            "/keys": JWKS,
        }
        entry = IssuerEntry(id="i", name="i", issuer=here.url, audiences=(AUDIENCE,))
        verifier, issuers = Verifier(Settings()), Issuers([entry])
        good = [token(key, iss=here.url).encode() for key in (EC, ED, RSA)]
        verified = await asyncio.gather(*(verifier.verify(text, issuers) for text in good))
        assert [token.claims["sub"] for token in verified] == ["ann"] * 3
        bad = [token(header={"kid": f"k{number}"}, iss=here.url).encode() for number in range(1_000)]
        answers = await asyncio.gather(*(verifier.verify(text, issuers) for text in bad), return_exceptions=True)
        assert {answer.status for answer in answers if isinstance(answer, Problem)} == {401}
        assert len(here.asked) == 3


async def test_a_good_token_is_looked_at_once_and_by_its_issuers_only() -> None:
    """The second time the same object comes back; other issuers have to verify it themselves."""
    verifier, issuers = Verifier(Settings()), Issuers([_entry(JWKS)])
    text = token().encode()
    first = await verifier.verify(text, issuers)
    assert await verifier.verify(text, issuers) is first
    assert await verifier.verify(text, Issuers([_entry(JWKS)])) is first
    with pytest.raises(Problem):
        await verifier.verify(text, Issuers([_entry({"keys": [RSA.as_dict(private=False)]})]))
    with pytest.raises(Problem):
        await verifier.verify(text, Issuers([]))


async def test_a_good_token_is_forgotten_when_it_expires() -> None:
    """A token within the leeway is good now, and not a second later than its leeway."""
    verifier, issuers = Verifier(Settings()), Issuers([_entry(JWKS)])
    text = token(exp=time.time() - 59.5).encode()
    await verifier.verify(text, issuers)
    await asyncio.sleep(0.6)
    with pytest.raises(Problem) as caught:
        await verifier.verify(text, issuers)
    assert caught.value.code == "credential-expired"


async def test_the_memory_for_good_tokens_is_bounded() -> None:
    """The oldest go first."""
    verifier, issuers = Verifier(Settings(), most=3), Issuers([_entry(JWKS)])
    texts = [token(jti=str(number)).encode() for number in range(4)]
    first = [await verifier.verify(text, issuers) for text in texts]
    again = [await verifier.verify(text, issuers) for text in reversed(texts)]
    assert [one is other for one, other in zip(first, reversed(again), strict=True)] == [False, True, True, True]


@pytest.mark.parametrize(("more", "good"), [(0, True), (1, False)])
async def test_the_longest_token(more: int, good: bool) -> None:
    """16 KB and one byte more."""
    verifier, issuers = Verifier(Settings()), Issuers([_entry(JWKS)])
    texts = {len(text): text for text in (token(pad="x" * size) for size in range(11_900, 12_200))}
    text = texts[16_384 + more].encode()
    if good:
        assert (await verifier.verify(text, issuers)).claims["pad"]
    else:
        with pytest.raises(Problem, match="too long"):
            await verifier.verify(text, issuers)


@pytest.mark.parametrize("depth", [50, 1_000, 5_000])
async def test_a_deep_token_is_no_fault_of_ours(depth: int) -> None:
    """Nesting that a parser could stumble over is 401, or is read."""
    verifier, issuers = Verifier(Settings()), Issuers([_entry(JWKS)])
    payload = json.dumps(claims()).encode()[:-1] + b', "deep": ' + b"[" * depth + b"]" * depth + b"}"
    try:
        await verifier.verify(signed(payload).encode(), issuers)
    except Problem as problem:
        assert depth > 50 and problem.status == 401
    else:
        assert depth == 50


def _entry(jwks: dict[str, Any]) -> IssuerEntry:
    return IssuerEntry(id="iss1", name="id", issuer="https://id.example", audiences=(AUDIENCE,), jwks=jwks)
