"""Counters in Redis: exact across machines, and what holds while it is away."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
import redis.asyncio
from redis_server import RedisServer

from apimgmt.errors import SettingInvalid
from apimgmt.policies.counters import Away, Need
from apimgmt.policies.counters.remote import CONNECTIONS, REST_SECONDS, Remote
from apimgmt.policies.counters.windows import Day, Sliding
from apimgmt.settings import Settings
from harness import Client, serve

DOCUMENT = """
openapi: 3.0.3
info: {title: t, version: '1'}
paths:
  /items: {get: {operationId: items, responses: {'200': {description: ok}}}}
"""
ONE = b"one-caller-only!"


def machine(folder: Path, url: str, when_away: str = "local", requests: int = 10, share: float = 1.0) -> Client:
    """A gateway of its own, with its own data folder, as another machine has it."""
    settings = Settings(data=str(folder), redis_url=url, redis_share=share)
    limits = [{"requests": requests, "seconds": 60, "by": "address"}]
    trigger = {"policies": {"rateLimit": {"limits": limits, "whenAway": when_away}}}
    return serve(DOCUMENT, settings=settings, trigger=trigger)


def allowed(client: Client, times: int) -> int:
    """How many of so many requests are let through; every other one is refused for the limit."""
    statuses = [client.get("/items").status for _ in range(times)]
    assert set(statuses) <= {200, 429}
    return statuses.count(200)


@pytest.mark.rows("H-051")
def test_machines_together_allow_exactly_the_limit(tmp_path: Path, redis_server: RedisServer) -> None:
    """Two gateways, which share nothing but the Redis, in turn; the mutant, without it, allows twice as much."""
    machines = [machine(tmp_path / str(number), redis_server.url) for number in range(2)]
    assert sum(allowed(client, 1) for _ in range(10) for client in machines) == 10
    alone = [machine(tmp_path / str(number), "") for number in range(2, 4)]
    assert sum(allowed(client, 1) for _ in range(15) for client in alone) == 20


async def test_requests_at_once_allow_exactly_the_limit(redis_server: RedisServer) -> None:
    """200 at a time through two clients, at a limit of 100; what is left is told without a gap."""
    clients = [Remote(redis_server.url) for _ in range(2)]
    need = Need(Sliding(60), 100, ONE)
    rounds = [clients[number % 2].take([need], time.time()) for number in range(200)]
    counts = [counts[0] for counts in await asyncio.gather(*rounds)]
    assert sorted(count.left for count in counts if not count.full) == list(range(100))
    for client in clients:
        await client.close()


async def test_a_crowd_goes_over_few_connections_and_none_takes_redis_for_away(redis_server: RedisServer) -> None:
    """3,000 questions in one moment, the script unknown to Redis: each is answered, 1,000 are let through."""
    client, need = Remote(redis_server.url), Need(Sliding(60), 1000, ONE)
    async with redis.asyncio.Redis.from_url(redis_server.url) as other:
        before = len(await other.client_list())
        await other.script_flush()
        counts = await asyncio.gather(*(client.take([need], time.time()) for _ in range(3_000)))
        assert len(await other.client_list()) - before <= CONNECTIONS
    assert sum(not count.full for [count] in counts) == 1000
    await client.close()


async def test_whoever_goes_away_while_asking_disturbs_nobody(redis_server: RedisServer) -> None:
    """Of 100 that ask in one moment every second one is cancelled; the others get their answers."""
    client, need = Remote(redis_server.url), Need(Sliding(60), 1000, ONE)
    asked = [asyncio.create_task(client.take([need], time.time())) for _ in range(100)]
    await asyncio.sleep(0)
    for task in asked[::2]:
        task.cancel()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])
    assert all(not count.full for [count] in answers[1::2])
    await client.close()


async def test_the_window_slides_in_redis(redis_server: RedisServer) -> None:
    """Full for a whole window, free one bucket after it; a day is told by the calendar."""
    client, need = Remote(redis_server.url), Need(Sliding(1), 3, ONE)
    begun = time.time()
    full = [(await client.take([need], time.time()))[0].full for _ in range(4)]
    assert full == [False, False, False, True]
    while (count := (await client.take([need], time.time()))[0]).full:
        assert 0 < count.seconds <= 1.1
        await asyncio.sleep(0.01)
    assert time.time() - begun >= 1.0
    day = (await client.take([Need(Day(), 1, b"a-caller-per-day")], 1_772_323_199.0))[0]
    assert (day.left, day.full) == (0, False)
    assert (await client.take([Need(Day(), 1, b"a-caller-per-day")], 1_772_323_200.0))[0].full is False
    await client.close()


async def test_a_refused_request_costs_nobody_anything_in_redis(redis_server: RedisServer) -> None:
    """One limit has no room: the other, which has, is as before."""
    client = Remote(redis_server.url)
    needs = [Need(Sliding(60), 1, ONE), Need(Sliding(60), 5, b"another-caller--")]
    seen = [[(count.left, count.full) for count in await client.take(needs, time.time())] for _ in range(3)]
    assert seen == [[(0, False), (4, False)]] + [[(0, True), (4, False)]] * 2
    await client.close()


@pytest.mark.rows("H-051")
@pytest.mark.parametrize(("when_away", "share", "served"), [("open", 1.0, 8), ("closed", 1.0, 0), ("local", 0.5, 3)])
def test_what_holds_while_redis_is_away_is_a_choice(
    tmp_path: Path, redis_server: RedisServer, when_away: str, share: float, served: int
) -> None:
    """Everybody, nobody (503), or this machine's share of the limit; when it is back, it counts again."""
    client = machine(tmp_path, redis_server.url, when_away, requests=6, share=share)
    assert client.get("/items").status == 200
    redis_server.stop()
    answers = [client.get("/items") for _ in range(8)]
    assert [answer.status for answer in answers].count(200) == served
    if when_away == "closed":
        assert {(answer.status, answer.header("Retry-After")) for answer in answers} == {(503, "1")}
    redis_server.start()
    time.sleep(REST_SECONDS)
    assert '"default";r=5' in (client.get("/items").header("RateLimit") or "")


async def test_after_a_fault_nobody_waits_for_redis(redis_server: RedisServer) -> None:
    """It is asked again a second later, not by every request."""
    client = Remote(redis_server.url)
    redis_server.stop()
    for expected in ("ConnectionError", "a moment ago"):
        with pytest.raises(Away, match=expected):
            await client.take([Need(Sliding(60), 1, ONE)], time.time())
    await client.close()


def test_a_url_that_is_none_is_a_setting_that_is_wrong() -> None:
    """Said at load."""
    with pytest.raises(SettingInvalid, match="redis_url"):
        Remote("http://127.0.0.1")
