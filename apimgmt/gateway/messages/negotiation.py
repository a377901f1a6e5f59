"""Content negotiation (RFC 9110 12.5): which of the offered media types the caller likes best."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple


class Preference(NamedTuple):
    """One member of an Accept or Accept-Encoding field: its value in lower case and its weight from 0 to 1."""

    value: str
    weight: float


@lru_cache(maxsize=512)
def preferences(field: bytes) -> tuple[Preference, ...]:
    """The members of an Accept or Accept-Encoding field; a weight that is no weight counts as 0.

    Parameters other than q are left out of account: no document offers one type in two variants of them.
    """
    members = []
    for member in field.decode("latin-1").lower().split(","):
        value, *parameters = (part.strip() for part in member.split(";"))
        if value:
            members.append(Preference(value, _weight(parameters)))
    return tuple(members)


def choose(accept: bytes, offers: Sequence[str]) -> int | None:
    """The place of the best offer (media types, best first), or None if the caller accepts none of them."""
    wanted = preferences(accept)
    weights = [_weight_of(offer, wanted) for offer in offers]
    best = max(weights, default=0.0)
    return weights.index(best) if best > 0 else None


def accepts_coding(field: bytes, coding: str) -> bool:
    """Whether an Accept-Encoding field allows a coding: by its name, otherwise by ``*``; q=0 is no."""
    weights = {value: weight for value, weight in preferences(field)}
    return weights.get(coding, weights.get("*", 0.0)) > 0


def _weight_of(offer: str, wanted: Sequence[Preference]) -> float:
    # the most specific range that matches decides, not the best weight (RFC 9110 12.5.1)
    rank, weight = -1, 0.0
    for value, its_weight in wanted:
        its_rank = _rank(value, offer)
        if its_rank > rank:
            rank, weight = its_rank, its_weight
    return weight


def _rank(pattern: str, offer: str) -> int:
    if pattern == offer:
        return 2
    if pattern.endswith("/*") and offer.startswith(pattern[:-1]):
        return 1
    return 0 if pattern in ("*/*", "*") else -1


def _weight(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
