"""User names and passwords, checked for one worker: off the event loop, remembered for a short while, guarded.

    refused already? -> verified a moment ago? -> a turn for the name -> a thread -> counted -> the directory

The discipline: nothing here keeps a password. What was right is remembered as a keyed digest of name, password, the
hash that it was compared with, and the caller's address; so a changed or removed local user counts at once, and nobody
can guess, from another address, against what is remembered.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakValueDictionary

from apimgmt.auth.attempts import Attempts, whereabouts
from apimgmt.auth.directories import Credentials, Directory
from apimgmt.auth.directories.ldap import Ldap
from apimgmt.auth.directories.local import Local
from apimgmt.auth.directories.pam import Pam
from apimgmt.auth.users import folded
from apimgmt.errors import Problem
from apimgmt.origin import Proxies
from apimgmt.request import Request
from apimgmt.settings import Settings

DIRECTORIES: dict[str, Callable[[Settings], Directory]] = {"local": Local, "pam": Pam, "ldap": Ldap}
WAITING_MOST = 100
REMEMBERED_MOST = 10_000


class Logins:
    """The check of names and passwords; raises SettingInvalid if the user store cannot be what the settings say."""

    def __init__(self, settings: Settings, directory: Directory | None = None) -> None:
        self._directory = directory or DIRECTORIES[settings.basic_directory](settings)
        self._store = settings.basic_directory
        self._proxies = Proxies(settings.trusted_proxies)
        self._attempts = Attempts(settings.root / "attempts.sqlite")
        self._remembered = Remembered(settings.basic_cache_seconds)
        self._threads = ThreadPoolExecutor(self._directory.threads, "logins")
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._waiting = 0

    async def check(self, credentials: Credentials, request: Request) -> None:
        """Return if the password is the user's. Raises Problem: 401 if not, 429 after too many of these, 503 if nobody
        can say."""
        if not credentials.password:
            raise self._wrong(credentials, request.peer)
        name, address = folded(credentials.name), whereabouts(self._proxies.address(request))
        self._attempts.refuse(name, address)
        digest = self._remembered.digest(*credentials, address)
        if digest in self._remembered:
            return
        if self._waiting >= WAITING_MOST:
            reason = f"{self._waiting} passwords wait for their check"
            raise Problem("unavailable", headers=[("retry-after", "1")], reason=reason)
        self._waiting += 1
        try:
            # one after another for a name: of many requests with the same password only the first is looked at
            async with self._turns.setdefault(name, asyncio.Lock()):
                if digest not in self._remembered:
                    self._attempts.refuse(name, address)
                    await self._ask(credentials, name, address)
                    self._remembered.add(digest)
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Let go of the threads; a check that runs ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, credentials: Credentials, name: str, address: str) -> None:
        loop = asyncio.get_running_loop()
        if not await loop.run_in_executor(self._threads, self._attempt, credentials, name, address):
            raise self._wrong(credentials, address)

    def _wrong(self, credentials: Credentials, address: str) -> Problem:
        """The same for an unknown user and for a wrong password.

        The log has names of our own users alone: people type their password in place of the name, too (T18).
        """
        who = repr(credentials.name) if credentials.stored else "a name without a password here"
        reason = f"{self._store}: {who} is refused, from {address}"
        return Problem("credential-unknown", "The user name or the password is wrong.", reason=reason)

    def _attempt(self, credentials: Credentials, name: str, address: str) -> bool:
        """One counted check; runs to its end in a thread, whether or not the caller still waits."""
        attempt = self._attempts.start(name, address)
        try:
            right = self._directory.check(credentials)
        except BaseException:
            self._attempts.withdraw(attempt)
            raise
        decide = self._attempts.right if right else self._attempts.wrong
        decide(attempt)
        return right


class Remembered:
    """Digests of what was right within the last ``seconds``; they end in the order in which they came."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._until: dict[bytes, float] = {}

    def digest(self, *texts: str) -> bytes:
        """The keyed digest (RFC 7693) of some texts, none of which has a NUL."""
        return hashlib.blake2b("\0".join(texts).encode(), key=self._secret, digest_size=32).digest()

    def __contains__(self, digest: bytes) -> bool:
        return self._until.get(digest, 0.0) > self._clock()

    def add(self, digest: bytes) -> None:
        """Remember one, in place of the oldest if there are too many."""
        self._until.pop(digest, None)
        if len(self._until) >= REMEMBERED_MOST:
            del self._until[next(iter(self._until))]
        self._until[digest] = self._clock() + self._seconds
