"""Limits of an operation as a layer: count, say what is left, refuse with 429.

Every answer has ``RateLimit-Policy`` and ``RateLimit``; a refusal has ``Retry-After`` too, and names the limits
(draft-ietf-httpapi-ratelimit-headers-11).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from functools import lru_cache
from hashlib import blake2b
from math import ceil
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta

from apimgmt.errors import Problem, SettingInvalid
from apimgmt.policies import App
from apimgmt.policies.counters import Away, Count, Need, Window
from apimgmt.policies.counters.store import Counters
from apimgmt.policies.expression import Identity
from apimgmt.request import SCOPE_KEY, Request

WhenAway = Literal["open", "closed", "local"]
Name = Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]{1,64}$")]
IDENTITIES_MOST = 16_384


class Limit(NamedTuple):
    """One limit of an operation: ``space`` is what tells its counters from those of others."""

    name: str
    requests: int
    window: Window
    identity: Identity
    space: Hashable


class Limiter:
    """The layer of some limits, which are all looked at before any of them counts."""

    def __init__(self, limits: Sequence[Limit], counters: Counters, when_away: WhenAway) -> None:
        self._names = [limit.name for limit in limits]
        self._counted = [(limit.identity, _needs(limit)) for limit in limits]
        self._counters = counters
        self._when_away = when_away
        policies = (f'"{limit.name}";q={limit.requests};w={limit.window.seconds}' for limit in limits)
        self._policies = (b"ratelimit-policy", ", ".join(policies).encode("ascii"))
        self._form = ", ".join(f'"{limit.name}";r=%d;t=%d' for limit in limits).encode("ascii")

    def layer(self, app: App) -> App:
        """The application behind the limits."""
        self._counters.open()
        take, counted = self._counters.take, self._counted

        def limited(scope: dict[str, Any], receive: Any, send: Any) -> Awaitable[None]:
            request: Request = scope[SCOPE_KEY]
            needs = [need(identity(request)) for identity, need in counted]
            counts = take(needs)
            if counts is None:
                return self._wait(app, needs, scope, receive, send)
            self._settle(request, counts)
            return app(scope, receive, send)

        return limited

    async def _wait(self, app: App, needs: list[Need], scope: dict[str, Any], receive: Any, send: Any) -> None:
        try:
            counts = await self._counters.wait(needs)
        except Away as away:
            counts = await self._without(needs, away)
        if counts:
            self._settle(scope[SCOPE_KEY], counts)
        await app(scope, receive, send)

    async def _without(self, needs: list[Need], away: Away) -> list[Count]:
        """What the policy wants while the counters are away; nothing is counted and said if it lets everybody in."""
        if self._when_away == "open":
            return []
        if self._when_away == "local":
            try:
                return await self._counters.take_share(needs)
            except Away as both:
                away = both
        detail = "Requests cannot be counted now, and this operation is not served uncounted."
        raise Problem("unavailable", detail, headers=[("retry-after", "1")], reason=str(away))

    def _settle(self, request: Request, counts: list[Count]) -> None:
        """Say what is left; raises Problem ``quota-exceeded``."""
        figures: list[int] = []
        full = False
        for count in counts:
            figures += (count.left, ceil(count.seconds))
            full = full or count.full
        request.add(self._policies, (b"ratelimit", self._form % tuple(figures)))
        if full:
            raise self._refusal(counts)

    def _refusal(self, counts: list[Count]) -> Problem:
        full = [(name, count) for name, count in zip(self._names, counts, strict=True) if count.full]
        names = [name for name, _ in full]
        seconds = max(1, *(ceil(count.seconds) for _, count in full))
        detail = f"No request is left of {' and '.join(names)}; there will be in {seconds} s."
        return Problem(
            "quota-exceeded",
            detail,
            headers=[("retry-after", str(seconds))],
            extra={"violated-policies": names},
        )


def check_names(names: Sequence[str]) -> None:
    """Raise SettingInvalid if two limits have one name: nobody could tell their counters and headers apart."""
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise SettingInvalid(f"limits: two have the name {min(twice)!r}")


def _needs(limit: Limit) -> Callable[[Hashable], Need]:
    """Identity to what it needs; the name of its counter says nothing of it, for it may be somebody's."""

    @lru_cache(IDENTITIES_MOST)
    def need(identity: Hashable) -> Need:
        digest = blake2b(repr((limit.space, identity)).encode(), digest_size=16).digest()
        return Need(limit.window, limit.requests, digest)

    return need
