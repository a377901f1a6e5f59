"""Users by PAM: a real service file of the test's own (apimgmt/auth/directories/pam.py)."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from basicsamples import ask, gateway, user

from apimgmt.auth.directories import Credentials
from apimgmt.auth.directories.pam import Pam
from apimgmt.errors import Problem, SettingInvalid
from apimgmt.settings import Settings, from_environment

SERVICES = Path("/etc/pam.d")
# The program gets the user in PAM_USER and the password, with a NUL behind it, on standard input.
AUTHENTICATES = """#!/bin/sh
pair="$PAM_USER:$(tr -d '\\000')"
test "$pair" = "käyttäjä:påss€" || test "$pair" = "locked:right"
"""
ACCOUNT = """#!/bin/sh
test "$PAM_USER" != locked
"""

Service = Callable[[str], str]


@pytest.fixture
def service() -> Iterator[Service]:
    """Installs a PAM service with these lines and gives its name; it is gone after the test."""
    if os.geteuid() != 0 or not SERVICES.is_dir():
        pytest.skip(f"only root can write a service into {SERVICES}")
    pytest.importorskip("pam", reason="the extra apimgmt[pam] is not installed")
    path = SERVICES / f"apimgmt-test-{secrets.token_hex(4)}"

    def install(lines: str) -> str:
        path.write_text(lines)
        return path.name

    try:
        yield install
    finally:
        path.unlink(missing_ok=True)


@pytest.fixture
def real(service: Service, tmp_path: Path) -> str:
    """A service that knows käyttäjä, and locked, whose account is not in order."""
    programs = {"auth": AUTHENTICATES, "account": ACCOUNT}
    for name, text in programs.items():
        (tmp_path / name).write_text(text, "utf-8")
        (tmp_path / name).chmod(0o700)
    return service(
        f"auth required pam_exec.so quiet expose_authtok {tmp_path}/auth\n"
        f"account required pam_exec.so quiet {tmp_path}/account\n"
    )


@pytest.mark.rows("F-029", "F-030", "F-032")
@pytest.mark.parametrize(
    ("name", "password", "right"),
    [
        ("käyttäjä", "påss€", True),
        ("käyttäjä", "påss", False),
        ("nobody", "påss€", False),
        ("locked", "right", False),
        ("locked", "wrong", False),
    ],
)
def test_the_service_decides(real: str, name: str, password: str, right: bool) -> None:
    """The password and the state of the account."""
    assert Pam(Settings(pam_service=real)).check(Credentials(name, password)) is right


@pytest.mark.rows("F-032")
def test_the_gateway_asks_the_service_and_no_other_store(real: str, tmp_path: Path) -> None:
    """A local password of the same user counts for nothing; the rules are those of the user here."""
    users = (user("käyttäjä", "local"), user("locked", "local"))
    client = gateway(tmp_path / "data", *users, basic_directory="pam", pam_service=real)
    assert ask(client, "käyttäjä", "påss€").status == 200
    assert ask(client, "käyttäjä", "local").status == ask(client, "käyttäjä", "").status == 401
    without = gateway(tmp_path / "other", basic_directory="pam", pam_service=real)
    assert ask(without, "käyttäjä", "påss€").status == 403


def test_a_service_that_is_broken_is_503(service: Service, tmp_path: Path) -> None:
    """Nobody is let in, and nobody is told that the password is wrong."""
    name = service("auth required pam_there_is_none.so\naccount required pam_permit.so\n")
    with pytest.raises(Problem) as caught:
        Pam(Settings(pam_service=name)).check(Credentials("anna", "right"))
    assert caught.value.status == 503 and name in caught.value.reason
    answer = ask(gateway(tmp_path, user("*"), basic_directory="pam", pam_service=name), "anna", "right")
    assert answer.status == 503 and name not in answer.text


def test_a_service_that_lets_everybody_in_does_not_let_in_an_empty_password(service: Service, tmp_path: Path) -> None:
    """pam_permit says yes to all; an empty password is never asked about."""
    name = service("auth required pam_permit.so\naccount required pam_permit.so\n")
    client = gateway(tmp_path, user("*"), basic_directory="pam", pam_service=name)
    assert (ask(client, "anna", "anything").status, ask(client, "anna", "").status) == (200, 401)


def test_the_name_of_a_service_is_no_path() -> None:
    """Nothing outside /etc/pam.d."""
    with pytest.raises(SettingInvalid):
        from_environment({"APIMGMT_PAM_SERVICE": "../shadow"})
