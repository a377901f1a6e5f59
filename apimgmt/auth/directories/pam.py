"""Users of the machine, or of whatever its PAM service asks (extra ``pam``, which needs libpam)."""

from __future__ import annotations

from apimgmt.auth.directories import Credentials, away
from apimgmt.errors import SettingInvalid
from apimgmt.settings import Settings

# What says nothing about the password (pam(3), Linux-PAM's numbers): no module, no access to it, or it is out of order.
# PAM_SYSTEM_ERR (4) is not among them: pam_exec says it for every refusal of its program.
OUT_OF_ORDER = frozenset((1, 2, 3, 5, 8, 9, 26, 28))


class Pam:
    """Asks a PAM service for authentication and for the state of the account; it opens no session."""

    threads = 8

    def __init__(self, settings: Settings) -> None:
        try:
            from pam import PamAuthenticator

            PamAuthenticator()
        except (ImportError, OSError, AttributeError) as error:
            hint = "install the extra apimgmt[pam], and libpam"
            raise SettingInvalid(f"basic_directory=pam: {hint} ({error})") from None
        self._conversation = PamAuthenticator
        self._service = settings.pam_service

    def check(self, credentials: Credentials) -> bool:
        """Whether the service takes the password and the account is in order."""
        conversation = self._conversation()
        name, password, _ = credentials
        # nobody logs in to this machine, so there are no credentials of the system to set up
        if conversation.authenticate(name, password, service=self._service, resetcreds=False):
            return True
        if conversation.code in OUT_OF_ORDER:
            raise away(f"PAM service {self._service!r}: {conversation.reason} ({conversation.code})")
        return False
