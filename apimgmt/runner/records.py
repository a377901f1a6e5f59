"""How a run ended, for its caller and for those who look after the platform."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from apimgmt.errors import Problem
from apimgmt.runner.performing import failed
from apimgmt.runs import Fault, RunRecord, Task
from apimgmt.runs.orders import Order, Outcome

ENDS = {"CANCELLED": "cancelled", "DEAD": "dead"}


def outcome_of(identity: str, status: str, output: Any) -> Outcome:
    """How the order of that id ended, from the status of its workflow and, if that is SUCCESS, from its output."""
    if status == "SUCCESS":
        return msgspec.convert({**output, "id": identity, "ended": time.time()}, Outcome)
    detail = {"CANCELLED": "The run was cancelled.", "DEAD": "It was begun too often."}
    told = failed(Problem("process-failed", detail.get(status, "The run failed.")))
    return msgspec.convert({**told, "state": ENDS.get(status, "failed"), "id": identity, "ended": time.time()}, Outcome)


def record_of(order: Order, outcome: Outcome | None) -> RunRecord:
    """The same for those who look after the platform; without an outcome, that it is under way."""
    if outcome is None:
        return RunRecord(
            id=order.id,
            api=order.api,
            operation=order.operation,
            state="running",
            status=order.status or 202,
            began=order.accepted,
            seconds=time.time() - order.accepted,
            caller=order.caller,
            answered=0.0,
        )
    seconds = outcome.ended - order.accepted
    status = order.status or (outcome.response or outcome.problem or {}).get("status", 500)
    return RunRecord(
        id=order.id,
        api=order.api,
        operation=order.operation,
        state=outcome.state,
        status=status,
        began=order.accepted,
        seconds=seconds,
        caller=order.caller,
        answered=0.0,
        tasks=tuple(
            Task(task=one.task, began=one.began, seconds=one.seconds, failed=one.failed) for one in outcome.tasks
        ),
        fault=outcome.fault if outcome.fault is None else Fault(**msgspec.structs.asdict(outcome.fault)),
    )
