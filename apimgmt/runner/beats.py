"""The beats of the runners that share a PostgreSQL: each says that it lives, and learns who does not any more."""

from __future__ import annotations

import time
from collections.abc import Callable

import sqlalchemy

DEAD_SECONDS = 10.0
# more between two beats, and the database was away, or this runner was asleep
GAP_SECONDS = 5.0
CONNECT_SECONDS = 5


class Beats:
    """Those of one runner, ``executor``, in the database at ``url``; ``clock`` is in seconds and never goes back."""

    def __init__(self, url: str, executor: str, clock: Callable[[], float] = time.monotonic) -> None:
        # a connection of its own: those of the runs may all be waiting for a database that is away
        self._database = sqlalchemy.create_engine(
            url, pool_pre_ping=True, pool_size=1, connect_args={"connect_timeout": CONNECT_SECONDS}
        )
        self._executor = executor
        self._clock = clock
        self._made = False
        self._last, self._steady_since = float("-inf"), float("inf")

    def reach(self) -> None:
        """Raises SQLAlchemyError if the database is away."""
        self._database.connect().close()

    def beat(self) -> list[str]:
        """Say that this runner lives; the names of those that were not heard of for ``DEAD_SECONDS``.

        After a database that was away nobody was heard of, and whoever comes back first must not take over what others
        perform: who is gone is asked only after beats without a gap for as long as that.
        """
        began = self._clock()
        with self._database.begin() as database:
            if not self._made:
                database.execute(sqlalchemy.text(_RUNNERS))
            database.execute(sqlalchemy.text(_BEAT), {"id": self._executor})
        self._made = True
        if began - self._last > GAP_SECONDS:
            self._steady_since = began
        self._last = self._clock()
        return self._silent() if self.is_steady() else []

    def is_steady(self) -> bool:
        """Whether the others had the time to be heard of since this runner is."""
        return self._last - self._steady_since >= DEAD_SECONDS

    def forget(self) -> None:
        """Forget those who are gone and have left nothing; of whom something is left, it is asked again."""
        with self._database.begin() as database:
            database.execute(sqlalchemy.text(_FORGET), {"seconds": DEAD_SECONDS})

    def close(self) -> None:
        """Close the connection."""
        self._database.dispose()

    def _silent(self) -> list[str]:
        with self._database.begin() as database:
            rows = database.execute(sqlalchemy.text(_SILENT), {"seconds": DEAD_SECONDS, "id": self._executor})
            return [str(row[0]) for row in rows]


_RUNNERS = "CREATE TABLE IF NOT EXISTS dbos.apimgmt_runners (id text PRIMARY KEY, seen timestamptz NOT NULL)"
_BEAT = "INSERT INTO dbos.apimgmt_runners VALUES (:id, now()) ON CONFLICT (id) DO UPDATE SET seen = now()"
_SILENT = "SELECT id FROM dbos.apimgmt_runners WHERE seen < now() - make_interval(secs => :seconds) AND id <> :id"
_FORGET = """
DELETE FROM dbos.apimgmt_runners AS gone WHERE seen < now() - make_interval(secs => :seconds)
AND NOT EXISTS (SELECT FROM dbos.workflow_status WHERE executor_id = gone.id AND status = 'PENDING')
"""
