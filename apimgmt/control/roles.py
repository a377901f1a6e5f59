"""Roles of the platform's own users: who may use which part of the admin API. One decision function, deny by default.

What an operation is about is its tag in ``openapi.yaml``; reading is GET. A tag that is not named here is the
administrator's alone.
"""

from __future__ import annotations

from typing import Literal

Role = Literal["admin", "designer", "operator", "viewer"]

READERS = frozenset(
    {"access", "apis", "applications", "authorities", "issuers", "keys", "operations", "policies", "publishing"}
    | {"rulesets", "users"}
)
# What each role may change; everybody may change what is their own (``me``).
WRITERS: dict[Role, frozenset[str]] = {
    "viewer": frozenset({"me"}),
    "designer": frozenset({"me", "apis", "operations", "publishing"}),
    "operator": frozenset(
        {"me", "publishing", "keys", "rulesets", "authorities", "issuers", "applications", "policies"}
    ),
    "admin": frozenset(),
}


def may(role: str, method: str, tag: str) -> bool:
    """Whether a role may call an operation with this method and tag."""
    if role == "admin":
        return True
    for known, writable in WRITERS.items():
        if role == known:
            return tag in writable or (method == "GET" and tag in READERS)
    return False
