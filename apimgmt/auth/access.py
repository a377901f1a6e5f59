"""Who may call, as one snapshot says: every table that authentication looks into, built once, swapped with the runtime.

Security handlers belong to an API and outlive a publish that does not touch it, so they find the tables on the request.
"""

from __future__ import annotations

from collections.abc import Mapping

from apimgmt.auth.apikey import Keys
from apimgmt.auth.decision import Holders
from apimgmt.model import Snapshot


class Access:
    """The tables of one snapshot; ``keys`` are the API keys."""

    __slots__ = ("keys",)

    def __init__(self, snapshot: Snapshot) -> None:
        self.keys = Keys(snapshot.keys, snapshot.environment)

    @property
    def holders(self) -> Mapping[str, Holders]:
        """The callers of each kind, for who asks before run time: ``key`` in ``key:crm``."""
        return {"key": self.keys}
