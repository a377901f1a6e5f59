"""How far a delta sync has come, kept between runs: in the data folder, or in Redis where several machines share it."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import orjson

from apimgmt.archive import write_atomically
from apimgmt.digest import digest_of
from apimgmt.errors import ConnectionFailed, SettingInvalid
from apimgmt.settings import Settings

PREFIX = "apimgmt:last-sync:"


class Place(NamedTuple):
    """Whose mark it is: of a connection, an entity, a consumer, and the parameters that were asked with."""

    connection: str
    entity: str
    consumer: str
    parameters: str

    @property
    def digest(self) -> str:
        """A name that can be a file's, whatever the parts are."""
        return digest_of(orjson.dumps(tuple(self)).decode())


class Marks(Protocol):
    """Where marks are kept."""

    def read(self, place: Place) -> Any:
        """The mark, None if there is none yet."""

    def write(self, place: Place, mark: Any) -> None:
        """Keep the mark; when this returns, it is kept."""


def marks(settings: Settings) -> Marks:
    """Redis if the settings name one, otherwise the data folder."""
    return RedisMarks(settings.redis_url) if settings.redis_url else FolderMarks(settings)


class FolderMarks:
    """One file for each, ``connections/DIGEST.json`` in the data folder, that says whose it is."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.root / "connections"

    def read(self, place: Place) -> Any:
        """See Marks."""
        path = self._folder / f"{place.digest}.json"
        try:
            return orjson.loads(path.read_bytes())["lastSync"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise SettingInvalid(
                f"connections/{path.name} in the data folder cannot be read; remove it to sync from the start"
            ) from None

    def write(self, place: Place, mark: Any) -> None:
        """See Marks."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        content = orjson.dumps({**place._asdict(), "lastSync": mark}, option=orjson.OPT_INDENT_2)
        write_atomically(self._folder / f"{place.digest}.json", content)


class RedisMarks:
    """One key for each."""

    def __init__(self, url: str) -> None:
        try:
            import redis
        except ImportError:
            raise SettingInvalid("redis_url: install apimgmt[redis] to keep lastSync there") from None
        self._client = redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5)
        self._away = redis.exceptions.RedisError

    def read(self, place: Place) -> Any:
        """See Marks."""
        found = self._ask(lambda: self._client.get(PREFIX + place.digest))
        return None if found is None else orjson.loads(found)["lastSync"]

    def write(self, place: Place, mark: Any) -> None:
        """See Marks."""
        content = orjson.dumps({**place._asdict(), "lastSync": mark})
        self._ask(lambda: self._client.set(PREFIX + place.digest, content))

    def close(self) -> None:
        """Let go of the connection to Redis."""
        self._client.close()

    def _ask(self, ask: Any) -> Any:
        try:
            return ask()
        except self._away:
            raise ConnectionFailed("unreachable", "Redis, where lastSync is kept, does not answer") from None
