"""Clients of our own authorization server: made, changed, removed, and what they are for access policies."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.archive import Archive
from apimgmt.auth.access import Access
from apimgmt.control.authorization.signing import SigningKeys
from apimgmt.control.publish import Publisher
from apimgmt.control.service import Control
from apimgmt.control.store import Store
from apimgmt.digest import digest_of
from apimgmt.encryption import Encryption
from apimgmt.errors import Problem, StoreConflict
from apimgmt.model import Snapshot
from apimgmt.settings import Settings

MACHINE = {"name": "billing", "grants": ["client_credentials"], "scopes": ["read", "write"]}
BROWSER = {
    "name": "shop",
    "grants": ["authorization_code", "refresh_token"],
    "redirects": ["https://app.example/callback"],
    "scopes": ["read"],
    "public": True,
}
POLICY = {"name": "readers", "targets": [{"path": "/shop/**"}], "applications": ["billing"]}


def snapshot(archive: Archive) -> Snapshot:
    """What is published."""
    return archive.load_snapshot(archive.current()[0])


def refused(control: Control, body: dict[str, Any]) -> tuple[str, str]:
    """The code and the pointer of a refusal."""
    with pytest.raises(Problem) as caught:
        control.clients.create(body)
    assert caught.value.code == "validation"
    (error,) = caught.value.document()["errors"]
    return error["code"], error["pointer"]


def conflict(change: Any) -> str:
    """The text of a conflict."""
    with pytest.raises(Problem) as caught:
        change()
    assert caught.value.code == "conflict"
    return caught.value.detail


# ---- secrets ---------------------------------------------------------------------------------------------------------


def test_a_secret_is_shown_once(control: Control, store: Store) -> None:
    """When it is made; later answers, and the store, have no way back to it."""
    made = control.clients.create(MACHINE)
    secret = made.view["clientSecret"]
    assert len(secret) >= 43
    assert made.view["clientId"] == made.view["id"]
    shown = control.clients.get("billing").view
    assert shown == control.clients.all()[0] == {name: made.view[name] for name in made.view if name != "clientSecret"}
    assert "secret" not in shown
    with store.reading() as transaction:
        (row,) = transaction.resources("client")
    assert digest_of(secret) in row.content and secret not in row.content


def test_a_new_secret_replaces_the_one_before(control: Control, store: Store) -> None:
    """At once; a state that is no more is refused, and so is a public client, which has none."""
    made = control.clients.create(MACHINE)
    renewed = control.clients.renew_secret("billing", made.etag)
    assert renewed.view["clientSecret"] != made.view["clientSecret"]
    with store.reading() as transaction:
        (row,) = transaction.resources("client")
    assert digest_of(made.view["clientSecret"]) not in row.content
    with pytest.raises(StoreConflict):
        control.clients.renew_secret("billing", made.etag)
    control.clients.create(BROWSER)
    assert "no secret" in conflict(lambda: control.clients.renew_secret("shop"))


def test_a_secret_stays_when_the_client_changes(control: Control, store: Store) -> None:
    """Everything else has its default again."""
    made = control.clients.create(MACHINE)
    changed = control.clients.replace("billing", {"grants": ["client_credentials"]})
    assert changed.view["scopes"] == []
    with store.reading() as transaction:
        (row,) = transaction.resources("client")
    assert digest_of(made.view["clientSecret"]) in row.content


# ---- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"name": ""}, "pattern", "/name"),
        ({"name": "a/b"}, "pattern", "/name"),
        ({"grants": []}, "minItems", "/grants"),
        ({"grants": ["password"]}, "type", "/grants/0"),
        ({"grants": "client_credentials"}, "type", "/grants"),
        ({"grants": ["client_credentials"]}, "conflict", "/grants"),
        ({"redirects": []}, "minItems", "/redirects"),
        ({"scopes": ["read", "a b"]}, "pattern", "/scopes/1"),
        ({"scopes": ['"']}, "pattern", "/scopes/0"),
        ({"scopes": ["\\"]}, "pattern", "/scopes/0"),
        ({"scopes": [""]}, "pattern", "/scopes/0"),
        ({"scopes": ["é"]}, "pattern", "/scopes/0"),
        ({"scopes": ["x" * 101]}, "pattern", "/scopes/0"),
        ({"public": "yes"}, "type", "/public"),
        ({"more": 1}, "type", ""),
    ],
)
def test_what_cannot_be(control: Control, change: dict[str, Any], code: str, pointer: str) -> None:
    """Each with its place; nothing is stored."""
    assert refused(control, {**BROWSER, **change}) == (code, pointer)
    assert control.clients.all() == []


@pytest.mark.parametrize(
    ("redirect", "good"),
    [
        ("https://app.example/callback?a=b", True),
        ("http://localhost:3000/callback", True),
        ("http://127.0.0.1/callback", True),
        ("http://[::1]:9/callback", True),
        ("https://app.example/*", True),
        ("http://app.example/callback", False),
        ("http://localhost.evil.example/", False),
        ("https://user@app.example/", False),
        ("https://app.example@evil.example/", False),
        ("https://app.example/#part", False),
        ("https:///callback", False),
        ("https://app.example/é", False),
        ("https://[::1", False),
        ("https://app.example/ callback", False),
        ("https://app.example/\\evil", False),
        ("https://app.example;script-src/", False),
        ("https://app.example/\n", False),
        ("https://app.example:x/", False),
        ("javascript:alert(1)", False),
        ("com.example.app:/callback", False),
        ("/callback", False),
        ("", False),
    ],
)
def test_where_the_browser_may_go(control: Control, redirect: str, good: bool) -> None:
    """https, or this machine; a fragment, a user and anything that readers could read in two ways is refused."""
    body = {**BROWSER, "redirects": ["https://app.example/", redirect]}
    if good:
        assert control.clients.create(body).view["redirects"][1] == redirect
    else:
        assert refused(control, body) == ("format", "/redirects/1")


def test_what_cannot_change(control: Control) -> None:
    """A client stays public or not, and nobody chooses a secret."""
    control.clients.create(BROWSER)
    for body, pointer in (({**BROWSER, "public": False}, "/public"), ({**BROWSER, "secret": "mine"}, "/secret")):
        with pytest.raises(Problem) as caught:
            control.clients.replace("shop", body)
        assert caught.value.document()["errors"][0]["pointer"] == pointer


def test_a_chosen_secret_does_not_count(control: Control, store: Store) -> None:
    """Also when the client is made: the platform's own is used."""
    made = control.clients.create({**MACHINE, "secret": "mine"})
    with store.reading() as transaction:
        (row,) = transaction.resources("client")
    assert digest_of("mine") not in row.content and digest_of(made.view["clientSecret"]) in row.content
    public = control.clients.create({**BROWSER, "secret": "mine"})
    assert "clientSecret" not in public.view


# ---- access ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def serving(settings: Settings, store: Store, archive: Archive, control: Control) -> None:
    """The server signed a token already, so its issuer is published."""
    SigningKeys(store, Publisher(store, archive, 0.5), Encryption(settings), "https://api.example").rotate()


def test_a_client_is_an_application(control: Control, archive: Archive, serving: None) -> None:
    """Access policies name it, and who-can does; when it is removed neither the policy nor who-can has it any more."""
    made = control.clients.create(MACHINE).view
    control.access_policies.create(POLICY)
    (entry,) = snapshot(archive).applications
    assert (entry.client, entry.name) == (made["clientId"], "billing")
    assert snapshot(archive).access_policies[0].applications == (made["id"],)
    assert list(Access(snapshot(archive)).policies.names()) == ["billing"]
    control.clients.delete("billing")
    assert snapshot(archive).applications == ()
    assert snapshot(archive).access_policies[0].applications == ("",)
    assert list(Access(snapshot(archive)).policies.names()) == []


def test_a_new_name_ends_what_policies_allowed(control: Control, archive: Archive) -> None:
    """The policy goes on naming the old one, which nobody has."""
    control.clients.create(MACHINE)
    control.access_policies.create(POLICY)
    control.clients.replace("billing", {**MACHINE, "name": "invoices"})
    assert snapshot(archive).applications[0].name == "invoices"
    assert snapshot(archive).access_policies[0].applications == ("",)


def test_nobody_inherits_by_a_name(control: Control) -> None:
    """A name that a policy still says is not given again, by making or by renaming, to a client or an application."""
    control.clients.create(MACHINE)
    control.access_policies.create(POLICY)
    control.clients.delete("billing")
    control.clients.create(BROWSER)
    assert "policies readers" in conflict(lambda: control.clients.create(MACHINE))
    assert "policies readers" in conflict(lambda: control.clients.replace("shop", {**BROWSER, "name": "billing"}))
    control.access_policies.replace("readers", {**POLICY, "applications": []})
    control.clients.create(MACHINE)


def test_a_client_and_an_application_have_two_names(control: Control, serving: None) -> None:
    """A policy could not tell them apart."""
    control.clients.create(MACHINE)
    body = {"client": "c1", "issuer": "apimgmt"}
    assert "client named 'billing'" in conflict(lambda: control.applications.create({"name": "billing", **body}))
    control.applications.create({"name": "other", **body})
    assert "application named" in conflict(lambda: control.clients.create({**MACHINE, "name": "other"}))
    assert "named 'billing'" in conflict(lambda: control.applications.replace("other", {"name": "billing", **body}))
