"""API keys: shown once, kept as a hash, published at once; rotated, ended, revoked (apimgmt/control/keys.py)."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import msgspec
import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config

from apimgmt.archive import Archive
from apimgmt.auth.keytext import environment_of
from apimgmt.control.keys import OVERLAP_MOST, REMEMBERED_SECONDS
from apimgmt.control.service import Control
from apimgmt.control.store import MIGRATIONS, Store
from apimgmt.errors import Problem, StoreConflict
from apimgmt.model import KeyEntry, Rule
from apimgmt.settings import Settings

SHOP = {"methods": ["get"], "path": "/shop/**"}


def published(archive: Archive) -> tuple[KeyEntry, ...]:
    """The keys that the gateway has."""
    return archive.load_snapshot(archive.current()[0]).keys


def refusal(call: Any, *arguments: Any) -> Problem:
    """What a call is refused with."""
    with pytest.raises(Problem) as caught:
        call(*arguments)
    return caught.value


def digest(text: str) -> str:
    """What may be kept of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.rows("H-096")
def test_a_key_is_shown_once_and_kept_as_its_hash(control: Control, archive: Archive) -> None:
    """256 random bits for the caller; a SHA-256 in the store and in the snapshot; nothing of either in a list."""
    view = control.keys.create({"name": "reporting", "rules": [SHOP]}).view
    assert environment_of(view["key"]) == "default"
    (entry,) = published(archive)
    assert (entry.id, entry.digest) == (view["id"], digest(view["key"]))
    assert entry.rules == (Rule(methods=("GET",), path="/shop/**"),)
    shown = str([control.keys.all(), control.keys.get("reporting")])
    assert view["key"] not in shown and entry.digest not in shown
    assert view["key"].startswith(view["hint"]) and len(view["hint"]) == len("apim_default_") + 4
    files = b"".join(path.read_bytes() for path in archive.root.rglob("*") if path.is_file())
    assert view["key"].encode() not in files


def test_no_rule_no_access(control: Control, archive: Archive) -> None:
    """A key without rules is published without rules."""
    control.keys.create({"name": "nothing"})
    assert published(archive)[0].rules == ()


@pytest.mark.parametrize(
    ("rules", "pointer"),
    [
        ([{}], "/rules/0/path"),
        ([{"methods": ["*"]}], "/rules/0/path"),
        ([{"path": "shop"}], "/rules/0/path"),
        ([{"path": "/a/**/b"}], "/rules/0/path"),
        ([{"path": "/a b"}], "/rules/0/path"),
        ([{"path": "/a"}, {"path": "/b", "methods": ["BREW"]}], "/rules/1/methods"),
        ([{"path": "/b", "methods": []}], "/rules/0/methods"),
        ([{"operation": "get /a", "path": "/a"}], "/rules/0/api"),
        ([{"api": "nowhere"}], "/rules/0/api"),
    ],
)
def test_a_rule_that_does_not_say_what_it_means_is_refused(control: Control, rules: list[Any], pointer: str) -> None:
    """A rule without a path would open everything by default: 400 with its place, and no key."""
    problem = refusal(control.keys.create, {"name": "k", "rules": rules})
    assert (problem.status, problem.errors[0]["pointer"]) == (400, pointer)
    assert control.keys.all() == []


@pytest.mark.parametrize(
    "body",
    [
        {"rules": [{"path": "/b", "colour": "red"}]},
        {"rules": ["/b"]},
        {"rulesets": ["nowhere"]},
        {"expires": "tomorrow"},
        {"expires": "2040-01-01T00:00:00"},
        {"expires": "2020-01-01T00:00:00Z"},
        {"environment": "Production"},
        {"environment": "a_b"},
        {"environment": "a" * 33},
        {"digest": "0" * 64},
    ],
)
def test_what_cannot_be_said_of_a_key_is_refused(control: Control, body: dict[str, Any]) -> None:
    """400, and no key."""
    assert refusal(control.keys.create, {"name": "k", **body}).status == 400
    assert control.keys.all() == []


@pytest.mark.parametrize("path", ["/", "/**", "/shop", "/shop/*", "/shop/*/books/**"])
def test_the_forms_of_a_path_in_a_rule(control: Control, path: str) -> None:
    """One segment, any number at the end, or exactly."""
    view = control.keys.create({"name": "k", "rules": [{"path": path}]}).view
    assert view["rules"] == [{"methods": ["*"], "path": path}]


def test_names_of_keys_are_unique_and_have_limits(control: Control) -> None:
    """The name is what a process sees as the user (F-067), so it is not given twice; 100 characters are the limit."""
    control.keys.create({"name": "k"})
    assert refusal(control.keys.create, {"name": "k"}).status == 409
    assert control.keys.create({"name": "k" * 100}).view["name"] == "k" * 100
    assert refusal(control.keys.create, {"name": "k" * 101}).status == 400


# ---- rotation --------------------------------------------------------------------------------------------------------


@pytest.mark.rows("H-097")
def test_a_rotated_key_has_a_new_text_and_the_old_one_counts_for_a_while(control: Control, archive: Archive) -> None:
    """The id, the name and the rules stay; the snapshot says until when the old text counts."""
    old = control.keys.create({"name": "k", "rules": [SHOP]}).view
    before = time.time()
    new = control.keys.rotate("k", 60).view
    (entry,) = published(archive)
    assert (new["id"], new["name"], new["rules"]) == (old["id"], "k", old["rules"])
    assert entry.digest == digest(new["key"]) != digest(old["key"])
    assert list(entry.older) == [digest(old["key"])]
    assert before + 60 <= entry.older[digest(old["key"])] <= time.time() + 60
    assert new["overlap"] is not None and new["hint"] != old["hint"]


def test_a_rotation_without_overlap_ends_every_earlier_text(control: Control, archive: Archive) -> None:
    """For a key that leaked: neither the last text nor the one before it counts any more."""
    control.keys.create({"name": "k"})
    control.keys.rotate("k", 3600)
    view = control.keys.rotate("k").view
    (entry,) = published(archive)
    assert len(entry.older) == 2 and max(entry.older.values()) <= time.time()
    assert view["overlap"] is None


@pytest.mark.parametrize(("overlap", "status"), [(0, 200), (OVERLAP_MOST, 200), (OVERLAP_MOST + 1, 400), (-1, 400)])
def test_an_overlap_has_limits(control: Control, overlap: int, status: int) -> None:
    """At the limit and one past it."""
    control.keys.create({"name": "k"})
    if status == 200:
        assert "key" in control.keys.rotate("k", overlap).view
    else:
        assert refusal(control.keys.rotate, "k", overlap).status == status


def test_two_rotations_do_not_overwrite_each_other(control: Control) -> None:
    """The one that read the state before is refused."""
    etag = control.keys.create({"name": "k"}).etag
    control.keys.rotate("k", 0, etag)
    with pytest.raises(StoreConflict):
        control.keys.rotate("k", 0, etag)


# ---- replacing and ending --------------------------------------------------------------------------------------------


def test_rules_name_and_end_can_be_changed_and_the_text_stays(control: Control, archive: Archive) -> None:
    """What the body leaves out has its default again."""
    control.rulesets.create({"name": "readers", "rules": [SHOP]})
    made = control.keys.create({"name": "k", "rules": [{"path": "/**"}]})
    body = {"name": "n", "rulesets": ["readers"], "expires": "2040-01-01T00:00:00Z"}
    view = control.keys.replace("k", body, made.etag).view
    assert (view["name"], view["rules"], view["rulesets"]) == ("n", [], ["readers"])
    (entry,) = published(archive)
    assert entry.digest == digest(made.view["key"]) and entry.expires == 2208988800.0
    assert entry.rules == (Rule(methods=("GET",), path="/shop/**", ruleset="readers"),)
    assert control.keys.replace("n", {}).view["expires"] is None


@pytest.mark.parametrize(
    ("expires", "state"), [(0.0, "active"), (15 * 86_400, "active"), (13 * 86_400, "expiring"), (-1, "expired")]
)
def test_a_list_says_how_it_stands_with_a_key(control: Control, store: Store, expires: float, state: str) -> None:
    """Two weeks before its end a key is expiring; after it a new text would be of no use."""
    control.keys.create({"name": "k"})
    with store.writing() as transaction:
        row = control.keys.found(transaction, "k")
        key = msgspec.structs.replace(control.keys.stored(row), expires=time.time() + expires if expires else 0.0)
        control.keys.put(transaction, row, key, row.name)
    assert [view["state"] for view in control.keys.all()] == [state]
    if state == "expired":
        assert refusal(control.keys.rotate, "k").status == 409
    else:
        assert control.keys.rotate("k").view["state"] == state


@pytest.mark.rows("H-098")
@pytest.mark.parametrize("by", ["id", "name"])
def test_a_revoked_key_is_revoked_on_the_gateway_with_all_its_texts(
    control: Control, archive: Archive, by: str
) -> None:
    """When the call returns the snapshot says so; the key stays, without rules, so that its holder is told."""
    old = control.keys.create({"name": "k", "rules": [SHOP]}).view
    new = control.keys.rotate("k", 3600).view
    control.keys.delete(new[by])
    (entry,) = published(archive)
    assert (entry.revoked, entry.rules) == (True, ())
    assert {entry.digest, *entry.older} == {digest(old["key"]), digest(new["key"])}
    (view,) = control.keys.all()
    assert (view["id"], view["state"]) == (old["id"], "revoked") and view["revoked"] is not None


def test_the_name_of_a_revoked_key_is_free_and_the_key_stays_revoked(control: Control, archive: Archive) -> None:
    """A second key may have it; the first cannot be changed or rotated any more, and revoking it again is nothing."""
    first = control.keys.create({"name": "k"}).view["id"]
    control.keys.delete("k")
    second = control.keys.create({"name": "k"}).view["id"]
    assert control.keys.get("k").view["id"] == second
    assert refusal(control.keys.rotate, first).status == refusal(control.keys.replace, first, {}).status == 409
    control.keys.delete(first)
    assert {entry.id: entry.revoked for entry in published(archive)} == {first: True, second: False}
    control.keys.delete("k")
    assert refusal(control.keys.delete, "k").status == 404


@pytest.mark.parametrize(("age", "kept"), [(REMEMBERED_SECONDS - 60, True), (REMEMBERED_SECONDS + 60, False)])
def test_a_revoked_key_is_forgotten_after_30_days(control: Control, store: Store, age: float, kept: bool) -> None:
    """With the next revocation, so that the snapshot does not grow for ever."""
    old = control.keys.create({"name": "old"}).view["id"]
    control.keys.delete("old")
    with store.writing() as transaction:
        row = control.keys.found(transaction, old)
        key = msgspec.structs.replace(control.keys.stored(row), revoked=time.time() - age)
        control.keys.put(transaction, row, key, row.name)
    control.keys.create({"name": "other"})
    control.keys.delete("other")
    assert (old in {view["id"] for view in control.keys.all()}) is kept


# ---- environments and rulesets ---------------------------------------------------------------------------------------


@pytest.mark.rows("H-099")
def test_a_key_belongs_to_an_environment(control: Control, archive: Archive) -> None:
    """That of the platform unless it is said; the text names it."""
    own = control.keys.create({"name": "own"}).view
    other = control.keys.create({"name": "other", "environment": "staging"}).view
    assert (own["environment"], other["environment"]) == ("default", "staging")
    assert other["key"].startswith("apim_staging_")
    assert {entry.name: entry.environment for entry in published(archive)} == {"own": "default", "other": "staging"}


def test_a_platform_that_changes_its_environment_publishes_it(control: Control, archive: Archive, store: Store) -> None:
    """The next start with another setting is enough: keys of the environment before are not known any more."""
    settings = msgspec.structs.replace(control._settings, environment="production")
    again = Control(settings, store, archive, control._take_in)
    assert archive.load_snapshot(archive.current()[0]).environment == "production"
    assert again.keys.create({"name": "k"}).view["key"].startswith("apim_production_")


@pytest.mark.rows("F-036")
def test_changing_a_ruleset_changes_all_who_have_it(control: Control, archive: Archive) -> None:
    """One change, every key, one publish."""
    control.rulesets.create({"name": "readers", "rules": [SHOP]})
    for name in ("a", "b"):
        control.keys.create({"name": name, "rules": [{"path": "/own"}], "rulesets": ["readers"]})
    control.rulesets.replace("readers", {"rules": [{"path": "/new"}]})
    wanted = (Rule(path="/own"), Rule(path="/new", ruleset="readers"))
    assert [entry.rules for entry in published(archive)] == [wanted, wanted]


def test_a_ruleset_that_somebody_has_stays(control: Control) -> None:
    """Neither removed nor renamed; the refusal says who has it. A revoked key has it no longer."""
    control.rulesets.create({"name": "readers"})
    control.keys.create({"name": "crm", "rulesets": ["readers"]})
    problem = refusal(control.rulesets.delete, "readers")
    assert problem.status == 409 and "key crm" in problem.detail
    assert refusal(control.rulesets.replace, "readers", {"name": "others"}).status == 409
    control.keys.delete("crm")
    control.rulesets.replace("readers", {"name": "others"})
    control.rulesets.delete("others")


def test_keys_of_earlier_versions_go_on(settings: Settings, control: Control, store: Store, archive: Archive) -> None:
    """Back to the tables of the version before and forward again: the same key, without an end."""
    control.keys.create({"name": "gone"})
    control.keys.delete("gone")
    text = control.keys.create({"name": "k", "rules": [SHOP]}).view["key"]
    migrate(store, "third")
    with store.engine.connect() as connection:
        ((name, kept),) = connection.execute(sqlalchemy.text("SELECT name, digest FROM keys")).all()
    assert (name, kept) == ("k", digest(text))
    again = Control(settings, Store(settings), archive, control._take_in)
    (view,) = again.keys.all()
    assert (view["name"], view["state"], view["hint"]) == ("k", "active", "")
    again.keys.create({"name": "other"})
    (entry,) = (entry for entry in published(archive) if entry.name == "k")
    assert (entry.digest, entry.environment) == (digest(text), "default")
    assert entry.rules == (Rule(methods=("GET",), path="/shop/**"),)


def migrate(store: Store, revision: str) -> None:
    """Take the database back to an earlier version."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with store._writers.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
