"""``apimgmt connections authorize``: the link, the wait for somebody to use it, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import responses
from click.testing import CliRunner, Result

from apimgmt.cli.commands import apimgmt as program

ADMIN = "http://admin.example:8081"
PLACE = f"{ADMIN}/api/v1/connections/my%20crm"
LINK = {
    "url": "https://admin.example/connections/authorize?ticket=t",
    "redirectUri": "https://admin.example/connections/callback",
    "expires": "2030-01-01T00:10:00Z",
}
NOBODY = {
    "redirectUri": LINK["redirectUri"],
    "signedIn": False,
    "since": None,
    "expires": None,
    "renewable": False,
    "scopes": "",
}
BEFORE = {**NOBODY, "signedIn": True, "since": "2030-01-01T00:00:00Z", "expires": "2030-01-01T01:00:00Z"}
AFTER = {**BEFORE, "since": "2030-01-01T00:05:00Z", "renewable": True}


@pytest.fixture
def admin() -> Iterator[responses.RequestsMock]:
    """An admin API that answers what the test says, in this order."""
    with responses.RequestsMock(registry=responses.registries.OrderedRegistry) as mock:
        yield mock


def run(*arguments: str) -> Result:
    """The command as a user runs it."""
    own = {"APIMGMT_URL": ADMIN, "APIMGMT_TOKEN": "secret"}
    return CliRunner().invoke(program, ["connections", "authorize", "my crm", *arguments], env=own)


def look(admin: responses.RequestsMock, answer: Any) -> None:
    """What the next look at the authorization finds."""
    admin.add("GET", f"{PLACE}/authorization", json=answer)


@pytest.mark.parametrize("before", [NOBODY, BEFORE], ids=["nobody", "somebody"])
def test_the_command_waits_for_the_new_sign_in(admin: responses.RequestsMock, before: Any) -> None:
    """Not for one that was there before; the link and the redirect URI are said at once, on standard error."""
    look(admin, before)
    admin.add("POST", f"{PLACE}/authorize", json=LINK)
    look(admin, before)
    look(admin, AFTER)
    result = run()
    assert result.exit_code == 0
    assert LINK["url"] in result.stderr and LINK["redirectUri"] in result.stderr
    assert result.stdout == "my crm is signed in since 2030-01-01T00:05:00Z; its token is renewed by itself\n"


def test_a_script_gets_the_link_alone(admin: responses.RequestsMock) -> None:
    """With ``--no-wait``, as text or JSON."""
    for options, shown in ((["--no-wait"], f"{LINK['url']}\n"), (["--no-wait", "--output", "json"], None)):
        look(admin, NOBODY)
        admin.add("POST", f"{PLACE}/authorize", json=LINK)
        result = run(*options)
        assert result.exit_code == 0
        assert result.stdout == shown if shown else json.loads(result.stdout) == LINK


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (NOBODY, "nobody is signed in to my crm; run: apimgmt connections authorize my crm"),
        (BEFORE, "my crm is signed in since 2030-01-01T00:00:00Z, until 2030-01-01T01:00:00Z"),
        ({**BEFORE, "expires": None}, "my crm is signed in since 2030-01-01T00:00:00Z, until the other system ends it"),
        (AFTER, "my crm is signed in since 2030-01-01T00:05:00Z; its token is renewed by itself"),
    ],
    ids=["nobody", "until", "open-end", "renewable"],
)
def test_the_status_is_a_sentence(admin: responses.RequestsMock, found: Any, sentence: str) -> None:
    """Who is signed in, and until when."""
    look(admin, found)
    result = run("--status")
    assert (result.exit_code, result.stdout) == (0, f"{sentence}\n")


def test_tokens_are_forgotten(admin: responses.RequestsMock) -> None:
    """With ``--forget``."""
    admin.add("DELETE", f"{PLACE}/authorization", status=204)
    assert run("--forget").stdout == "nobody is signed in to my crm any more\n"


def test_a_connection_of_another_kind_is_a_failure(admin: responses.RequestsMock) -> None:
    """With what the platform says."""
    admin.add("GET", f"{PLACE}/authorization", status=409, json={"title": "clash", "detail": "nobody signs in to it"})
    result = run()
    assert result.exit_code == 1 and "nobody signs in to it" in result.stderr
