"""Claims: how they are found in a token, and what a process sees of them (F-070 to F-074)."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any


class ClaimsPrincipal:
    """``#trigger.claimsprincipal``: the caller as the token describes it; its names are the seed's."""

    __slots__ = ("_claims", "_roles")

    def __init__(self, claims: Mapping[str, Any], roles: Collection[str]) -> None:
        self._claims = claims
        self._roles = roles

    @property
    def Claims(self) -> dict[str, Any]:  # noqa: N802  (F-072)
        """All claims of the token; a copy, for the token is kept and serves other requests."""
        return copy.deepcopy(dict(self._claims))

    @property
    def Roles(self) -> list[str]:  # noqa: N802
        """The roles of the token, sorted."""
        return sorted(self._roles)

    def HasClaim(self, name: str) -> bool:  # noqa: N802  (F-073)
        """Whether the token has a claim of that name, whatever its value."""
        return name in self._claims

    def IsInRole(self, role: str) -> bool:  # noqa: N802  (F-074)
        """Whether the role claim is that text, or a list that has it."""
        return role in self._roles


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """The claim of that name, or None; ``realm_access.roles`` leads into nested objects.

    A claim whose own name has dots (a URL, as some issuers do) comes first.
    """
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def texts(value: Any) -> frozenset[str]:
    """A claim that is one text or a list of texts, as a set; everything else has none."""
    if isinstance(value, str):
        return frozenset((value,))
    return frozenset(item for item in value if isinstance(item, str)) if isinstance(value, list) else frozenset()


def words(value: Any) -> frozenset[str]:
    """The same for scopes, of which one text may hold several between blanks (RFC 6749 section 3.3)."""
    return frozenset(value.split(" ")) - {""} if isinstance(value, str) else texts(value)
