"""Who is taken over, and who is only not heard of because the database was away (apimgmt/runner/beats.py)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy

from apimgmt.runner.beats import DEAD_SECONDS, GAP_SECONDS, Beats

_PENDING = "INSERT INTO dbos.workflow_status VALUES ('run-1', 'b', 'PENDING')"


class Hasty(Beats):
    """The naive one: asks who is gone as soon as it has said that it is there itself."""

    def is_steady(self) -> bool:
        """At once."""
        return True


class Clock:
    """Time for one runner; ``pass_by`` lets it pass for the database as well: every beat there gets older."""

    def __init__(self, database: sqlalchemy.Engine) -> None:
        self.now = 1_000.0
        self._database = database

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        """So many seconds pass."""
        self.now += seconds
        aged = "UPDATE dbos.apimgmt_runners SET seen = seen - make_interval(secs => :seconds)"
        with self._database.begin() as connection:
            connection.execute(sqlalchemy.text(aged), {"seconds": seconds})


@pytest.fixture
def shared(database: str) -> Iterator[tuple[str, sqlalchemy.Engine, Clock]]:
    """A PostgreSQL with what DBOS has there, as far as it matters here."""
    if not database:
        pytest.skip("a file is one runner's")
    engine = sqlalchemy.create_engine(database)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE SCHEMA dbos"))
        connection.execute(
            sqlalchemy.text("CREATE TABLE dbos.workflow_status (workflow_uuid text, executor_id text, status text)")
        )
    yield database, engine, Clock(engine)
    engine.dispose()


def after_an_outage(kind: type[Beats], shared: tuple[str, sqlalchemy.Engine, Clock]) -> list[str]:
    """Two runners beat, the database goes away for a minute, and both come back: whom the first takes for gone."""
    url, _, clock = shared
    first, second = kind(url, "a", clock), kind(url, "b", clock)
    found = []
    try:
        for _ in range(10):
            found += first.beat() + second.beat()
            clock.pass_by(2.0)
        assert found == []
        clock.pass_by(60.0)
        for _ in range(4):
            found += first.beat()
            clock.pass_by(2.0)
        for _ in range(10):
            found += second.beat() + first.beat()
            clock.pass_by(2.0)
        return found
    finally:
        first.close()
        second.close()


def test_nobody_is_taken_over_because_the_database_was_away(shared: tuple[str, sqlalchemy.Engine, Clock]) -> None:
    """The one that is back first waits until the others had the time to be heard of."""
    assert after_an_outage(Beats, shared) == []


def test_the_naive_one_takes_over_who_lives(shared: tuple[str, sqlalchemy.Engine, Clock]) -> None:
    """Without that wait, the same story has the other one taken over."""
    assert after_an_outage(Hasty, shared) == ["b"] * 4


def test_who_is_gone_is_noticed_after_ten_seconds(shared: tuple[str, sqlalchemy.Engine, Clock]) -> None:
    """It is named again and again while something of it is left, and then forgotten."""
    url, engine, clock = shared
    first, gone = Beats(url, "a", clock), Beats(url, "b", clock)
    try:
        first.beat()
        gone.beat()
        for _ in range(3):
            clock.pass_by(2.0)
            assert first.beat() == [], "not after 6 s, and those that this test itself takes"
        clock.pass_by(DEAD_SECONDS - 6.0)
        assert first.beat() == ["b"]
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text(_PENDING))
        first.forget()
        assert first.beat() == ["b"], "something of it is left"
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("DELETE FROM dbos.workflow_status"))
        first.forget()
        assert first.beat() == []
        gone.beat()
        assert first.beat() == [], "it came back"
    finally:
        first.close()
        gone.close()


def test_a_gap_between_beats_begins_the_wait_anew(shared: tuple[str, sqlalchemy.Engine, Clock]) -> None:
    """A runner that was asleep for a moment longer than the gap asks nobody for another ten seconds."""
    url, _, clock = shared
    first, gone = Beats(url, "a", clock), Beats(url, "b", clock)
    try:
        first.beat()
        gone.beat()
        for seconds, expected in ((GAP_SECONDS, []), (GAP_SECONDS + 0.1, []), (GAP_SECONDS, []), (GAP_SECONDS, ["b"])):
            clock.pass_by(seconds)
            assert first.beat() == expected
    finally:
        first.close()
        gone.close()
