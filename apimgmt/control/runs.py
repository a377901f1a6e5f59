"""Runs as people see them: what the gateway workers of this machine recorded (:mod:`apimgmt.runs`)."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from apimgmt.archive import Archive
from apimgmt.control.crud import Handler
from apimgmt.errors import Problem, SnapshotRefused
from apimgmt.processes import Envelope, Invocation
from apimgmt.runs import RunRecord
from apimgmt.runs.orders import Orders
from apimgmt.runs.store import RunStore
from apimgmt.settings import Settings


class Runs:
    """Reads the records; APIs go by their names, or by their ids once they are gone."""

    def __init__(self, archive: Archive) -> None:
        self._orders = Orders(Settings(data=str(archive.root)))
        self._archive = archive
        self._store = RunStore(archive.root)

    def newest(
        self, api: str = "", operation: str = "", state: str = "", status: int = 0, since: str = "", limit: int = 100
    ) -> dict[str, Any]:
        """At most ``limit`` runs, the newest first, and how many could not be recorded; ``since`` is an RFC 3339 time.

        ``api`` is an id or a name; raises Problem for a time that is none.
        """
        names = self._names()
        wanted = next((identity for identity, name in names.items() if name == api), api)
        records = self._store.newest(wanted, operation, state, status, _instant(since), limit)
        return {"runs": [_line(one, names) for one in records], "dropped": self._store.dropped()}

    def find(self, identity: str) -> dict[str, Any]:
        """Everything about one run; raises Problem ``not-found``."""
        record = self._store.find(identity)
        if record is None and self._is_waiting(identity):
            raise Problem("conflict", "The run is accepted, and waits for the runner.")
        if record is None:
            detail = "No run of this id is recorded: it went well and was no sample, or it is too old."
            raise Problem("not-found", detail)
        tasks = [
            {"task": task.task, "time": _time(task.began), "seconds": round(task.seconds, 6), "failed": task.failed}
            for task in record.tasks
        ]
        fault = record.fault
        error = fault and {
            "code": fault.code,
            "detail": fault.detail,
            "reason": fault.reason,
            "traceback": fault.traceback,
        }
        bodies = {"request": record.request, "response": record.response}
        return {**_line(record, self._names()), "tasks": tasks, "error": error, **bodies}

    def cancel(self, identity: str) -> None:
        """Have the runner stop it before its next step; raises Problem if it is not durable or has ended."""
        self._orders.command(identity, "cancel")

    def retry(self, identity: str) -> None:
        """Have the runner try it again from the step at which it failed; raises Problem if it did not."""
        self._orders.command(identity, "retry")

    def _is_waiting(self, identity: str) -> bool:
        try:
            return self._orders.find(identity)[1] == "accepted"
        except Problem:
            return False

    def _names(self) -> dict[str, str]:
        try:
            digests = self._archive.current()
            return {entry.id: entry.name for entry in self._archive.load_snapshot(digests[0]).apis} if digests else {}
        except SnapshotRefused:
            return {}


def run_handlers(runs: Runs) -> dict[str, Handler]:
    """operationId -> handler."""

    def every(invocation: Invocation) -> Any:
        query = invocation.data.query
        return runs.newest(
            query.api or "",
            query.operation or "",
            query.state or "",
            query.status or 0,
            query.since or "",
            query.limit or 100,
        )

    def one(invocation: Invocation) -> Any:
        return runs.find(invocation.data.path.id)

    def cancel(invocation: Invocation) -> Any:
        runs.cancel(invocation.data.path.id)
        return Envelope(202)

    def retry(invocation: Invocation) -> Any:
        runs.retry(invocation.data.path.id)
        return Envelope(202)

    return {"listRuns": every, "getRun": one, "cancelRun": cancel, "retryRun": retry}


def _line(record: RunRecord, names: Mapping[str, str]) -> dict[str, Any]:
    """A run without its details."""
    return {
        "id": record.id,
        "time": _time(record.began),
        "api": names.get(record.api, record.api),
        "operation": record.operation,
        "caller": record.caller,
        "state": record.state,
        "status": record.status,
        "seconds": round(record.seconds, 6),
        "answered": None if record.answered is None else round(record.answered, 6),
        "code": record.fault.code if record.fault is not None else "",
    }


def _time(instant: float) -> str:
    return datetime.datetime.fromtimestamp(instant, datetime.UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _instant(text: str) -> float:
    """The Unix time of an RFC 3339 time; 0 for none."""
    if not text:
        return 0.0
    try:
        instant = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise Problem("validation", "since is a time as in RFC 3339, e.g. 2026-11-22T04:00:00Z") from None
    return instant.replace(tzinfo=instant.tzinfo or datetime.UTC).timestamp()
