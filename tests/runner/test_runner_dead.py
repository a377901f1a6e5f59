"""A run that ends its own process each time is given up; the others are not (apimgmt/runner)."""

from __future__ import annotations

from pathlib import Path

import pytest
from runner_place import FLOW, HANDLERS, Place, ended, until

from apimgmt.model import Binding
from apimgmt.runs.store import RunStore

ATTEMPTS = 2
DEADLY = """

def deadly(n):
    note(f"{n} deadly")
    if not os.path.exists(os.environ["LEDGER"] + ".mended"):
        os.kill(os.getpid(), 9)
    return {"n": n}
"""


@pytest.mark.rows("H-106")
def test_a_run_that_ends_its_process_is_given_up_and_can_be_tried_again(tmp_path: Path) -> None:
    """It is begun, and begun again ``run_attempts`` times, and no more; then it is dead, and the runner goes on."""
    place = Place(tmp_path, settings={"run_attempts": ATTEMPTS})
    place.handlers.write_text(HANDLERS + DEADLY)
    try:
        deadly = place.order(1, Binding(kind="python", config={"function": "deadly"}))
        place.start()
        others = [place.order(number, Binding(kind="flow", config={"definition": FLOW})) for number in range(2, 6)]
        outcome = until(lambda: place.orders.outcome(deadly))
        assert place.lines()["1 deadly"] == ATTEMPTS + 1
        assert (outcome.state, outcome.problem["status"]) == ("dead", 500)
        assert "begun too often" in outcome.problem["detail"]
        record = until(lambda: (found := RunStore(place.settings.root).find(deadly)) and found.fault and found)
        assert (record.state, record.fault.detail) == ("dead", "It was begun too often.")
        others.append(place.order(6, Binding(kind="flow", config={"definition": FLOW})))
        assert [ended(place, one) for one in others] == ["succeeded"] * 5
        Path(f"{place.ledger}.mended").touch()
        place.orders.command(deadly, "retry")
        until(lambda: (found := place.orders.outcome(deadly)) and found.state == "succeeded")
        assert place.lines()["1 deadly"] == ATTEMPTS + 2
        assert place.orders.commands() == []
    finally:
        place.close()
