"""What a document's security means here, and what is said to be missing before anybody can call (issue 3)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pki
import pytest

from apimgmt.archive import Archive
from apimgmt.control import callers
from apimgmt.control.service import Control
from apimgmt.control.store import Store
from apimgmt.settings import Settings
from apimgmt.spec.intake import take_in

SCHEMES: dict[str, Any] = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "basic": {"type": "http", "scheme": "basic"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "oauth2": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/t", "scopes": {"read": ""}}}},
    "connect": {"type": "openIdConnect", "openIdConnectUrl": "https://i.example/.well-known/openid-configuration"},
    "certificate": {"type": "mutualTLS"},
    "digest": {"type": "http", "scheme": "digest"},
}
RULES = [{"path": "/shop/**"}]
CLIENT = {"name": "machine", "grants": ["client_credentials"]}


class Platform:
    """A control plane with the real intake."""

    def __init__(self, settings: Settings) -> None:
        self.store = Store(settings)
        self.control = Control(settings, self.store, Archive(settings.root), take_in, wait_seconds=0.1)

    def upload(self, *operations: Any, **query: Any) -> list[str]:
        """What is said about an API at /shop whose operations have this security each."""
        paths = {
            f"/a{number}": {"get": {"security": security, "responses": {"200": {"description": "ok"}}}}
            for number, security in enumerate(operations)
        }
        document = {
            "openapi": "3.1.0",
            "info": {"title": "Shop", "version": "1"},
            "components": {"securitySchemes": SCHEMES},
            "paths": paths,
        }
        content = json.dumps(document).encode()
        return said(self.control.upload(content, "application/json", base_path="/shop", **query).findings)

    def again(self) -> list[str]:
        """What is said when it is published."""
        return said(self.control.publish("shop").findings)


def said(findings: list[Any]) -> list[str]:
    """The messages of this kind, which are information: nothing is wrong yet."""
    mine = [finding for finding in findings if finding.code == "nobody-can-call"]
    assert {finding.severity for finding in mine} <= {"info"}
    return [finding.message for finding in mine]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Platform]]:
    """Makes a platform with these settings; nobody is there yet."""
    made: list[Platform] = []

    def platform(**settings: Any) -> Platform:
        made.append(Platform(Settings(data=str(tmp_path), **settings)))
        return made[-1]

    yield platform
    for one in made:
        one.store.close()


def test_one_finding_for_each_kind(make: Callable[..., Platform]) -> None:
    """Whatever the number of operations: how many, of how many, and what to do."""
    found = make().upload(*([{name: []}] for name in SCHEMES), [{"key": []}])
    assert [message.partition(":")[0] for message in found] == [
        "apiKey",
        "basic",
        "bearer",
        "digest",
        "mutualtls",
        "oauth2",
        "openIdConnect",
    ]
    assert found[0] == (
        "apiKey: nobody can call 2 of 8 operation(s) yet: no API key has a rule for them (`apimgmt keys add`)"
    )
    for message, word in zip(
        found[1:],
        (
            "users add",
            "no access policy",
            "does not know this kind",
            "HTTPS is off",
            "no application",
            "no application",
        ),
        strict=True,
    ):
        assert word in message


@pytest.mark.parametrize(
    ("security", "trigger"),
    [([], {"allow_public": True}), ([{}], {"allow_public": True}), ([{"key": []}], {"authentication": "none"})],
)
def test_what_is_open_lacks_nothing(make: Callable[..., Platform], security: Any, trigger: Any) -> None:
    """Whoever comes may call."""
    assert make().upload(security, **trigger) == []


def test_one_way_in_is_enough(make: Callable[..., Platform]) -> None:
    """Of several alternatives one that somebody can meet; of several schemes together all of them."""
    platform = make()
    platform.control.keys.create({"name": "k", "rules": RULES})
    found = platform.upload([{"basic": []}, {"key": []}], [{"basic": [], "key": []}])
    assert found == [
        "basic: nobody can call 1 of 2 operation(s) yet: no user has a rule for them (`apimgmt users add`)"
    ]


@pytest.mark.parametrize(
    ("body", "good"),
    [
        ({"rules": RULES}, True),
        ({"rules": [{"methods": ["GET"], "path": "/shop/a0"}]}, True),
        ({"rulesets": ["readers"]}, True),
        ({"rules": []}, False),
        ({"rules": [{"methods": ["PUT"], "path": "/shop/**"}]}, False),
        ({"rules": [{"path": "/shopping/**"}]}, False),
        ({"rules": RULES, "environment": "other"}, False),
    ],
)
def test_a_key_that_can_call(make: Callable[..., Platform], body: Any, good: bool) -> None:
    """One that counts here and now, with a rule that covers it, its own or of a ruleset."""
    platform = make()
    platform.control.rulesets.create({"name": "readers", "rules": RULES})
    platform.control.keys.create({"name": "k", **body})
    assert (platform.upload([{"key": []}]) == []) is good
    if good:
        platform.control.keys.delete("k")
        assert len(platform.again()) == 1


def test_step_by_step_to_a_token(make: Callable[..., Platform]) -> None:
    """An application, then a policy about it; a policy for a client that is gone is about nobody."""
    platform = make()
    assert "no application is registered" in platform.upload([{"oauth2": ["read"]}])[0]
    platform.control.clients.create(CLIENT)
    assert "no access policy is about them" in platform.again()[0]
    policy = {"name": "p", "targets": [{"path": "/other/**"}], "applications": ["machine"]}
    platform.control.access_policies.create(policy)
    assert "no access policy is about them" in platform.again()[0]
    platform.control.access_policies.replace("p", {**policy, "targets": RULES})
    assert platform.again() == []
    platform.control.clients.delete("machine")
    assert "no application is registered" in platform.again()[0]


def test_step_by_step_to_a_certificate(make: Callable[..., Platform]) -> None:
    """HTTPS, then an authority that this API trusts, with rules that cover it or none."""
    platform = make(client_certificate_header="client-cert")
    assert "no authority is trusted" in platform.upload([{"certificate": []}])[0]
    body = {"name": "acme", "certificates": pki.authority("Acme CA").pem}
    platform.control.authorities.create({**body, "rules": [{"path": "/other/**"}]})
    assert "rules of the authorities do not cover" in platform.again()[0]
    platform.control.authorities.replace("acme", body)
    assert platform.again() == []


def test_a_user_and_a_bearer(make: Callable[..., Platform]) -> None:
    """A user with a rule; for bearer a key or a token."""
    platform = make()
    assert len(platform.upload([{"basic": []}], [{"bearer": []}])) == 2
    platform.control.users.create({"name": "ann", "password": "x", "rules": RULES})
    (left,) = platform.again()
    assert left.startswith("bearer: nobody can call 1 of 2")
    platform.control.keys.create({"name": "k", "rules": RULES})
    assert platform.again() == []


def test_settings_of_operations_count(make: Callable[..., Platform]) -> None:
    """Another kind that somebody can meet; what is missing is said when it is set, and in a plan."""
    platform = make()
    platform.control.keys.create({"name": "k", "rules": RULES})
    assert len(platform.upload([{"digest": []}])) == 1
    changed = platform.control.set_triggers("shop", {"get /a0": {"authentication": "basic"}})
    assert said(changed.findings)[0].startswith("basic: nobody can call 1 of 1")
    assert said(platform.control.set_triggers("shop", {"get /a0": {"authentication": "apiKey"}}).findings) == []
    content = json.dumps({"openapi": "3.0.3", "info": {"title": "Shop", "version": "2"}, "paths": {}}).encode()
    plan = platform.control.replace("shop", content, "application/json", base_path="/shop", plan_only=True)
    assert said(plan.findings) == []


def test_of_very_much_only_the_first_part_is_looked_at(
    make: Callable[..., Platform], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload does not wait for every rule and operation; the message says so."""
    platform = make()
    platform.control.keys.create({"name": "k", "rules": [{"path": f"/shop/b{number}"} for number in range(4)]})
    monkeypatch.setattr(callers, "LOOKS_MOST", 10)
    assert "can call 2 of 2 operation(s)" in platform.upload([{"key": []}], [{"key": []}])[0]
    platform.control.keys.create({"name": "more", "rules": [{"path": "/shop/c"}]})
    assert "can call 1 of the first 1 operation(s)" in platform.again()[0]


def test_it_is_said_of_today(make: Callable[..., Platform]) -> None:
    """It is no part of a revision: what was missing at the upload is not shown for ever."""
    platform = make()
    platform.upload([{"key": []}])
    (revision,) = platform.control.revisions("shop")
    assert said(list(revision.findings)) == []
