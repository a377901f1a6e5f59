"""Direct expressions run in the worker: what would take long or grow is left to jq, whose process can be ended."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.processes.expressions.budget import LARGEST, STEPS, Undecided, budget, check_weight
from apimgmt.processes.expressions.direct import compiled

ROWS = {"rows": list(range(1000))}

GROWING: dict[str, tuple[str, Any]] = {
    "a text that doubles": (" | ".join([". + ."] * 40), "xxxxxxxx"),
    "a text that doubles by insertion": (" | ".join(['"\\(.)\\(.)"'] * 40), "xxxxxxxx"),
    "an array that doubles": (" | ".join([". + ."] * 40), [1]),
    "arrays of arrays": (" | ".join(["[., .]"] * 40), 1),
    "objects of objects": (" | ".join(["{a: ., b: .}"] * 40), 1),
    "arrays of arrays, compared": (f"({' | '.join(['[., .]'] * 40)}) == ({' | '.join(['[., .]'] * 40)})", 1),
    "loops in loops": ("map($v.rows | map($v.rows | map($v.rows | map(. + 1))))", [1]),
    "loops in a filter": ("where($v.rows | where($v.rows | where(. > 5) | length > 1) | length > 1)", [1, 2]),
    "the same rows for every row": ("map($v.rows)", list(range(5000))),
    "doubled, and every half once more": ("[., .] | map(" * 20 + "." + ")" * 20, 1),
    "a long text in each turn": ('map("' + "\\(.)" * 1500 + '")', list(range(5000))),
}


@pytest.mark.parametrize("name", GROWING)
def test_what_grows_is_left_to_jq(name: str) -> None:
    """It ends here, soon, and without the memory of a worker."""
    source, value = GROWING[name]
    run = compiled(source, ("v",))
    with pytest.raises(Undecided):
        run(value, {"v": ROWS})


def test_usual_expressions_have_plenty() -> None:
    """Ten thousand rows, filtered, changed and put on a page; each evaluation has the whole budget again."""
    rows = [{"id": number, "total": number % 100} for number in range(10_000)]
    run = compiled(".rows | where(.total > 50) | map({id: .id}) | page(1; 20)", ())
    for _ in range(3):
        assert len(run({"rows": rows}, {})["items"]) == 20


@pytest.mark.parametrize(("steps", "good"), [(STEPS, True), (STEPS + 1, False)])
def test_a_budget_has_an_end(steps: int, good: bool) -> None:
    """As many steps as there are, and one more."""
    budget.left = STEPS
    if good:
        budget.spend(steps)
    else:
        with pytest.raises(Undecided):
            budget.spend(steps)


@pytest.mark.parametrize(("parts", "good"), [(LARGEST, True), (LARGEST + 1, False)])
def test_a_result_has_a_weight(parts: int, good: bool) -> None:
    """The same part counts as often as it stands there."""
    value = [[0] * 999] * (parts // 1000) + [0] * (parts % 1000)
    if good:
        check_weight(value)
    else:
        with pytest.raises(Undecided):
            check_weight(value)
