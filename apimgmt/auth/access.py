"""Who may call, as one snapshot says: every table that authentication looks into, built once, swapped with the runtime.

Security handlers belong to an API and outlive a publish that does not touch it, so they find the tables on the request.
"""

from __future__ import annotations

from collections.abc import Mapping

from apimgmt.auth.accesspolicy import AccessPolicies
from apimgmt.auth.apikey import Keys
from apimgmt.auth.authorities import Authorities
from apimgmt.auth.decision import Holders
from apimgmt.auth.tokens.issuer import Issuers
from apimgmt.auth.users import Users
from apimgmt.model import Snapshot


class Access:
    """The tables of one snapshot; ``keys`` are the API keys, ``issuers`` those of tokens, ``policies`` what tokens may
    do, ``revoked_tokens`` the ``jti`` of those that no longer count, ``authorities`` the issuers of client
    certificates, ``users`` those of the kind basic.
    """

    __slots__ = ("authorities", "issuers", "keys", "policies", "revoked_tokens", "users")

    def __init__(self, snapshot: Snapshot) -> None:
        self.keys = Keys(snapshot.keys, snapshot.environment)
        self.issuers = Issuers(snapshot.issuers)
        self.policies = AccessPolicies(snapshot.applications, snapshot.access_policies)
        self.revoked_tokens = snapshot.revoked_tokens
        self.authorities = Authorities(snapshot.authorities)
        self.users = Users(snapshot.users)

    @property
    def holders(self) -> Mapping[str, Holders]:
        """The callers of each kind, for who asks before run time: ``key`` in ``key:crm``."""
        return {
            "key": self.keys,
            "user": self.users,
            "application": self.policies,
            "certificate": self.authorities,
        }
