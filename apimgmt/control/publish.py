"""Publishing: what the store says becomes a snapshot, is checked, handed over, and watched until every worker has it.

One publish is one step of the snapshot number:

1. one writing transaction: the change itself, the check of what changed, the snapshot file, the next number (a primary
   key, hence a compare-and-swap). If anything raises, nothing has happened.
2. the pointer of the archive; after a crash between 1 and 2 the next start does 2.
3. wait for the workers. If one refuses, the store and the pointer go back to the snapshot before.

A field of the snapshot that is not about APIs comes from whoever registered as ``("snapshot", field)``: a function of
the transaction that returns the field.

Only entries that differ from those of the snapshot before are checked, so that a publish costs what changed.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from apimgmt.archive import Archive
from apimgmt.control.bindings import build, check_names, check_policies
from apimgmt.control.rows import SnapshotRow, now
from apimgmt.control.store import Store
from apimgmt.control.transaction import Transaction
from apimgmt.control.views import SnapshotView, WorkerView, entry_view
from apimgmt.errors import Problem, SettingInvalid, SnapshotRefused
from apimgmt.model import ApiEntry, Snapshot, WorkerReport
from apimgmt.registry import find, names
from apimgmt.settings import Settings

Changed = TypeVar("Changed")
POLL_SECONDS = 0.02
SNAPSHOTS_KEPT = 20


class Publication(NamedTuple):
    """A snapshot that was handed over, and what the workers made of it."""

    number: int
    digest: str
    workers: list[WorkerView]

    @property
    def behind(self) -> list[int]:
        """The workers that did not show it in time."""
        return [worker.pid for worker in self.workers if worker.state == "behind"]


class Publisher:
    """The only one who makes snapshots; one at a time in this process, one at a time in the store."""

    def __init__(
        self, store: Store, archive: Archive, wait_seconds: float = 10.0, settings: Settings | None = None
    ) -> None:
        self._store = store
        self._archive = archive
        self._settings = settings or Settings()
        self._environment = self._settings.environment
        self._wait_seconds = wait_seconds
        self._lock = threading.Lock()

    def recover(self) -> None:
        """At start: make the first (empty) snapshot, or finish a publish that a crash cut off; follow the settings."""
        with self._lock, self._store.writing() as transaction:
            row = transaction.snapshot()
            if row is None:
                self._refuse_foreign_folder()
                row = self._keep(transaction, Snapshot(number=1, created=now(), environment=self._environment))
            try:
                snapshot = self._archive.load_snapshot(row.digest)
            except SnapshotRefused as error:
                remedy = "restore the data folder (compiled, snapshots) of the same time as the database"
                raise SettingInvalid(f"the data folder lacks what the database published: {error}; {remedy}") from None
        self._point_at(row.digest)
        if snapshot.environment != self._environment:
            self.publish(lambda transaction: None)

    def publish(self, change: Callable[[Transaction], Changed]) -> tuple[Changed, Publication]:
        """Make a change and publish the store as it is then; returns what the change returned, and the outcome.

        Raises Problem("conflict") if what changed cannot be served or a worker refused it; nothing is changed then.
        """
        with self._lock:
            with self._store.writing() as transaction:
                before = self._current(transaction)
                result = change(transaction)
                row = self._stage(transaction, before)
                kept = transaction.last_digests(SNAPSHOTS_KEPT)
            self._point_at(row.digest)
            self._archive.forget_snapshots(kept)
            workers = self._wait(row.digest)
            refusals = [worker for worker in workers if worker.state == "rejected"]
            if refusals and row.number != before.number:
                self._undo(row, before, refusals)
            return result, Publication(row.number, row.digest, workers)

    def snapshot(self) -> SnapshotView:
        """What is published, and which worker serves what."""
        with self._store.reading() as transaction:
            row = transaction.snapshot()
        if row is None:
            raise Problem("unavailable", "nothing was published yet")
        snapshot = self._archive.load_snapshot(row.digest)
        return SnapshotView(
            number=row.number,
            digest=row.digest,
            created=row.created,
            apis=[entry_view(entry) for entry in snapshot.apis],
            workers=[_worker(report, row.digest) for report in self._archive.reports()],
        )

    # ---- the transaction -----------------------------------------------------------------------------------------

    def _current(self, transaction: Transaction) -> SnapshotRow:
        row = transaction.snapshot()
        if row is None:
            raise SnapshotRefused("the store has no snapshot")
        return row

    def _stage(self, transaction: Transaction, before: SnapshotRow) -> SnapshotRow:
        """The snapshot of the store as it is: the same one if nothing differs, else a new one, checked and kept."""
        served = self._archive.load_snapshot(before.digest)
        entries = tuple(transaction.entries())
        fields = {name: find("snapshot", name)(transaction) for name in names("snapshot")}
        wanted = Snapshot(
            number=served.number, created=served.created, environment=self._environment, apis=entries, **fields
        )
        if wanted == served:
            return before
        known = {entry.id: entry for entry in served.apis}
        connections = {connection.name for connection in wanted.connections}
        flows = {flow.name for flow in wanted.flows}
        gone = {one.name for one in served.connections} - connections | {one.name for one in served.flows} - flows
        try:
            _check_addresses(entries)
            for entry in entries:
                changed = known.get(entry.id) != entry
                if changed or gone:
                    check_names(entry.bindings, connections, flows)
                if changed:
                    self._check(entry)
        except (SettingInvalid, SnapshotRefused) as error:
            raise Problem("conflict", f"this cannot be published: {error}") from None
        number = transaction.next_number()
        return self._keep(transaction, msgspec.structs.replace(wanted, number=number, created=now()))

    def _keep(self, transaction: Transaction, snapshot: Snapshot) -> SnapshotRow:
        digest = self._archive.put_snapshot(snapshot)
        row = SnapshotRow(number=snapshot.number, digest=digest, created=snapshot.created)
        transaction.add_snapshot(row)
        return row

    def _check(self, entry: ApiEntry) -> None:
        """Raise unless the compiled document is there, whole, and every binding and every policy can be built."""
        compiled = self._archive.load_api(entry.digest)
        operations = {operation.key: operation for operation in compiled.operations}
        for key, binding in entry.bindings.items():
            try:
                build(binding, operations[key], compiled)
            except SettingInvalid as error:
                raise SettingInvalid(f"{entry.name}, {key}: {error}") from None
        check_policies(entry, compiled, self._settings)

    def _undo(self, row: SnapshotRow, before: SnapshotRow, refusals: Sequence[WorkerView]) -> None:
        """Back to the snapshot before, in the store and for the workers."""
        reason = f"worker {refusals[0].pid} refused it: {refusals[0].reason}"
        served = {entry.id: entry for entry in self._archive.load_snapshot(before.digest).apis}
        with self._store.writing() as transaction:
            transaction.refuse_snapshot(row.number, reason)
            for api in transaction.apis():
                if api.published != served.get(api.id):
                    transaction.change_api(api, published=served.get(api.id), published_version=0)
        self._point_at(before.digest)
        workers = [worker.plain() for worker in refusals]
        detail = f"{reason}; snapshot {before.number} is served again"
        raise Problem("conflict", detail, extra={"workers": workers})

    # ---- the workers ---------------------------------------------------------------------------------------------

    def _point_at(self, digest: str) -> None:
        if self._archive.current()[:1] != (digest,):
            self._archive.make_current(digest)

    def _wait(self, digest: str) -> list[WorkerView]:
        """Until every worker that is alive has decided, or time is up; no worker, no waiting.

        A worker that was alive at the beginning and stopped reporting is behind for as long as its process exists.
        """
        deadline = time.monotonic() + self._wait_seconds
        expected = {report.pid for report in self._archive.reports()}
        while True:
            expected |= {report.pid for report in self._archive.reports()}
            reports = [report for report in self._archive.reports(within=math.inf) if report.pid in expected]
            workers = [_worker(report, digest) for report in reports]
            decided = all(worker.state != "behind" for worker in workers)
            if decided or any(worker.state == "rejected" for worker in workers) or time.monotonic() > deadline:
                return workers
            time.sleep(POLL_SECONDS)

    def _refuse_foreign_folder(self) -> None:
        """An empty store must not take everything off the air that the data folder still serves."""
        for digest in self._archive.current()[:1]:
            count = len(self._archive.load_snapshot(digest).apis)
            if count:
                raise SettingInvalid(
                    f"the store is empty, but the data folder serves {count} APIs: restore the database or use "
                    "another data folder"
                )


def _check_addresses(entries: Sequence[ApiEntry]) -> None:
    taken: dict[str, ApiEntry] = {}
    for entry in entries:
        other = taken.setdefault(entry.base_path, entry)
        if other is not entry:
            place = entry.base_path or "/"
            raise Problem(
                "conflict", f"{entry.name!r} and {other.name!r} would both be at {place}; publish the other first"
            )


def _worker(report: WorkerReport, digest: str) -> WorkerView:
    state = "serving" if report.digest == digest else "rejected" if report.rejected == digest else "behind"
    return WorkerView(
        pid=report.pid,
        state=state,  # type: ignore[arg-type]
        digest=report.digest,
        number=report.number,
        rejected=report.rejected,
        reason=report.reason,
    )
