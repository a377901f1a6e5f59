"""Durable runs: accepted by the gateway, performed by the runner, killed and taken up again (apimgmt/runner)."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from runner_place import DOCUMENT, FLOW, HANDLERS, LONG, PATIENCE, Place, ended, outcome, repeated, runners, step, until

from apimgmt.model import Binding
from apimgmt.runs.store import RunStore
from harness import serve


def test_a_repeated_step_is_found() -> None:
    """The check sees a finished step that began again, and lets pass one that was under way."""
    assert repeated(["1 1 begin", "1 1 begin", "1 1 end", "1 2 begin", "1 2 begin"]) == []
    assert repeated(["1 1 begin", "1 1 end", "1 2 begin", "2 1 begin", "1 1 begin"]) == ["1 1 begin"]


def _folder(root: Path, name: str) -> Path:
    (root / name).mkdir()
    return root / name


@pytest.mark.rows("H-106")
def test_orders_are_performed_and_their_outcomes_kept(place: Place) -> None:
    """A function as a whole, a flow task by task, one that fails, one that is cancelled, one that takes too long."""
    whole = place.order(1, Binding(kind="python", config={"function": "whole"}))
    flow = place.order(2, Binding(kind="flow", config={"definition": FLOW}))
    failing = place.order(3, Binding(kind="python", config={"function": "failing"}))
    late = place.order(4, Binding(kind="python", config={"function": "endless"}), seconds=0.5)
    unknown = place.order(5, Binding(kind="python", config={"function": "gone"}))
    assert place.orders.find(whole)[1] == "accepted"
    runner = place.start()
    found: dict[str, Any] = {one: outcome(place, one) for one in (whole, flow, failing, late, unknown)}
    assert found[whole].response == {
        "status": 200,
        "headers": {},
        "body": {"n": 1, "run": whole, "authorization": None},
    }
    assert found[flow].response["body"] == {"n": 2, "step": 3}
    assert [task.task for task in found[flow].tasks] == ["/do/0/step1", "/do/1/step2", "/do/2/step3"]
    assert [found[one].state for one in (whole, flow, failing, late, unknown)] == [
        *("succeeded", "succeeded", "failed", "timed-out", "failed")
    ]
    assert found[failing].problem["status"] == 500 and "ledger" not in str(found[failing].problem)
    run = until(lambda: RunStore(place.settings.root).find(failing))
    assert run.state == "failed" and run.fault is not None and "KeyError: 'ledger'" in run.fault.reason
    assert place.orders.find(whole)[1] == "succeeded"
    until(place.are_over)
    runner.terminate()
    assert runner.wait(PATIENCE) == 0


def test_a_run_is_cancelled(place: Place) -> None:
    """What is under way is stopped before its next step, and says so."""
    definition = {**FLOW, "do": [step(1), {"pause": {"wait": {"milliseconds": 500}}}, step(2)]}
    identity = place.order(1, Binding(kind="flow", config={"definition": definition}))
    place.start()
    until(lambda: place.lines()["1 1 end"])
    place.orders.command(identity, "cancel")
    assert ended(place, identity) == "cancelled"
    assert place.lines()["1 2 begin"] == 0


def test_a_failed_run_goes_on_at_the_step_that_failed(tmp_path: Path) -> None:
    """Somebody mends what was wrong and has it tried again: the steps before it are not repeated."""
    place = Place(tmp_path)
    definition: dict[str, Any] = {**FLOW, "do": [step(1), step(2), step(3)]}
    definition["do"][1]["step2"]["with"]["arguments"]["n"] = "${$trigger.data.path.n}"
    mended = tmp_path / "mended"
    place.handlers.write_text(
        HANDLERS.replace('    note(f"{n} {step} begin")\n', '    note(f"{n} {step} begin")\n    mended(step)\n')
        + f"\ndef mended(step):\n    assert step != 2 or os.path.exists({str(mended)!r})\n"
    )
    try:
        identity = place.order(1, Binding(kind="flow", config={"definition": definition}))
        place.start()
        assert ended(place, identity) == "failed"
        mended.touch()
        place.orders.command(identity, "retry")
        until(lambda: (outcome := place.orders.outcome(identity)) and outcome.state == "succeeded")
        lines = place.lines()
        assert [lines[f"1 {one} begin"] for one in (1, 2, 3)] == [1, 2, 1]
    finally:
        place.close()


@pytest.mark.rows("H-106")
def test_a_killed_runner_loses_nothing_and_repeats_no_finished_step(tmp_path: Path, database: str) -> None:
    """``kill -9`` again and again while orders come: each ends once, and no step begins again once its end is kept.

    What was under way at a kill runs again: at most once more for each kill.
    """
    rate, seconds = (50, 60) if LONG else (8, 8)
    place = Place(tmp_path, database, STEP_SECONDS="0.02")
    binding = Binding(kind="flow", config={"definition": FLOW})
    identities: list[str] = []
    kills = 0
    try:
        place.start()
        began = killed = time.monotonic()
        while time.monotonic() - began < seconds:
            identities.append(place.order(len(identities), binding))
            time.sleep(1 / rate)
            if time.monotonic() - killed >= (1.0 if LONG else 2.5):
                if kills % 5 != 1:
                    place.kill_child()
                else:
                    place.kill()
                    place.start()
                kills, killed = kills + 1, time.monotonic()
        until(place.are_over, 3 * PATIENCE)
        print(f"\n{len(identities)} runs, {kills} kills; over {time.monotonic() - killed:.1f} s after the last one")
    finally:
        place.close()
    outcomes = [place.orders.outcome(identity) for identity in identities]
    assert kills >= 2
    assert [outcome.state for outcome in outcomes if outcome is not None] == ["succeeded"] * len(identities)
    assert repeated(place.ledger.read_text().splitlines()) == []
    lines = place.lines()
    for number in range(len(identities)):
        assert all(1 <= lines[f"{number} {one} end"] <= kills + 1 for one in (1, 2, 3))


@pytest.mark.rows("H-106")
def test_the_runs_of_a_dead_runner_are_taken_over(tmp_path: Path, database: str) -> None:
    """Another runner, on another machine with the same PostgreSQL, ends what the first began, within 30 s."""
    if not database:
        pytest.skip("a file is one machine's: its runner is started again")
    first = Place(_folder(tmp_path, "a"), database, STEP_SECONDS="12")
    first.handlers.write_text(HANDLERS.replace("time.sleep(", "time.sleep(0 if step == 1 else "))
    second = Place(_folder(tmp_path, "b"), database)
    try:
        identity = first.order(1, Binding(kind="flow", config={"definition": FLOW}))
        first.start()
        until(lambda: first.lines()["1 2 begin"])
        second.start()
        until(lambda: runners(database) == 2)
        first.kill()
        killed = time.monotonic()
        until(lambda: second.lines()["1 2 begin"])
        taken = time.monotonic() - killed
        print(f"\ntaken over after {taken:.1f} s")
        assert taken < 30
        until(lambda: second.lines()["1 3 end"])
        assert first.lines()["1 1 begin"] + second.lines()["1 1 begin"] == 1
        # the gateway that accepted it learns of it when its runner is there again
        first.start()
        assert ended(first, identity) == "succeeded"
    finally:
        first.close()
        second.close()


@pytest.mark.rows("F-103", "F-104")
def test_what_a_durable_flow_does_after_its_early_answer_is_done_by_the_runner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer comes from the gateway, once the rest is on disk; what was done before it is not done again."""
    place = Place(tmp_path)
    monkeypatch.setenv("LEDGER", str(place.ledger))
    respond = {"accept": {"call": "respond", "with": {"status": 202, "body": {"state": "accepted"}}}}
    export = {"export": {"as": "${ {seen: .step} }"}}
    first = {"step1": {**step(1)["step1"], **export}}
    check = {"check": {"set": {"seen": "${$context.seen}", "before": "${.step}"}}}
    definition = {**FLOW, "do": [first, respond, check, {"last": step(3)["step3"]}, {"sum": {"set": "${$context}"}}]}
    scope: dict[str, Any] = {"note": None}
    exec(compile(HANDLERS, "job_handlers", "exec"), scope)
    client = serve(
        DOCUMENT.decode(),
        bindings={"job": {"kind": "flow", "definition": definition}},
        trigger={"durable": True},
        settings=place.settings,
        functions={"work": scope["work"]},
    )
    try:
        answer = client.post("/jobs/5", json={})
        identity = answer.header("x-request-id") or ""
        assert (answer.status, answer.json()) == (202, {"state": "accepted"})
        assert (place.orders.find(identity)[1], place.lines()) == ("accepted", Counter(["5 1 begin", "5 1 end"]))
        # the gateway of this test keeps its document elsewhere
        order = msgspec.structs.replace(place.orders.read(identity), digest=place.digest)
        place.orders.accept(order)
        place.start()
        found = outcome(place, identity)
        assert (found.state, found.response["body"]) == ("succeeded", {"seen": 1})
        assert place.lines() == Counter(["5 1 begin", "5 1 end", "5 3 begin", "5 3 end"])
        assert [task.task.rpartition("/")[2] for task in found.tasks] == ["step1", "accept", "check", "last", "sum"]
        run = until(
            lambda: (found := RunStore(place.settings.root).find(identity)) and found.state != "running" and found
        )
        assert (run.state, run.status, run.operation) == ("succeeded", 202, "post /jobs/{n}")
    finally:
        place.close()
