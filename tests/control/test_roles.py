"""Who may do what in the admin API: every operation, every role and nobody at all (T16, S-16)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from control_members import ROLES, Platform
from control_samples import take_in

from apimgmt.archive import Archive
from apimgmt.control import membership
from apimgmt.control.admin import DOCUMENT, PUBLIC_OPERATIONS
from apimgmt.control.roles import READERS, WRITERS, may
from apimgmt.control.service import Control
from apimgmt.control.store import Store
from apimgmt.model import CompiledApi
from apimgmt.settings import Settings
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.intake.loader import load

EVERYBODY = "admin designer operator viewer"
# Tag of openapi.yaml -> who may read, who may change.
TABLE = {
    "access": (EVERYBODY, "admin"),
    "apis": (EVERYBODY, "admin designer"),
    "audit": ("admin", "admin"),
    "authorities": (EVERYBODY, "admin operator"),
    "connections": (EVERYBODY, "admin designer"),
    "flows": (EVERYBODY, "admin designer"),
    "keys": (EVERYBODY, "admin operator"),
    "me": (EVERYBODY, EVERYBODY),
    "oauth2": (EVERYBODY, "admin operator"),
    "operations": (EVERYBODY, "admin designer"),
    "publishing": (EVERYBODY, "admin designer operator"),
    "rulesets": (EVERYBODY, "admin operator"),
    "runs": ("admin designer operator", "admin designer operator"),
    "secrets": ("admin", "admin"),
    "users": (EVERYBODY, "admin"),
}
NEW = ("", "something-new")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

May = Callable[[str, str, str], bool]


def wrong(decide: May) -> list[tuple[str, str, str]]:
    """Where a decision differs from the table; a tag that is not in it, and a role that is none, get nothing."""
    table = {**TABLE, **dict.fromkeys(NEW, ("admin", "admin"))}
    return [
        (role, method, tag)
        for tag, (readers, writers) in table.items()
        for method in METHODS
        for role in (*ROLES, "", "root", "Admin")
        if decide(role, method, tag) != (role in (readers if method == "GET" else writers).split())
    ]


def test_the_decision_is_the_table() -> None:
    """Every role, method and tag, unknown ones included."""
    assert wrong(may) == []


def test_the_documentation_has_the_table() -> None:
    """Word for word (docs/access.md)."""
    text = (Path(__file__).parents[2] / "docs" / "access.md").read_text("utf-8")
    _, _, text = text.partition("| part | reading | changing |\n|---|---|---|\n")
    rows = [
        [cell.strip(" `") for cell in line.strip("|").split("|")] for line in text.partition("\n\n")[0].splitlines()
    ]
    assert {tag: (reading.replace(",", ""), changing.replace(",", "")) for tag, reading, changing in rows} == TABLE


@pytest.mark.parametrize(
    "naive",
    [
        lambda role, method, tag: role == "admin" or method == "GET" or tag in WRITERS.get(role, ()),
        lambda role, method, tag: role == "admin" or tag not in READERS or tag in WRITERS.get(role, ()),
        lambda role, method, tag: role != "viewer" or method == "GET",
        lambda role, method, tag: bool(role),
    ],
    ids=["reading is free", "unknown is free", "only viewers are kept", "whoever is somebody"],
)
def test_the_table_finds_a_naive_decision(naive: May) -> None:
    """Mutants."""
    assert wrong(naive)


# ---- over the admin API ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compiled() -> CompiledApi:
    """``openapi.yaml``, compiled."""
    return compile_document(load(DOCUMENT.read_bytes(), "application/yaml", Settings()))


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """An admin API on SQLite: who may do what does not depend on the database."""
    settings = Settings(data=str(tmp_path))
    store = Store(settings)
    yield Platform(settings, Control(settings, store, Archive(settings.root), take_in, wait_seconds=0.1))
    store.close()


def test_every_operation_has_a_tag_of_the_table(compiled: CompiledApi) -> None:
    """One tag each, and the table has no other."""
    assert {operation.tags for operation in compiled.operations} == {(tag,) for tag in TABLE}


def unguarded(platform: Platform, compiled: CompiledApi) -> list[tuple[str, str, int]]:
    """Every operation, called with each role and without a token: those whose answer the table does not allow.

    Who is let in gets what the request deserves, which names nothing that is there: 200 for a list, otherwise 4xx.
    """
    tokens = {role: platform.join(role, role) for role in ROLES} | {"nobody": "", "stranger": "apim_admin_x"}
    found = []
    for operation in compiled.operations:
        if operation.key in PUBLIC_OPERATIONS:
            continue
        method = operation.method.upper()
        allowed = TABLE[operation.tags[0]][method != "GET"].split()
        path = operation.path.replace("{revision}", "1")
        path = re.sub(r"\{\w+\}", "x", path)
        for who, token in tokens.items():
            status = platform.ask(method, path, token).status
            expected = 401 if who in ("nobody", "stranger") else None if who in allowed else 403
            good = status == expected if expected else status not in (401, 403) and status < 500
            found += [] if good else [(who, operation.key, status)]
    return found


def test_every_operation_by_every_role(platform: Platform, compiled: CompiledApi) -> None:
    """As the table says, from the token to the answer."""
    assert len(compiled.operations) > 60
    assert unguarded(platform, compiled) == []


def test_the_walk_finds_an_api_that_asks_for_no_role(
    platform: Platform, compiled: CompiledApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutant: whoever has a token may do everything."""
    monkeypatch.setattr(membership, "may", lambda role, method, tag: True)
    found = {(who, key) for who, key, _ in unguarded(platform, compiled)}
    assert {("viewer", "post /users"), ("operator", "get /audit"), ("designer", "delete /keys/{id}")} <= found


def test_head_is_reading(platform: Platform) -> None:
    """A viewer may ask for the fields of what a viewer may read, and of nothing else."""
    token = platform.join("vera", "viewer")
    assert platform.ask("HEAD", "/apis", token).status == 200
    assert platform.ask("HEAD", "/audit", token).status == 403


def test_a_refusal_names_the_role_and_no_more(platform: Platform) -> None:
    """403 with what to do next."""
    answer = platform.ask("POST", "/users", platform.join("vera", "viewer"), {"name": "eve", "role": "admin"})
    assert (answer.status, answer.json()["type"].rpartition("/")[2]) == (403, "forbidden")
    assert answer.json()["detail"] == "The role viewer does not allow this; ask an administrator."
    assert platform.control.users.all()[0]["name"] == "vera"


def test_nobody_makes_himself_an_administrator(platform: Platform) -> None:
    """A member that is not expected in a body is refused, wherever one has a name of its own for it (T16)."""
    token = platform.join("vera", "viewer")
    for path, body in [
        ("/me/tokens", {"name": "t", "role": "admin"}),
        ("/me/tokens", {"name": "t", "user": "user_1"}),
        ("/sessions", {"name": "vera", "password": "x", "role": "admin"}),
    ]:
        assert platform.ask("POST", path, token, body).status == 400
    assert platform.ask("GET", "/me", token).json()["role"] == "viewer"
