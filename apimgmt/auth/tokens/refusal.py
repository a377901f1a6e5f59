"""How a token is refused: the problem, and the challenge of RFC 6750 section 3 that goes with it."""

from __future__ import annotations

from apimgmt.errors import Problem


def refused(code: str, detail: str, reason: str = "") -> Problem:
    """401 with ``error="invalid_token"``; ``detail`` is a sentence of ours in ASCII, without quotes."""
    challenge = f'Bearer error="invalid_token", error_description="{detail}"'
    return Problem(code, detail, headers=[("www-authenticate", challenge)], reason=reason)
