"""Access tokens: what is kept of them, and until when they count (C-055, C-056)."""

from __future__ import annotations

import math

import msgspec

# Renewed at four fifths of its life, and no later than half a minute before its end: a call takes its time, and the
# clocks of two machines differ. A token that lives for less than a minute is renewed at half of its life.
SHARE = 0.8
SPARE_SECONDS = 30.0


class Token(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a token endpoint gave out; all times are Unix times, ``expires`` is None if it did not say.

    ``proof`` tells for which settings it was given out; ``since`` is when somebody signed in, 0 for a client by itself.
    """

    access: str
    issued: float
    proof: str
    expires: float | None = None
    refresh: str = ""
    scopes: str = ""
    since: float = 0.0

    @property
    def due(self) -> float:
        """From when on another one is fetched."""
        if self.expires is None:
            return math.inf
        life = self.expires - self.issued
        return self.issued + max(life / 2, min(SHARE * life, life - SPARE_SECONDS))

    @property
    def end(self) -> float:
        """From when on it is refused."""
        return math.inf if self.expires is None else self.expires

    def __repr__(self) -> str:
        return f"<Token until {self.expires}>"
