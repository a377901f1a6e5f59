"""Snapshots built and swapped: what is taken over, what is refused, what a worker does (runtime.py, app.py)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from apimgmt.archive import Archive
from apimgmt.errors import SnapshotRefused
from apimgmt.gateway.app import Worker
from apimgmt.gateway.runtime import Runtime, build
from apimgmt.model import ApiEntry, Binding, CompiledApi, Operation, Parameter, Snapshot
from apimgmt.processes import Invocation
from apimgmt.processes.python import functions
from apimgmt.settings import Settings
from harness import Client

SETTINGS = Settings(poll_seconds=0.02)


def compiled(*paths: str) -> CompiledApi:
    """An API with these paths, GET each."""
    operations = tuple(Operation(key=f"get {path}", method="get", path=path) for path in paths)
    return CompiledApi(title="t", version="1", specification="3.0", operations=operations)


def entry(base_path: str, digest: str = "d", **fields: Any) -> ApiEntry:
    """An API at a base path, echoing, open."""
    given = {"trigger": {"authentication": "none"}, **fields}
    return msgspec.convert(
        {
            "id": base_path or "root",
            "name": base_path or "root",
            "basePath": base_path,
            "revision": 1,
            "digest": digest,
            **given,
        },
        ApiEntry,
    )


def made(*entries: ApiEntry, api: CompiledApi | None = None, previous: Runtime | None = None) -> Runtime:
    """The runtime of these APIs, all of one compiled document."""
    api = api or compiled("/x")
    return build(
        Snapshot(number=1, created="", apis=entries), lambda digest: api, lambda digest: b"{}", SETTINGS, previous
    )


@pytest.mark.parametrize(
    ("path", "base", "start"),
    [
        ("/a/x", "/a", 2),
        ("/a/b/x", "/a/b", 3),
        ("/a/c/x", "/a", 2),
        ("/a", "/a", 2),
        ("/b/x", "", 1),
        ("/ab/x", "", 1),
        ("/a/b/c/d", "/a/b", 3),
    ],
)
def test_the_longest_base_path_wins(path: str, base: str, start: int) -> None:
    """Base paths are compared segment by segment."""
    runtime = made(entry(""), entry("/a"), entry("/a/b"))
    stack, index = runtime.locate(path.split("/"))
    assert stack is not None
    assert (stack.entry.base_path, index) == (base, start)


def test_two_apis_with_one_base_path_are_refused() -> None:
    """Neither could be told from the other."""
    with pytest.raises(SnapshotRefused, match="one base path"):
        made(entry("/a"), entry("/a", name="other"))


def test_what_did_not_change_is_taken_over() -> None:
    """A publish costs what changed, not what exists."""
    first = made(entry("/a"), entry("/b"))
    second = made(entry("/a"), entry("/b", revision=2), previous=first)
    assert second.stacks["/a"] is first.stacks["/a"]
    assert second.stacks["/b"] is not first.stacks["/b"]


@pytest.mark.parametrize(
    "binding",
    [
        Binding(kind="nonsense"),
        Binding(kind="mock", config={"nonsense": 1}),
        Binding(kind="python", config={"function": "no"}),
    ],
)
def test_a_binding_that_cannot_work_is_refused_with_its_operation(binding: Binding) -> None:
    """Unknown kind, unknown field, unknown function: said at publish, never at a request."""
    with pytest.raises(SnapshotRefused, match="get /x"):
        made(entry("/a", bindings={"get /x": msgspec.to_builtins(binding)}))


def test_ambiguous_and_unreachable_templates_are_refused_at_load() -> None:
    """The intake refuses them with a place; a snapshot from elsewhere is refused all the same."""
    with pytest.raises(SnapshotRefused, match="dot segment"):
        made(entry("/a"), api=compiled("/x/.."))
    integer = {"type": "integer"}
    operations = tuple(
        Operation(
            key=f"get /{{{name}}}",
            method="get",
            path=f"/{{{name}}}",
            parameters=(Parameter(name=name, location="path", style="simple", required=True, schema=integer),),
        )
        for name in ("a", "b")
    )
    with pytest.raises(SnapshotRefused, match="cannot be told"):
        made(entry("/a"), api=CompiledApi(title="t", version="1", specification="3.0", operations=operations))


def publish(archive: Archive, number: int, *paths: str, binding: Any = None) -> str:
    """Put a snapshot with one API into the archive and make it current."""
    digest = archive.put_api(msgspec.json.encode(compiled(*paths)), b"{}")
    api = entry("/a", digest, bindings={"get /x": binding or {"kind": "echo"}})
    kept = archive.put_snapshot(Snapshot(number=number, created="", apis=(api,)))
    archive.make_current(kept)
    return kept


async def until(condition: Any) -> None:
    """Wait for something that a worker does by itself, at most 5 s."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


def test_a_worker_follows_the_data_folder(tmp_path: Path) -> None:
    """It loads what is current, swaps to what is published, and reports what it serves."""
    archive = Archive(tmp_path)
    first = publish(archive, 1, "/x")

    async def scenario() -> None:
        worker = Worker(SETTINGS, archive)
        await worker.startup()
        assert worker.runtime is not None
        assert worker.runtime.digest == first
        second = publish(archive, 2, "/x", "/y")
        await until(lambda: worker.runtime is not None and worker.runtime.digest == second)
        await until(lambda: [report.digest for report in archive.reports()] == [second])
        await worker.shutdown()
        assert archive.reports() == []

    asyncio.run(scenario())


def test_a_worker_serves_though_it_cannot_report(tmp_path: Path) -> None:
    """A folder that cannot be written (a full disk) stops neither the start nor the next snapshot (R-16)."""
    archive = Archive(tmp_path)
    publish(archive, 1, "/x")
    (tmp_path / "workers").rmdir()
    (tmp_path / "workers").write_bytes(b"no folder")

    async def scenario() -> None:
        worker = Worker(SETTINGS, archive)
        await worker.startup()
        second = publish(archive, 2, "/y")
        await until(lambda: worker.runtime is not None and worker.runtime.digest == second)
        (tmp_path / "workers").unlink()
        (tmp_path / "workers").mkdir()
        await until(lambda: [report.digest for report in archive.reports()] == [second])
        await worker.shutdown()

    asyncio.run(scenario())


def test_a_snapshot_that_does_not_build_changes_nothing(tmp_path: Path) -> None:
    """The worker goes on with the one before and reports the reason; the next good one is taken."""
    archive = Archive(tmp_path)
    good = publish(archive, 1, "/x")

    async def scenario() -> None:
        worker = Worker(SETTINGS, archive)
        await worker.startup()
        bad = publish(archive, 2, "/x/..")
        await until(lambda: archive.reports()[0].rejected == bad)
        report = archive.reports()[0]
        assert (report.digest, "dot segment" in report.reason) == (good, True)
        better = publish(archive, 3, "/z")
        await until(lambda: archive.reports()[0].digest == better)
        assert archive.reports()[0].rejected == ""
        await worker.shutdown()

    asyncio.run(scenario())


@pytest.mark.parametrize("damage", [b"", b"{}", b"not json"])
def test_a_worker_starts_from_the_generation_before_if_the_newest_is_damaged(tmp_path: Path, damage: bytes) -> None:
    """A file that does not match its digest is never served (R-06)."""
    archive = Archive(tmp_path)
    good = publish(archive, 1, "/x")
    newest = publish(archive, 2, "/y")
    (tmp_path / "snapshots" / f"{newest}.json").write_bytes(damage)

    async def scenario() -> None:
        worker = Worker(SETTINGS, archive)
        await worker.startup()
        assert worker.runtime is not None
        assert worker.runtime.digest == good
        assert archive.reports()[0].rejected == newest
        await worker.shutdown()

    asyncio.run(scenario())


async def lingering(trigger: Invocation) -> str:
    """Ends when the test lets it."""
    await GO.wait()
    return "the old one"


GO = asyncio.Event()


def test_a_request_under_way_ends_on_the_runtime_it_began_with(tmp_path: Path) -> None:
    """One reference is read once per request: an operation that is gone meanwhile still answers who asked before."""
    archive = Archive(tmp_path)
    functions["lingering"] = lingering
    publish(archive, 1, "/x", binding={"kind": "python", "config": {"function": "lingering"}})
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def scenario() -> None:
        worker = Worker(SETTINGS, archive)
        await worker.startup()
        before = worker.runtime
        call = asyncio.create_task(worker(Client(worker).scope("GET", "/a/x"), None, send))
        await asyncio.sleep(0.01)
        publish(archive, 2, "/y")
        await until(lambda: worker.runtime is not before)
        assert sent == []
        GO.set()
        await call
        await worker.shutdown()

    asyncio.run(scenario())
    assert (sent[0]["status"], sent[1]["body"]) == (200, b"the old one")
