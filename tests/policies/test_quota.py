"""Quotas at the gateway: a day, a month, across restarts (the calendar itself is in test_ratelimit_table.py)."""

from __future__ import annotations

import time
from pathlib import Path

import http_sf
import pytest

from apimgmt.settings import Settings
from harness import Client, api_key, serve

DOCUMENT = """
openapi: 3.0.3
info: {title: t, version: '1'}
paths:
  /items: {get: {operationId: items, responses: {'200': {description: ok}}}}
"""
A, B = {"X-API-Key": "key-of-a-0123456789"}, {"X-API-Key": "key-of-b-0123456789"}


def metered(folder: Path, *limits: dict[str, object], rate: int = 1000) -> Client:
    """A gateway with these quotas and a rate limit."""
    policies = {"quota": {"limits": limits}, "rateLimit": {"limits": [{"requests": rate, "seconds": 60}]}}
    keys = [api_key("key-of-a-0123456789", "a"), api_key("key-of-b-0123456789", "b")]
    trigger = {"policies": policies}
    return serve(DOCUMENT, settings=Settings(data=str(folder)), trigger=trigger, authentication="apiKey", keys=keys)


@pytest.mark.rows("H-047", "H-050")
def test_a_quota_is_per_key_and_says_when_it_begins_anew(tmp_path: Path) -> None:
    """At the quota and one past it; what is left of a day is told in seconds."""
    client = metered(tmp_path, {"requests": 2, "per": "day", "name": "daily"})
    assert [client.get("/items", A).status for _ in range(3)] == [200, 200, 429]
    refused, other = client.get("/items", A), client.get("/items", B)
    assert (refused.json()["violated-policies"], other.status) == (["daily"], 200)
    until_midnight = 86_400 - time.time() % 86_400
    assert abs(int(refused.header("Retry-After") or 0) - until_midnight) < 60
    policies = http_sf.parse(", ".join(refused.all("RateLimit-Policy")).encode(), tltype="list")
    assert {str(name): dict(said) for name, said in policies}["daily"] == {"q": 2, "w": 86_400}


def test_a_month_and_a_day_hold_at_once(tmp_path: Path) -> None:
    """The narrower one refuses, and the other is not used up by what it refuses."""
    day, month = {"requests": 1, "per": "day", "name": "day"}, {"requests": 3, "per": "month", "name": "month"}
    client = metered(tmp_path, day, month)
    answers = [client.get("/items", A) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 429, 429, 429]
    left = http_sf.parse(", ".join(answers[-1].all("RateLimit")).encode(), tltype="list")
    assert {str(name): dict(said)["r"] for name, said in left} == {"default": 996, "day": 0, "month": 2}


def test_a_quota_survives_a_restart(tmp_path: Path) -> None:
    """A gateway that is made anew on the same data folder knows what was used."""
    assert metered(tmp_path, {"requests": 2, "per": "month"}).get("/items", A).status == 200
    client = metered(tmp_path, {"requests": 2, "per": "month"})
    assert [client.get("/items", A).status for _ in range(2)] == [200, 429]


def test_what_a_rate_limit_refuses_uses_no_quota_up(tmp_path: Path) -> None:
    """The quota comes after it."""
    client = metered(tmp_path, {"requests": 9, "per": "day"}, rate=1)
    assert [client.get("/items", A).status for _ in range(5)] == [200, 429, 429, 429, 429]
    client = metered(tmp_path, {"requests": 9, "per": "day"}, rate=2)
    assert '"quota";r=7' in ", ".join(client.get("/items", A).all("RateLimit"))
