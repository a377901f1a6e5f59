"""Publishing: compare-and-swap, workers, refusals, and what a crash between two steps leaves."""

from __future__ import annotations

import threading
import time

import msgspec
import pytest
from control_samples import JSON, FollowingWorker, Taken, document, take_in

import apimgmt.policies.cache  # noqa: F401  importing a policy registers it
from apimgmt.archive import Archive
from apimgmt.control.rows import SnapshotRow
from apimgmt.control.service import Control
from apimgmt.control.store import Store
from apimgmt.errors import Problem, SettingInvalid
from apimgmt.model import Snapshot
from apimgmt.settings import Settings
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.intake.loader import load


def _upload(control: Control, title: str = "Shop", base_path: str = "/shop") -> str:
    return control.upload(document(title, base_path), JSON).id


def test_the_first_start_publishes_an_empty_snapshot(control: Control, archive: Archive) -> None:
    """There is always a snapshot that builds, so that a worker can start and a refused one has a predecessor."""
    (digest,) = archive.current()
    assert archive.load_snapshot(digest).apis == ()
    assert control.snapshot().number == 1


def test_what_did_not_change_is_not_read_again(control: Control, store: Store) -> None:
    """The entries of other APIs are the same objects after a publish: its cost is that of what it changes."""
    names = [f"api-{number}" for number in range(5)]
    ids = [_upload(control, name, f"/{name}") for name in names]
    for one in ids[:4]:
        control.publish(one)
    with store.reading() as transaction:
        before = {entry.id: entry for entry in transaction.entries()}
    control.publish(ids[4])
    with store.reading() as transaction:
        after = {entry.id: entry for entry in transaction.entries()}
    assert list(after) == ids
    assert all(after[one] is before[one] for one in ids[:4])


def test_only_apis_at_above_and_below_a_base_path_are_looked_at(control: Control, store: Store) -> None:
    """Whoever asks whether a base path is free gets the few that matter; ``%`` and ``_`` are ordinary characters."""
    for path in ("", "/a", "/a/b", "/a/b/c", "/a/bc", "/a_b", "/a%25b", "/x"):
        _upload(control, f"t{path}", path)
    with store.reading() as transaction:
        assert set(transaction.around("/a/b")) == {"", "/a", "/a/b", "/a/b/c"}
        assert set(transaction.around("/a_b")) == {"", "/a_b"}
        assert set(transaction.around("/a_")) == {""}
        assert len(transaction.around("")) == 8


def test_without_workers_a_publish_does_not_wait(settings: Settings, store: Store, archive: Archive) -> None:
    """Nobody to wait for: the snapshot is current at once."""
    control = Control(settings, store, archive, take_in, ("list_books",), wait_seconds=60)
    started = time.monotonic()
    view = control.publish(_upload(control))
    assert time.monotonic() - started < 30
    assert view.workers == []
    assert archive.current()[0] == view.digest
    assert [entry.name for entry in archive.load_snapshot(view.digest).apis] == ["shop"]


def test_a_publish_answers_when_the_worker_serves_it(control: Control, archive: Archive) -> None:
    """The answer comes after the worker has shown the new digest."""
    with FollowingWorker(archive) as worker:
        view = control.publish(_upload(control))
        assert worker.served == view.digest
    assert [one.state for one in view.workers] == ["serving"]
    assert view.behind == []


def test_a_worker_that_does_not_follow_is_named(control: Control, archive: Archive) -> None:
    """After the time is up the answer says which worker is behind; the snapshot stays published."""
    with FollowingWorker(archive, deaf=True):
        view = control.publish(_upload(control))
    assert view.published
    assert view.behind == [view.workers[0].pid]
    assert archive.current()[0] == view.digest


def test_a_snapshot_that_a_worker_refuses_is_taken_back(control: Control, archive: Archive) -> None:
    """The pointer and the store go back to the snapshot before, and the reason is told."""
    first = control.publish(_upload(control))
    second = _upload(control, "Other", "/other")
    with FollowingWorker(archive, refuse=lambda digest: "no room"):
        with pytest.raises(Problem, match="no room") as caught:
            control.publish(second)
        assert caught.value.status == 409
        assert caught.value.extra is not None
        assert caught.value.extra["workers"][0]["reason"] == "no room"
    assert archive.current()[0] == first.digest
    assert control.snapshot().digest == first.digest
    assert not control.get(second).published
    assert control.get(first.id).published_revision == 1


def test_after_a_refusal_the_number_grows_on(control: Control, archive: Archive) -> None:
    """A refused number is never given again."""
    api = _upload(control)
    with FollowingWorker(archive, refuse=lambda digest: "no room"), pytest.raises(Problem):
        control.publish(api)
    assert control.publish(api).number == 3


def test_an_upload_that_a_worker_refuses_is_kept_but_not_published(control: Control, archive: Archive) -> None:
    """The upload is acknowledged, and a finding says why it does not serve."""
    with FollowingWorker(archive, refuse=lambda digest: "no room"):
        view = control.upload(document(), JSON, publish=True)
    assert not view.published
    assert (view.findings[0].severity, view.findings[0].code) == ("error", "not-published")
    assert "no room" in view.findings[0].message
    assert [api.id for api in control.apis()] == [view.id]


def test_publishing_the_same_again_changes_nothing(control: Control) -> None:
    """A publish without a difference keeps digest, number and ETag."""
    api = _upload(control)
    first, second = control.publish(api), control.publish(api)
    assert (first.digest, first.number, first.etag) == (second.digest, second.number, second.etag)


def test_a_publish_takes_only_the_api_that_was_asked_for(control: Control, archive: Archive) -> None:
    """What somebody else has not published yet stays unpublished."""
    one, two = _upload(control), _upload(control, "Other", "/other")
    control.publish(one)
    control.bind(one, {"get /books": {"kind": "echo"}})
    digest = control.publish(two).digest
    entries = {entry.id: entry for entry in archive.load_snapshot(digest).apis}
    assert set(entries) == {one, two}
    assert entries[one].bindings == {}


def test_only_what_changed_is_read_again(control: Control, archive: Archive) -> None:
    """The compiled form of an API that did not change is not opened: a publish costs what changed."""
    one, two = _upload(control), _upload(control, "Other", "/other")
    digest = archive.load_snapshot(control.publish(one).digest).apis[0].digest
    (archive.root / "compiled" / f"{digest}.json").unlink()
    assert control.publish(two).number == 3


def test_a_compiled_file_that_is_damaged_is_not_published(control: Control, archive: Archive) -> None:
    """A snapshot whose files do not match their digests is refused before anybody sees it; nothing changes."""
    api = _upload(control)
    before = control.snapshot().digest
    for path in (archive.root / "compiled").glob("*.document.json"):
        path.write_bytes(b"{}")
    with pytest.raises(Problem, match="damaged") as caught:
        control.publish(api)
    assert caught.value.status == 409
    assert archive.current()[0] == before
    assert not control.get(api).published


def test_a_moved_base_path_cannot_clash(control: Control) -> None:
    """An API cannot be served where another one is still served, though it has moved in the store."""
    one = _upload(control)
    control.publish(one)
    control.replace(one, document(), JSON, base_path="/elsewhere")
    two = _upload(control, "Other", "/shop")
    with pytest.raises(Problem, match="'other'") as caught:
        control.publish(two)
    assert caught.value.status == 409
    control.publish(one)
    control.publish(two)


def test_old_snapshots_are_removed(control: Control, archive: Archive) -> None:
    """The folder holds the last 20, however often is published; the current one is among them."""
    api = _upload(control)
    for number in range(30):
        kind = ("echo", "mock")[number % 2]
        control.bind(api, {"get /books": {"kind": kind}}, publish=True)
    kept = {path.stem for path in (archive.root / "snapshots").glob("*.json")}
    assert len(kept) == 20
    assert set(archive.current()) <= kept


def test_of_fifty_publishes_with_one_etag_one_wins(control: Control) -> None:
    """S-17: everybody has read the same state; one publishes, 49 are told that it changed."""
    api = _upload(control)
    etag = control.get(api).etag
    outcomes: list[str] = []

    def publish() -> None:
        try:
            control.publish(api, etag)
            outcomes.append("won")
        except Exception as error:
            outcomes.append(type(error).__name__)

    threads = [threading.Thread(target=publish) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(set(outcomes)) == ["StoreConflict", "won"]
    assert outcomes.count("won") == 1


def test_a_publish_that_was_cut_off_is_finished_at_the_next_start(
    control: Control, settings: Settings, store: Store, archive: Archive
) -> None:
    """The store has committed, the pointer was not moved: the next start moves it."""
    first = archive.current()[0]
    digest = control.publish(_upload(control)).digest
    archive.make_current(first)
    Control(settings, store, archive, take_in)
    assert archive.current()[0] == digest


def test_an_empty_store_does_not_take_apis_off_the_air(settings: Settings, store: Store, archive: Archive) -> None:
    """A lost database beside a data folder that serves: the start is refused, the pointer stays."""
    other = Archive(settings.root / "other")
    foreign = Control(settings, store, other, take_in)
    foreign.publish(_upload(foreign))
    digest = archive.put_snapshot(other.load_snapshot(other.current()[0]))
    archive.make_current(digest)
    empty = Store(Settings(data=str(settings.root / "empty")))
    with pytest.raises(SettingInvalid, match="serves 1 APIs"):
        Control(settings, empty, archive, take_in)
    assert archive.current()[0] == digest
    empty.close()


def test_a_database_without_its_data_folder_is_refused_with_what_to_do(settings: Settings, store: Store) -> None:
    """A backup of the database alone: what was compiled is not in it."""
    control = Control(settings, store, Archive(settings.root / "first"), take_in)
    control.publish(_upload(control))
    with pytest.raises(SettingInvalid, match=r"lacks what the database published: .* restore the data folder"):
        Control(settings, store, Archive(settings.root / "empty"), take_in)


def test_two_control_planes_cannot_give_one_number_twice(store: Store, archive: Archive, control: Control) -> None:
    """The number is a primary key: the second writer fails instead of overwriting."""
    with pytest.raises(Exception, match=r"(?i)unique"), store.writing() as transaction:
        transaction.add_snapshot(SnapshotRow(number=1, digest="0" * 64, created=""))
    assert archive.load_snapshot(control.snapshot().digest) == Snapshot(number=1, created=control.snapshot().created)


def _compiled(content: bytes, media_type: str, settings: Settings) -> Taken:
    """An intake that compiles OpenAPI in this process."""
    read = load(content, media_type, settings)
    return Taken((), msgspec.json.encode(compile_document(read)), msgspec.json.encode(read.root))


def _openapi(*parameters: str) -> bytes:
    """A document with one operation that has these query parameters."""
    declared = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in parameters]
    operation = {"operationId": "list", "parameters": declared, "responses": {"200": {"description": "all"}}}
    root = {"openapi": "3.0.3", "info": {"title": "Shop", "version": "1"}, "paths": {"/books": {"get": operation}}}
    return msgspec.json.encode(root)


def test_a_policy_that_does_not_fit_the_next_revision_is_refused_before_any_worker_sees_it(
    settings: Settings, store: Store, archive: Archive
) -> None:
    """A cache key names a parameter that the new document does not have: the publish says which policy of which
    operation, and what was served goes on."""
    control = Control(settings, store, archive, _compiled, wait_seconds=0.1)
    api = control.upload(_openapi("page"), JSON).id
    control.set_triggers(api, {"list": {"policies": {"cache": {"seconds": 5, "vary": ["query.page"]}}}})
    served = control.publish(api).digest
    view = control.replace(api, _openapi("limit"), JSON, publish=True)
    assert not view.published
    (message,) = [finding.message for finding in view.findings if finding.code == "not-published"]
    assert "get /books, policies: cache: there is no parameter 'query.page'; there are: query.limit" in message
    with pytest.raises(Problem, match="cache: there is no parameter") as caught:
        control.publish(api)
    assert caught.value.status == 409
    assert archive.current()[0] == served
    control.set_triggers(api, {"list": {"policies": {"cache": None}}})
    assert control.publish(api).published
