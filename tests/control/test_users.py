"""Users: made, changed, removed and published; a password goes in and never comes out (apimgmt/control/users.py)."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from apimgmt.archive import Archive
from apimgmt.auth.directories import Credentials
from apimgmt.auth.directories.local import Local
from apimgmt.control.admin import DOCUMENT, handlers
from apimgmt.control.service import Control
from apimgmt.control.users import password_of, role_of
from apimgmt.errors import Problem, StoreConflict
from apimgmt.model import Rule, UserEntry
from apimgmt.settings import Settings
from harness import serve

SECRET = "påss€-marker"
ANNA = {
    "name": "käyttäjä",
    "password": SECRET,
    "role": "viewer",
    "rules": [{"methods": ["get"], "path": "/shop/**"}],
    "rulesets": ["readers"],
}


@pytest.fixture
def readers(control: Control) -> None:
    """A ruleset to have."""
    control.rulesets.create({"name": "readers", "rules": [{"methods": ["GET"], "path": "/orders"}]})


def published(archive: Archive) -> tuple[UserEntry, ...]:
    """The users as the gateway gets them."""
    return archive.load_snapshot(archive.current()[0]).users


def is_password(entry: UserEntry, password: str) -> bool:
    """Whether the gateway would let the user in."""
    return Local(Settings()).check(Credentials(entry.name, password, entry.password))


def test_a_user_lives_and_ends(control: Control, archive: Archive, readers: None) -> None:
    """Made, shown without the password, published with its hash and all rules, removed."""
    shown = control.users.create(ANNA)
    assert shown.view == {
        "id": shown.view["id"],
        "name": "käyttäjä",
        "role": "viewer",
        "hasPassword": True,
        "rules": [{"methods": ["GET"], "path": "/shop/**"}],
        "rulesets": ["readers"],
        "created": shown.view["created"],
    }
    assert control.users.all() == [shown.view]
    assert control.users.get("käyttäjä") == control.users.get(shown.view["id"]) == shown
    (entry,) = published(archive)
    assert (entry.id, entry.name) == (shown.view["id"], "käyttäjä")
    assert entry.rules == (
        Rule(methods=("GET",), path="/shop/**"),
        Rule(methods=("GET",), path="/orders", ruleset="readers"),
    )
    assert is_password(entry, SECRET) and not is_password(entry, "wrong")
    control.users.delete("käyttäjä", shown.etag)
    assert control.users.all() == [] and published(archive) == ()


def test_a_password_that_is_left_out_stays(control: Control, archive: Archive, readers: None) -> None:
    """Everything else has its default again; a new password replaces the one before."""
    control.users.create(ANNA)
    kept = control.users.replace("käyttäjä", {})
    assert (kept.view["role"], kept.view["rules"], kept.view["rulesets"]) == ("", [], [])
    assert is_password(published(archive)[0], SECRET)
    control.users.replace("käyttäjä", {"password": "new"}, kept.etag)
    assert is_password(published(archive)[0], "new") and not is_password(published(archive)[0], SECRET)
    with pytest.raises(StoreConflict):
        control.users.replace("käyttäjä", {}, kept.etag)


def test_a_user_may_have_no_password(control: Control, archive: Archive) -> None:
    """PAM or LDAP knows it; here nobody gets in with any."""
    for name in ("*", "anna@example.com"):
        assert control.users.create({"name": name}).view["hasPassword"] is False
    assert [entry.password for entry in published(archive)] == ["", ""]
    assert not any(is_password(entry, "") or is_password(entry, "x") for entry in published(archive))


def test_names_have_no_case(control: Control) -> None:
    """``Anna`` and ``anna`` would be one in a directory, so they are one here; a user can be renamed to the other."""
    control.users.create({"name": "Anna"})
    for name in ("anna", "ANNA", "Ａｎｎａ"):
        with pytest.raises(Problem) as caught:
            control.users.create({"name": name})
        assert caught.value.code == "conflict"
    control.users.create({"name": "bert"})
    with pytest.raises(Problem):
        control.users.replace("bert", {"name": "ANNA"})
    assert control.users.replace("Anna", {"name": "anna"}).view["name"] == "anna"


def test_letters_are_stored_as_the_gateway_reads_them(control: Control, archive: Archive) -> None:
    """Composed, whichever way they came (RFC 7617 section 2.1)."""
    control.users.create({"name": "a\u0308", "password": "a\u0308"})
    (entry,) = published(archive)
    assert entry.name == "ä" and is_password(entry, "ä")


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"name": "a:b"}, "/name"),
        ({"name": "a/b"}, "/name"),
        ({"name": "a\\b"}, "/name"),
        ({"name": " a"}, "/name"),
        ({"name": "a\x00b"}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": "x" * 101}, "/name"),
        ({"password": ""}, "/password"),
        ({"password": "x" * 257}, "/password"),
        ({"password": "a\x00b"}, "/password"),
        ({"password": 7}, "/password"),
        ({"role": "root"}, "/role"),
        ({"rules": [{"path": "shop"}]}, "/rules/0/path"),
        ({"rulesets": ["readers", "none"]}, "/rulesets/1"),
        ({"colour": "red"}, ""),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_kept(
    control: Control, readers: None, changes: dict[str, Any], pointer: str
) -> None:
    """400 with the place, and never with the password."""
    with pytest.raises(Problem) as caught:
        control.users.create({**ANNA, **changes})
    assert (caught.value.code, caught.value.errors[0]["pointer"]) == ("validation", pointer)
    assert "marker" not in json.dumps(caught.value.document())
    assert control.users.all() == []


@pytest.mark.parametrize("length", [1, 256])
def test_a_password_has_1_to_256_characters(control: Control, length: int) -> None:
    """At the limits; beyond them it is refused, see above."""
    assert control.users.create({"name": "anna", "password": "x" * length}).view["hasPassword"]


@pytest.mark.parametrize("role", ["", "admin", "designer", "operator", "viewer"])
def test_a_role_is_kept(control: Control, role: str) -> None:
    """For the platform itself; the gateway does not learn it."""
    row_id = control.users.create({"name": "anna", "password": "x", "role": role}).view["id"]
    with control._store.reading() as transaction:
        row = transaction.resource("user", row_id)
    assert row is not None and role_of(row) == role and password_of(row).startswith("$argon2id$")


def test_a_ruleset_that_a_user_has_stays(control: Control, readers: None) -> None:
    """Its removal says who has it; changing it changes the user at once."""
    control.users.create(ANNA)
    with pytest.raises(Problem, match="user käyttäjä"):
        control.rulesets.delete("readers")


def test_no_password_is_shown_logged_or_kept(
    control: Control, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture, readers: None
) -> None:
    """Through the admin API itself: made, changed, refused, listed."""
    caplog.set_level(logging.DEBUG)
    functions = handlers(control)
    operations = {name: {"kind": "python", "function": name} for name in functions}
    client = serve(DOCUMENT.read_bytes(), bindings=operations, functions=functions)

    def send(method: str, path: str, body: Any = None) -> Any:
        return client.request(method, f"/api/v1{path}", json=body)

    answers = [
        send("POST", "/users", ANNA),
        send("GET", "/users"),
        send("GET", "/users/k%C3%A4ytt%C3%A4j%C3%A4"),
        send("PUT", "/users/k%C3%A4ytt%C3%A4j%C3%A4", {"password": f"{SECRET}2"}),
        send("POST", "/users", {**ANNA, "password": SECRET * 50}),
        send("POST", "/users", {**ANNA, "password": [SECRET]}),
        send("POST", "/users", ANNA),
    ]
    assert [answer.status for answer in answers] == [201, 200, 200, 200, 400, 400, 409]
    assert answers[0].header("location") == f"/api/v1/users/{answers[0].json()['id']}"
    assert answers[0].header("cache-control") == "no-store"
    assert not any("marker" in answer.text for answer in answers)
    assert "marker" not in caplog.text
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"marker" not in files
    assert send("DELETE", "/users/k%C3%A4ytt%C3%A4j%C3%A4").status == 204
