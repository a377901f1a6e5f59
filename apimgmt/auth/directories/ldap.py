"""Users of an LDAP directory, such as OpenLDAP or Active Directory: they bind with their own password (extra ``ldap``).

A user's DN comes from a template, or is searched for with a service account. The connection is encrypted and its
certificate checked, unless the setting ``ldap_tls`` is ``off``. Each check has a connection of its own, so that nothing
of one caller is left for the next one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from apimgmt.auth.directories import Credentials, away
from apimgmt.errors import SettingInvalid
from apimgmt.settings import Settings

PLACE = "{name}"
TLS_1_2 = 0x303


class Ldap:
    """One directory; raises SettingInvalid if the settings do not say where a user is."""

    threads = 8

    def __init__(self, settings: Settings) -> None:
        try:
            import ldap
            import ldap.dn
            import ldap.filter
        except ImportError as error:
            raise SettingInvalid(f"basic_directory=ldap: install the extra apimgmt[ldap] ({error})") from None
        self._ldap = ldap
        self._refusals = (
            ldap.INVALID_CREDENTIALS,
            ldap.INVALID_DN_SYNTAX,
            ldap.NO_SUCH_OBJECT,
            ldap.INAPPROPRIATE_AUTH,
            ldap.UNWILLING_TO_PERFORM,
            ldap.CONSTRAINT_VIOLATION,
            ldap.INSUFFICIENT_ACCESS,
        )
        self._url = _url(settings.ldap_url)
        self._start_tls = self._url.startswith("ldap:") and settings.ldap_tls == "required"
        self._authorities = settings.ldap_ca_file
        self._seconds = settings.ldap_seconds
        self._find = self._finder(settings)

    def check(self, credentials: Credentials) -> bool:
        """Whether the user can bind with the password."""
        # RFC 4513 section 5.1.2: with an empty password a server may say yes to everybody
        if not credentials.password:
            return False
        connection = None
        try:
            connection = self._connect()
            dn, exists = self._find(connection, credentials.name)
            return self._binds(connection, dn, credentials.password) and exists
        except self._ldap.LDAPError as error:
            raise away(f"{self._url}: {_described(error)}") from None
        finally:
            if connection is not None:
                connection.unbind_s()

    def _connect(self) -> Any:
        """A connection that is encrypted, if it is to be, before anything is sent."""
        ldap = self._ldap
        connection = ldap.initialize(self._url)
        connection.set_option(ldap.OPT_PROTOCOL_VERSION, ldap.VERSION3)
        connection.set_option(ldap.OPT_REFERRALS, ldap.OPT_OFF)
        connection.set_option(ldap.OPT_TIMEOUT, self._seconds)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, self._seconds)
        # without it, libldap waits for ever for a server that accepts and then says nothing in the TLS handshake
        connection.set_option(ldap.OPT_CONNECT_ASYNC, ldap.OPT_ON)
        connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
        connection.set_option(ldap.OPT_X_TLS_PROTOCOL_MIN, TLS_1_2)
        if self._authorities:
            connection.set_option(ldap.OPT_X_TLS_CACERTFILE, self._authorities)
        # the options of TLS count from here on
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        if self._start_tls:
            connection.start_tls_s()
        return connection

    def _finder(self, settings: Settings) -> Callable[[Any, str], tuple[str, bool]]:
        """Connection and user name to a DN, and whether it can be the user's.

        For a name that is not found it is one that nobody has: binding with it takes as long as with a wrong password.
        """
        escaped_dn, escaped_filter = self._ldap.dn.escape_dn_chars, self._ldap.filter.escape_filter_chars
        template, base, pattern = settings.ldap_user_dn, settings.ldap_search_base, settings.ldap_search_filter
        if bool(template) == bool(base):
            raise SettingInvalid("ldap_user_dn, ldap_search_base: set one of them, it says where a user is")
        if PLACE not in (template or pattern):
            name = "ldap_user_dn" if template else "ldap_search_filter"
            raise SettingInvalid(f"{name}: must have {PLACE} where the user name goes")
        if template:
            return lambda connection, name: (template.replace(PLACE, escaped_dn(name)), True)
        service, password = settings.ldap_bind_dn, _first_line(settings.ldap_bind_password_file)

        def search(connection: Any, name: str) -> tuple[str, bool]:
            connection.simple_bind_s(service, password)
            wanted = pattern.replace(PLACE, escaped_filter(name))
            found = connection.search_ext_s(base, self._ldap.SCOPE_SUBTREE, wanted, ["1.1"])
            # what has no DN is a reference to another server
            names = [dn for dn, _ in found if dn is not None]
            return (names[0], True) if len(names) == 1 else (f"cn={secrets.token_hex(16)},{base}", False)

        return search

    def _binds(self, connection: Any, dn: str, password: str) -> bool:
        try:
            connection.simple_bind_s(dn, password)
        except self._refusals:
            return False
        return True


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("ldap", "ldaps") or not parts.hostname or " " in text:
        raise SettingInvalid(f"ldap_url={text!r}: must be ldap://HOST or ldaps://HOST, with a port if need be")
    return text


def _first_line(file: str) -> str:
    if not file:
        return ""
    try:
        return Path(file).read_text("utf-8").partition("\n")[0]
    except OSError as error:
        raise SettingInvalid(f"ldap_bind_password_file={file!r}: {error.strerror}") from None


def _described(error: Exception) -> str:
    """What libldap says, on one line."""
    details = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    return f"{type(error).__name__}: {details.get('desc', '')} {details.get('info', '')}".rstrip()
