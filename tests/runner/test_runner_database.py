"""A database that goes away, that is not there yet, and that was put away (apimgmt/runner)."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy
from postgresql_server import PostgresqlServer
from runner_place import FLOW, LONG, PATIENCE, Place, ended, repeated, runners, step, until

from apimgmt.model import Binding
from apimgmt.runner.beats import DEAD_SECONDS

BINDING = Binding(kind="flow", config={"definition": FLOW})
RUNS, RATE = (2_000, 20.0) if LONG else (100, 12.0)
UP_SECONDS, AWAY_SECONDS = ((5.0, 20.0), (0.0, 5.0)) if LONG else ((2.0, 4.0), (0.0, 2.0))


@pytest.mark.rows("H-106")
def test_a_database_that_goes_away_again_and_again_loses_and_repeats_nothing(
    tmp_path: Path, server: PostgresqlServer
) -> None:
    """PostgreSQL breaks all connections and is back after a while, while runs are accepted and performed (R-04): each
    ends once, and no step begins again once its end is kept."""
    chance, outages = random.Random(4), 0
    place = Place(tmp_path, server.url, STEP_SECONDS="0.02")
    identities: list[str] = []

    def accept() -> None:
        began = time.monotonic()
        for number in range(RUNS):
            identities.append(place.order(number, BINDING))
            time.sleep(max(0.0, began + number / RATE - time.monotonic()))

    accepting = threading.Thread(target=accept)
    try:
        place.start()
        accepting.start()
        until(place.lines)
        while accepting.is_alive() or outages < 2:
            time.sleep(chance.uniform(*UP_SECONDS))
            server.stop()
            time.sleep(chance.uniform(*AWAY_SECONDS))
            server.start()
            outages += 1
        back = time.monotonic()
        until(place.are_over, 3 * PATIENCE)
        print(f"\n{RUNS} runs, {outages} outages; over {time.monotonic() - back:.1f} s after the last one")
    finally:
        accepting.join()
        place.close()
    found = [place.orders.outcome(identity) for identity in identities]
    assert [outcome.state for outcome in found if outcome is not None] == ["succeeded"] * RUNS
    assert repeated(place.ledger.read_text().splitlines()) == []
    lines = place.lines()
    for number in range(RUNS):
        assert all(1 <= lines[f"{number} {one} end"] <= outages + 1 for one in (1, 2, 3))


def test_a_runner_that_starts_before_its_database_waits_for_it(tmp_path: Path, server: PostgresqlServer) -> None:
    """First nobody listens there, then it refuses to make the tables; once it does, what waits is performed."""
    engine = sqlalchemy.create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as database:
        for statement in (
            "CREATE ROLE runner LOGIN",
            "CREATE DATABASE runs",
            "REVOKE ALL ON DATABASE runs FROM runner",
        ):
            database.execute(sqlalchemy.text(statement))
    engine.dispose()
    server.stop()
    url = sqlalchemy.make_url(server.url).set(username="runner", database="runs")
    place = Place(tmp_path, url.render_as_string(hide_password=False))
    try:
        identity = place.order(1, BINDING)
        place.start()
        until(lambda: "runs wait" in place.said())
        server.start()
        until(lambda: "permission denied" in place.said())
        assert place.orders.find(identity)[1] == "accepted"
        with engine.connect() as database:
            database.execute(sqlalchemy.text("GRANT CREATE ON DATABASE runs TO runner"))
        assert ended(place, identity) == "succeeded"
    finally:
        engine.dispose()
        place.close()


@pytest.mark.skipif(not LONG, reason="an outage of a quarter of a minute; test_runner_beats.py has it with a clock")
def test_nobody_is_taken_over_after_an_outage(tmp_path: Path, server: PostgresqlServer) -> None:
    """Two runners; the database is away for longer than a dead one is waited for. What they had begun they end."""
    places = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        places.append(Place(tmp_path / name, server.url, STEP_SECONDS="5"))

    def counts() -> Counter[str]:
        return places[0].lines() + places[1].lines()

    try:
        for place in places:
            place.start()
        until(lambda: runners(server.url) == 2)
        identities = [place.order(number, BINDING) for number, place in enumerate(places)]
        until(lambda: counts().total() >= 2)
        server.stop()
        time.sleep(DEAD_SECONDS + 5)
        server.start()
        for place, identity in zip(places, identities, strict=True):
            assert ended(place, identity) == "succeeded"
        assert ["are taken over" in place.said() for place in places] == [False, False]
        assert [counts()[f"{number} {one} begin"] for number in (0, 1) for one in (1, 2, 3)] == [1] * 6
    finally:
        for place in places:
            place.close()


@pytest.mark.parametrize("what", ["lost", "kept"])
def test_a_database_that_was_put_away_does_not_lose_the_runs(tmp_path: Path, what: str) -> None:
    """What was accepted is in files as well: without the file of the steps the run begins anew, with it it goes on."""
    place = Place(tmp_path)
    definition = {**FLOW, "do": [step(1), {"pause": {"wait": {"milliseconds": 300}}}, step(2)]}
    try:
        identity = place.order(1, Binding(kind="flow", config={"definition": definition}))
        place.start()
        until(lambda: place.lines()["1 1 end"])
        place.kill()
        if what == "lost":
            for path in (place.settings.root / "durable").glob("steps.sqlite*"):
                path.unlink()
        assert place.orders.find(identity)[1] == "running"
        place.start()
        assert ended(place, identity) == "succeeded"
        if what == "lost":
            assert place.lines()["1 1 begin"] == 2
    finally:
        place.close()


@pytest.mark.skipif(not LONG, reason="it is waited for before it is taken for lost")
def test_what_was_given_to_a_runner_and_got_lost_is_begun(tmp_path: Path, server: PostgresqlServer) -> None:
    """The database said that this runner has a run, and went away before the runner heard of it."""
    place = Place(tmp_path, server.url, {"run_concurrency": 1}, STEP_SECONDS="2")
    engine = sqlalchemy.create_engine(server.url)
    waiting = "SELECT 1 FROM dbos.workflow_status WHERE workflow_uuid = :id AND status = 'ENQUEUED'"
    given = (
        "UPDATE dbos.workflow_status SET status = 'PENDING', executor_id = :me, owner_xid = 'x'"
        " WHERE workflow_uuid = :id"
    )

    def is_waiting(identity: str) -> bool:
        with engine.connect() as database:
            return database.execute(sqlalchemy.text(waiting), {"id": identity}).first() is not None

    try:
        first = place.order(1, BINDING)
        place.start()
        until(place.lines)
        lost = place.order(2, BINDING)
        until(lambda: is_waiting(lost))
        executor = (place.settings.root / "durable" / "executor").read_text("ascii")
        with engine.begin() as database:
            database.execute(sqlalchemy.text(given), {"id": lost, "me": executor})
        assert [ended(place, one) for one in (first, lost)] == ["succeeded"] * 2
        assert "it begins again" in place.said() and place.lines()["2 1 begin"] == 1
    finally:
        engine.dispose()
        place.close()
