"""Counters in Redis or Valkey, for machines that share their limits: one script, hence one step and one round trip.

A counter is a hash of bucket to requests. The clock of sliding windows is that of Redis, so that machines whose clocks
differ agree; days and months are those of the machine that asks.

Few connections carry all questions of a worker: while they are under way, further ones gather and go together.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from apimgmt.errors import SettingInvalid
from apimgmt.policies.counters import Away, Count, Need

log = logging.getLogger("apimgmt.counters")
CONNECTIONS = 4
BATCH_MOST = 200
PATIENCE_SECONDS = 1.0
REST_SECONDS = 1.0

# For every key: requests, earlier, length of a bucket (0: the bucket follows), bucket, milliseconds that it is kept.
# Answers whether one was full, the time, and for every key what counted before and the oldest bucket in use.
SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local full = false
local answer, buckets = {}, {}
for i, key in ipairs(KEYS) do
  local requests, earlier, length, bucket = unpack(ARGV, 5 * i - 4, 5 * i - 1)
  length, bucket = tonumber(length), tonumber(bucket)
  if length > 0 then bucket = math.floor(now / length) end
  local total, oldest = 0, bucket
  local held = redis.call('HGETALL', key)
  for j = 1, #held, 2 do
    local number = tonumber(held[j])
    if math.abs(number - bucket) > tonumber(earlier) then
      redis.call('HDEL', key, held[j])
    else
      total, oldest = total + held[j + 1], math.min(oldest, number)
    end
  end
  full = full or total >= tonumber(requests)
  buckets[i] = string.format('%.0f', bucket)
  answer[2 * i - 1], answer[2 * i] = total, string.format('%.0f', oldest)
end
if not full then
  for i, key in ipairs(KEYS) do
    redis.call('HINCRBY', key, buckets[i], 1)
    redis.call('PEXPIRE', key, ARGV[5 * i])
  end
end
return {full and 1 or 0, string.format('%.6f', now), answer}
"""


class Question(NamedTuple):
    """One call of the script, and where its answer goes."""

    keys: list[str]
    arguments: list[float]
    answer: asyncio.Future[Any]


class Remote:
    """The counters of all machines that have this ``url``; raises SettingInvalid if there is no client for it."""

    def __init__(self, url: str) -> None:
        try:
            import redis.asyncio as redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
            from redis.exceptions import NoScriptError, RedisError
        except ImportError:
            raise SettingInvalid("redis_url needs the package redis: pip install 'apimgmt[redis]'") from None
        try:
            pool = redis.BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS,
                timeout=PATIENCE_SECONDS,
                socket_timeout=PATIENCE_SECONDS,
                socket_connect_timeout=PATIENCE_SECONDS,
                retry=Retry(NoBackoff(), 0),  # asking twice could count twice
            )
        except ValueError as error:
            raise SettingInvalid(f"redis_url: {error}") from None
        self._client = redis.Redis.from_pool(pool)
        self._digest = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
        self._absent = NoScriptError
        self._faults = (RedisError, OSError, TimeoutError)
        self._waiting: deque[Question] = deque()
        self._carriers: set[asyncio.Task[None]] = set()
        self._rests_until = 0.0

    async def take(self, needs: Sequence[Need], now: float) -> list[Count]:
        """Count a request in each window if all have room; raises Away, without asking, for a second after a fault."""
        if time.monotonic() < self._rests_until:
            raise Away("Redis was away a moment ago")
        arguments: list[float] = []
        for window, requests, _ in needs:
            bucket = window.bucket(now)
            kept = window.start(bucket + window.earlier + 1) - now + max(window.length, 1)
            arguments += [requests, window.earlier, window.length, bucket, math.ceil(kept * 1000)]
        try:
            full, then, answer = await self._ask([_key(need) for need in needs], arguments)
        except self._faults as error:
            self._rests_until = time.monotonic() + REST_SECONDS
            log.error("Redis is away: %s", type(error).__name__)
            raise Away(type(error).__name__) from None
        counts = []
        for (window, requests, _), total, oldest in zip(needs, answer[::2], answer[1::2], strict=True):
            left = requests - total
            seconds = window.start(int(oldest) + window.earlier + 1) - float(then)
            counts.append(Count(max(left if full else left - 1, 0), seconds, left <= 0))
        return counts

    def _ask(self, keys: list[str], arguments: list[float]) -> asyncio.Future[Any]:
        question = Question(keys, arguments, asyncio.get_running_loop().create_future())
        self._waiting.append(question)
        if len(self._carriers) < CONNECTIONS:
            carrier = asyncio.create_task(self._carry())
            self._carriers.add(carrier)
            carrier.add_done_callback(self._carriers.discard)
        return question.answer

    async def _carry(self) -> None:
        """Ask what is waiting, together, until nothing is."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH_MOST, len(self._waiting)))]
            try:
                await self._ask_together(batch)
            except self._faults as error:
                for question in batch:
                    _answer(question, error)

    async def _ask_together(self, batch: list[Question]) -> None:
        answers = await self._sent(batch)
        if any(isinstance(answer, self._absent) for answer in answers):
            # a Redis that was just started does not know the script; what it did not run it did not count
            await self._client.script_load(SCRIPT)
            again = [place for place, answer in enumerate(answers) if isinstance(answer, self._absent)]
            for place, answer in zip(again, await self._sent([batch[place] for place in again]), strict=True):
                answers[place] = answer
        for question, answer in zip(batch, answers, strict=True):
            _answer(question, answer)

    async def _sent(self, batch: list[Question]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for question in batch:
            pipeline.evalsha(self._digest, len(question.keys), *question.keys, *question.arguments)
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        return answers

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()


def _answer(question: Question, answer: Any) -> None:
    if question.answer.done():  # whoever asked is gone
        return
    if isinstance(answer, BaseException):
        question.answer.set_exception(answer)
    else:
        question.answer.set_result(answer)


def _key(need: Need) -> str:
    # one tag for all of them: a cluster runs a script only on keys of one node
    return f"{{apimgmt}}:{need.digest.hex()}"
