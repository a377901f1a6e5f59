"""Users by LDAP: a real slapd of the test's own (apimgmt/auth/directories/ldap.py)."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from basicsamples import ask, gateway, user
from slapd import PEOPLE, SERVICE, SERVICE_PASSWORD, Slapd, certificates, misnamed, missing

from apimgmt.auth.directories import Credentials
from apimgmt.auth.directories.ldap import Ldap
from apimgmt.errors import Problem, SettingInvalid
from apimgmt.settings import Settings

pytest.importorskip("ldap", reason="the extra apimgmt[ldap] is not installed")

PASSWORD = "päss:wörd"
TEMPLATE = f"uid={{name}},{PEOPLE}"
# StartTLS is answered with success, and then nothing more comes (RFC 4511 section 4.14.2).
STARTED = bytes.fromhex("300c02010178070a010004000400")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """slapd with some people; skips, with the reason, where there is none."""
    if missing():
        pytest.skip(missing())
    with Slapd(tmp_path_factory.mktemp("slapd")) as slapd:
        (slapd.folder / "password").write_text(f"{SERVICE_PASSWORD}\n")
        yield slapd


def settings(directory: Slapd, how: str = "template", **changes: Any) -> Settings:
    """Where users are: by the template, or by searching."""
    search = {
        "ldap_search_base": PEOPLE,
        "ldap_bind_dn": SERVICE,
        "ldap_bind_password_file": str(directory.folder / "password"),
    }
    where = {"ldap_user_dn": TEMPLATE} if how == "template" else search
    common = {"basic_directory": "ldap", "ldap_url": directory.url, "ldap_ca_file": directory.ca, "ldap_seconds": 2.0}
    return Settings(**{**common, **where, **changes})


def only_ldap(settings: Settings) -> dict[str, Any]:
    """Those that say where users are, for a gateway with a folder of its own."""
    names = [name for name in Settings.__struct_fields__ if name.startswith("ldap_")]
    return {name: getattr(settings, name) for name in names}


@pytest.mark.rows("F-029", "F-032")
@pytest.mark.parametrize("how", ["template", "search"])
@pytest.mark.parametrize(
    ("name", "password", "right"),
    [
        ("anna", PASSWORD, True),
        ("ANNA", PASSWORD, True),
        ("anna", "wrong", False),
        ("anna", "", False),
        ("bob", PASSWORD, False),
        ("bob", "", False),
        ("", PASSWORD, False),
        ("nobody", "x", False),
        ("(*)\\", "odd", True),
        ("*", PASSWORD, False),
        ("*)(uid=*", PASSWORD, False),
        ("anna)(|(uid=*", PASSWORD, False),
        ("x)(|(uid=anna", PASSWORD, False),
        ("anna\\2c", PASSWORD, False),
        (f"anna,{PEOPLE}", PASSWORD, False),
        ("anna+cn=Anna", PASSWORD, False),
        (PEOPLE, PASSWORD, False),
        ("elsewhere", PASSWORD, False),
        ("{name}", PASSWORD, False),
    ],
)
def test_a_user_binds(directory: Slapd, how: str, name: str, password: str, right: bool) -> None:
    """Right, wrong, unknown, empty and injected, whichever way the DN is found."""
    assert Ldap(settings(directory, how)).check(Credentials(name, password)) is right


@pytest.mark.parametrize("how", ["template", "search"])
@pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
def test_the_certificate_must_be_of_the_given_authority(directory: Slapd, how: str, scheme: str) -> None:
    """With StartTLS and with LDAPS: another CA, and a name that is not in the certificate, are refused with 503."""
    url = directory.url if scheme == "ldap" else directory.secure_url
    assert Ldap(settings(directory, how, ldap_url=url)).check(Credentials("anna", PASSWORD))
    other = str(directory.folder / "other.pem")
    for changes in ({"ldap_ca_file": other}, {"ldap_ca_file": ""}, {"ldap_url": misnamed(url)}):
        with pytest.raises(Problem) as caught:
            Ldap(settings(directory, how, **{"ldap_url": url, **changes})).check(Credentials("anna", PASSWORD))
        assert caught.value.status == 503
    # the refusal of one connection leaves no mark on the next
    assert Ldap(settings(directory, how, ldap_url=url)).check(Credentials("anna", PASSWORD))


class Plain:
    """A directory without TLS that notes what it is told."""

    def __init__(self, *answers: bytes) -> None:
        self.told = b""
        self._answers = list(answers)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Let go of everything."""
        for one in (self._listener, *self._connections):
            one.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the test is over
            connection, _ = self._listener.accept()
            self._connections.append(connection)
            for answer in self._answers:
                self.told += connection.recv(10_000)
                connection.sendall(answer)
            while data := connection.recv(10_000):
                self.told += data


def test_no_password_goes_to_a_server_without_tls(tmp_path: Path) -> None:
    """A server that refuses StartTLS learns neither password nor name; only ``ldap_tls=off`` sends them."""
    certificates(tmp_path)
    refuses = Plain(bytes.fromhex("300c02010178070a010204000400"))
    common: dict[str, Any] = {"ldap_user_dn": TEMPLATE, "ldap_seconds": 1.0, "ldap_ca_file": str(tmp_path / "ca.pem")}
    try:
        with pytest.raises(Problem) as caught:
            Ldap(Settings(ldap_url=f"ldap://127.0.0.1:{refuses.port}", **common)).check(Credentials("anna", "secret"))
        assert caught.value.status == 503
        assert b"secret" not in refuses.told and b"anna" not in refuses.told
    finally:
        refuses.close()
    hears = Plain()
    try:
        with pytest.raises(Problem):
            url = f"ldap://127.0.0.1:{hears.port}"
            Ldap(Settings(ldap_url=url, ldap_tls="off", **common)).check(Credentials("anna", "secret"))
        assert b"secret" in hears.told
    finally:
        hears.close()


@pytest.mark.parametrize(
    ("scheme", "answers"), [("ldap", ()), ("ldaps", ()), ("ldap", (STARTED,))], ids=["StartTLS", "LDAPS", "handshake"]
)
def test_a_server_that_says_nothing_is_not_waited_for(tmp_path: Path, scheme: str, answers: tuple[bytes, ...]) -> None:
    """Before StartTLS, in the handshake and behind it: 503 after ``ldap_seconds``."""
    certificates(tmp_path)
    silent = Plain(*answers)
    url = f"{scheme}://127.0.0.1:{silent.port}"
    store = Ldap(Settings(ldap_url=url, ldap_user_dn=TEMPLATE, ldap_seconds=0.5, ldap_ca_file=str(tmp_path / "ca.pem")))
    outcome: list[Exception] = []

    def check() -> None:
        try:
            store.check(Credentials("anna", "x"))
        except Problem as problem:
            outcome.append(problem)

    thread = threading.Thread(target=check, daemon=True)
    thread.start()
    thread.join(20)
    silent.close()
    assert [getattr(problem, "status", 0) for problem in outcome] == [503]


def test_references_are_not_followed(directory: Slapd) -> None:
    """Searching meets a reference to another server, which nobody connects to."""
    assert Ldap(settings(directory, "search")).check(Credentials("anna", PASSWORD))
    assert not Ldap(settings(directory, "search", ldap_search_filter="(ou={name})")).check(
        Credentials("elsewhere", PASSWORD)
    )
    directory.trap.setblocking(False)
    with pytest.raises(BlockingIOError):
        directory.trap.accept()


def test_a_filter_that_finds_several_finds_nobody(directory: Slapd) -> None:
    """Whose password would it be?"""
    several = settings(directory, "search", ldap_search_filter="(|(uid={name})(objectClass=inetOrgPerson))")
    assert not Ldap(several).check(Credentials("anna", PASSWORD))


def test_a_service_account_that_is_refused_is_503(directory: Slapd) -> None:
    """It is our mistake, not the caller's; the reason says whose."""
    with pytest.raises(Problem) as caught:
        Ldap(settings(directory, "search", ldap_bind_dn=f"cn=wrong,{PEOPLE}")).check(Credentials("anna", PASSWORD))
    assert caught.value.status == 503
    assert "INVALID_CREDENTIALS" in caught.value.reason and PASSWORD not in caught.value.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"ldap_url": ""},
        {"ldap_url": "http://directory.example"},
        {"ldap_url": "ldap://one.example ldap://two.example"},
        {"ldap_user_dn": ""},
        {"ldap_user_dn": TEMPLATE, "ldap_search_base": PEOPLE},
        {"ldap_user_dn": "uid=name"},
        {"ldap_user_dn": "", "ldap_search_base": PEOPLE, "ldap_search_filter": "(uid=*)"},
        {"ldap_user_dn": "", "ldap_search_base": PEOPLE, "ldap_bind_password_file": "/there/is/none"},
    ],
)
def test_settings_that_do_not_say_where_users_are_are_refused(changes: dict[str, str]) -> None:
    """At load, by the name of the setting."""
    right: dict[str, Any] = {"ldap_url": "ldap://directory.example", "ldap_user_dn": TEMPLATE}
    with pytest.raises(SettingInvalid, match="ldap_"):
        Ldap(Settings(**{**right, **changes}))


@pytest.mark.rows("F-032")
def test_the_gateway_asks_the_directory(directory: Slapd, tmp_path: Path) -> None:
    """Right is served with the rules of the user or of everyone; a local password counts for nothing."""
    given = only_ldap(settings(directory))
    client = gateway(tmp_path / "a", user("anna", "local"), basic_directory="ldap", **given)
    assert ask(client, "anna", PASSWORD).status == 200
    assert ask(client, "anna", "local").status == ask(client, "anna", "").status == 401
    assert ask(client, "(*)\\", "odd").status == 403
    assert ask(gateway(tmp_path / "b", user("*"), basic_directory="ldap", **given), "(*)\\", "odd").status == 200
    shut_out = gateway(tmp_path / "c", user("*"), user("anna", "", ()), basic_directory="ldap", **given)
    assert ask(shut_out, "ANNA", PASSWORD).status == 403


def test_a_directory_that_is_away_is_503_and_no_way_in(directory: Slapd, tmp_path: Path) -> None:
    """Also where anonymous callers are let in: whoever sends a pair is not let in without a look at it.

    What was right a moment ago goes on; and when the directory is back, so is everybody.
    """
    given = only_ldap(settings(directory))
    trigger = {"authentication": ["basic", "none"]}
    client = gateway(tmp_path, user("*"), trigger=trigger, basic_directory="ldap", **given)
    assert ask(client, "anna", PASSWORD).status == 200
    directory.stop()
    try:
        answer = ask(client, "(*)\\", "odd")
        assert (answer.status, answer.header("retry-after")) == (503, "5")
        assert "ldap" not in answer.text and "127.0.0.1" not in answer.json()["detail"]
        assert ask(client, "anna", PASSWORD).status == 200
        assert ask(client, "anna", "wrong").status == 503
    finally:
        directory.start()
    assert ask(client, "(*)\\", "odd").status == 200
