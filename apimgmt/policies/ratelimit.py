"""Rate limits: so many requests in so many seconds, per key, address or value of the request (H-047 to H-051)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from apimgmt.model import Struct
from apimgmt.policies import Layers, Place
from apimgmt.policies.counters.limiter import Limit, Limiter, Name, WhenAway, check_names
from apimgmt.policies.counters.store import Counters
from apimgmt.policies.counters.windows import Sliding
from apimgmt.policies.expression import compile_expression
from apimgmt.registry import register


class Rate(Struct, frozen=True):
    """At most ``requests`` in any ``seconds``, counted for each value of ``by``: ``key``, ``address``,
    ``header.NAME``, ``claim.NAME``, ``query.NAME`` or ``path.NAME``.

    With scope ``operation`` each operation counts for itself, with ``api`` all that have a limit of this name together.
    """

    requests: Annotated[int, Meta(ge=1, le=1_000_000_000)]
    seconds: Annotated[int, Meta(ge=1, le=86_400)]
    name: Name = "default"
    by: str = "key"
    scope: Literal["operation", "api"] = "operation"


@register("policy", "rateLimit")
class RateLimit(Struct, frozen=True):
    """``limits`` have ``requests``, ``seconds``, ``name``, ``by`` and ``scope``; a request needs room in all of them.

    ``whenAway`` says what holds while Redis cannot be reached: every request (``open``), none (``closed``), or this
    machine's share of each limit (``local``).
    """

    limits: Annotated[tuple[Rate, ...], Meta(min_length=1, max_length=8)]
    when_away: WhenAway = "local"

    def layers(self, place: Place) -> Layers:
        """Limits by address come before the credentials, all others after them."""
        check_names([limit.name for limit in self.limits])
        counters = place.shared.part(Counters)
        limits = [(rate.by == "address", _limit(rate, place, index)) for index, rate in enumerate(self.limits)]
        before, after = ([limit for first, limit in limits if first is wanted] for wanted in (True, False))
        return Layers(
            Limiter(before, counters, self.when_away).layer if before else None,
            Limiter(after, counters, self.when_away).layer if after else None,
        )


def _limit(rate: Rate, place: Place, index: int) -> Limit:
    operation = place.operation.key if rate.scope == "operation" else ""
    space = ("rateLimit", place.entry.id, operation, rate.name, rate.seconds)
    return Limit(rate.name, rate.requests, Sliding(rate.seconds), compile_expression(rate.by, place, index), space)
