"""Quotas: so many requests in a day or a month of the calendar, UTC (H-047 to H-051)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from apimgmt.model import Struct
from apimgmt.policies import Layers, Place
from apimgmt.policies.counters.limiter import Limit, Limiter, Name, WhenAway, check_names
from apimgmt.policies.counters.store import Counters
from apimgmt.policies.counters.windows import Day, Month
from apimgmt.policies.expression import compile_expression
from apimgmt.registry import register


class Allowance(Struct, frozen=True):
    """At most ``requests`` per ``day`` or ``month``, counted for each value of ``by``, as a rate limit counts."""

    requests: Annotated[int, Meta(ge=1, le=1_000_000_000)]
    per: Literal["day", "month"]
    name: Name = "quota"
    by: str = "key"
    scope: Literal["operation", "api"] = "operation"


@register("policy", "quota")
class Quota(Struct, frozen=True):
    """``limits`` have ``requests``, ``per`` (``day`` or ``month``), ``name``, ``by`` and ``scope``; ``whenAway`` is as
    for ``rateLimit``."""

    limits: Annotated[tuple[Allowance, ...], Meta(min_length=1, max_length=8)]
    when_away: WhenAway = "local"

    def layers(self, place: Place) -> Layers:
        """All of them after the credentials: who is refused there uses nothing up."""
        check_names([limit.name for limit in self.limits])
        limits = [_limit(allowance, place, index) for index, allowance in enumerate(self.limits)]
        return Layers(after=Limiter(limits, place.shared.part(Counters), self.when_away).layer)


def _limit(allowance: Allowance, place: Place, index: int) -> Limit:
    operation = place.operation.key if allowance.scope == "operation" else ""
    window = Day() if allowance.per == "day" else Month()
    space = ("quota", place.entry.id, operation, allowance.name, allowance.per)
    return Limit(allowance.name, allowance.requests, window, compile_expression(allowance.by, place, index), space)
