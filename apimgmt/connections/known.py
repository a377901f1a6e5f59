"""The connections that this process knows, as they are published."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from threading import Lock

import msgspec

from apimgmt.connections.configuration import Configuration, Tls, with_secrets
from apimgmt.connections.connection import Connection
from apimgmt.encryption import Encryption
from apimgmt.errors import ConnectionFailed, SettingInvalid
from apimgmt.model import ConnectionEntry
from apimgmt.reading import read
from apimgmt.settings import Settings

log = logging.getLogger("apimgmt.connections")
ORIGINS_MOST = 32


class Connections:
    """The connections of this process, by name; swapped as one reference when a snapshot is."""

    def __init__(self) -> None:
        self.settings = Settings()
        self._known: dict[str, tuple[ConnectionEntry, Connection | SettingInvalid]] = {}
        self._anonymous: dict[tuple[str, bool, Settings], Connection] = {}
        self._is_published = False
        self._lock = Lock()

    def prepared(self, entries: Iterable[ConnectionEntry], settings: Settings) -> Callable[[], None]:
        """Build what changed, aside; the function that is returned puts it in place and closes what was replaced.

        One that cannot be built, its key being lost, say, fails its own calls and nothing else.
        """
        known = self._known
        made: dict[str, tuple[ConnectionEntry, Connection | SettingInvalid]] = {}
        for entry in entries:
            kept = known.get(entry.name)
            if kept is None or kept[0] != entry or isinstance(kept[1], SettingInvalid):
                kept = (entry, _opened(entry, settings))
            made[entry.name] = kept

        def use() -> None:
            with self._lock:
                before, self._known, self.settings = self._known, made, settings
                self._is_published = True
            kept = {id(one) for _, one in made.values()}
            for _, one in before.values():
                if isinstance(one, Connection) and id(one) not in kept:
                    one.close()

        return use

    def find(self, name: str) -> Connection:
        """The one of that name; an unknown name is an error that lists the known ones."""
        found = self._known.get(name)
        if found is None and not self._is_published:
            raise SettingInvalid(
                f"there is no connection {name!r}: none is known until functions are called, so write "
                f"connection({name!r}) inside the function that uses it, not at the top of its module"
            )
        if found is None:
            raise SettingInvalid(f"there is no connection {name!r}; there are: {', '.join(self.names()) or 'none'}")
        if isinstance(found[1], SettingInvalid):
            raise ConnectionFailed("unusable", str(found[1]))
        return found[1]

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._known)

    def anonymous(self, base: str, verify: bool, settings: Settings) -> Connection:
        """What calls without a connection go through, by the origin of their URL: no credential, no breaker; sockets
        are kept for the next call, those of the origins that were called last."""
        key = (base, verify, settings)
        with self._lock:
            one = self._anonymous.pop(key, None)
            if one is None:
                configuration = Configuration(base_url=base, breaker=None, tls=Tls(verify=verify))
                one = Connection("", configuration, {}, settings)
            self._anonymous[key] = one
            if len(self._anonymous) > ORIGINS_MOST:
                self._anonymous.pop(next(iter(self._anonymous))).close()
        return one

    async def aclose(self) -> None:
        """Let go of what they keep open on this event loop; called once at its end."""
        for one in (*(known for _, known in self._known.values()), *self._anonymous.values()):
            if isinstance(one, Connection):
                await one.aclose()


connections = Connections()


def connection(name: str) -> Connection:
    """The connection of that name, for a process; raises SettingInvalid if there is none."""
    return connections.find(name)


def _opened(entry: ConnectionEntry, settings: Settings) -> Connection | SettingInvalid:
    try:
        return opened(entry, settings)
    except SettingInvalid as error:
        log.error("%s", error)
        return error


def opened(entry: ConnectionEntry, settings: Settings) -> Connection:
    """The connection of an entry, its secrets decrypted."""
    try:
        plain = with_secrets(entry.settings, Encryption(settings).decrypt)
        return Connection(entry.name, read(plain, Configuration), entry.entities, settings, entry.id)
    except (SettingInvalid, msgspec.ValidationError) as error:
        raise SettingInvalid(f"connection {entry.name!r}: {error}") from None
