"""The data folder as ``start`` takes it over: private, locked against a second start, with the admin token's digest.

lock                            held while anything of a start is alive; has the process id of its supervisor
logs/NAME.log                   what the gateway and the admin process say
secrets/admin-token.sha256      SHA-256 of each accepted admin token in hexadecimal, one a line
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from pathlib import Path

from apimgmt.archive import is_alive, write_atomically
from apimgmt.digest import digest_of
from apimgmt.errors import ApimgmtError, SettingInvalid

TAKEOVER_SECONDS = 40.0


class FolderTaken(ApimgmtError):
    """Another start is using the data folder."""


def prepare(root: Path) -> None:
    """Make the folder and its parts; nobody else may read them. Raises SettingInvalid if that cannot be done."""
    for folder in (root, root / "logs", root / "secrets"):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        except OSError as error:
            reason = error.strerror or str(error)
            raise SettingInvalid(f"{folder} cannot be used: {reason}; choose another folder with --data") from None


def lock(root: Path, patience: float = TAKEOVER_SECONDS) -> int:
    """Lock the folder; returns the descriptor, which the children inherit so that the lock lasts as long as they do.

    Raises FolderTaken at once if the supervisor that holds it is alive; if it was killed, its children are about to
    end, and they are waited for.
    """
    descriptor = os.open(root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            if (holder.isdigit() and is_alive(int(holder))) or time.monotonic() > deadline:
                os.close(descriptor)
                raise FolderTaken(
                    f"{root} is in use by another `apimgmt start` (process {holder or 'unknown'}); "
                    "stop that one first, or choose another folder with --data"
                ) from None
            time.sleep(0.1)
        else:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
            return descriptor


class AdminToken:
    """The digests of the accepted admin tokens: the administrator's and, while it runs, the supervisor's own.

    The administrator's token is shown once and kept nowhere. The supervisor needs one too, to load documents at a
    later start; it has its own, which is accepted only as long as this start lives.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / "secrets" / "admin-token.sha256"
        self.session = secrets.token_urlsafe(32)

    def open(self, given: str) -> str | None:
        """Accept ``given``, or what was accepted before, or a new token; returns the new one, to be shown once."""
        kept = self._kept()
        fresh = None if given or kept else "apim_admin_" + secrets.token_urlsafe(32)
        token = given or fresh
        self._write([digest_of(token) if token else kept, digest_of(self.session)])
        return fresh

    def close(self) -> None:
        """Accept only the administrator's token from now on."""
        self._write([self._kept()])

    def forget(self) -> None:
        """Accept no token: the new one was never shown, so the next start has to make another."""
        self._path.unlink(missing_ok=True)

    def _kept(self) -> str:
        try:
            lines = self._path.read_text("ascii").split()
        except FileNotFoundError:
            return ""
        return lines[0] if lines else ""

    def _write(self, digests: list[str]) -> None:
        write_atomically(self._path, "".join(f"{digest}\n" for digest in digests).encode("ascii"))
