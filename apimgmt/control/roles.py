"""Roles of the platform's own users: who may use which part of the admin API. One decision function, deny by default.

What an operation is about is its tag in ``openapi.yaml``; reading is GET. A tag that is not named here is the
administrator's alone.
"""

from __future__ import annotations

READERS = frozenset(
    {
        "access",
        "apis",
        "authorities",
        "connections",
        "flows",
        "keys",
        "me",
        "oauth2",
        "operations",
        "publishing",
        "rulesets",
        "users",
    }
)
# What each role may change; what is one's own (``me``) everybody may.
WRITERS: dict[str, frozenset[str]] = {
    "viewer": frozenset({"me"}),
    "designer": frozenset({"me", "apis", "connections", "flows", "operations", "publishing", "runs"}),
    "operator": frozenset({"me", "publishing", "keys", "rulesets", "authorities", "oauth2", "runs"}),
}


def may(role: str, method: str, tag: str) -> bool:
    """Whether a role may call an operation with this method and tag."""
    if role == "admin":
        return True
    return role in WRITERS and (tag in WRITERS[role] or (method == "GET" and tag in READERS))
