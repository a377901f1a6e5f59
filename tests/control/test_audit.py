"""The audit log: every change is noted, without secrets, in a chain that shows what was altered (T20)."""

from __future__ import annotations

import json

import pytest
from control_samples import JSON, document
from sqlalchemy import delete, update

from apimgmt.control.audit import CHANGED, MASK, Actor, actor
from apimgmt.control.auditlog import AuditLog
from apimgmt.control.service import Control
from apimgmt.control.store import Store
from apimgmt.control.tables import audit
from apimgmt.errors import Problem

RULES = {"name": "readers", "rules": [{"methods": ["GET"], "path": "/shop/**"}]}


def test_every_change_says_who_and_what(control: Control, store: Store) -> None:
    """A ruleset made, changed and removed by ann: three entries, with the state before and after."""
    token = actor.set(Actor("ann", "192.0.2.7", "createRuleset"))
    try:
        control.rulesets.create(RULES)
        control.rulesets.replace("readers", {"rules": []})
        control.rulesets.delete("readers")
    finally:
        actor.reset(token)
    made, changed, removed = [one for one in AuditLog(store).entries() if one["subject"] == "ruleset readers"]
    assert (made["who"], made["address"], made["action"]) == ("ann", "192.0.2.7", "createRuleset")
    assert (made["before"], made["after"]["rules"][0]["path"]) == (None, "/shop/**")
    assert (changed["changed"], removed["before"], removed["after"]) == (["rules"], {}, None)


def test_apis_bindings_and_settings_are_noted(control: Control, store: Store) -> None:
    """An upload, a binding, a setting, a publish and a deletion each leave an entry."""
    api = control.upload(document("Shop", "/shop"), JSON)
    key = control.operations(api.id)[0].key
    control.bind(api.id, {key: {"kind": "echo"}})
    control.set_triggers(api.id, {key: {"timeout": 5}})
    control.publish(api.id)
    control.delete(api.id)
    entries = AuditLog(store).entries()
    subjects = [entry["subject"] for entry in entries]
    assert [f"api {api.name}", f"revision {api.id}/1"] == subjects[:2]
    bound = next(entry for entry in entries if entry["subject"] == f"binding {api.id} {key}")
    assert (bound["before"], bound["after"]) == (None, {"kind": "echo"})
    setting = next(entry for entry in entries if entry["subject"] == f"trigger {api.id} {key}")
    assert setting["after"] == {"timeout": 5.0}
    states = [entry for entry in entries if entry["subject"] == f"api {api.name}"]
    assert any(entry["changed"] == ["published"] for entry in states)
    assert "deleted" in states[-1]["changed"]


def test_secrets_are_masked(control: Control, store: Store) -> None:
    """Neither the text of a key nor its digest is in the log."""
    shown = control.keys.create({"name": "crm", "rules": []})
    (entry,) = [one for one in AuditLog(store).entries() if one["subject"] == "key crm"]
    assert entry["after"]["digest"] == MASK
    assert shown.view["key"] not in json.dumps(AuditLog(store).entries())


def test_another_secret_is_said_to_be_another(control: Control, store: Store) -> None:
    """A new password is a change like any other; one that stays is none."""
    control.users.create({"name": "ann", "password": "one-password"})
    control.users.replace("ann", {"password": "two-password"})
    control.users.replace("ann", {"role": "viewer"})
    made, changed, other = [one for one in AuditLog(store).entries() if one["subject"] == "user ann"]
    assert (made["after"]["password"], changed["after"]["password"]) == (MASK, CHANGED)
    assert (changed["changed"], other["changed"]) == (["password"], ["role"])
    assert "one-password" not in json.dumps([made, changed, other])


def test_what_did_not_happen_is_not_noted(control: Control, store: Store) -> None:
    """A refused change leaves nothing, for the note is in its transaction."""
    control.rulesets.create(RULES)
    with pytest.raises(Problem):
        control.rulesets.create(RULES)
    assert len([one for one in AuditLog(store).entries() if one["subject"] == "ruleset readers"]) == 1


def test_an_altered_log_is_noticed(control: Control, store: Store) -> None:
    """Another name in an entry, or a missing one: the log says where it breaks."""
    log = AuditLog(store)
    for name in ("a", "b", "c"):
        control.rulesets.create({"name": name, "rules": []})
    assert log.broken() is None
    last = log.entries()[-1]["number"]
    with store.engine.begin() as connection:
        connection.execute(update(audit).where(audit.c.number == last - 1).values(who="nobody"))
    assert log.broken() == last - 1
    with store.engine.begin() as connection:
        connection.execute(delete(audit).where(audit.c.number == last - 1))
    assert log.broken() == last


def test_pages_and_subjects(control: Control, store: Store) -> None:
    """So many entries after a number; only those about something."""
    for name in ("a", "b", "c"):
        control.rulesets.create({"name": name, "rules": []})
    log = AuditLog(store)
    first = log.entries(limit=2)
    assert [entry["number"] for entry in first] == [1, 2]
    assert [entry["number"] for entry in log.entries(after=2, limit=1)] == [3]
    assert {entry["subject"] for entry in log.entries(subject="ruleset b")} == {"ruleset b"}
