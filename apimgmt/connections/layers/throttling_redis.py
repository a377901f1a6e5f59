"""The connection's own limit, counted in Redis or Valkey by all machines that have the same ``redis_url``."""

from __future__ import annotations

import logging
import math
import time

from apimgmt.connections.configuration import Limit
from apimgmt.connections.layers.throttling import Throttle, slack
from apimgmt.errors import SettingInvalid

log = logging.getLogger("apimgmt.connections")
PATIENCE_SECONDS = 1.0
REST_SECONDS = 1.0

# The times at which the last requests go, the oldest first, by the clock of Redis. Texts, for a number that is answered
# loses its fraction.
SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local requests, window, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local due = now
if redis.call('LLEN', KEYS[1]) >= requests then
  due = math.max(now, redis.call('LINDEX', KEYS[1], -requests) + window)
end
if due - now <= most then
  redis.call('RPUSH', KEYS[1], string.format('%.6f', due))
  redis.call('LTRIM', KEYS[1], -requests, -1)
  redis.call('PEXPIRE', KEYS[1], math.ceil((due - now + window) * 1000))
end
return string.format('%.6f', due - now)
"""


class RedisThrottling:
    """Asks Redis; ``fallback`` counts while that is away. Raises SettingInvalid if there is no client for it."""

    blocks = True

    def __init__(self, limit: Limit, key: str, url: str, fallback: Throttle) -> None:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError:
            raise SettingInvalid("redis_url needs the package redis: pip install 'apimgmt[redis]'") from None
        self._limit = limit
        self.patience = slack(limit) / 2
        self._key = f"{{apimgmt}}:throttling:{key}"
        try:
            client = redis.Redis.from_url(
                url,
                socket_timeout=PATIENCE_SECONDS,
                socket_connect_timeout=PATIENCE_SECONDS,
                retry=Retry(NoBackoff(), 0),  # asking twice could count twice
            )
        except ValueError as error:
            raise SettingInvalid(f"redis_url: {error}") from None
        self._script = client.register_script(SCRIPT)
        self._faults = (redis.RedisError, OSError)
        self._fallback = fallback
        self._rests_until = -math.inf

    def delay(self, most: float) -> float:
        """The seconds until this request may go."""
        if time.monotonic() >= self._rests_until:
            window = self._limit.seconds + slack(self._limit)
            try:
                return float(self._script(keys=[self._key], args=[self._limit.requests, window, min(most, 1e9)]))
            except self._faults as error:
                self._rests_until = time.monotonic() + REST_SECONDS
                log.error("Redis is away, this machine throttles alone: %s", type(error).__name__)
        return self._fallback.delay(most)
