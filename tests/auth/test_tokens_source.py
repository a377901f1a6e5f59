"""Fetched keys: when they are asked for, and what holds while nobody answers (apimgmt/auth/tokens/source.py)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from tokensamples import EC, JWKS, STRANGER

from apimgmt.auth.tokens.keyset import KeySet
from apimgmt.auth.tokens.source import FRESH_SECONDS, KEPT_SECONDS, PAUSE_SECONDS, KeySource
from apimgmt.errors import KeysNotFetched, Problem

PUBLIC = EC.as_dict(private=False)


class Issuer:
    """What KeySource asks: ``jwks`` is what it answers, None while it is down; ``asked`` how often."""

    def __init__(self) -> None:
        self.jwks: Any = {"keys": [PUBLIC]}
        self.asked = 0
        self.now = 1_000.0
        self.source = KeySource(self.fetch, clock=lambda: self.now)

    def fetch(self) -> KeySet:
        """Blocks, as a network does."""
        self.asked += 1
        time.sleep(0.01)
        if self.jwks is None:
            raise KeysNotFetched("down")
        return KeySet(self.jwks)

    async def has(self, kid: str | None) -> bool:
        """Whether the source finds the key."""
        return await self.source.find(kid, "ES256") is not None


async def test_a_storm_of_unknown_keys_makes_one_fetch() -> None:
    """1,000 tokens with names of keys that nobody has: at most one fetch in 30 s (T26)."""
    issuer = Issuer()
    assert await issuer.has("ec")
    assert issuer.asked == 1
    assert not any(await asyncio.gather(*(issuer.has(f"k{number}") for number in range(1_000))))
    assert issuer.asked == 1
    issuer.now += PAUSE_SECONDS
    assert not any(await asyncio.gather(*(issuer.has(f"k{number}") for number in range(1_000))))
    assert issuer.asked == 2
    issuer.now += PAUSE_SECONDS - 1
    assert not await issuer.has("k")
    assert issuer.asked == 2


async def test_a_new_key_is_found_at_its_first_token() -> None:
    """A rotation at the issuer needs no waiting for the time at which keys are no longer fresh."""
    issuer = Issuer()
    assert await issuer.has("ec")
    issuer.now += PAUSE_SECONDS
    issuer.jwks = {"keys": [PUBLIC, {**STRANGER.as_dict(private=False), "kid": "new"}]}
    assert await issuer.has("new")


async def test_an_issuer_that_is_down_stops_nothing_for_a_day() -> None:
    """Known keys go on, asked for again every 30 s at most; after a day they no longer count: 503."""
    issuer = Issuer()
    assert await issuer.has("ec")
    issuer.jwks, start = None, issuer.now
    while issuer.now < start + KEPT_SECONDS - 600:
        issuer.now += 600
        assert await issuer.has("ec")
        await asyncio.sleep(0.02)
    assert issuer.asked > 100
    issuer.now = start + KEPT_SECONDS
    with pytest.raises(Problem) as caught:
        await issuer.has("ec")
    assert (caught.value.status, caught.value.headers) == (503, [("retry-after", "30")])
    issuer.jwks = JWKS
    issuer.now += PAUSE_SECONDS
    assert await issuer.has("ec")


async def test_keys_that_are_not_fresh_serve_while_new_ones_come() -> None:
    """A request waits only for a key that is not known."""
    issuer = Issuer()
    assert await issuer.has("ec")
    issuer.now += FRESH_SECONDS
    issuer.jwks = {"keys": []}
    assert await issuer.has("ec")
    await asyncio.sleep(0.05)
    assert (issuer.asked, await issuer.has("ec")) == (2, False)


async def test_a_caller_who_goes_away_does_not_end_the_fetch() -> None:
    """The others wait for the same fetch and get its keys."""
    issuer = Issuer()
    impatient = asyncio.create_task(issuer.has("ec"))
    patient = asyncio.create_task(issuer.has("ec"))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient
    assert issuer.asked == 1
