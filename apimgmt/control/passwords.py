"""Passwords of the platform's own users, checked for the admin API and the consent page: slow to guess (T13)."""

from __future__ import annotations

import threading
import unicodedata

from apimgmt.auth.attempts import Attempts, whereabouts
from apimgmt.auth.directories import Credentials
from apimgmt.auth.directories.local import Local
from apimgmt.auth.users import EVERYONE, folded
from apimgmt.control.rows import ResourceRow
from apimgmt.control.store import Store
from apimgmt.control.users import Users, password_of
from apimgmt.settings import Settings


class Passwords:
    """The local users; the counts of wrong passwords are those of the whole machine, the gateway's included."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        self._directory = Local(settings)
        self._attempts = Attempts(settings.root / "attempts.sqlite")
        self._turns = threading.BoundedSemaphore(Local.threads)

    def check(self, name: str, password: str, address: str) -> ResourceRow | None:
        """The user of that name if it is the password, else None.

        Raises Problem("quota-exceeded") after too many wrong ones, for the name or from the address.
        """
        if not password:
            return None
        password = unicodedata.normalize("NFC", password)
        row = self._find(name)
        attempt = self._attempts.start(folded(name), whereabouts(address))
        try:
            with self._turns:
                right = self._directory.check(Credentials(name, password, password_of(row) if row else ""))
        except BaseException:
            self._attempts.withdraw(attempt)
            raise
        (self._attempts.right if right else self._attempts.wrong)(attempt)
        return row if right else None

    def _find(self, name: str) -> ResourceRow | None:
        with self._store.reading() as transaction:
            rows = transaction.resources(Users.kind)
        # a password of the entry for everyone is nobody's
        return next((row for row in rows if folded(row.name) == folded(name) != EVERYONE), None)
