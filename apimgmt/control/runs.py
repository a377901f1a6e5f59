"""Runs as people see them: what the gateway workers of this machine recorded (:mod:`apimgmt.runs`)."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from apimgmt.archive import Archive
from apimgmt.control.crud import Handler
from apimgmt.errors import Problem, SnapshotRefused
from apimgmt.processes import Envelope, Invocation
from apimgmt.runs import RunRecord, Task
from apimgmt.runs.lines import Line
from apimgmt.runs.orders import Orders
from apimgmt.runs.store import RunStore
from apimgmt.runs.written import under_way
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
        if record is None:
            raise self._unknown(identity)
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

    def logs(self, identity: str) -> dict[str, Any]:
        """What one run logged and the tasks that it performed, in order; raises Problem ``not-found``.

        ``missing`` lines came when there was no room for more.
        """
        # in the order in which lines move on: what is in neither was in neither before
        going = under_way(self._archive.root, identity)
        parts = {one.part: one for one in self._store.lines(identity)}
        for one in going:
            if one.part not in parts or len(one.lines) > len(parts[one.part].lines):
                parts[one.part] = one
        record = self._store.find(identity)
        if record is None and not parts:
            raise self._unknown(identity)
        lines = [line for number in sorted(parts) for line in parts[number].lines]
        lines += [_performed(task) for task in record.tasks] if record is not None else []
        lines.sort(key=lambda line: line.time)
        shown = [
            {"time": _time(line.time), "level": line.level, "logger": line.logger, "message": line.message}
            for line in lines
        ]
        return {"id": identity, "lines": shown, "missing": sum(one.missing for one in parts.values())}

    def cancel(self, identity: str) -> None:
        """Have the runner stop it before its next step; raises Problem if it is not durable or has ended."""
        self._orders.command(identity, "cancel")

    def retry(self, identity: str) -> None:
        """Have the runner try it again from the step at which it failed; raises Problem if it did not."""
        self._orders.command(identity, "retry")

    def _unknown(self, identity: str) -> Problem:
        if self._is_waiting(identity):
            return Problem("conflict", "The run is accepted, and waits for the runner.")
        detail = "No run of this id is recorded: it went well and was no sample, or it is too old."
        return Problem("not-found", detail)

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

    def logs(invocation: Invocation) -> Any:
        return runs.logs(invocation.data.path.id)

    def cancel(invocation: Invocation) -> Any:
        runs.cancel(invocation.data.path.id)
        return Envelope(202)

    def retry(invocation: Invocation) -> Any:
        runs.retry(invocation.data.path.id)
        return Envelope(202)

    return {"listRuns": every, "getRun": one, "getRunLogs": logs, "cancelRun": cancel, "retryRun": retry}


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


def _performed(task: Task) -> Line:
    """What is said of a task of a flow, at the time when it began."""
    said = "failed after" if task.failed else "took"
    message = f"{task.task} {said} {1000 * task.seconds:.1f} ms"
    return Line(time=task.began, level="ERROR" if task.failed else "INFO", logger="apimgmt.flows", message=message)


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
