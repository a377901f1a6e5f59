"""How the admin API is protected: its bearer token says who is at work, the role of that member what may be done."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from connexion.security import NO_VALUE, AbstractSecurityHandler

from apimgmt.auth import Surroundings, Verify
from apimgmt.control.roles import may
from apimgmt.control.sessions import Sessions
from apimgmt.errors import Problem
from apimgmt.request import Request

LONGEST_TOKEN = 1_000


class Membership(AbstractSecurityHandler):  # type: ignore[misc]  # Connexion ships no types
    """Handler of the admin API's scheme; ``tags`` says what each operation is about, by its key."""

    def __init__(self, sessions: Sessions, tags: Mapping[str, str], surroundings: Surroundings) -> None:
        self._sessions = sessions
        self._tags = tags

    def get_fn(self, scheme: Mapping[str, Any], scopes: object) -> Verify:
        """The check of one operation: 401 for a token that is nobody's, 403 for a role that does not have it."""
        sessions, tags = self._sessions, self._tags

        async def verify(request: Request) -> Any:
            written, _, text = request.headers.get(b"authorization", b"").partition(b" ")
            if written.lower() != b"bearer":
                return NO_VALUE
            token = text.strip()
            if not token.isascii() or not 0 < len(token) <= LONGEST_TOKEN:
                raise Problem("credential-malformed", "The token after Bearer cannot be read.")
            # the store is asked, so not on the event loop
            member = await asyncio.to_thread(sessions.member, token.decode("ascii"))
            if member is None:
                raise Problem("credential-unknown", "The token is not known, or has ended; log in again.")
            tag = tags.get(request.target.operation, "")
            if not may(member.role, request.target.method, tag):
                detail = f"The role {member.role} does not allow this; ask an administrator."
                raise Problem("forbidden", detail, reason=f"{member.name}, {member.role}: {request.target.operation}")
            return {"sub": member.name, "kind": "member", "id": member.login or "admin", "member": member}

        return verify
