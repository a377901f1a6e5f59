"""Who may call, as one snapshot says: every table that authentication looks into, built once, swapped with the runtime.

Security handlers belong to an API and outlive a publish that does not touch it, so they find the tables on the request.
"""

from __future__ import annotations

from apimgmt.auth.apikey import Keys
from apimgmt.model import Snapshot


class Access:
    """The tables of one snapshot; ``keys`` are the API keys."""

    __slots__ = ("keys",)

    def __init__(self, snapshot: Snapshot) -> None:
        self.keys = Keys(snapshot.keys)
