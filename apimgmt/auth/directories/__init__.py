"""User stores of the kind ``basic``: who has which password (F-032). This file holds what they share.

Which one is asked is the server's own setting, ``basic_directory``, and never anything in a request. A store is asked
in a thread: hashing, PAM and a directory all take their time.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from apimgmt.errors import Problem


class Credentials(NamedTuple):
    """What a caller sent, and the ``stored`` hash of the local user of that name, empty if there is none."""

    name: str
    password: str
    stored: str = ""


class Directory(Protocol):
    """One user store; at most ``threads`` checks run at a time in a worker."""

    threads: int

    def check(self, credentials: Credentials) -> bool:
        """Whether that is the user's password. Blocks; raises :func:`away` if the store cannot say."""


def away(reason: str) -> Problem:
    """The refusal when the store cannot be asked: nobody is let in, and nobody is told that a password is wrong."""
    detail = "The user directory cannot be asked now."
    return Problem("unavailable", detail, headers=[("retry-after", "5")], reason=reason)
