"""What can be done to APIs: upload, plan, replace, restore, roll back, delete."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from control_samples import JSON, YAML, document, take_in

import apimgmt.policies.cors
import apimgmt.policies.protocols  # noqa: F401  importing a policy registers it
from apimgmt.archive import Archive
from apimgmt.control.service import Control
from apimgmt.control.store import Store
from apimgmt.errors import DocumentRefused, Problem, StoreConflict
from apimgmt.model import Binding, Trigger
from apimgmt.settings import Settings

READ, WRITE, DROP = "get /books", "post /books", "delete /books"


def _kinds(control: Control, api: str) -> dict[str, str]:
    return {operation.key: operation.binding["kind"] for operation in control.operations(api)}


def _words(entries: list[Any]) -> dict[str, str]:
    return {entry.key: entry.happens for entry in entries}


# ---- upload ----------------------------------------------------------------------------------------------------------


@pytest.mark.rows("F-001", "F-002")
def test_an_upload_becomes_locked_operations(control: Control) -> None:
    """One operation per method and path, each answering with a mock, not published unless asked for."""
    view = control.upload(document("Book Shop", "/shop/"), JSON)
    assert (view.name, view.base_path, view.revision, view.published) == ("book-shop", "/shop", 1, False)
    assert [(one.key, one.method, one.path, one.binding) for one in view.operations] == [
        (READ, "get", "/books", {"kind": "mock"}),
        (WRITE, "post", "/books", {"kind": "mock"}),
    ]
    assert view.operations[0].url == "http://127.0.0.1:8080/shop/books"
    assert [finding.code for finding in view.findings] == ["credentials-over-http", "sample", "nobody-can-call"]


def test_what_an_upload_may_say(control: Control, archive: Archive) -> None:
    """Name, base path, prefix, default process, authentication off, and publish at once."""
    view = control.upload(
        document(),
        JSON,
        name="mine",
        base_path="/v9",
        prefix="/team",
        bind="echo",
        authentication="none",
        allow_public=True,
        publish=True,
    )
    assert (view.name, view.base_path, view.published) == ("mine", "/team/v9", True)
    assert {one.binding["kind"] for one in view.operations} == {"echo"}
    assert all(one.public for one in view.operations)
    assert "authentication-off" in {finding.code for finding in view.findings}
    (entry,) = archive.load_snapshot(archive.current()[0]).apis
    assert (entry.base_path, entry.trigger.authentication, entry.trigger.public) == ("/team/v9", "none", True)
    assert entry.bindings == {READ: Binding(kind="echo"), WRITE: Binding(kind="echo")}


def test_public_needs_two_words(control: Control) -> None:
    """An operation is public only if the document leaves it open and the upload allows that."""
    operations = {
        "get /silent": {},
        "get /open": {"security": []},
        "get /either": {"security": [{}, {"key": []}]},
        "get /closed": {"security": [{"key": []}]},
    }
    kept = control.upload(document("a", "/a", operations=operations), JSON)
    opened = control.upload(document("b", "/b", operations=operations), JSON, allow_public=True)
    assert [one.public for one in kept.operations] == [False, False, False, False]
    assert [one.public for one in opened.operations] == [True, True, True, False]
    assert [finding.code for finding in kept.findings].count("public-not-allowed") == 2


def test_a_refused_document_leaves_nothing(control: Control, archive: Archive, store: Store) -> None:
    """DocumentRefused carries the findings; no row and no file was made."""
    with pytest.raises(DocumentRefused) as caught:
        control.upload(b"{", JSON)
    assert caught.value.findings[0].line == 1
    assert control.apis() == []
    assert list((archive.root / "compiled").iterdir()) == []


@pytest.mark.parametrize(
    ("more", "status"),
    [({"name": "shop"}, 409), ({"base_path": "/shop"}, 409), ({"name": "a/b"}, 400), ({"prefix": "/../x"}, 400)],
)
def test_an_upload_that_clashes_leaves_nothing(
    control: Control, archive: Archive, more: dict[str, str], status: int
) -> None:
    """A taken name or base path, or one that cannot be: refused, no row and no file."""
    control.upload(document("Shop", "/shop"), JSON)
    before = sorted((archive.root / "compiled").iterdir())
    with pytest.raises(Problem) as caught:
        control.upload(document("Another", "/other", "get /x"), JSON, **more)  # type: ignore[arg-type]
    assert caught.value.status == status
    assert [api.name for api in control.apis()] == ["shop"]
    assert sorted((archive.root / "compiled").iterdir()) == before


def test_the_uploaded_bytes_come_back(control: Control) -> None:
    """The original of every revision, to the byte, with its media type."""
    first, second = document() + b"\n  ", document(version="2")
    api = control.upload(first, JSON).id
    control.replace(api, second, YAML)
    assert control.document(api, 1) == (first, JSON)
    assert control.document(api, 2) == (second, YAML)
    with pytest.raises(Problem, match="no revision 3"):
        control.document(api, 3)


def test_a_base_path_of_a_document_that_cannot_be_served_is_a_finding(control: Control) -> None:
    """The document is at fault, so the answer is a finding; a base path of one's own helps."""
    with pytest.raises(DocumentRefused, match="pass basePath"):
        control.upload(document("Shop", "/{tenant}"), JSON)
    assert control.upload(document("Shop", "/{tenant}"), JSON, base_path="/t").base_path == "/t"


def test_a_text_with_nul_is_no_trouble(control: Control) -> None:
    """PostgreSQL takes no NUL in a text; a title may have one all the same."""
    view = control.upload(document("Sh\x00op"), JSON)
    assert control.get(view.id).title == "Shop"


# ---- reading ---------------------------------------------------------------------------------------------------------


def test_an_api_is_found_by_id_and_by_name(control: Control) -> None:
    """Both lead to the same API; an unknown one is a 404 with near names."""
    view = control.upload(document(), JSON)
    assert control.get(view.id) == control.get("shop")
    with pytest.raises(Problem, match="near: shop") as caught:
        control.get("shopp")
    assert caught.value.status == 404


@pytest.mark.rows("F-053")
def test_one_operation_is_shown_with_its_settings(control: Control) -> None:
    """Binding, settings with every field, and the place for the document's own words."""
    api = control.upload(document(operations={READ: {"operationId": "listBooks", "summary": "List"}}), JSON).id
    control.set_triggers(api, {"listBooks": {"timeout": 5}})
    detail = control.operation(api, "listBooks")
    assert (detail.key, detail.summary, detail.trigger["timeout"], detail.trigger["bodyLimit"]) == (
        READ,
        "List",
        5,
        1048576,
    )
    assert detail.specification is True


@pytest.mark.rows("F-004", "F-021", "F-052")
@pytest.mark.parametrize(
    "setting",
    [
        {"policies": {"protocols": {"allow": "https"}}},
        {"policies": {"cors": {"origins": "https://a.example", "maxAge": 5}}},
        {"authentication": "none"},
        {"authentication": ("basic", "apiKey")},
        {"rawBody": True},
        {"timeout": 5.0},
        {"bodyLimit": 10},
        {"errorFormat": "error"},
    ],
    ids=lambda setting: next(iter(setting.get("policies", setting))),
)
def test_each_setting_survives_a_restart(
    setting: dict[str, Any], settings: Settings, store: Store, control: Control, archive: Archive
) -> None:
    """Set on one operation, published, and still there in a new process over the same store; the other has it not."""
    api = control.upload(document(), JSON).id
    control.set_triggers(api, {READ: setting}, publish=True)
    store.close()
    again = Store(settings)
    shown = Control(settings, again, Archive(settings.root), take_in).operation(api, READ).trigger
    others = Control(settings, again, archive, take_in).operation(api, WRITE).trigger
    again.close()
    for name, value in setting.items():
        assert (shown[name], others[name] == value) == (value, False)
    (entry,) = archive.load_snapshot(archive.current()[0]).apis
    assert msgspec.to_builtins(entry.triggers[READ]) == msgspec.to_builtins(setting)


def test_settings_of_the_whole_api(control: Control, archive: Archive) -> None:
    """``*`` is for every operation that sets nothing itself, now and later; null gives an operation back to it."""
    api = control.upload(document(), JSON).id
    control.set_triggers(api, {WRITE: {"timeout": 3}})
    first = control.set_triggers(api, {"*": {"policies": {"protocols": {"allow": "https"}}}}, publish=True)
    assert ([one.key for one in first.operations], first.published) == ([READ], True)
    assert control.get(api).trigger["policies"] == {"protocols": {"allow": "https"}}
    (entry,) = archive.load_snapshot(archive.current()[0]).apis
    assert (entry.trigger.policies, entry.triggers) == ({"protocols": {"allow": "https"}}, {WRITE: Trigger(timeout=3)})
    assert [finding.code for finding in first.findings] == ["credentials-over-http", "nobody-can-call"]
    back = control.set_triggers(api, {WRITE: None}, publish=True)
    assert [one.key for one in back.operations] == [WRITE]
    assert [finding.code for finding in back.findings] == ["nobody-can-call"]
    (entry,) = archive.load_snapshot(archive.current()[0]).apis
    assert entry.triggers == {}


def test_settings_that_do_not_build_change_nothing(control: Control) -> None:
    """One wrong member, and none of the body is stored."""
    api = control.upload(document(), JSON)
    body = {READ: {"timeout": 3}, "*": {"timeout": 4}, WRITE: {"policies": {"cors": {"origins": "null"}}}}
    with pytest.raises(Problem):
        control.set_triggers(api.id, body)
    assert control.get(api.id).etag == api.etag
    assert control.operation(api.id, READ).trigger["timeout"] == 30


# ---- the next revision -----------------------------------------------------------------------------------------------


def test_a_plan_stores_nothing(control: Control, archive: Archive) -> None:
    """A plan says what would happen to every operation and its binding; afterwards everything is as before."""
    api = control.upload(document("Shop", "/shop", READ, WRITE), JSON).id
    control.bind(api, {WRITE: {"kind": "echo"}})
    before = control.get(api), sorted((archive.root / "compiled").iterdir())
    plan = control.replace(api, document("Shop", "/shop", READ, DROP), JSON, plan_only=True)
    assert plan.plan
    assert (plan.revision, plan.published) == (2, False)
    assert _words(plan.added) == {DROP: "new; runs the default of the API until it is bound"}
    assert _words(plan.removed) == {WRITE: "answers 404; its binding and settings are kept and return with it"}
    assert plan.removed[0].binding == {"kind": "echo"}
    assert _words(plan.kept) == {READ: "stays bound"}
    assert (control.get(api), sorted((archive.root / "compiled").iterdir())) == before


def test_bindings_and_settings_of_a_removed_operation_return_with_it(control: Control, archive: Archive) -> None:
    """Removed, published without it, brought back: bound and set as before (never dropped silently)."""
    api = control.upload(document("Shop", "/shop", READ, WRITE), JSON).id
    control.bind(api, {WRITE: {"kind": "echo"}})
    control.set_triggers(api, {WRITE: {"timeout": 3}})
    control.replace(api, document("Shop", "/shop", READ), JSON, publish=True)
    (entry,) = archive.load_snapshot(archive.current()[0]).apis
    assert (entry.bindings, entry.triggers) == ({}, {})
    back = control.replace(api, document("Shop", "/shop", READ, WRITE, version="3"), JSON, publish=True)
    assert _words(back.added) == {WRITE: "returns with the binding that was kept"}
    (entry,) = archive.load_snapshot(archive.current()[0]).apis
    assert entry.bindings == {WRITE: Binding(kind="echo")}
    assert entry.triggers[WRITE].timeout == 3


def test_a_binding_does_not_move_with_an_operation_id(control: Control) -> None:
    """Another path is another operation (T12): the plan names the pair, the binding stays where it was."""
    api = control.upload(document(operations={READ: {"operationId": "list"}}), JSON).id
    control.bind(api, {READ: {"kind": "echo"}})
    plan = control.replace(api, document(operations={"get /volumes": {"operationId": "list"}}), JSON)
    assert (plan.removed[0].key, plan.removed[0].renamed) == (READ, "get /volumes")
    assert (plan.added[0].key, plan.added[0].renamed) == ("get /volumes", READ)
    assert "bind it" in plan.added[0].happens
    assert _kinds(control, api) == {"get /volumes": "mock"}


def test_new_operations_run_the_default_of_the_api(control: Control) -> None:
    """An API that was uploaded with bind=echo echoes in later operations too."""
    api = control.upload(document("Shop", "/shop", READ), JSON, bind="echo").id
    control.replace(api, document("Shop", "/shop", READ, WRITE), JSON)
    assert _kinds(control, api) == {READ: "echo", WRITE: "echo"}


@pytest.mark.rows("F-009")
def test_a_changed_base_path_is_refused_with_the_way_to_do_it(control: Control) -> None:
    """A document with another base path moves nothing by itself; both plan and upload say how to stay or move."""
    api = control.upload(document("Shop", "/v1"), JSON, prefix="/team").id
    for plan_only in (True, False):
        with pytest.raises(Problem, match="basePath=/v1 to stay, basePath=/v2 to move") as caught:
            control.replace(api, document("Shop", "/v2"), JSON, plan_only=plan_only)
        assert caught.value.status == 409
    assert control.get(api).revision == 1


@pytest.mark.parametrize(("given", "expected"), [("/v1", "/team/v1"), ("/v2", "/team/v2")])
def test_a_base_path_that_is_given_counts_from_then_on(control: Control, given: str, expected: str) -> None:
    """basePath= decides, and later documents may have any base path of their own."""
    api = control.upload(document("Shop", "/v1"), JSON, prefix="/team").id
    assert control.replace(api, document("Shop", "/v2"), JSON, base_path=given).base_path == expected
    assert control.replace(api, document("Shop", "/v3"), JSON).base_path == expected


def test_an_api_cannot_move_onto_another(control: Control) -> None:
    """A base path that is taken is a conflict for a revision too."""
    api = control.upload(document("Shop", "/shop"), JSON).id
    control.upload(document("Other", "/other"), JSON)
    with pytest.raises(Problem, match="'other'"):
        control.replace(api, document(), JSON, base_path="/other")


# ---- who read what ---------------------------------------------------------------------------------------------------


def test_every_write_changes_the_etag_and_minds_if_match(control: Control) -> None:
    """A stale If-Match stops every kind of write; the present one, any list with it, and * pass; the present one is
    also what gzip made weak on its way."""
    api = control.upload(document(), JSON).id
    stale = control.get(api).etag
    control.bind(api, {READ: {"kind": "echo"}}, if_match=f'"other", {stale}')
    writes = [
        lambda tag: control.bind(api, {READ: {"kind": "mock"}}, if_match=tag),
        lambda tag: control.set_triggers(api, {READ: {"timeout": 3}}, if_match=tag),
        lambda tag: control.replace(api, document(version="2"), JSON, if_match=tag),
        lambda tag: control.publish(api, tag),
        lambda tag: control.rollback(api, 1, tag),
        lambda tag: control.delete(api, tag),
    ]
    for write in writes:
        before = control.get(api)
        for tag in (stale, f"W/{stale}", ""):
            with pytest.raises(StoreConflict):
                write(tag)
        assert control.get(api) == before
        write(before.etag)
        assert control.get(api).etag != before.etag


# ---- bindings --------------------------------------------------------------------------------------------------------


def test_a_binding_applies_at_the_next_publish_or_at_once(control: Control, archive: Archive) -> None:
    """Without publish the gateway is not touched; with it the binding serves when the call returns."""
    api = control.upload(document(), JSON, publish=True).id
    assert not control.bind(api, {READ: {"kind": "echo"}}).published
    assert archive.load_snapshot(archive.current()[0]).apis[0].bindings == {}
    view = control.bind(api, {WRITE: {"kind": "echo"}}, publish=True)
    assert view.published
    assert [one.key for one in view.operations] == [WRITE]
    assert set(archive.load_snapshot(archive.current()[0]).apis[0].bindings) == {READ, WRITE}


def test_bindings_are_all_or_none(control: Control) -> None:
    """One binding that cannot work keeps the others from being stored, and the ETag as it was."""
    api = control.upload(document(), JSON).id
    before = control.get(api)
    with pytest.raises(Problem):
        control.bind(api, {READ: {"kind": "echo"}, WRITE: {"kind": "teapot"}})
    assert _kinds(control, api) == {READ: "mock", WRITE: "mock"}
    assert control.get(api) == before


@pytest.mark.rows("F-005", "F-009")
def test_an_attempt_to_change_a_method_changes_nothing(control: Control) -> None:
    """Refused as locked by the specification, and nothing that is stored differs."""
    api = control.upload(document(), JSON).id
    before = control.get(api), control.operations(api)
    with pytest.raises(Problem, match="locked by the specification"):
        control.bind(api, {READ: {"kind": "echo", "method": "post"}})
    assert (control.get(api), control.operations(api)) == before


# ---- rollback and delete ---------------------------------------------------------------------------------------------


def test_a_rollback_serves_the_earlier_document_again(control: Control, archive: Archive) -> None:
    """R-11: after publish and rollback the gateway's entry is, byte for byte, what it was."""
    api = control.upload(document("Shop", "/shop", READ), JSON, publish=True).id
    before = archive.load_snapshot(archive.current()[0]).apis
    control.replace(api, document("Shop", "/shop", READ, WRITE), JSON, publish=True)
    view = control.rollback(api, 1)
    assert (view.revision, view.published) == (1, True)
    assert archive.load_snapshot(archive.current()[0]).apis == before
    assert [(one.number, one.current, one.published) for one in control.revisions(api)] == [
        (1, True, True),
        (2, False, False),
    ]


def test_after_a_rollback_the_next_revision_has_a_new_number(control: Control) -> None:
    """A revision is immutable: its number is not used again."""
    api = control.upload(document(), JSON).id
    control.replace(api, document(version="2"), JSON)
    control.rollback(api, 1)
    assert control.replace(api, document(version="3"), JSON).revision == 3
    with pytest.raises(Problem, match="no revision 9") as caught:
        control.rollback(api, 9)
    assert caught.value.status == 404


def test_a_deleted_api_is_gone_and_its_revisions_are_kept(control: Control, archive: Archive) -> None:
    """Off the gateway at once, name and base path free, documents readable by id, no write possible."""
    view = control.upload(document(), JSON, publish=True)
    control.delete("shop")
    assert archive.load_snapshot(archive.current()[0]).apis == ()
    assert control.apis() == []
    assert control.get(view.id).deleted
    assert control.document(view.id, 1)[0] == document()
    with pytest.raises(Problem, match="deleted") as caught:
        control.publish(view.id)
    assert caught.value.status == 404
    again = control.upload(document(), JSON)
    assert (again.name, again.base_path) == ("shop", "/shop")
    assert control.get("shop").id == again.id


def test_an_api_of_many_operations_costs_no_row_each(control: Control, archive: Archive) -> None:
    """2,000 operations that nobody decided about are not written to the store or to the snapshot."""
    keys = [f"get /r{number}" for number in range(2000)]
    api = control.upload(document("Big", "/big", *keys), JSON, publish=True)
    assert len(api.operations) == 2000
    assert len(json.dumps(control.snapshot().plain())) < 2000
    assert (archive.root / "snapshots" / f"{archive.current()[0]}.json").stat().st_size < 1000
