"""Draws ``pictures/flow.svg`` from ``flow.yaml`` and the run recorded in ``flow.json``; ``--record`` runs it anew."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml

import apimgmt.asgi  # noqa: F401  registers every kind of task
from apimgmt.control.diagram.svg import diagram
from apimgmt.control.flows import dry_run
from apimgmt.processes.flows.definition import read_definition

PICTURES = Path(__file__).with_name("pictures")
INPUT = {"body": {"lines": [{"amount": 2, "price": 9.995}, {"amount": 1, "price": 5}]}}


def picture() -> str:
    """The picture as it should be."""
    definition = yaml.safe_load((PICTURES / "flow.yaml").read_text("utf-8"))
    return diagram(read_definition(definition), json.loads((PICTURES / "flow.json").read_text("utf-8")))


def record() -> None:
    """Run the flow and keep what each task took."""
    done = dry_run(yaml.safe_load((PICTURES / "flow.yaml").read_text("utf-8")), INPUT)
    lines = ",\n  ".join(json.dumps(step) for step in done["steps"])
    (PICTURES / "flow.json").write_text(f"[\n  {lines}\n]\n", "utf-8")
    print(json.dumps(done.get("output", done.get("error"))))


if __name__ == "__main__":
    if "--record" in sys.argv:
        record()
    (PICTURES / "flow.svg").write_text(picture(), "utf-8")
